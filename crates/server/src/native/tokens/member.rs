//! Texts that must have a form: each is read by the core's own parser, so that nothing is stored that it would refuse.

use std::fmt;
use std::marker::PhantomData;

use countermark_core::{BasePath, Host, MimeGlob, Permission, SigningSecret, ViewerPassword, is_cloud_id};
use countermark_domain::NewPassword;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Unexpected, Visitor};
use zeroize::Zeroizing;

use crate::json::Whole;

/// Most uses that a token can have: what a signed 64-bit column holds.
pub type Limit = Whole<0, 9_223_372_036_854_775_807>;

/// Seconds of a counting window, at most a year.
pub type CountWindow = Whole<0, 31_536_000>;

/// What a string of a certain form is read as.
pub trait Member: Sized {
    /// The form in words, after "expected".
    const EXPECTED: &'static str;

    /// `None` where the form is broken.
    fn parse(text: &str) -> Option<Self>;
}

/// A string of the form that `T` has.
#[derive(Debug)]
pub struct Parsed<T>(pub T);

impl<'de, T: Member> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ParsedVisitor(PhantomData)).map(Self)
    }
}

struct ParsedVisitor<T>(PhantomData<T>);

impl<T: Member> Visitor<'_> for ParsedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Other(""), &self))
    }
}

impl Member for Host {
    const EXPECTED: &'static str = "a host name or a bracketed IPv6 address, of at most 253 characters";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok().filter(|_| text.len() <= 253)
    }
}

impl Member for Permission {
    const EXPECTED: &'static str = "a permission such as read, tokens:write, files:* or *";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Member for BasePath {
    const EXPECTED: &'static str = "a plain path of at most 1024 bytes such as /upload, without empty, . and .. segments, escapes and backslashes";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok().filter(|_| text.len() <= 1024)
    }
}

impl Member for MimeGlob {
    const EXPECTED: &'static str = "a content type such as image/png, or image/*";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Member for SigningSecret {
    const EXPECTED: &'static str = "a secret of 32 to 256 bytes without NUL";

    fn parse(text: &str) -> Option<Self> {
        Self::new(text.to_owned()).ok()
    }
}

/// A cloud id.
#[derive(Debug)]
pub struct CloudId(pub String);

impl Member for CloudId {
    const EXPECTED: &'static str = "a cloud id of 1 to 64 characters of A-Z, a-z, 0-9, _ and -";

    fn parse(text: &str) -> Option<Self> {
        is_cloud_id(text).then(|| Self(text.to_owned()))
    }
}

/// A storage id.
#[derive(Debug)]
pub struct StorageId(pub String);

impl Member for StorageId {
    const EXPECTED: &'static str = "a storage id of 1 to 128 visible ASCII characters";

    fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }
}

/// An address that notifications go to.
#[derive(Debug)]
pub struct NotificationUrl(pub String);

impl Member for NotificationUrl {
    const EXPECTED: &'static str = "an http:// or https:// URL of at most 2048 visible ASCII characters, with a host and port that can exist, without user info and fragment";

    fn parse(text: &str) -> Option<Self> {
        let plain = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let (scheme, rest) = text.split_once("://")?;
        let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = Host::parse(authority).ok()?;
        // A number that is no IPv4 address is refused by the URL's own rules, by which it is sent to.
        let can_exist = reqwest::Url::parse(text).is_ok_and(|url| url.port() != Some(0));
        (plain && is_http && can_exist && is_in_dns(host.as_str())).then(|| Self(text.to_owned()))
    }
}

/// Whether the name's length and labels are such as DNS can hold (RFC 1035), or it is an IPv6 address.
fn is_in_dns(host: &str) -> bool {
    let is_label = |label: &str| (1..=63).contains(&label.len());
    host.starts_with('[') || host.len() <= 253 && host.split('.').all(is_label)
}

/// A viewer's password: in clear, or `["msha1", hex]` as Shardimage keeps it.
#[derive(Debug)]
pub struct Password(pub NewPassword);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PasswordVisitor).map(Self)
    }
}

struct PasswordVisitor;

impl<'de> Visitor<'de> for PasswordVisitor {
    type Value = NewPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password of 1 to 1024 bytes, or [\"msha1\", 40 hexadecimal digits]")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NewPassword, E> {
        if (1..=1024).contains(&text.len()) {
            Ok(NewPassword::Plain(Zeroizing::new(text.to_owned())))
        } else {
            Err(E::invalid_value(Unexpected::Other(""), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<NewPassword, A::Error> {
        let refused = || de::Error::invalid_value(Unexpected::Other(""), &self);
        let mut part = || parts.next_element::<String>();
        let (scheme, hex, more) = (part()?, part()?, part()?);
        let is_hex = |hex: &String| hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (scheme.as_deref(), hex.filter(is_hex), more) {
            (Some("msha1"), Some(hex), None) => {
                Ok(NewPassword::Hashed(ViewerPassword::Msha1(hex.to_ascii_lowercase().into())))
            }
            _ => Err(refused()),
        }
    }
}
