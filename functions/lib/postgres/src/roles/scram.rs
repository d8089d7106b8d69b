//! What PostgreSQL keeps of a password (RFC 5803; PostgreSQL manual, "pg_authid"): made here, so that the password
//! itself is in no statement.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// PostgreSQL's own number (`scram_iterations`).
const ITERATIONS: u32 = 4_096;

/// The verifier of a password, with a salt that should be random.
pub(super) fn verifier(password: &str, salt: &[u8; 16]) -> String {
    // A password that is not allowed as text is taken as its bytes, as PostgreSQL does.
    let password = stringprep::saslprep(password).unwrap_or(password.into());
    let salted = salted(password.as_bytes(), salt);
    let client_key = hmac(&salted, b"Client Key");
    let server_key = hmac(&salted, b"Server Key");
    let [salt, stored, server] =
        [&salt[..], &Sha256::digest(client_key)[..], &server_key[..]].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut block = hmac(password, &[salt, &[0, 0, 0, 1]].concat());
    let mut result = block;
    for _ in 1..ITERATIONS {
        block = hmac(password, &block);
        result.iter_mut().zip(block).for_each(|(result, byte)| *result ^= byte);
    }
    result
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib: pbkdf2_hmac, hmac and sha256.
    #[test]
    fn it_is_what_another_library_computes() {
        let salt: [u8; 16] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert_eq!(
            verifier("pencil", &salt),
            "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$zHCdol2044/ZyWzPLi7oxApCkamKw9Z+E4U/QApd/5Y=:dd5peBOitVnLNFu7VmwP+HiDaaw4OUCv396eVCWhYiE="
        );
    }
}
