//! Names that follow from what they stand for.

use sha2::{Digest as _, Sha256};
use std::fmt::Write;

/// The SHA-256 of some texts that come one by one. Of other texts it is another one, also where only the places differ
/// at which one ends and the next begins.
#[derive(Clone, Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Takes the next text in.
    pub fn add(&mut self, part: &str) {
        self.0.update(part.len().to_le_bytes());
        self.0.update(part);
    }

    /// That of all texts, in 64 hexadecimal digits.
    pub fn end(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The same of texts that are all there.
pub fn of<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut digest = Digest::default();
    for part in parts {
        digest.add(part.as_ref());
    }
    digest.end()
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
