//! Random values, and the secret that lets a browser in.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};

/// A secret of random bytes, in hexadecimal digits.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one, of 32 bytes.
    ///
    /// # Errors
    /// If the system has none.
    pub fn new() -> io::Result<Self> {
        random().map(Self)
    }

    /// The text, for the address that is printed.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether this is it, in a time that does not depend on where the two differ.
    pub fn is(&self, text: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), text.as_bytes());
        let differences = own.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == other.len() && differences == 0
    }
}

/// 32 random bytes, in hexadecimal digits.
///
/// # Errors
/// If the system has none.
pub fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_only_itself() {
        let token = Token::new().unwrap();
        assert_eq!(token.text().len(), 64);
        assert!(token.is(token.text()));
        for other in ["", &token.text()[..63], &format!("{}0", token.text()), Token::new().unwrap().text()] {
            assert!(!token.is(other), "{other}");
        }
    }
}
