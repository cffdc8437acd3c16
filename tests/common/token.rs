//! Tokens as somebody else would make them: RFC 7515 and 7519, by hand.

use super::Value;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header and the claims of a token.
pub fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.');
    let mut next = || {
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(parts.next().expect("three parts"))
            .expect("base64url without padding");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (next(), next())
}

pub fn encode_part(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A token with these parts, signed with HMAC-SHA-256 whatever its header says.
pub fn sign(header: &Value, claims: &Value, key: &[u8]) -> String {
    with_signature(
        &format!("{}.{}", encode_part(header), encode_part(claims)),
        key,
    )
}

/// What is signed (RFC 7515, section 5.1), and its HMAC-SHA-256.
pub fn with_signature(signed: &str, key: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}
