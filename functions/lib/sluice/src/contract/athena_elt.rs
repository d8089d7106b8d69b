//! The kind `athena-elt`: a job's spec, what may start an execution, and what the states pass on.
//!
//! # Layout
//! - `names`: what may be called how.
//! - `select`: what the reader of a spec has to know of a SELECT.
//! - `variables`: values that a spec names, and of which a starter may set some.
//! - `sources`, `targets`: the tables that are read and made.
//! - `spec`: all of it, checked.
//! - `trigger`: what may start an execution.
//! - `staging`: the names of tables that are made before they are published.
//! - `payloads`: what the states pass on.

mod names;
mod payloads;
mod select;
mod sources;
mod spec;
mod staging;
mod targets;
mod trigger;
mod variables;

pub use payloads::*;
pub use sources::{Column, Format, REST, Source};
pub use spec::{Parts, Spec};
pub use staging::{is_staging, staging};
pub use targets::{Export, OnEmpty, Order, Target};
pub use trigger::Trigger;
pub use variables::{Values, Variable, VariableType};
