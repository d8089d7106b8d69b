//! Names that follow from what they stand for.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The SHA-256 of some texts, in 64 hexadecimal digits. Of other texts it is another one, also where only the places
/// differ at which one ends and the next begins.
pub fn of<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn places_where_texts_end_count() {
        assert_eq!(of(["a", "bc"]), of(["a".to_owned(), "bc".to_owned()]));
        assert_ne!(of(["a", "bc"]), of(["ab", "c"]));
        assert_ne!(of(["a"]), of(["a", ""]));
        assert_eq!(of(["a"]).len(), 64);
    }
}
