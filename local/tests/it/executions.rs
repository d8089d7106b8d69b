//! Whole executions of the template's state machines, what starts them, and the command line.

pub(crate) mod cli;
pub(crate) mod copying;
mod elt;
mod elt_leftovers;
mod elt_parquet;
mod elt_publishing;
mod elt_sources;
mod elt_stand_in;
mod elt_workgroups;
pub(crate) mod ended_badly;
pub(crate) mod freshness;
pub(crate) mod jobs;
pub(crate) mod looks;
mod new_job;
pub(crate) mod not_built;
pub(crate) mod nps;
mod page;
pub(crate) mod queued;
pub(crate) mod reference_job;
pub(crate) mod sam;
pub(crate) mod sleeping;
mod text_keys;
pub(crate) mod told;
pub(crate) mod trials;
pub(crate) mod trigger;
