//! What may go wrong does: processes die, connections break, runs meet in every order. The result must be that of one clean run.

pub mod campaign;
pub mod interleavings;
pub mod proxies;
pub mod races;
