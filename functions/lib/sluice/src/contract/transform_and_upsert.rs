//! The kind `transform-and-upsert`: what its states pass on, a file per function.

mod detect;
mod pivot;
mod upsert;

pub use detect::*;
pub use pivot::*;
pub use upsert::*;
