//! Signatures of Standard Webhooks 1.0.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_core::{NotificationId, UnixSeconds};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::rng::Rng;

/// Stands before the base64 of the key.
const PREFIX: &str = "whsec_";

/// Bytes of a key that is made here; the specification allows 24 to 64.
const KEY_BYTES: usize = 32;

/// A new secret: `whsec_` and the base64 of a random key.
pub(crate) fn generate(rng: &dyn Rng) -> Zeroizing<String> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill(&mut *key);
    let mut text = Zeroizing::new(String::with_capacity(64));
    text.push_str(PREFIX);
    STANDARD.encode_string(*key, &mut text);
    text
}

/// A key that signs; the bytes behind the base64, not the text, as the specification demands.
pub(crate) struct WebhookKey(Hmac<Sha256>);

impl WebhookKey {
    /// `None` if the text is no such secret.
    pub(crate) fn of(secret: &str) -> Option<Self> {
        let key = Zeroizing::new(STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?);
        if !(24..=64).contains(&key.len()) {
            return None;
        }
        Some(Self(Hmac::new_from_slice(&key).expect("HMAC takes a key of any length")))
    }
}

/// The value of `webhook-signature`: one signature a key, separated by spaces.
pub(crate) fn sign(keys: &[WebhookKey], id: NotificationId, timestamp: UnixSeconds, body: &str) -> String {
    let head = format!("{id}.{}.", timestamp.get());
    let mut value = String::with_capacity(keys.len() * 48);
    for key in keys {
        let mut mac = key.0.clone();
        mac.update(head.as_bytes());
        mac.update(body.as_bytes());
        let separator = if value.is_empty() { "" } else { " " };
        write!(value, "{separator}v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            .expect("a String takes everything");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    #[test]
    fn the_signature_is_that_of_the_published_library() {
        // Made with standardwebhooks 1.1 of PyPI.
        let key = WebhookKey::of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "ntf_0000000000000000000000".parse().unwrap();
        let at = UnixSeconds::new(1_800_000_000).unwrap();
        let body = r#"{"type":"test.ping","umlaut":"ü"}"#;
        let expected = "v1,/9zFNW68B6qu5ccOyf5MzoAyUbcKpn/Kdz8dQjf/QA4=";
        assert_eq!(sign(&[key], id, at, body), expected);
    }

    #[test]
    fn a_generated_secret_is_a_key_and_nothing_shorter_or_longer_is() {
        let secret = generate(&SeededRng::new(1));
        assert!(WebhookKey::of(&secret).is_some());
        assert_ne!(secret, generate(&SeededRng::new(2)));
        for (bytes, is_key) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = format!("{PREFIX}{}", STANDARD.encode(vec![7u8; bytes]));
            assert_eq!(WebhookKey::of(&text).is_some(), is_key, "{bytes}");
        }
        assert!(WebhookKey::of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_none());
        assert!(WebhookKey::of("whsec_?").is_none());
    }
}
