//! Making signed URLs.

use std::fmt::Write as _;

use crate::id::TokenId;
use crate::reason::Malformed;
use crate::secret::{KeyVersion, SigningKey};
use crate::signed_url::{Placement, SIGNATURE_LENGTH, SignedUrl};
use crate::time::UnixSeconds;
use crate::url;

/// Signs a full URL; scheme and port are not signed and stay as they are.
///
/// In path placement `url` is `scheme://host/{cloudId}/{rest}`, and the signature goes behind the cloud id; in query
/// placement any path and query, and the signature goes to the end.
///
/// # Errors
/// [`Malformed`] for a URL that is signed already, and for every URL that verification would refuse as such.
pub fn sign(
    url: &str,
    placement: Placement,
    token_id: TokenId,
    key_version: KeyVersion,
    expires: Option<UnixSeconds>,
    key: &SigningKey,
) -> Result<String, Malformed> {
    let parts = url::split(url)?;
    let (before, after) = match placement {
        Placement::Path => split_behind_cloud(parts.target)?,
        Placement::Query => (parts.target, ""),
    };
    let mut signed = String::with_capacity(url.len() + MOST_ADDED);
    signed.push_str(parts.origin);
    signed.push_str(before);
    let blank = BLANK_SIGNATURE;
    let expires = expires.map_or_else(|| "-".to_owned(), |expires| expires.to_string());
    let written = match placement {
        Placement::Path => write!(signed, "/s-cm1:{token_id}.{key_version},{expires},{blank}"),
        Placement::Query => {
            let joint = if before.contains('?') { '&' } else { '?' };
            write!(
                signed,
                "{joint}cm-token={token_id}.{key_version}&cm-expires={expires}&cm-signature={blank}"
            )
        }
    };
    written.expect("a string takes whatever is written");
    signed.push_str(after);
    // Reading the result applies the whole grammar, and finds a signature that was there before.
    let (signature, at) = {
        let blank = SignedUrl::parse(&signed)?;
        (blank.expected_signature(key), parts.origin.len() + blank.signature_at())
    };
    let signature = std::str::from_utf8(&signature).expect("base64 is ASCII");
    signed.replace_range(at..at + SIGNATURE_LENGTH, signature);
    Ok(signed)
}

/// The query form with the longest numbers, rounded up.
const MOST_ADDED: usize = 128;

/// Stands in for the signature until the bytes around it are known to be good.
const BLANK_SIGNATURE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn split_behind_cloud(target: &str) -> Result<(&str, &str), Malformed> {
    let path = target.split('?').next().unwrap_or_default();
    let length = path.match_indices('/').nth(1).map(|(at, _)| at);
    let length = length.ok_or(Malformed("expected /{cloudId}/{rest} as the path of the URL"))?;
    Ok(target.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SigningSecret;

    fn signed(url: &str, placement: Placement) -> Result<String, Malformed> {
        let key = SigningSecret::new("k".repeat(32)).unwrap().key();
        let id = "iu_034YCGMODo7rNXJe1rD0Im".parse().unwrap();
        sign(url, placement, id, KeyVersion::FIRST, UnixSeconds::new(1_900_000_000), &key)
    }

    #[test]
    fn scheme_and_port_stay_and_are_not_signed() {
        for placement in [Placement::Path, Placement::Query] {
            let with_port = signed("HTTP://Img.example.com.:8080/c/i?x", placement).unwrap();
            let without = signed("https://img.example.com/c/i?x", placement).unwrap();
            let target = with_port.strip_prefix("HTTP://Img.example.com.:8080").unwrap();
            assert_eq!(without.strip_prefix("https://img.example.com").unwrap(), target);
        }
    }

    #[test]
    fn what_is_signed_already_is_refused() {
        for first in [Placement::Path, Placement::Query] {
            let once = signed("https://a/c/i", first).unwrap();
            for second in [Placement::Path, Placement::Query] {
                assert!(signed(&once, second).is_err());
            }
        }
    }

    #[test]
    fn path_placement_needs_a_cloud_and_a_rest() {
        for url in [
            "https://a/",
            "https://a/c",
            "https://a/c/",
            "https://a/c/?x",
            "https://a/c?/i",
            "https://a//i",
            "https://a/c.d/i",
        ] {
            assert!(signed(url, Placement::Path).is_err(), "{url}");
            assert!(signed(url, Placement::Query).is_ok(), "{url}");
        }
    }
}
