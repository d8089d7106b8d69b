//! Whole executions of the template's state machines, what starts them, and the command line.

pub mod cli;
pub mod freshness;
pub mod jobs;
pub mod not_built;
pub mod queued;
pub mod reference_job;
pub mod sam;
pub mod sleeping;
pub mod trigger;
