//! Tokens: forged ones are refused, and signed ones mean what they say.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use melangerie::auth::token::Signer;
use serde_json::Value;
use sha2::Sha256;
use std::sync::LazyLock;

/// Seconds since the Unix epoch.
const NOW: u64 = 1_800_000_000;

/// A secret that no input can know.
static SECRET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"fuzz").unwrap();
    mac.update(&std::process::id().to_be_bytes());
    mac.update(format!("{:?}", std::time::SystemTime::now()).as_bytes());
    mac.finalize().into_bytes().to_vec()
});

/// The input is a token; and, cut at the first NUL, the header and the claims of one that is signed properly.
pub fn check(data: &[u8]) {
    let signer = Signer::new(&SECRET);
    let text = String::from_utf8_lossy(data);
    assert!(signer.verify(&text, NOW).is_err(), "nobody can sign but we");
    let at = data.iter().position(|&byte| byte == 0);
    if let Some(at) = at {
        check_signed(&signer, &data[..at], &data[at + 1..]);
    }
    check_issued(&signer, &text);
}

fn check_signed(signer: &Signer, header: &[u8], claims: &[u8]) {
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(signed.as_bytes());
    let token = format!("{signed}.{}", encode(&mac.finalize().into_bytes()));
    let Ok(accepted) = signer.verify(&token, NOW) else {
        return;
    };
    assert!(accepted.exp > NOW);
    assert!(token.len() <= 4 * 1024);
    // What a second opinion would need is UTF-8 (RFC 7519, section 3); both may be nested too deeply for it.
    let text = |part| std::str::from_utf8(part).expect("an accepted part is UTF-8");
    if let Ok(header) = serde_json::from_str::<Value>(text(header)) {
        assert_eq!(header["alg"], "HS256");
        assert!(header.get("crit").is_none());
    }
    if let Ok(claims) = serde_json::from_str::<Value>(text(claims)) {
        assert_eq!(claims["sub"], accepted.sub);
        assert_eq!(claims["gen"], accepted.generation);
        assert!(claims["exp"].as_f64().unwrap() >= NOW as f64);
    }
}

fn check_issued(signer: &Signer, user: &str) {
    let generation = user.len() as u32;
    let token = signer.issue(user, generation, NOW);
    if token.len() > 4 * 1024 {
        return;
    }
    let claims = signer.verify(&token, NOW).expect("ours is good");
    assert_eq!((claims.sub.as_str(), claims.generation), (user, generation));
    assert!(signer.verify(&token, claims.exp).is_err(), "it expires");
    // Another signature, another text of the same signature, another key: none is good.
    let at = user.len() % token.len();
    let mut changed = token.clone().into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(
        signer
            .verify(&String::from_utf8(changed).unwrap(), NOW)
            .is_err()
    );
    assert!(signer.verify(&format!("{token}="), NOW).is_err());
    assert!(Signer::new(b"another secret").verify(&token, NOW).is_err());
}
