//! Signed URLs of the form `cm1`, and those of the legacy form `s-token2`: reading and verifying them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use crate::host::Host;
use crate::id::TokenId;
use crate::legacy_signature::{LEGACY_SIGNATURE_LENGTH, legacy_signature};
use crate::reason::Malformed;
use crate::secret::{KeyVersion, SigningKey, SigningSecret};
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

/// How a URL was signed. The URL says so, and nothing of it fits a secret of the other form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// Our own, in both placements.
    Cm1 {
        /// Which version of the secret signed.
        key_version: KeyVersion,
    },
    /// `/{cloudId}/s-token2:{tokenId},{signature}/{rest}`, of Shardimage's SDKs. Neither the cloud nor a version is
    /// signed, and the link has no expiry of its own.
    Token2,
}

impl SignatureForm {
    /// The name: `cm1` or `s-token2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cm1 { .. } => "cm1",
            Self::Token2 => "s-token2",
        }
    }

    /// Which version of the secret signed, if the URL says so.
    pub const fn key_version(self) -> Option<KeyVersion> {
        match self {
            Self::Cm1 { key_version } => Some(key_version),
            Self::Token2 => None,
        }
    }
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
    /// How it was signed.
    pub form: SignatureForm,
    /// The second from which on this link is expired, `None` for never.
    pub expires: Option<UnixSeconds>,
    /// Characters of base64url: 43, of `s-token2` 32.
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
        match (&target.signature_segment, target.reserved_parameter) {
            (Some(segment), None) => Self::of_path(host, &target, segment.clone()),
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
    /// [`BadSignature`] if not, and for every URL of another form than `cm1`.
    pub fn verify(&self, key: &SigningKey) -> Result<(), BadSignature> {
        match self.form {
            SignatureForm::Cm1 { .. } => self.must_be_signed(&self.expected_signature(key)),
            SignatureForm::Token2 => Err(BadSignature),
        }
    }

    /// Whether `secret` made the `s-token2` signature; as [`SignedUrl::verify`].
    ///
    /// # Errors
    /// [`BadSignature`] if not, and for every URL of another form than `s-token2`.
    pub fn verify_legacy(&self, secret: &SigningSecret) -> Result<(), BadSignature> {
        let SignatureForm::Token2 = self.form else { return Err(BadSignature) };
        let [_, path] = self.path_parts;
        let path = path.strip_prefix('/').ok_or(BadSignature)?;
        let token_id = self.token_id.to_string();
        self.must_be_signed(&legacy_signature(&token_id, secret.expose(), path, self.host.as_str()))
    }

    fn must_be_signed(&self, expected: &[u8]) -> Result<(), BadSignature> {
        let presented = self.signature.as_bytes();
        // Eight characters at a time: a comparison that cannot be cut short costs as much for one.
        let fits = words(expected)
            .zip(words(presented))
            .fold(Choice::from(1), |fits, (expected, presented)| fits & expected.ct_eq(&presented));
        if expected.len() == presented.len() && bool::from(fits) { Ok(()) } else { Err(BadSignature) }
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

    /// The raw query without `?` and without the parameters of the signature; empty if there is none.
    pub fn query(&self) -> &'a str {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        match self.placement {
            Placement::Path => query,
            // The last one: another parameter may end with these characters.
            Placement::Query => {
                let own = query.rsplit_once("cm-token=").map_or("", |(own, _)| own);
                own.strip_suffix('&').unwrap_or(own)
            }
        }
    }

    /// The target before and behind the signature of the form `cm1`.
    pub(crate) fn around_signature(&self) -> (&'a str, &'a str) {
        (&self.target[..self.signature_at], &self.target[self.signature_at + SIGNATURE_LENGTH..])
    }

    /// Where in the target the signature begins.
    pub(crate) const fn signature_at(&self) -> usize {
        self.signature_at
    }

    fn of_path(host: Host, target: &Target<'a>, segment: Range<usize>) -> Result<Self, Malformed> {
        let path = target.path();
        let (before, rest) = (&path[..segment.start], &path[segment.end..]);
        let segment = &path[segment.start + 1..segment.end];
        let is_legacy = !segment.starts_with("s-cm1:");
        let expected = if is_legacy { EXPECTED_LEGACY } else { EXPECTED_IN_PATH };
        let cloud = before.strip_prefix('/').filter(|cloud| is_cloud_id(cloud)).ok_or(expected)?;
        // The legacy form signs no query: one that was added would be believed.
        if matches!(rest, "" | "/") || (is_legacy && target.path_length != target.text.len()) {
            return Err(expected);
        }
        let claims = if is_legacy { Claims::legacy(segment)? } else { Claims::in_path(segment)? };
        Ok(Self {
            placement: Placement::Path,
            host,
            target: target.text,
            cloud: Some(cloud),
            token_id: claims.token_id,
            form: claims.form,
            expires: claims.expires,
            signature: claims.signature,
            signature_at: path.len() - rest.len() - claims.signature.len(),
            path_parts: [before, rest],
        })
    }

    fn of_query(host: Host, target: &Target<'a>, parameter_at: usize) -> Result<Self, Malformed> {
        const EXPECTED: Malformed = Malformed(
            "expected cm-token={tokenId}.{keyVersion}&cm-expires={expires}&cm-signature={signature} at the end, \
             and no other parameter that begins with cm-",
        );
        let tail = target.text[parameter_at..].strip_prefix("cm-token=").ok_or(EXPECTED)?;
        let (signer, tail) = cut(tail, b'&').ok_or(EXPECTED)?;
        let (expires, tail) =
            tail.strip_prefix("cm-expires=").and_then(|tail| cut(tail, b'&')).ok_or(EXPECTED)?;
        let signature = tail.strip_prefix("cm-signature=").ok_or(EXPECTED)?;
        let claims = Claims::new(signer, expires, signature)?;
        let path = target.path();
        Ok(Self {
            placement: Placement::Query,
            host,
            target: target.text,
            cloud: path[1..].split('/').next().filter(|segment| is_cloud_id(segment)),
            token_id: claims.token_id,
            form: claims.form,
            expires: claims.expires,
            signature: claims.signature,
            signature_at: target.text.len() - signature.len(),
            path_parts: [path, ""],
        })
    }
}

const EXPECTED_IN_PATH: Malformed =
    Malformed("expected /{cloudId}/s-cm1:{tokenId}.{keyVersion},{expires},{signature}/{rest}");
const EXPECTED_LEGACY: Malformed =
    Malformed("expected /{cloudId}/s-token2:{tokenId},{signature}/{rest} without a query");

/// What a URL says of its own signature.
struct Claims<'a> {
    form: SignatureForm,
    token_id: TokenId,
    expires: Option<UnixSeconds>,
    signature: &'a str,
}

impl<'a> Claims<'a> {
    fn new(signer: &str, expires: &str, signature: &'a str) -> Result<Self, Malformed> {
        let (token_id, key_version) = parse_signer(signer)?;
        Ok(Self {
            form: SignatureForm::Cm1 { key_version },
            token_id,
            expires: parse_expires(expires)?,
            signature: parse_signature(signature)?,
        })
    }

    fn in_path(segment: &'a str) -> Result<Self, Malformed> {
        let text = segment.strip_prefix("s-cm1:").ok_or(EXPECTED_IN_PATH)?;
        let (signer, text) = cut(text, b',').ok_or(EXPECTED_IN_PATH)?;
        let (expires, signature) = cut(text, b',').ok_or(EXPECTED_IN_PATH)?;
        Self::new(signer, expires, signature)
    }

    fn legacy(segment: &'a str) -> Result<Self, Malformed> {
        let (id, signature) = segment
            .strip_prefix("s-token2:")
            .and_then(|text| text.split_once(','))
            .filter(|(_, signature)| is_signature(signature, LEGACY_SIGNATURE_LENGTH))
            .ok_or(EXPECTED_LEGACY)?;
        let token_id = id.parse().map_err(|_| EXPECTED_LEGACY)?;
        Ok(Self { form: SignatureForm::Token2, token_id, expires: None, signature })
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
            .field("form", &self.form)
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
    let (id, version) = cut(text, b'.').ok_or(EXPECTED)?;
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
    is_signature(text, SIGNATURE_LENGTH)
        .then_some(text)
        .ok_or(Malformed("expected 43 characters of base64url as the signature"))
}

fn is_signature(text: &str, length: usize) -> bool {
    // Without leaving early, so that many are looked at in one step.
    text.len() == length && text.bytes().fold(true, |all, byte| all & is_base64url(byte))
}

/// The number that `text` spells in its only spelling: no sign, no leading zero. `None` beyond 19 digits, the most that
/// surely fit: nothing here is as great.
fn parse_decimal(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [b'0'] => Some(0),
        [] | [b'0', ..] => None,
        digits if digits.len() > 19 => None,
        digits => digits.iter().try_fold(0u64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        }),
    }
}

/// The text before and behind the first `at`, which is ASCII. Texts here are short: a search that first prepares itself, as
/// that of `str` does, takes longer.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let position = text.bytes().position(|byte| byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}

/// Eight bytes each, the last ones filled up with zeros.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::SlotKey;

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
    fn a_legacy_url_is_read_as_shardimage_writes_it() {
        let target = format!("/c/s-token2:iu_034YCGMODo7rNXJe1rD0Im,{}/w:200/i/a%20b.png", "A".repeat(32));
        let url = parse(&target).unwrap();
        assert_eq!((url.form, url.placement, url.expires), (SignatureForm::Token2, Placement::Path, None));
        assert_eq!((url.cloud, url.path().as_ref()), (Some("c"), "/c/w:200/i/a%20b.png"));
        assert_eq!(
            (url.token_id.to_string().as_str(), url.signature.len()),
            ("iu_034YCGMODo7rNXJe1rD0Im", 32)
        );
        assert_eq!(url.canonical_string(), None);
    }

    #[test]
    fn a_legacy_url_obeys_the_whole_grammar() {
        const ID: &str = "iu_034YCGMODo7rNXJe1rD0Im";
        let signature = "A".repeat(32);
        let segment = format!("s-token2:{ID},{signature}");
        let tail = format!("cm-token={SIGNER}&cm-expires=-&cm-signature={}", "A".repeat(43));
        for good in [
            format!("/c/{segment}/i"),
            format!("/c/{segment}//"),
            format!("/c/{segment}/%2F{segment}"),
            format!("/c/{segment}/..."),
        ] {
            assert!(parse(&good).is_ok(), "{good}");
        }
        for bad in [
            format!("/c/{segment}/i?"),
            format!("/c/{segment}/i?x=1"),
            format!("/c/{segment}/i?{tail}"),
            format!("/c/{segment}"),
            format!("/c/{segment}/"),
            format!("/c/{segment}?/i"),
            format!("/{segment}/i"),
            format!("//{segment}/i"),
            format!("/c.d/{segment}/i"),
            format!("/c/d/{segment}/i"),
            format!("/{}/{segment}/i", "c".repeat(65)),
            format!("/c/{segment}/i/{segment}/i"),
            format!("/c/{segment}/i/s-cm1:"),
            format!("/c/{segment}/../i"),
            format!("/c/{segment}/%2e/i"),
            format!("/c/{segment}/a%2F..%2Fi"),
            format!("/c/{segment}/a%5c..%5ci"),
            format!("/c/{segment}/i%00"),
            format!("/c/{segment}/i\\j"),
            format!("/c/{segment}/i#j"),
            format!("/c/{segment}/i%2"),
            format!("/c/{segment}/%ff"),
            format!("/c/{segment}/é"),
            format!("/c/{segment}=/i"),
            format!("/c/{segment}A/i"),
            format!("/c/{segment},/i"),
            format!("/c/s-token2:{ID}.1,{signature}/i"),
            format!("/c/s-token2:{ID},-,{signature}/i"),
            format!("/c/s-token2:{ID},{}+/i", "A".repeat(31)),
            format!("/c/s-token2:{ID},{}/i", "A".repeat(31)),
            format!("/c/s-token2:{ID},{}/i", "A".repeat(43)),
            format!("/c/s-token2:{ID}{signature}/i"),
            format!("/c/s-token2:tok_abc,{signature}/i"),
            format!("/c/s-token2:,{signature}/i"),
            format!("/c/s-token2:{},{signature}/i", ID.replace("034Y", "%30")),
            format!("/c/s-token:{ID},{signature}/i"),
            format!("/c/s-b4:{signature}90/i"),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_of_one_form_never_verifies_the_other() {
        let secret = SigningSecret::new("k".repeat(32)).unwrap();
        let signature =
            legacy_signature("iu_034YCGMODo7rNXJe1rD0Im", secret.expose(), "i/a.png", "img.example.com");
        let signature = std::str::from_utf8(&signature).unwrap();
        let url =
            format!("https://IMG.example.com:8443/c/s-token2:iu_034YCGMODo7rNXJe1rD0Im,{signature}/i/a.png");
        let legacy = SignedUrl::parse(&url).unwrap();
        assert_eq!(legacy.verify_legacy(&secret), Ok(()));
        assert_eq!(legacy.verify(&secret.key()), Err(BadSignature));
        let ours = crate::sign(
            "https://img.example.com/c/i/a.png",
            Placement::Path,
            legacy.token_id,
            KeyVersion::FIRST,
            None,
            &secret.key(),
        );
        let ours = ours.unwrap();
        let ours = SignedUrl::parse(&ours).unwrap();
        assert_eq!(ours.verify(&secret.key()), Ok(()));
        assert_eq!(ours.verify_legacy(&secret), Err(BadSignature));
        let [kept_for_ours, kept_for_legacy] = [false, true].map(|legacy| SlotKey::of(&secret, legacy));
        assert!(kept_for_ours.verifies(&ours) && !kept_for_ours.verifies(&legacy));
        assert!(kept_for_legacy.verifies(&legacy) && !kept_for_legacy.verifies(&ours));
    }

    #[test]
    fn debug_shows_no_signature() {
        let legacy = format!("/c/s-token2:iu_034YCGMODo7rNXJe1rD0Im,{}/i", "A".repeat(32));
        for target in [in_path(&format!("{SIGNER},-")), legacy] {
            assert!(!format!("{:?}", parse(&target).unwrap()).contains("AAAA"));
        }
    }
}
