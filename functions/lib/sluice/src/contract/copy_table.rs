//! The kind `copy-table`: a job's spec, what may start an execution, and what the states pass on.

mod payloads;
mod prepare;
mod read;
mod spec;
mod trigger;
mod windows;

pub use payloads::*;
pub use prepare::{End, Prepare, PrepareOutput};
pub use read::Parts;
pub use spec::*;
pub use trigger::*;
pub use windows::*;
