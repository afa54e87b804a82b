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
        let authorization = heads.authorization.filter(|value| !value.is_empty()).map(Authorization::read);
        let custom = heads.custom_key.filter(|value| !value.is_empty());
        let parameter = token_parameter(target)?;
        if is_signed {
            return match (authorization, custom, parameter) {
                (None, None, None) => Ok(Self::Link { viewer: None }),
                (Some(Authorization::Basic(basic)), None, None) => Ok(Self::Link { viewer: basic }),
                _ => Err(TooMany),
            };
        }
        match (authorization, custom, parameter) {
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
