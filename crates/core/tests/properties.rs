//! What holds for every URL and path, not only for those that someone thought of.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, in its helpers too")]

#[path = "../../../tests/legacy_signer.rs"]
mod legacy_signer;

use countermark_core::{
    BasePath, Host, KeyVersion, Placement, SignedUrl, SigningKey, SigningSecret, TokenId, TokenKind,
    UnixSeconds, looks_signed, sign,
};
use legacy_signer::legacy_link;
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningSecret::new("a secret of at least 32 bytes: 0123".to_owned()).unwrap().key()
}

fn placement() -> impl Strategy<Value = Placement> {
    prop_oneof![Just(Placement::Path), Just(Placement::Query)]
}

fn expires() -> impl Strategy<Value = Option<UnixSeconds>> {
    proptest::option::of((0..=UnixSeconds::MAX.get()).prop_map(|seconds| UnixSeconds::new(seconds).unwrap()))
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_-]{1,12}(\\.[a-z0-9_-]{1,8}){0,3}", Just("[2001:db8::1]".to_owned())]
}

/// Unsigned targets with a cloud, many with odd but allowed parts.
fn target() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[A-Za-z0-9._~!$'()*+,;=:@-]{1,10}",
        Just("%2F".to_owned()),
        Just("%E2%82%AC".to_owned()),
        Just("a%20b".to_owned()),
        Just(String::new()),
    ];
    let query = "(\\?[A-Za-z0-9._~/?:=&,-]{0,20})?";
    ("[A-Za-z0-9_-]{1,10}", proptest::collection::vec(segment, 1..5), query)
        .prop_map(|(cloud, segments, query)| format!("/{cloud}/{}{query}", segments.join("/")))
}

#[derive(Debug, Clone)]
struct Signed {
    placement: Placement,
    host: String,
    target: String,
}

impl Signed {
    fn parse(&self) -> SignedUrl<'_> {
        SignedUrl::parse_target(Host::parse(&self.host).unwrap(), &self.target).unwrap()
    }
}

/// URLs that the signer did not refuse, with their signatures.
fn signed() -> impl Strategy<Value = Signed> {
    let id = (any::<u64>(), any::<[u8; 10]>());
    (placement(), host(), target(), id, 1u16.., expires()).prop_filter_map(
        "the signer refuses it",
        |(placement, host, target, (millis, random), version, expires)| {
            let origin = format!("https://{host}");
            let id = TokenId::from_parts(TokenKind::ImageUrl, millis, random);
            let version = KeyVersion::new(version)?;
            let url = sign(&format!("{origin}{target}"), placement, id, version, expires, &key()).ok()?;
            Some(Signed { placement, host, target: url.strip_prefix(&origin)?.to_owned() })
        },
    )
}

fn is_allowed(host: &str, target: &str) -> bool {
    let Ok(host) = Host::parse(host) else { return false };
    SignedUrl::parse_target(host, target).is_ok_and(|url| url.verify(&key()).is_ok())
}

const LEGACY_SECRET: &str = "a secret of Shardimage";

/// Host and target of URLs of the legacy form.
fn legacy() -> impl Strategy<Value = (String, String)> {
    let id = (any::<u64>(), any::<[u8; 10]>());
    (host(), target(), id).prop_filter_map("the grammar refuses it", |(host, target, (millis, random))| {
        let id = TokenId::from_parts(TokenKind::ImageUrl, millis, random);
        let origin = format!("https://{host}");
        let path = target.split('?').next()?;
        let url = legacy_link(&format!("{origin}{path}"), &id.to_string(), LEGACY_SECRET);
        SignedUrl::parse(&url).ok()?;
        Some((host, url.strip_prefix(&origin)?.to_owned()))
    })
}

fn is_allowed_legacy(host: &str, target: &str) -> bool {
    let Ok(host) = Host::parse(host) else { return false };
    let secret = SigningSecret::short_foreign(LEGACY_SECRET.to_owned()).unwrap();
    SignedUrl::parse_target(host, target).is_ok_and(|url| url.verify_legacy(&secret).is_ok())
}

/// Where the unsigned cloud of a legacy target ends.
fn behind_cloud(target: &str) -> usize {
    target.find("/s-token2:").unwrap()
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in signed()) {
        prop_assert!(is_allowed(&url.host, &url.target));
        prop_assert!(looks_signed(&url.target));
        prop_assert_eq!(url.parse().placement, url.placement);
    }

    #[test]
    fn another_byte_anywhere_in_the_target_is_refused(
        url in signed(), at in any::<prop::sample::Index>(), byte in 0u8..128,
    ) {
        let mut changed = url.target.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        prop_assert!(!is_allowed(&url.host, std::str::from_utf8(&changed).unwrap()));
    }

    #[test]
    fn a_byte_more_or_less_anywhere_in_the_target_is_refused(
        url in signed(), at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f,
    ) {
        let at = at.index(url.target.len());
        let mut shorter = url.target.clone();
        shorter.remove(at);
        prop_assert!(!is_allowed(&url.host, &shorter));
        let mut longer = url.target.clone();
        longer.insert(at, char::from(byte));
        prop_assert!(!is_allowed(&url.host, &longer));
    }

    #[test]
    fn another_host_is_refused(url in signed(), other in host()) {
        prop_assume!(url.host != other);
        prop_assert!(!is_allowed(&other, &url.target));
    }

    #[test]
    fn another_secret_is_refused(url in signed(), secret in "[ -~]{32,64}") {
        let other = SigningSecret::new(secret).unwrap().key();
        prop_assert!(url.parse().verify(&other).is_err());
    }

    #[test]
    fn what_shardimage_signs_verifies((host, target) in legacy()) {
        prop_assert!(is_allowed_legacy(&host, &target));
        let spelled_otherwise = format!("{}:8443", host.to_uppercase());
        prop_assert!(is_allowed_legacy(&spelled_otherwise, &target));
        prop_assert!(looks_signed(&target));
        prop_assert!(!is_allowed(&host, &target));
    }

    #[test]
    fn of_a_legacy_target_only_another_cloud_goes_unnoticed(
        (host, target) in legacy(), at in any::<prop::sample::Index>(), byte in 0u8..128,
    ) {
        let at = at.index(target.len());
        let mut changed = target.clone().into_bytes();
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if is_allowed_legacy(&host, &changed) {
            prop_assert!((1..behind_cloud(&target)).contains(&at));
            let parsed = SignedUrl::parse_target(Host::parse(&host).unwrap(), &changed).unwrap();
            prop_assert_ne!(parsed.cloud, target[1..].split('/').next());
        }
    }

    #[test]
    fn a_byte_more_or_less_behind_the_cloud_of_a_legacy_target_is_refused(
        (host, target) in legacy(), at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f,
    ) {
        let begin = behind_cloud(&target);
        let at = begin + 1 + at.index(target.len() - begin - 1);
        let mut shorter = target.clone();
        shorter.remove(at);
        prop_assert!(!is_allowed_legacy(&host, &shorter));
        let mut longer = target.clone();
        longer.insert(at, char::from(byte));
        prop_assert!(!is_allowed_legacy(&host, &longer));
        let continued = target + char::from(byte).encode_utf8(&mut [0; 4]);
        prop_assert!(!is_allowed_legacy(&host, &continued));
    }

    #[test]
    fn a_legacy_url_of_another_host_token_or_secret_is_refused(
        (host, target) in legacy(), other in host(), secret in "[ -~]{8,64}", random in any::<[u8; 10]>(),
    ) {
        prop_assume!(host != other && secret != LEGACY_SECRET);
        prop_assert!(!is_allowed_legacy(&other, &target));
        let secret = SigningSecret::short_foreign(secret).unwrap();
        let parsed = SignedUrl::parse_target(Host::parse(&host).unwrap(), &target).unwrap();
        prop_assert!(parsed.verify_legacy(&secret).is_err());
        let id = TokenId::from_parts(TokenKind::ImageUrl, 0, random).to_string();
        prop_assert!(!is_allowed_legacy(&host, &target.replacen(&parsed.token_id.to_string(), &id, 1)));
    }

    #[test]
    fn no_signer_signs_a_legacy_url((host, target) in legacy(), placement in placement()) {
        let id = TokenId::from_parts(TokenKind::ImageUrl, 0, [0; 10]);
        let url = format!("https://{host}{target}");
        prop_assert!(sign(&url, placement, id, KeyVersion::FIRST, None, &key()).is_err());
    }

    #[test]
    fn the_canonical_string_gives_back_placement_host_and_target(url in signed()) {
        let parsed = url.parse();
        let canonical = parsed.canonical_string().unwrap();
        let parts: Vec<&str> = canonical.split('\n').collect();
        let [label, placement, host, rest] = parts[..] else { panic!("four lines: {canonical}") };
        prop_assert_eq!(label, "countermark-url-v1");
        prop_assert_eq!(placement, if url.placement == Placement::Path { "path" } else { "query" });
        prop_assert_eq!(host, &url.host);
        let cut = match url.placement {
            Placement::Query => rest.len(),
            // Behind the second comma of the signature segment.
            Placement::Path => {
                let segment = rest.find("/s-cm1:").unwrap();
                segment + rest[segment..].match_indices(',').nth(1).unwrap().0 + 1
            }
        };
        prop_assert_eq!(format!("{}{}{}", &rest[..cut], parsed.signature, &rest[cut..]), url.target.clone());
    }

    #[test]
    fn different_requests_have_different_canonical_strings(one in signed(), other in signed()) {
        let without_signature = |url: &Signed| url.target.replacen(url.parse().signature, "", 1);
        let same = one.placement == other.placement
            && one.host == other.host
            && without_signature(&one) == without_signature(&other);
        prop_assert_eq!(one.parse().canonical_string() == other.parse().canonical_string(), same);
    }

    #[test]
    fn what_a_signer_makes_of_any_text_verifies(text in "(c/)?[ -~é%./]{0,40}", placement in placement()) {
        let id = TokenId::from_parts(TokenKind::ImageUrl, 0, [0; 10]);
        if let Ok(url) = sign(&format!("http://a/{text}"), placement, id, KeyVersion::FIRST, None, &key()) {
            prop_assert!(SignedUrl::parse(&url).unwrap().verify(&key()).is_ok());
        }
    }

    #[test]
    fn a_covered_path_never_leaves_its_prefix(
        base in "(/[a-b.]{1,3}){1,2}",
        path in "(/|/|%2f|%5c|\\\\|\\.|%2e|%252e|%25|2e|a|b|%61|//|%00|%ff|;|é){0,8}",
        below in any::<bool>(),
    ) {
        let Ok(base) = BasePath::parse(&base) else { return Ok(()) };
        let path = if below { format!("{}{path}", base.as_str()) } else { path };
        if base.covers(&path) {
            let served = resolve_leniently(&path);
            let prefix: Vec<String> = base.as_str().split('/').skip(1).map(str::to_owned).collect();
            prop_assert!(served.starts_with(&prefix), "{:?} {} {:?}", base, path, served);
        }
    }
}

/// The segments that the most obliging server would serve: decoded until nothing changes, backslashes taken for
/// slashes, empty and `.` segments dropped, `..` followed.
fn resolve_leniently(path: &str) -> Vec<String> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let decoded = decode_once(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_owned()),
        }
    }
    segments
}

fn decode_once(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    decoded
}

/// One good URL of each placement.
fn samples() -> [Signed; 2] {
    [Placement::Path, Placement::Query].map(|placement| {
        let id = TokenId::from_parts(TokenKind::ImageUrl, 1_700_000_000_000, [7; 10]);
        let expires = UnixSeconds::new(1_900_000_000);
        let url = sign("https://a/c/i/%E2%82%AC.png?w=1", placement, id, KeyVersion::FIRST, expires, &key())
            .unwrap();
        Signed { placement, host: "a".to_owned(), target: url.strip_prefix("https://a").unwrap().to_owned() }
    })
}

#[test]
fn every_prefix_padding_and_lengthening_of_a_good_signature_is_refused() {
    for url in samples() {
        let good = url.parse().signature.to_owned();
        let with = |signature: &str| url.target.replacen(&good, signature, 1);
        assert!(is_allowed("a", &with(&good)));
        for length in 0..good.len() {
            assert!(!is_allowed("a", &with(&good[..length])), "prefix of {length}");
            assert!(
                !is_allowed("a", &with(&format!("{:A<43}", &good[..length]))),
                "prefix of {length}, filled"
            );
            assert!(!is_allowed("a", &with(&good[good.len() - length..])), "suffix of {length}");
        }
        for added in ["=", "==", "A", "AA", "-", "%3D", " ", "\0", "\n", &good] {
            assert!(!is_allowed("a", &with(&format!("{good}{added}"))), "{added:?} behind");
            assert!(!is_allowed("a", &with(&format!("{added}{good}"))), "{added:?} before");
        }
        // The last character carries two bits that no byte needs: among these are the other spellings of the same bytes.
        let last = good.chars().last().unwrap();
        for other in
            ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|other| *other != last)
        {
            assert!(!is_allowed("a", &with(&format!("{}{other}", &good[..42]))), "{other} at the end");
        }
    }
}

#[test]
fn no_bytes_make_reading_panic_and_no_mutation_is_allowed() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let samples = samples();
    let legacy = legacy_link("https://a/c/i/%E2%82%AC.png", "iu_034YCGMODo7rNXJe1rD0Im", LEGACY_SECRET);
    let legacy = legacy.strip_prefix("https://a/c/").unwrap();
    let base = BasePath::parse("/c").unwrap();
    for round in 0..100_000 {
        let sample = &samples[round % 2].target;
        if round % 4 == 0 {
            let bytes = random.mutation(legacy.as_bytes());
            let text = String::from_utf8_lossy(&bytes);
            assert!(text == legacy || !is_allowed_legacy("a", &format!("/c/{text}")), "{text}");
        }
        let bytes = if round % 8 < 2 { random.noise() } else { random.mutation(sample.as_bytes()) };
        let text = String::from_utf8_lossy(&bytes);
        assert!(text == sample.as_str() || !is_allowed("a", &text), "{text}");
        let _ = SignedUrl::parse(&text);
        let _ = SignedUrl::parse(&format!("https://a{text}"));
        let _ = Host::parse(&text);
        let _ = looks_signed(&text);
        let _ = base.covers(&text);
        let _ = BasePath::parse(&text);
    }
}

/// A reproducible source of bad input.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"/?&=%.,:-\\#sc0A[]@2Ff\xff\0\n";
        if self.below(2) == 0 {
            TELLING[self.below(TELLING.len())]
        } else {
            u8::try_from(self.below(256)).unwrap()
        }
    }

    fn noise(&mut self) -> Vec<u8> {
        (0..self.below(120)).map(|_| self.byte()).collect()
    }

    fn mutation(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => {
                    let end = at + self.below(bytes.len() - at + 1);
                    bytes.extend_from_within(at..end);
                }
                _ if at < bytes.len() => bytes[at] = self.byte(),
                _ => {}
            }
        }
        bytes
    }
}
