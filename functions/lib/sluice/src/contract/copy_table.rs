//! The kind `copy-table`: a job's spec, what may start an execution, and what the states pass on.

mod payloads;
mod prepare;
mod spec;
mod trigger;

pub use payloads::*;
pub use prepare::{End, Prepare, PrepareOutput};
pub use spec::*;
pub use trigger::*;
