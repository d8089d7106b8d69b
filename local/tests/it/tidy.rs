//! What holds the repository together: names, states, template, permissions. Nothing is started, so these tests take seconds.

pub(crate) mod combinations;
pub(crate) mod modules;
pub(crate) mod repository;
pub(crate) mod resolved;
pub(crate) mod roles;
