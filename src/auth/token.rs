//! Tokens: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, signed with HMAC-SHA-256 (`HS256`) and nothing else.
//!
//! Owns the form and the signature. Knows no user: whether a token's generation is still the user's is the hub's to say.

use crate::limits::{TOKEN_BYTES, TOKEN_LIFETIME};
use crate::protocol::{Code, Error};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::{self, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What every token of ours begins with: `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Issues and verifies tokens with one secret. Has no `Debug`, so that no log can show the secret.
#[derive(Clone)]
pub struct Signer {
    /// Keyed and otherwise empty; each signature begins with a copy.
    keyed: Hmac<Sha256>,
}

/// What a token says. Times in seconds since the Unix epoch (RFC 7519, section 2, NumericDate).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's name.
    pub sub: String,
    #[serde(deserialize_with = "numeric_date")]
    pub iat: u64,
    /// The first second in which the token is no longer good.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: u64,
    /// The user's token generation (`gen` in JSON): raised to revoke all tokens with a lower one.
    #[serde(rename = "gen")]
    pub generation: u32,
}

/// Why a token is refused. To a client all of these are `unauthorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not three parts of canonical base64url, or longer than [`TOKEN_BYTES`], or a claim that is missing or wrong.
    Malformed,
    /// Not signed with our secret.
    Forged,
    /// Signed with our secret, but not as a plain `HS256` JWT.
    Unsupported,
    /// `exp` is reached.
    Expired,
    /// `nbf` is not reached.
    NotYetValid,
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TokenError::Malformed => "The token is malformed. Sign in again.",
            TokenError::Forged => "The token was not signed by this server. Sign in again.",
            TokenError::Unsupported => "The token is not a plain HS256 JWT. Sign in again.",
            TokenError::Expired => "The token has expired. Sign in again.",
            TokenError::NotYetValid => "The token is not valid yet. Check the clock of its issuer.",
        })
    }
}

impl std::error::Error for TokenError {}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Error {
        Error::new(Code::Unauthorized, error.to_string())
    }
}

/// The protected header (RFC 7515, section 4). serde refuses a name that occurs twice, `null`, and other types.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Type,
    /// Extensions that must be understood (section 4.1.11). We understand none.
    #[serde(default)]
    crit: Present,
}

/// Absent, or the text of `typ`.
#[derive(Default)]
struct Type(Option<String>);

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
        String::deserialize(deserializer).map(|typ| Type(Some(typ)))
    }
}

/// Whether a name is there at all, whatever its value.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Present, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Present(true))
    }
}

/// What is checked here and told to nobody.
#[derive(Deserialize)]
struct NotBefore {
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: u64,
}

/// Seconds, whole or not (RFC 7519, section 2); parts of a second are dropped.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    /// Up to here a float counts every second.
    const LATEST: f64 = 9_007_199_254_740_992.0;
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(seconds) = number.as_u64() {
        return Ok(seconds);
    }
    match number.as_f64() {
        Some(seconds) if (0.0..=LATEST).contains(&seconds) => Ok(seconds as u64),
        _ => Err(de::Error::custom("not a time in seconds since 1970")),
    }
}

impl Signer {
    /// `secret`: any bytes; how many are enough is for who reads the configuration to check.
    pub fn new(secret: &[u8]) -> Signer {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Signer { keyed }
    }

    /// A token for `user`, good for [`TOKEN_LIFETIME`] from `now` (seconds since the Unix epoch).
    pub fn issue(&self, user: &str, generation: u32, now: u64) -> String {
        let claims = Claims {
            sub: user.to_owned(),
            iat: now,
            exp: now.saturating_add(TOKEN_LIFETIME.as_secs()),
            generation,
        };
        let payload = serde_json::to_vec(&claims).expect("claims always serialise");
        let mut token = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.mac(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// What the token says, where it is ours and good at `now` (seconds since the Unix epoch).
    ///
    /// Tokens that an operator signs elsewhere with the same secret are good too, where they have all of [`Claims`].
    /// Nothing of the token is interpreted before its signature is known to be good.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let signature = decode(signature)?;
        let (header, payload) = (decode(header)?, decode(payload)?);
        self.mac(signed)
            .verify_slice(&signature)
            .map_err(|_| TokenError::Forged)?;
        check_header(&header)?;
        check_payload(&payload, now)
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(signed.as_bytes());
        mac
    }
}

/// Canonical base64url without padding: one text for one value. A dot more than two ends up here too, and is refused.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)
}

fn check_header(header: &[u8]) -> Result<(), TokenError> {
    let header: Header = parse(header)?;
    // Section 5.1 of RFC 7519: a media type, so in any case of letters.
    let is_jwt = |typ: &String| typ.eq_ignore_ascii_case("JWT");
    if header.alg != "HS256" || header.crit.0 || !header.typ.0.as_ref().is_none_or(is_jwt) {
        return Err(TokenError::Unsupported);
    }
    Ok(())
}

fn check_payload(payload: &[u8], now: u64) -> Result<Claims, TokenError> {
    let claims: Claims = parse(payload)?;
    let not_before: NotBefore = parse(payload)?;
    if now >= claims.exp {
        return Err(TokenError::Expired);
    }
    if now < not_before.nbf {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

/// serde takes an array for a struct too; a header and claims are objects. Nor does it look at the bytes of what it
/// ignores, and both are UTF-8 as a whole (RFC 7519, section 3).
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, TokenError> {
    if json.first() != Some(&b'{') {
        return Err(TokenError::Malformed);
    }
    let text = std::str::from_utf8(json).map_err(|_| TokenError::Malformed)?;
    serde_json::from_str(text).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const SECRET: &[u8] = b"sixteen bytes ok";

    fn signer() -> Signer {
        Signer::new(SECRET)
    }

    /// A token of these parts, properly signed with our secret.
    fn signed(header: &str, payload: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = signer().mac(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    const GOOD_HEADER: &str = r#"{"alg":"HS256"}"#;
    const GOOD_PAYLOAD: &str = r#"{"sub":"Eva","iat":1,"exp":2000000000,"gen":3}"#;

    #[test]
    fn what_is_issued_verifies_until_it_expires() {
        let token = signer().issue("Σίσυφος", 7, NOW);
        let claims = signer().verify(&token, NOW).unwrap();
        assert_eq!(claims.sub, "Σίσυφος");
        assert_eq!(claims.generation, 7);
        assert_eq!(
            (claims.iat, claims.exp),
            (NOW, NOW + TOKEN_LIFETIME.as_secs())
        );
        assert!(signer().verify(&token, claims.exp - 1).is_ok());
        assert_eq!(
            signer().verify(&token, claims.exp),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn the_header_of_ours_says_hs256() {
        assert_eq!(
            URL_SAFE_NO_PAD.decode(HEADER).unwrap(),
            br#"{"alg":"HS256","typ":"JWT"}"#
        );
    }

    /// RFC 7515, appendix A.1.
    #[test]
    fn the_rfc_7515_vector() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signer = Signer::new(&key);
        let input = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = signer.mac(input).finalize().into_bytes();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signature),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        let token = format!("{input}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let error = signer.verify(&token, 1_300_819_379).unwrap_err();
        assert_eq!(error, TokenError::Malformed, "well signed, but without sub");
        let error = Signer::new(b"another")
            .verify(&token, 1_300_819_379)
            .unwrap_err();
        assert_eq!(error, TokenError::Forged);
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let token = signer().issue("Eva", 0, NOW);
        for place in 0..token.len() {
            for replacement in ["A", "B", "-", ".", "="] {
                let mut changed = token.clone();
                changed.replace_range(place..=place, replacement);
                if changed != token {
                    let error = signer().verify(&changed, NOW).unwrap_err();
                    let expected = [TokenError::Malformed, TokenError::Forged];
                    assert!(expected.contains(&error), "{error:?} {changed}");
                }
            }
            assert!(signer().verify(&token[..place], NOW).is_err());
        }
    }

    #[test]
    fn the_last_character_has_one_form() {
        let token = signer().issue("Eva", 0, NOW);
        let (body, last) = token.split_at(token.len() - 1);
        let accepted: Vec<char> = ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['-', '_'])
            .filter(|c| signer().verify(&format!("{body}{c}"), NOW).is_ok())
            .collect();
        assert_eq!(accepted, last.chars().collect::<Vec<_>>());
    }

    #[test]
    fn malformed_tokens() {
        let good = signed(GOOD_HEADER, GOOD_PAYLOAD);
        assert!(signer().verify(&good, NOW).is_ok());
        let (front, signature) = good.rsplit_once('.').unwrap();
        for bad in [
            String::new(),
            ".".into(),
            "a.b".into(),
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!("{good} "),
            format!(" {good}"),
            format!("{front}.{signature}.{signature}"),
            good.replace('.', ""),
            format!("Bearer {good}"),
            "a".repeat(1_000_000),
        ] {
            assert_eq!(signer().verify(&bad, NOW), Err(TokenError::Malformed));
        }
        for forged in [format!("{front}."), "..".into()] {
            assert_eq!(signer().verify(&forged, NOW), Err(TokenError::Forged));
        }
    }

    #[test]
    fn a_long_token_is_refused_before_any_work() {
        let padding = "x".repeat(4_000);
        let payload =
            format!(r#"{{"sub":"Eva","iat":1,"exp":2000000000,"gen":3,"x":"{padding}"}}"#);
        let token = signed(GOOD_HEADER, &payload);
        assert!(token.len() > TOKEN_BYTES);
        assert_eq!(signer().verify(&token, NOW), Err(TokenError::Malformed));
    }

    #[test]
    fn headers() {
        let verify = |header: &str| signer().verify(&signed(header, GOOD_PAYLOAD), NOW);
        for good in [
            r#"{"alg":"HS256"}"#,
            r#"{"typ":"JWT","alg":"HS256"}"#,
            r#"{"typ":"jwt","alg":"HS256","kid":"1","x":[[1]]}"#,
        ] {
            assert!(verify(good).is_ok(), "{good}");
        }
        for unsupported in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"HS256 "}"#,
            r#"{"alg":"HS256","typ":"JOSE"}"#,
            r#"{"alg":"HS256","typ":""}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
        ] {
            assert_eq!(
                verify(unsupported),
                Err(TokenError::Unsupported),
                "{unsupported}"
            );
        }
        for malformed in [
            "",
            "{}",
            "{",
            "null",
            r#"["HS256"]"#,
            r#"["HS256","JWT",null]"#,
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
            r#"{"alg":"HS256"} {}"#,
        ] {
            assert_eq!(verify(malformed), Err(TokenError::Malformed), "{malformed}");
        }
    }

    #[test]
    fn claims() {
        let verify = |payload: &str| signer().verify(&signed(GOOD_HEADER, payload), NOW);
        let claims = verify(r#"{"gen":0,"exp":1800000000.9e0,"iat":-0.0,"sub":"Eva","aud":"x"}"#);
        assert_eq!(claims, Err(TokenError::Expired));
        let claims = verify(r#"{"gen":0,"exp":1800000001.5,"iat":1799999999.25,"sub":"Eva"}"#);
        assert_eq!(claims.unwrap().iat, 1_799_999_999);
        for malformed in [
            r#"{"iat":1,"exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"exp":2000000000}"#,
            r#"{"sub":null,"iat":1,"exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":"1","exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":-1,"exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"exp":1e300,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"exp":2000000000,"gen":-1}"#,
            r#"{"sub":"Eva","iat":1,"exp":2000000000,"gen":4294967296}"#,
            r#"{"sub":"Eva","sub":"Ben","iat":1,"exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"exp":1,"exp":2000000000,"gen":3}"#,
            r#"{"sub":"Eva","iat":1,"exp":2000000000,"gen":3,"nbf":null}"#,
            r#"["Eva",1,2000000000,3]"#,
            "7",
        ] {
            assert_eq!(verify(malformed), Err(TokenError::Malformed), "{malformed}");
        }
    }

    #[test]
    fn not_before() {
        let payload = r#"{"sub":"Eva","iat":1,"exp":2000000000,"gen":3,"nbf":1800000000}"#;
        let token = signed(GOOD_HEADER, payload);
        assert_eq!(
            signer().verify(&token, NOW - 1),
            Err(TokenError::NotYetValid)
        );
        assert!(signer().verify(&token, NOW).is_ok());
    }

    /// Who signs in just before the server's clock is set back stays signed in.
    #[test]
    fn a_token_of_the_future_is_good() {
        let token = signer().issue("Eva", 0, NOW);
        for earlier in [1, 60, 365 * 24 * 60 * 60] {
            let claims = signer().verify(&token, NOW - earlier).unwrap();
            assert_eq!(claims.iat, NOW);
        }
    }

    #[test]
    fn to_a_client_every_reason_is_unauthorized() {
        let error = Error::from(TokenError::Expired);
        assert_eq!(error.code, Code::Unauthorized);
        assert!(error.message.contains("Sign in again"));
    }
}
