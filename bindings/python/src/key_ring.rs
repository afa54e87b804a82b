//! Signing and verifying without Python, so that batches need no interpreter while they work.

use std::collections::BTreeMap;
use std::sync::Arc;

use countermark_core::{
    Counting, DenyReason, Dialect, Host, ImageTerms, KeySlot, KeyVersion, Malformed, Placement, Proof,
    Purpose, Request, SecretVersion, SignedUrl, SigningKey, SigningSecret, SlotKey, Terms, TokenId,
    UnixSeconds, decide, sign,
};

use crate::exceptions::Refusal;

/// One imageUrl token's secret versions as terms that the core decides by, and the host that bare targets are for.
pub(crate) struct KeyRing {
    terms: Terms,
    secrets: BTreeMap<KeyVersion, SigningSecret>,
    signing: (KeyVersion, SigningKey),
    host: Option<Arc<Host>>,
}

impl KeyRing {
    /// `None` without any secret.
    pub(crate) fn new(
        token_id: TokenId,
        secrets: BTreeMap<KeyVersion, SigningSecret>,
        host: Option<Host>,
    ) -> Option<Self> {
        let (version, secret) = secrets.last_key_value()?;
        let signing = (*version, secret.key());
        let terms = terms(token_id, &secrets, host.as_ref());
        Some(Self { terms, secrets, signing, host: host.map(Arc::new) })
    }

    /// The token whose secrets these are.
    pub(crate) const fn token_id(&self) -> TokenId {
        self.terms.id
    }

    /// All versions with their secrets, lowest first.
    pub(crate) const fn secrets(&self) -> &BTreeMap<KeyVersion, SigningSecret> {
        &self.secrets
    }

    /// The version that signs: the highest.
    pub(crate) const fn signing_version(&self) -> KeyVersion {
        self.signing.0
    }

    /// The host that bare targets are for.
    pub(crate) const fn host(&self) -> Option<&Arc<Host>> {
        self.host.as_ref()
    }

    /// Allows or refuses one request for `text`, a full URL or a bare target.
    pub(crate) fn verify(&self, text: &str, method: &str, now: UnixSeconds) -> Result<(), Refusal> {
        let url = read(text, self.host.as_deref())?;
        if url.token_id != self.terms.id {
            return Err(Refusal::of(DenyReason::UnknownToken));
        }
        let request = Request { method: Some(method), ..Request::new(Proof::Url(&url)) };
        match decide(&self.terms, &request, 0, now) {
            Ok(_) => Ok(()),
            Err(DenyReason::LinkExpired) => Err(Refusal::of_expired_link(url.expires)),
            Err(reason) => Err(Refusal::of(reason)),
        }
    }

    /// Signs a full URL, or a bare target if the host is known.
    pub(crate) fn sign(
        &self,
        text: &str,
        placement: Placement,
        expires: Option<UnixSeconds>,
    ) -> Result<String, Malformed> {
        let (version, key) = &self.signing;
        let sign = |url: &str| sign(url, placement, self.terms.id, *version, expires, key);
        let Some(host) = &self.host else {
            return if is_bare(text) { Err(HOST_MISSING) } else { sign(text) };
        };
        if is_bare(text) {
            let origin = format!("https://{host}");
            return sign(&[&origin, text].concat()).map(|mut signed| signed.split_off(origin.len()));
        }
        let signed = sign(text)?;
        if SignedUrl::parse(&signed)?.host == **host {
            Ok(signed)
        } else {
            Err(Malformed("the URL is for another host than the signer's"))
        }
    }
}

const HOST_MISSING: Malformed = Malformed(
    "expected a URL that begins with http:// or https://; for request targets that begin with / say the host by host=",
);

/// Reads a full URL, or a bare target as a request to `host`.
pub(crate) fn read<'a>(text: &'a str, host: Option<&Host>) -> Result<SignedUrl<'a>, Malformed> {
    match host {
        _ if !is_bare(text) => SignedUrl::parse(text),
        Some(host) => SignedUrl::parse_target(host.clone(), text),
        None => Err(HOST_MISSING),
    }
}

/// Whether it is a request target without scheme and host.
pub(crate) fn is_bare(text: &str) -> bool {
    text.starts_with('/')
}

fn terms(token_id: TokenId, secrets: &BTreeMap<KeyVersion, SigningSecret>, host: Option<&Host>) -> Terms {
    let slot = |(number, secret): (&KeyVersion, &SigningSecret)| KeySlot {
        version: SecretVersion { number: *number, created_at: UnixSeconds::default(), verify_until: None },
        key: SlotKey::of(secret, false),
    };
    let image = ImageTerms {
        keys: secrets.iter().map(slot).collect(),
        counting: Counting::default(),
        count_window: 0,
        cloud_id: None,
        hosts: host.into_iter().cloned().collect(),
        viewers: BTreeMap::new(),
        legacy_signatures: false,
    };
    Terms {
        id: token_id,
        dialect: Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: None,
        expiry: None,
        limit: None,
        purpose: Purpose::ImageUrl(Box::new(image)),
    }
}
