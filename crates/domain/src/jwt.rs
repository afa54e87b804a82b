//! JSON Web Tokens with the one algorithm HS256 (RFC 7515, RFC 7519), for dialects whose clients expect them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header of tokens of no particular type.
pub(crate) const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The header of login tokens: no token of another type is ever taken for one (RFC 8725, section 3.11).
pub(crate) const LOGIN: &str = r#"{"alg":"HS256","typ":"login+jwt"}"#;

/// The compact form: header, claims and MAC, each in base64url.
pub(crate) fn sign(header: &str, claims: &impl Serialize, key: &[u8; 32]) -> Zeroizing<String> {
    let claims = serde_json::to_vec(claims).expect("claims are plain structs of texts and numbers");
    let mut text = Zeroizing::new(String::with_capacity(512));
    URL_SAFE_NO_PAD.encode_string(header, &mut text);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut text);
    let mac = keyed(key, &text).finalize().into_bytes();
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut text);
    text
}

/// The claims, if the token has exactly this header, so that its own never chooses the algorithm, and was signed with `key`.
pub(crate) fn verify<T: DeserializeOwned>(header: &str, token: &str, key: &[u8; 32]) -> Option<T> {
    let (signed, mac) = token.rsplit_once('.')?;
    let (presented_header, claims) = signed.split_once('.')?;
    if presented_header != URL_SAFE_NO_PAD.encode(header) {
        return None;
    }
    keyed(key, signed).verify_slice(&URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn keyed(key: &[u8; 32], signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn what_was_signed_is_read_back_under_the_same_key_and_header_only() {
        let claims = json!({"sub": "ak_1", "exp": 9});
        let token = sign(LOGIN, &claims, &KEY);
        assert_eq!(verify::<Value>(LOGIN, &token, &KEY), Some(claims));
        assert_eq!(verify::<Value>(PLAIN, &token, &KEY), None, "another type");
        assert_eq!(verify::<Value>(LOGIN, &token, &[8; 32]), None, "another key");
    }

    #[test]
    fn any_changed_character_and_any_other_algorithm_is_refused() {
        let token = sign(LOGIN, &json!({"sub": "ak_1"}), &KEY);
        for index in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify::<Value>(LOGIN, &changed, &KEY), None, "character {index}");
        }
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"ak_1"}"#);
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","typ":"login+jwt"}"#] {
            let unsigned = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(verify::<Value>(LOGIN, &unsigned, &KEY), None, "{header}");
        }
        for text in ["", ".", "..", "a.b.c", "💥.💥.💥"] {
            assert_eq!(verify::<Value>(LOGIN, text, &KEY), None, "{text}");
        }
    }

    #[test]
    fn the_compact_form_is_that_of_the_rfc() {
        // Computed with Python: hmac.new(bytes([7] * 32), b"<header>.<claims>", "sha256").
        let token = sign(PLAIN, &json!({"sub": "x"}), &KEY);
        assert_eq!(
            &token[..token.rfind('.').unwrap()],
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ4In0"
        );
        assert_eq!(&token[token.rfind('.').unwrap() + 1..], "x9WgrMl0acHmoQdCwNo7XrwkGYOGJezGn8z2eZFmy-8");
    }
}
