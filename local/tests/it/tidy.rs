//! What holds the repository together: names, states, template, permissions. Nothing is started, so these tests take seconds.

pub mod combinations;
pub mod modules;
pub mod repository;
pub mod resolved;
pub mod roles;
