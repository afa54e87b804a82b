//! The pure core on one thread: signing, reading and verifying what was signed, and deciding.

use std::collections::BTreeMap;
use std::hint::black_box;

use countermark_core::{
    ApiTerms, BasePath, Counting, DenyReason, Grant, Host, ImageTerms, KeySlot, KeyVersion, Permission,
    Placement, Proof, Purpose, Request, SecretVersion, SignedUrl, SigningKey, SigningSecret, SlotKey, Terms,
    UnixSeconds, ValueDigest, ValueSlot, decide, sign,
};
use criterion::{Criterion, criterion_group, criterion_main};

const URL: &str = "https://img.example.com/mycloud/w:200_h:100/i/dir/my%20img.webp?download=1";

fn sign_url(placement: Placement, key: &SigningKey) -> String {
    let id = "iu_034YCGMODo7rNXJe1rD0Im".parse().expect("a token id");
    sign(black_box(URL), placement, id, KeyVersion::FIRST, UnixSeconds::new(1_900_000_000), key)
        .expect("a good URL")
}

fn signed_urls(criterion: &mut Criterion) {
    let secret = "cms_xBpFpIEyKHDcmOsN3a18WFmvRzWqNgbe0vxFk0".to_owned();
    let key = SigningSecret::new(secret).expect("a good secret").key();
    for placement in [Placement::Path, Placement::Query] {
        let mut group = criterion.benchmark_group(format!("{placement:?}").to_lowercase());
        group.bench_function("sign", |bencher| bencher.iter(|| sign_url(placement, &key)));

        let url = sign_url(placement, &key);
        let target = url.strip_prefix("https://img.example.com").expect("the origin stays");
        group.bench_function("parse", |bencher| {
            bencher.iter(|| {
                let host = Host::parse(black_box("img.example.com")).expect("a good host");
                SignedUrl::parse_target(host, black_box(target)).expect("a good target").expires
            });
        });
        group.bench_function("parse_and_verify", |bencher| {
            bencher.iter(|| {
                let host = Host::parse(black_box("img.example.com")).expect("a good host");
                let url = SignedUrl::parse_target(host, black_box(target)).expect("a good target");
                url.verify(&key).is_ok()
            });
        });
        let terms = image_url(&key);
        group.bench_function("decide", |bencher| {
            bencher.iter(|| decide_url(&terms, black_box(target)).expect("nothing refuses"));
        });
        group.finish();
    }
}

fn values(criterion: &mut Criterion) {
    let terms = api_key();
    let request = Request {
        method: Some("PUT"),
        cloud: Some("mycloud"),
        path: Some("/uploads/2026/my%20img.webp"),
        permission: Some("files:write"),
        ..Request::new(Proof::Value(VALUE))
    };
    criterion.bench_function("value/decide", |bencher| {
        bencher.iter(|| decide(&terms, black_box(&request), 0, NOW).expect("nothing refuses"));
    });
}

/// The whole way of a signed request but for finding its token: read, verify, try every rule.
fn decide_url(terms: &Terms, target: &str) -> Result<Grant, DenyReason> {
    let host = Host::parse(black_box("img.example.com")).expect("a good host");
    let url = SignedUrl::parse_target(host, target).map_err(|_| DenyReason::Malformed)?;
    decide(terms, &Request { method: Some("GET"), ..Request::new(Proof::Url(&url)) }, 0, NOW)
}

/// A token with a limit, a cloud and a host.
fn image_url(key: &SigningKey) -> Terms {
    let version = SecretVersion { number: KeyVersion::FIRST, created_at: NOW, verify_until: None };
    terms(
        "iu_034YCGMODo7rNXJe1rD0Im",
        Purpose::ImageUrl(Box::new(ImageTerms {
            keys: vec![KeySlot { version, key: SlotKey::Hmac(key.clone()) }],
            counting: Counting::Get,
            count_window: 0,
            cloud_id: Some("mycloud".into()),
            hosts: [Host::parse("img.example.com").expect("a good host")].into(),
            viewers: BTreeMap::new(),
            legacy_signatures: false,
        })),
    )
}

/// A key with a path, a cloud and two permissions.
fn api_key() -> Terms {
    let permissions = ["authorize", "files:*"].map(|text| Permission::parse(text).expect("a permission"));
    terms(
        "ak_034YCGMODo7rNXJe1rD0Im",
        Purpose::ApiKey(Box::new(ApiTerms {
            values: vec![ValueSlot { digest: VALUE, valid_until: None }],
            permissions: Vec::from(permissions).into(),
            base_path: Some(BasePath::parse("/uploads").expect("a good prefix")),
            storages: None,
            clouds: Some(["mycloud".into()].into()),
            source_networks: None,
        })),
    )
}

fn terms(id: &str, purpose: Purpose) -> Terms {
    Terms {
        id: id.parse().expect("a token id"),
        dialect: countermark_core::Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: None,
        expiry: Some(UnixSeconds::MAX),
        limit: Some(1000),
        purpose,
    }
}

const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000).expect("before the year 9999");
const VALUE: ValueDigest = ValueDigest([7; 32]);

criterion_group!(benches, signed_urls, values);
criterion_main!(benches);
