//! Fields to values. Each parser has a fast path, which takes only the common format and reads a whole [`field`] at
//! once, and a slow one, which takes everything that is valid.

pub mod date;
pub mod decimal;
pub mod field;
pub mod zone;

mod clock;
mod simd_digits;
