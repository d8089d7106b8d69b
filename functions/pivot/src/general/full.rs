//! How much memory one file may take, and what is said of one that takes more.

use crate::sums::{MAX_KEY_BYTES, MAX_KEYS, MAX_SUMS};

/// How many bytes the values that are kept may have together, beside sums and counts.
pub(crate) const MAX_KEPT_BYTES: usize = 256 << 20;

/// Why a row cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The sum of this cell has more digits than a decimal holds.
    SumTooLong(usize),
    /// There are more keys, or larger ones, than memory is planned for.
    TooManyKeys,
}

impl Full {
    /// The same in words.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::SumTooLong(_) => "the sum that this value belongs to needs more than 38 digits".to_owned(),
            Self::TooManyKeys => format!(
                "more than {MAX_KEYS} different keys, {MAX_KEY_BYTES} bytes of them, {MAX_SUMS} cells or {MAX_KEPT_BYTES} \
                 bytes of values in one file"
            ),
        }
    }
}
