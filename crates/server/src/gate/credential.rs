//! Which credential decides: the only one. Two are refused, for the proxy, the gate and the origin could each take another.

use std::borrow::Cow;

use actix_web::http::header::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::heads::Heads;

/// What the client presents.
pub(super) enum Presented<'a> {
    Nothing,
    /// The target is signed; beside it the viewer's own name and password.
    Link {
        viewer: Option<Basic>,
    },
    Value(Cow<'a, str>),
    Basic(Basic),
    /// A credential that nobody could have issued.
    Unusable,
}

/// HTTP Basic, decoded.
pub(super) struct Basic {
    text: String,
    colon: usize,
}

/// More than one credential.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl<'a> Presented<'a> {
    /// Looks everywhere, so that nothing is overlooked beside the credential that decides.
    pub(super) fn read(target: &'a str, is_signed: bool, heads: &Heads<'a>) -> Result<Self, TooMany> {
        let authorization = heads.authorization.map(Authorization::read);
        let parameter = token_parameter(target)?;
        if is_signed {
            return match (authorization, heads.custom_key, parameter) {
                (None, None, None) => Ok(Self::Link { viewer: None }),
                (Some(Authorization::Basic(basic)), None, None) => Ok(Self::Link { viewer: basic }),
                _ => Err(TooMany),
            };
        }
        match (authorization, heads.custom_key, parameter) {
            (None, None, None) => Ok(Self::Nothing),
            (Some(authorization), None, None) => Ok(authorization.presented()),
            (None, Some(key), None) => Ok(key.to_str().map_or(Self::Unusable, |key| Self::Value(key.into()))),
            (None, None, Some(value)) => Ok(decoded(value).map_or(Self::Unusable, Self::Value)),
            _ => Err(TooMany),
        }
    }
}

impl Basic {
    /// User name and password.
    pub(super) fn pair(&self) -> (&str, &str) {
        (&self.text[..self.colon], &self.text[self.colon + 1..])
    }

    /// Cut at the first colon; `None` for what is no base64 of UTF-8 without control characters.
    fn decode(encoded: &str) -> Option<Self> {
        let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))?;
        let colon = text.find(':')?;
        Some(Self { text, colon })
    }
}

enum Authorization<'a> {
    Value(&'a str),
    Basic(Option<Basic>),
    /// One of our schemes without anything readable behind it.
    Unusable,
    /// Someone else's scheme.
    Foreign,
}

impl<'a> Authorization<'a> {
    fn read(value: &'a HeaderValue) -> Self {
        let Ok(text) = value.to_str() else { return Self::Unusable };
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::Basic(Basic::decode(rest));
        }
        if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("apikey") {
            return Self::Foreign;
        }
        let fits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Self::Value(rest) } else { Self::Unusable }
    }

    fn presented(self) -> Presented<'a> {
        match self {
            Self::Value(value) => Presented::Value(value.into()),
            Self::Basic(Some(basic)) => Presented::Basic(basic),
            Self::Basic(None) | Self::Unusable => Presented::Unusable,
            Self::Foreign => Presented::Nothing,
        }
    }
}

/// The raw value of the query's only parameter whose decoded name is `token`.
fn token_parameter(target: &str) -> Result<Option<&str>, TooMany> {
    let Some((_, query)) = target.split_once('?') else { return Ok(None) };
    let mut found = None;
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_token =
            name == "token" || (name.contains('%') && decoded(name).is_some_and(|it| it == "token"));
        if is_token && found.replace(value).is_some() {
            return Err(TooMany);
        }
    }
    Ok(found)
}

/// Without its escapes; a `+` stays one. `None` for a bad escape and for what is no UTF-8 then.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let hex = |digit: Option<u8>| char::from(digit?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::try_from(hex(rest.next())? * 16 + hex(rest.next())?).ok()?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(target: &str, is_signed: bool, authorization: Option<&str>, custom: Option<&str>) -> String {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let (authorization, custom) = (authorization.map(value), custom.map(value));
        let heads =
            Heads { authorization: authorization.as_ref(), custom_key: custom.as_ref(), ..Heads::default() };
        match Presented::read(target, is_signed, &heads) {
            Err(TooMany) => "too many".to_owned(),
            Ok(Presented::Nothing) => "nothing".to_owned(),
            Ok(Presented::Link { viewer: None }) => "link".to_owned(),
            Ok(Presented::Link { viewer: Some(basic) }) => format!("link {:?}", basic.pair()),
            Ok(Presented::Value(value)) => format!("value {value}"),
            Ok(Presented::Basic(basic)) => format!("basic {:?}", basic.pair()),
            Ok(Presented::Unusable) => "unusable".to_owned(),
        }
    }

    fn basic(text: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn each_way_of_presenting_is_read() {
        let header = |text: &str| show("/a", false, Some(text), None);
        assert_eq!(show("/a", false, None, None), "nothing");
        assert_eq!(show("/a", true, None, None), "link");
        assert_eq!(header("Bearer x"), "value x");
        assert_eq!(header("bEARER x"), "value x");
        assert_eq!(header("ApiKey x"), "value x");
        assert_eq!(header(&basic(b"u:p:w")), r#"basic ("u", "p:w")"#);
        assert_eq!(header(&basic("ü:".as_bytes())), r#"basic ("ü", "")"#);
        assert_eq!(header(basic(b"ab:c").trim_end_matches('=')), r#"basic ("ab", "c")"#);
        assert_eq!(show("/a", false, None, Some("x")), "value x");
        assert_eq!(show("/a?b&token=x%2By+", false, None, None), "value x+y+");
        assert_eq!(show("/a?%74oke%6e=x", false, None, None), "value x");
        assert_eq!(show("/a", true, Some(&basic(b"u:p")), None), r#"link ("u", "p")"#);
    }

    #[test]
    fn nothing_falls_through_to_a_weaker_reading() {
        let header = |text: &str| show("/a", false, Some(text), None);
        for unusable in
            ["Bearer", "Bearer ", "Bearer  x", "Bearer x y", "ApiKey", "Basic", "Basic !", "Basic  eDp5"]
        {
            assert_eq!(header(unusable), "unusable", "{unusable}");
        }
        for text in [&b"no colon"[..], b"a\0:b", b"a:b\n", b"a:\x7f", b"\xff:b"] {
            assert_eq!(header(&basic(text)), "unusable");
        }
        assert_eq!(show("/a?token=%zz", false, None, None), "unusable");
        assert_eq!(show("/a?token=%ff", false, None, None), "unusable");
        assert_eq!(show("/a?token", false, None, None), "value ");
        for foreign in ["Digest x", "Negotiate", "cmk_x", "Bearer:x"] {
            assert_eq!(header(foreign), "nothing", "{foreign}");
        }
        for other in
            ["/a?Token=x", "/a?xtoken=x", "/a?token%5b%5d=x", "/token=x", "/a?b=token=x", "/a?b;token=x"]
        {
            assert_eq!(show(other, false, None, None), "nothing", "{other}");
        }
    }

    #[test]
    fn two_credentials_are_too_many_even_if_they_agree() {
        for (target, is_signed, authorization, custom) in [
            ("/a", false, Some("Bearer x"), Some("x")),
            ("/a?token=x", false, Some("Bearer x"), None),
            ("/a?token=x", false, None, Some("x")),
            ("/a?token=x&token=x", false, None, None),
            ("/a?token=x&%74oken=x", false, None, None),
            ("/a?token=x&token", false, None, None),
            ("/a?token=", false, Some("Digest x"), None),
            ("/a", true, Some("Bearer x"), None),
            ("/a", true, Some("ApiKey x"), None),
            ("/a", true, Some("Digest x"), None),
            ("/a", true, None, Some("x")),
            ("/a?token=x", true, None, None),
        ] {
            assert_eq!(
                show(target, is_signed, authorization, custom),
                "too many",
                "{target} {authorization:?}"
            );
        }
    }
}
