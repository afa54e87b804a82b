//! Signed URLs of the form `cm1`: reading and verifying them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::host::Host;
use crate::id::TokenId;
use crate::reason::Malformed;
use crate::secret::{KeyVersion, SigningKey};
use crate::target::Target;
use crate::time::UnixSeconds;
use crate::url;

/// Characters of a signature: 32 bytes as base64url without padding.
pub(crate) const SIGNATURE_LENGTH: usize = 43;

/// Where in a URL the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// `/{cloudId}/s-cm1:{tokenId}.{keyVersion},{expires},{signature}/{rest}`.
    Path,
    /// `cm-token={tokenId}.{keyVersion}&cm-expires={expires}&cm-signature={signature}` at the very end of the query.
    Query,
}

/// A URL that obeys the grammar of signed URLs; nothing in it is to be believed before [`SignedUrl::verify`] has said so.
#[derive(Clone)]
pub struct SignedUrl<'a> {
    /// Where the signature stands.
    pub placement: Placement,
    /// The host that the request goes to.
    pub host: Host,
    /// The raw path and query with the signature, byte for byte.
    pub target: &'a str,
    /// The first segment of the path; in query placement `None` if it is no cloud id.
    pub cloud: Option<&'a str>,
    /// The token whose secret signed, of any kind.
    pub token_id: TokenId,
    /// Which version of the secret signed.
    pub key_version: KeyVersion,
    /// The second from which on this link is expired, `None` for never.
    pub expires: Option<UnixSeconds>,
    /// 43 characters of base64url.
    pub signature: &'a str,
    signature_at: usize,
    path_parts: [&'a str; 2],
}

/// The signature does not belong to the URL under this key; deliberately silent about what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

impl<'a> SignedUrl<'a> {
    /// Reads a full URL, `http` or `https`.
    ///
    /// # Errors
    /// [`Malformed`] for everything that the grammar does not allow, an unsigned URL included.
    pub fn parse(url: &'a str) -> Result<Self, Malformed> {
        let parts = url::split(url)?;
        Self::parse_target(parts.host, parts.target)
    }

    /// Reads a request target, the raw path and query as the client sent them. Allocates nothing.
    ///
    /// # Errors
    /// [`Malformed`] as for [`SignedUrl::parse`].
    pub fn parse_target(host: Host, target: &'a str) -> Result<Self, Malformed> {
        let target = Target::parse(target)?;
        match (target.signature_segment, target.reserved_parameter) {
            (Some(segment_at), None) => Self::of_path(host, &target, segment_at),
            (None, Some(parameter_at)) => Self::of_query(host, &target, parameter_at),
            (None, None) => Err(Malformed("the URL is not signed")),
            (Some(_), Some(_)) => {
                Err(Malformed("the URL has a signature in its path and parameters that begin with cm-"))
            }
        }
    }

    /// Whether `key` made the signature; full text, in time that does not depend on what differs.
    ///
    /// # Errors
    /// [`BadSignature`] if not.
    pub fn verify(&self, key: &SigningKey) -> Result<(), BadSignature> {
        let fits = self.expected_signature(key).ct_eq(self.signature.as_bytes());
        if bool::from(fits) { Ok(()) } else { Err(BadSignature) }
    }

    /// The undecoded path that the viewer asks for, as a server behind sees it once the credential is taken out:
    /// `/{cloudId}/{rest}` without query. In path placement it is put together from [`SignedUrl::path_parts`].
    pub fn path(&self) -> Cow<'a, str> {
        match self.path_parts {
            [whole, ""] => Cow::Borrowed(whole),
            [cloud, rest] => Cow::Owned([cloud, rest].concat()),
        }
    }

    /// [`SignedUrl::path`] in two parts, before and behind the signature segment; the second is empty in query placement.
    pub const fn path_parts(&self) -> [&'a str; 2] {
        self.path_parts
    }

    /// The target before and behind the signature.
    pub(crate) fn around_signature(&self) -> (&'a str, &'a str) {
        (&self.target[..self.signature_at], &self.target[self.signature_at + SIGNATURE_LENGTH..])
    }

    /// Where in the target the signature begins.
    pub(crate) const fn signature_at(&self) -> usize {
        self.signature_at
    }

    fn of_path(host: Host, target: &Target<'a>, segment_at: usize) -> Result<Self, Malformed> {
        const EXPECTED: Malformed =
            Malformed("expected /{cloudId}/s-cm1:{tokenId}.{keyVersion},{expires},{signature}/{rest}");
        let path = target.path();
        let cloud =
            path[..segment_at].strip_prefix('/').filter(|cloud| is_cloud_id(cloud)).ok_or(EXPECTED)?;
        let segment = path[segment_at..].strip_prefix("/s-cm1:").ok_or(EXPECTED)?;
        let (claims, rest) = segment.split_once('/').filter(|(_, rest)| !rest.is_empty()).ok_or(EXPECTED)?;
        let (signer, claims) = claims.split_once(',').ok_or(EXPECTED)?;
        let (expires, signature) = claims.split_once(',').ok_or(EXPECTED)?;
        let (token_id, key_version) = parse_signer(signer)?;
        // The slash before rest belongs to the path.
        let rest_at = path.len() - rest.len() - 1;
        Ok(Self {
            placement: Placement::Path,
            host,
            target: target.text,
            cloud: Some(cloud),
            token_id,
            key_version,
            expires: parse_expires(expires)?,
            signature: parse_signature(signature)?,
            signature_at: rest_at - signature.len(),
            path_parts: [&path[..segment_at], &path[rest_at..]],
        })
    }

    fn of_query(host: Host, target: &Target<'a>, parameter_at: usize) -> Result<Self, Malformed> {
        const EXPECTED: Malformed = Malformed(
            "expected cm-token={tokenId}.{keyVersion}&cm-expires={expires}&cm-signature={signature} at the end, \
             and no other parameter that begins with cm-",
        );
        let tail = target.text[parameter_at..].strip_prefix("cm-token=").ok_or(EXPECTED)?;
        let (signer, tail) = tail.split_once("&cm-expires=").ok_or(EXPECTED)?;
        let (expires, signature) = tail.split_once("&cm-signature=").ok_or(EXPECTED)?;
        let (token_id, key_version) = parse_signer(signer)?;
        let path = target.path();
        Ok(Self {
            placement: Placement::Query,
            host,
            target: target.text,
            cloud: path[1..].split('/').next().filter(|segment| is_cloud_id(segment)),
            token_id,
            key_version,
            expires: parse_expires(expires)?,
            signature: parse_signature(signature)?,
            signature_at: target.text.len() - signature.len(),
            path_parts: [path, ""],
        })
    }
}

/// Shows neither the signature nor the target that contains it: a signed URL is a credential.
impl fmt::Debug for SignedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedUrl")
            .field("placement", &self.placement)
            .field("host", &self.host)
            .field("cloud", &self.cloud)
            .field("token_id", &self.token_id)
            .field("key_version", &self.key_version)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Whether `text` is `[A-Za-z0-9_-]{1,64}`.
pub fn is_cloud_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(is_base64url)
}

fn parse_signer(text: &str) -> Result<(TokenId, KeyVersion), Malformed> {
    const EXPECTED: Malformed =
        Malformed("expected a token id, a dot and a key version of 1 to 65535 as the signer");
    let (id, version) = text.split_once('.').ok_or(EXPECTED)?;
    let id = id.parse().map_err(|_| EXPECTED)?;
    let version = parse_decimal(version).and_then(|version| KeyVersion::new(u16::try_from(version).ok()?));
    Ok((id, version.ok_or(EXPECTED)?))
}

fn parse_expires(text: &str) -> Result<Option<UnixSeconds>, Malformed> {
    if text == "-" {
        return Ok(None);
    }
    let expires = parse_decimal(text).and_then(UnixSeconds::new);
    expires
        .map(Some)
        .ok_or(Malformed("expected - or Unix seconds of 0 to 253402300799 as the expiry of the URL"))
}

fn parse_signature(text: &str) -> Result<&str, Malformed> {
    let is_signature = text.len() == SIGNATURE_LENGTH && text.bytes().all(is_base64url);
    is_signature.then_some(text).ok_or(Malformed("expected 43 characters of base64url as the signature"))
}

/// The number that `text` spells in its only spelling: no sign, no leading zero.
fn parse_decimal(text: &str) -> Option<u64> {
    let is_canonical = match text.as_bytes() {
        [b'0'] => true,
        [b'0', ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    is_canonical.then(|| text.parse().ok())?
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: &str = "iu_034YCGMODo7rNXJe1rD0Im.1";

    fn parse(target: &str) -> Result<SignedUrl<'_>, Malformed> {
        SignedUrl::parse_target(Host::parse("a").unwrap(), target)
    }

    fn in_path(claims: &str) -> String {
        format!("/c/s-cm1:{claims},{}/i", "A".repeat(43))
    }

    #[test]
    fn numbers_have_one_spelling() {
        for good in ["-", "0", "1", "253402300799"] {
            assert!(parse(&in_path(&format!("{SIGNER},{good}"))).is_ok(), "{good}");
        }
        for bad in
            ["", "--", "-1", "+1", "00", "01", "1.0", "1e3", "253402300800", "18446744073709551616", "%31"]
        {
            assert!(parse(&in_path(&format!("{SIGNER},{bad}"))).is_err(), "{bad}");
        }
        for (version, good) in [("65535", true), ("0", false), ("65536", false), ("", false), ("01", false)] {
            let signer = format!("iu_034YCGMODo7rNXJe1rD0Im.{version},-");
            assert_eq!(parse(&in_path(&signer)).is_ok(), good, "{version}");
        }
    }

    #[test]
    fn a_signature_of_another_length_or_alphabet_is_malformed() {
        for (signature, good) in [
            ("A".repeat(43), true),
            ("-_".repeat(21) + "9", true),
            (String::new(), false),
            ("A".repeat(42), false),
            ("A".repeat(44), false),
            ("A".repeat(42) + "=", false),
            ("A".repeat(42) + "+", false),
            ("A".repeat(42) + ",", false),
            ("A".repeat(40) + "%41", false),
        ] {
            let in_path = format!("/c/s-cm1:{SIGNER},-,{signature}/i");
            assert_eq!(parse(&in_path).is_ok(), good, "{in_path}");
            let in_query = format!("/c/i?cm-token={SIGNER}&cm-expires=-&cm-signature={signature}");
            assert_eq!(parse(&in_query).is_ok(), good, "{in_query}");
        }
    }

    #[test]
    fn a_signature_stands_in_one_place_only() {
        let signature = "A".repeat(43);
        let segment = format!("s-cm1:{SIGNER},-,{signature}");
        let tail = format!("cm-token={SIGNER}&cm-expires=-&cm-signature={signature}");
        for good in [
            format!("/c/{segment}/i?x=1"),
            format!("/c/{segment}//"),
            format!("/c/{segment}/%2F{segment}"),
            format!("/?{tail}"),
            format!("/c/i?&{tail}"),
            format!("/c/i?a?b&{tail}"),
        ] {
            assert!(parse(&good).is_ok(), "{good}");
        }
        for bad in [
            "/c/i".to_owned(),
            format!("/{segment}/i"),
            format!("//{segment}/i"),
            format!("/c/d/{segment}/i"),
            format!("/c.d/{segment}/i"),
            format!("/{}/{segment}/i", "c".repeat(65)),
            format!("/c/{segment}"),
            format!("/c/{segment}/"),
            format!("/c/{segment}/?i"),
            format!("/c/{segment}?/i"),
            format!("/c/{segment}/i/{segment}/i"),
            format!("/c/{segment}/i/s-token2:"),
            format!("/c/{segment}/i?{tail}"),
            format!("/c/{segment}/i?cm-"),
            format!("/c/s-token2:x/i?{tail}"),
            format!("/c/i&{tail}"),
            format!("/c/i?a?{tail}"),
            format!("/c/i?a{tail}"),
            format!("/c/i?{tail}&"),
            format!("/c/i?{tail}&{tail}"),
            format!("/c/i?cm-a&{tail}"),
            format!("/c/i?c%6d-a&{tail}"),
            format!("/c/i?{}", tail.replace("cm-token", "cm%2Dtoken")),
            format!("/c/i?{}", tail.replace("cm-expires", "CM-expires")),
            format!("/c/i?{}", tail.replace("&cm-expires", "&x&cm-expires")),
            format!("/c/i?{}", tail.replace("&cm-signature", "&x&cm-signature")),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_path_is_what_remains_without_the_credential() {
        let signature = "A".repeat(43);
        let target = format!("/c/s-cm1:{SIGNER},-,{signature}/i/a%20b?x=1");
        assert_eq!(parse(&target).unwrap().path(), "/c/i/a%20b");
        let target = format!("/a.b/c?x=1&cm-token={SIGNER}&cm-expires=7&cm-signature={signature}");
        let url = parse(&target).unwrap();
        assert_eq!(url.path(), "/a.b/c");
        assert_eq!((url.cloud, url.expires), (None, UnixSeconds::new(7)));
    }

    #[test]
    fn debug_shows_no_signature() {
        let target = in_path(&format!("{SIGNER},-"));
        assert!(!format!("{:?}", parse(&target).unwrap()).contains("AAAA"));
    }
}
