//! Fields to values. Each parser has a fast path, which takes only the common format and reads a whole [`field`] at
//! once, and a slow one, which takes everything that is valid.

pub mod date;
pub mod decimal;
pub mod field;
pub mod number;
pub mod zone;

pub(crate) mod duration;
pub(crate) mod moment;

mod clock;
mod digits;
mod simd_digits;

/// A text without the blanks of Unicode around it, such as the one that does not break (U+00A0).
fn trimmed(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}
