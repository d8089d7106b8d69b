//! What holds the repository together: names, states, template, permissions. Nothing is started, so these tests take
//! seconds.

pub(crate) mod combinations;
mod fields;
mod kinds;
mod language;
mod modules;
mod recipes;
mod repository;
pub(crate) mod resolved;
mod roles;
mod states;
