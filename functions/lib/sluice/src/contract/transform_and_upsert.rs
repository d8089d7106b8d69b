//! The kind `transform-and-upsert`: what its states pass on, a file per function.

mod detect;
mod ended_badly;
mod layout;
mod pivot;
mod upsert;

pub use crate::spec::ColumnKind;
pub use detect::*;
pub use ended_badly::*;
pub use layout::*;
pub use pivot::*;
pub use upsert::*;
