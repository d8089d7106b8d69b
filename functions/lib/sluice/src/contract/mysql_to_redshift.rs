//! The kind `mysql-to-redshift`: a job's spec, what may start an execution, and what the states pass on.

mod audit;
mod documents;
mod payloads;
mod prepare;
mod spec;
mod trigger;

pub use audit::*;
pub use documents::*;
pub use payloads::*;
pub use prepare::*;
pub use spec::*;
pub use trigger::*;
