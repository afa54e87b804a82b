//! The pure core on one thread: signing, and reading and verifying what was signed.

use std::hint::black_box;

use countermark_core::{
    Host, KeyVersion, Placement, SignedUrl, SigningKey, SigningSecret, UnixSeconds, sign,
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
        group.finish();
    }
}

criterion_group!(benches, signed_urls);
criterion_main!(benches);
