//! A token together with a request for it that everything allows; tests change one thing or a few.

use std::collections::BTreeMap;

use countermark_core::{
    ApiTerms, BasePath, Counting, DenyReason, Grant, Host, ImageTerms, KeySlot, KeyVersion, MimeGlob,
    Permission, Placement, Proof, Purpose, Request, SecretVersion, SignedUrl, SigningKey, SigningSecret,
    SlotKey, Step, Terms, TokenId, TokenKind, UnixSeconds, UploadExtra, UploadTerms, ValueDigest, ValueSlot,
    Viewer, ViewerPassword, decide, explain, sign,
};

use crate::legacy_signer::legacy_link;

/// The instant of every scene.
pub(crate) const NOW: u64 = 1_800_000_000;
/// The value that presents upload tokens and API keys.
pub(crate) const VALUE: ValueDigest = ValueDigest([7; 32]);

/// Terms, what is presented, and the facts of a request.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) terms: Terms,
    pub(crate) shown: Shown,
    pub(crate) facts: Request<'static>,
    pub(crate) used: u64,
    pub(crate) now: UnixSeconds,
}

/// What is presented: a URL to be signed, or a value.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    Url(Link),
    Value(ValueDigest),
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) url: &'static str,
    pub(crate) placement: Placement,
    pub(crate) version: u16,
    pub(crate) expires: Option<UnixSeconds>,
    pub(crate) key: SigningKey,
    /// Signs in the legacy form instead, if it is there.
    pub(crate) legacy_secret: Option<&'static str>,
    /// Appended after signing.
    pub(crate) garbage: &'static str,
}

impl Scene {
    pub(crate) fn decide(&self) -> Result<Grant, DenyReason> {
        self.with_request(|request| decide(&self.terms, request, self.used, self.now))?
    }

    pub(crate) fn explain(&self) -> Vec<Step> {
        self.with_request(|request| explain(&self.terms, request, self.used, self.now)).unwrap()
    }

    /// The refusal, or `None` if the request is allowed.
    pub(crate) fn refusal(&self) -> Option<DenyReason> {
        self.decide().err()
    }

    /// The refusal after a change.
    pub(crate) fn refusal_with(&self, change: impl FnOnce(&mut Self)) -> Option<DenyReason> {
        self.with(change).refusal()
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    pub(crate) fn image(&mut self) -> &mut ImageTerms {
        let Purpose::ImageUrl(image) = &mut self.terms.purpose else { panic!("the scene of an imageUrl") };
        image
    }

    pub(crate) fn extra(&mut self) -> &mut UploadExtra {
        let Purpose::Upload(upload) = &mut self.terms.purpose else { panic!("the scene of an upload") };
        &mut upload.extra
    }

    pub(crate) fn api(&mut self) -> &mut ApiTerms {
        let Purpose::ApiKey(api) = &mut self.terms.purpose else { panic!("the scene of an API key") };
        api
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        let Shown::Url(link) = &mut self.shown else { panic!("the scene of an imageUrl") };
        link
    }

    fn with_request<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> Result<T, DenyReason> {
        match &self.shown {
            Shown::Value(digest) => Ok(ask(&Request { proof: Proof::Value(*digest), ..self.facts.clone() })),
            Shown::Url(link) => {
                let url = link.sign(self.terms.id);
                let url = SignedUrl::parse(&url).map_err(|_| DenyReason::Malformed)?;
                Ok(ask(&Request { proof: Proof::Url(&url), ..self.facts.clone() }))
            }
        }
    }
}

impl Link {
    fn sign(&self, id: TokenId) -> String {
        if let Some(secret) = self.legacy_secret {
            return legacy_link(self.url, &id.to_string(), secret) + self.garbage;
        }
        let version = KeyVersion::new(self.version).unwrap();
        let url = sign(self.url, self.placement, id, version, self.expires, &self.key).unwrap();
        url + self.garbage
    }
}

pub(crate) fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

pub(crate) fn key(letter: &str) -> SigningKey {
    SigningSecret::new(letter.repeat(32)).unwrap().key()
}

pub(crate) fn slot(number: u16, verify_until: Option<u64>, letter: &str) -> KeySlot {
    let number = KeyVersion::new(number).unwrap();
    let version = SecretVersion { number, created_at: at(1), verify_until: verify_until.map(at) };
    KeySlot { version, key: SlotKey::Hmac(key(letter)) }
}

pub(crate) fn legacy_slot(number: u16, verify_until: Option<u64>, secret: &str) -> KeySlot {
    let secret = SigningSecret::short_foreign(secret.to_owned()).unwrap();
    KeySlot { key: SlotKey::of(&secret, true), ..slot(number, verify_until, "k") }
}

pub(crate) fn list(of: &[&str]) -> Option<Box<[Box<str>]>> {
    Some(of.iter().map(|one| Box::from(*one)).collect())
}

pub(crate) fn permissions(of: &[&str]) -> countermark_core::PermissionSet {
    of.iter().map(|text| Permission::parse(text).unwrap()).collect::<Vec<_>>().into()
}

pub(crate) fn id(kind: TokenKind) -> TokenId {
    TokenId::from_parts(kind, 1_700_000_000_000, [3; 10])
}

fn terms(kind: TokenKind, purpose: Purpose) -> Terms {
    Terms {
        id: id(kind),
        dialect: countermark_core::Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: Some(at(NOW - 10)),
        expiry: Some(at(NOW + 10)),
        limit: Some(10),
        purpose,
    }
}

fn scene(terms: Terms, shown: Shown) -> Scene {
    let facts = Request::new(Proof::Value(VALUE));
    Scene { terms, shown, facts, used: 9, now: at(NOW) }
}

/// An imageUrl token with every restriction, and a GET that meets them all.
pub(crate) fn image_url() -> Scene {
    let purpose = Purpose::ImageUrl(Box::new(ImageTerms {
        keys: vec![slot(1, None, "k")],
        counting: Counting::Get,
        count_window: 0,
        cloud_id: Some("c".into()),
        hosts: [Host::parse("a.example").unwrap(), Host::parse("b.example").unwrap()].into(),
        viewers: BTreeMap::from([("user".into(), ViewerPassword::Msha1("00".into()))]),
        legacy_signatures: false,
    }));
    let link = Link {
        url: "https://b.example/c/i/a.png?w=1",
        placement: Placement::Path,
        version: 1,
        expires: Some(at(NOW + 5)),
        key: key("k"),
        legacy_secret: None,
        garbage: "",
    };
    let mut scene = scene(terms(TokenKind::ImageUrl, purpose), Shown::Url(link));
    scene.facts.viewer = Viewer::Proven;
    scene
}

/// The same token with legacy signatures, and a GET of an `s-token2` URL.
pub(crate) fn legacy_url() -> Scene {
    image_url().with(|scene| {
        scene.image().legacy_signatures = true;
        scene.image().keys = vec![legacy_slot(1, None, "a legacy secret")];
        scene.link().url = "https://b.example/c/w:200/i/a%2Fb.png";
        scene.link().legacy_secret = Some("a legacy secret");
    })
}

/// An upload token with every restriction, and a POST that meets them all.
pub(crate) fn upload() -> Scene {
    let extra = UploadExtra {
        cloud_id: Some("c".into()),
        min_bytes: Some(10),
        max_bytes: Some(20),
        mime_types: vec![MimeGlob::parse("image/*").unwrap(), MimeGlob::parse("text/plain").unwrap()],
        public_id_prefix: Some("in/".into()),
        ..UploadExtra::default()
    };
    let values = vec![ValueSlot { digest: VALUE, valid_until: None }];
    let purpose = Purpose::Upload(Box::new(UploadTerms { values, extra }));
    let mut scene = scene(terms(TokenKind::Upload, purpose), Shown::Value(VALUE));
    scene.facts.method = Some("POST");
    scene.facts.cloud = Some("c");
    scene.facts.bytes = Some(15);
    scene.facts.content_type = Some("image/png");
    scene.facts.public_id = Some("in/a");
    scene
}

/// An API key with every restriction, and a request that meets them all.
pub(crate) fn api_key() -> Scene {
    let purpose = Purpose::ApiKey(Box::new(ApiTerms {
        values: vec![ValueSlot { digest: VALUE, valid_until: None }],
        permissions: permissions(&["read", "files:*"]),
        base_path: Some(BasePath::parse("/upload").unwrap()),
        storages: list(&["s1", "s2"]),
        clouds: list(&["c", "d"]),
        source_networks: None,
    }));
    let mut scene = scene(terms(TokenKind::ApiKey, purpose), Shown::Value(VALUE));
    scene.facts.cloud = Some("d");
    scene.facts.path = Some("/upload/x");
    scene.facts.storage = Some("s2");
    scene.facts.permission = Some("files:write");
    scene
}
