//! What may go wrong does: processes die, connections break, runs meet in every order. The result must be that of one
//! clean run.

pub(crate) mod campaign;
pub(crate) mod copying;
pub(crate) mod elt;
pub(crate) mod elt_late;
pub(crate) mod interleavings;
pub(crate) mod proxies;
pub(crate) mod races;
pub(crate) mod transfer;
