//! The one place where a use is allowed or refused.

use std::net::IpAddr;

use crate::host::Host;
use crate::id::TokenKind;
use crate::path_scope::BasePath;
use crate::reason::DenyReason;
use crate::signed_url::{SignatureForm, SignedUrl};
use crate::time::UnixSeconds;
use crate::token::{ApiTerms, Counting, Dialect, ImageTerms, Purpose, SecretState, Terms, ValueDigest};
use crate::upload::{UploadExtra, UploadParameters};

/// What is asked about a token. Facts that the asker does not know are `None`, and refuse wherever a term needs them.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What was presented.
    pub proof: Proof<'a>,
    /// HTTP method, upper case; `None` = GET.
    pub method: Option<&'a str>,
    /// Cloud that the request is for; of a signed URL, the URL's own.
    pub cloud: Option<&'a str>,
    /// Cloud that the configuration maps the host to; another cloud in the path is refused.
    pub mapped_cloud: Option<&'a str>,
    /// Undecoded path that the request is for.
    pub path: Option<&'a str>,
    /// Undecoded path of the `Destination` of a MOVE or COPY.
    pub destination: Option<&'a str>,
    /// Storage that the request is for.
    pub storage: Option<&'a str>,
    /// Permission that the request needs; looked at for API keys only, unless [`Self::is_demanded_of_all`].
    pub permission: Option<&'a str>,
    /// Whether permission and storage, where named, are demanded of whatever is presented. Only API keys can have them:
    /// everything else is then refused.
    pub is_demanded_of_all: bool,
    /// Size of the upload in bytes.
    pub bytes: Option<u64>,
    /// Content type of the upload.
    pub content_type: Option<&'a str>,
    /// Name that the client gives the upload.
    pub public_id: Option<&'a str>,
    /// Whether the request continues a live upload of this very token.
    pub continues_upload: bool,
    /// What is known of the viewer's HTTP Basic credentials.
    pub viewer: Viewer,
    /// Uses that the request takes if it counts; all or nothing.
    pub cost: u64,
}

/// What was presented, already parsed and found.
#[derive(Clone, Debug)]
pub enum Proof<'a> {
    /// A signed URL that names the token.
    Url(&'a SignedUrl<'a>),
    /// A value with this digest.
    Value(ValueDigest),
}

/// Whether the viewer's password has been proven. Hashing is slow, so it is done only once everything else allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Missing, wrong, or not looked at yet.
    Unproven,
    /// User name and password fit.
    Proven,
}

/// A use that everything allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Uses to take; 0 = a free request.
    pub takes: u64,
}

/// One rule of the order of refusal, as [`explain`] reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The refusal that this rule can give.
    pub reason: DenyReason,
    /// What came of it.
    pub outcome: StepOutcome,
}

/// What came of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It allows.
    Passed,
    /// It refuses.
    Refused,
    /// An earlier rule has refused.
    NotReached,
}

impl<'a> Request<'a> {
    /// A request that states nothing but its credential and costs one use.
    pub const fn new(proof: Proof<'a>) -> Self {
        Self {
            proof,
            method: None,
            cloud: None,
            mapped_cloud: None,
            path: None,
            destination: None,
            storage: None,
            permission: None,
            is_demanded_of_all: false,
            bytes: None,
            content_type: None,
            public_id: None,
            continues_upload: false,
            viewer: Viewer::Unproven,
            cost: 1,
        }
    }

    fn method(&self) -> &str {
        self.method.unwrap_or("GET")
    }

    /// The cloud by the URL or the facts; the configured mapping fills in where they name none.
    fn effective_cloud(&self) -> Option<&str> {
        match &self.proof {
            Proof::Url(url) => url.cloud.or(self.mapped_cloud),
            Proof::Value(_) => self.cloud.or(self.mapped_cloud),
        }
    }
}

/// Allows or refuses a request under `terms`, of which `used` uses are taken at the instant `now`.
///
/// Refusals before these, `MALFORMED` and mostly `UNKNOWN_TOKEN`, come of parsing and finding. The limit is judged by the
/// `used` given here; where a use is really taken, the store's guarded statement alone has the last word.
///
/// # Errors
/// The first refusal in the order of [`DenyReason`].
pub fn decide(
    terms: &Terms,
    request: &Request<'_>,
    used: u64,
    now: UnixSeconds,
) -> Result<Grant, DenyReason> {
    let case = Case { terms, request, used, now };
    match RULES.iter().find(|(_, refuses)| refuses(&case)) {
        Some((reason, _)) => Err(*reason),
        None => Ok(Grant { takes: case.takes() }),
    }
}

/// What a management call asks of the API key that makes it.
#[derive(Clone, Copy, Debug)]
pub struct Management<'a> {
    /// What was presented.
    pub value: ValueDigest,
    /// Whose tokens the call manages. The native API manages all of them.
    pub dialect: Dialect,
    /// What the call needs.
    pub permission: &'a str,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// Allows or refuses a management call by an API key: its life, its dialect, its networks and `permission` are judged, its
/// place is not, since that bounds what the call may touch (see [`crate::rights`]), and it takes no use.
///
/// A native key manages natively what it is permitted, and an administrator in every dialect. A key of a foreign dialect is
/// no administrator whatever it holds: it can be granted its dialect's own management, where there is any, and no more.
///
/// # Errors
/// The first refusal in the order of [`DenyReason`].
pub fn decide_management(terms: &Terms, call: &Management<'_>, now: UnixSeconds) -> Result<(), DenyReason> {
    const JUDGED: [DenyReason; 5] = [
        DenyReason::Revoked,
        DenyReason::Disabled,
        DenyReason::NotYetValid,
        DenyReason::Expired,
        DenyReason::PermissionDenied,
    ];
    if !terms.presents(call.value, now) {
        return Err(DenyReason::UnknownToken);
    }
    let Purpose::ApiKey(api) = &terms.purpose else { return Err(DenyReason::WrongType) };
    let is_native = terms.dialect == Dialect::Native;
    if terms.kind() != TokenKind::ApiKey || !(is_native || terms.dialect == call.dialect) {
        return Err(DenyReason::WrongType);
    }
    let is_elsewhere = call.dialect != terms.dialect;
    let permission = if is_elsewhere { ADMINISTRATOR } else { call.permission };
    let request = Request { permission: Some(permission), cost: 0, ..Request::new(Proof::Value(call.value)) };
    let case = Case { terms, request: &request, used: 0, now };
    if let Some((reason, _)) =
        RULES.iter().find(|(reason, refuses)| JUDGED.contains(reason) && refuses(&case))
    {
        return Err(*reason);
    }
    let is_near = api.source_networks.as_ref().is_none_or(|networks| {
        call.address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    });
    let is_grantable = is_native || grantable(terms.dialect).contains(&call.permission);
    if is_grantable && is_near { Ok(()) } else { Err(DenyReason::PermissionDenied) }
}

/// The permission that only administrators have.
const ADMINISTRATOR: &str = "*";

/// What of its management a foreign dialect grants to keys of its own.
const fn grantable(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Imgbed => &["manage"],
        Dialect::Shardimage => &["tokens:read", "tokens:write"],
        Dialect::Native | Dialect::Query | Dialect::Cloudpaste | Dialect::Contentive => &[],
    }
}

/// What is known of an upload when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning<'a> {
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// Its content type.
    pub content_type: Option<&'a str>,
}

/// Allows or refuses the beginning of an upload; the parameters that it really gets. The limit is left to the store's
/// guarded statement.
///
/// # Errors
/// The first refusal in the order of [`DenyReason`].
pub fn decide_upload(
    terms: &Terms,
    value: ValueDigest,
    beginning: &Beginning<'_>,
    asked: &UploadParameters,
    now: UnixSeconds,
) -> Result<UploadParameters, DenyReason> {
    let Purpose::Upload(upload) = &terms.purpose else {
        return Err(if terms.presents(value, now) {
            DenyReason::WrongType
        } else {
            DenyReason::UnknownToken
        });
    };
    let request = Request {
        method: Some("POST"),
        // The token's own cloud is a directive too: an upload that names none goes there.
        cloud: non_empty(&asked.cloud_id).or(upload.extra.cloud_id.as_deref()),
        bytes: beginning.bytes,
        content_type: beginning.content_type,
        public_id: non_empty(&asked.public_id),
        ..Request::new(Proof::Value(value))
    };
    decide(terms, &request, 0, now)?;
    upload.extra.direct(asked.clone())
}

/// What an upload has really become.
#[derive(Clone, Copy, Debug, Default)]
pub struct Completion<'a> {
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// Its content type.
    pub content_type: Option<&'a str>,
    /// The name it was stored under: its effective public id.
    pub public_id: Option<&'a str>,
    /// Whether it has replaced something of that name.
    pub existed: Option<bool>,
}

/// Allows or refuses the completion of an upload under what its token demanded when it began.
///
/// # Errors
/// [`DenyReason::ConstraintFailed`], also for a fact that is demanded but not known.
pub fn decide_completion(extra: &UploadExtra, completion: &Completion<'_>) -> Result<(), DenyReason> {
    let is_insertion = !extra.insert_only || completion.existed == Some(false);
    if is_insertion && extra.admits(completion.bytes, completion.content_type, completion.public_id) {
        Ok(())
    } else {
        Err(DenyReason::ConstraintFailed)
    }
}

/// The same decision, rule by rule.
pub fn explain(terms: &Terms, request: &Request<'_>, used: u64, now: UnixSeconds) -> Vec<Step> {
    let case = Case { terms, request, used, now };
    let mut refused = false;
    RULES
        .iter()
        .map(|(reason, refuses)| {
            let outcome = if refused {
                StepOutcome::NotReached
            } else if refuses(&case) {
                refused = true;
                StepOutcome::Refused
            } else {
                StepOutcome::Passed
            };
            Step { reason: *reason, outcome }
        })
        .collect()
}

/// Whether one rule refuses.
type Rule = fn(&Case<'_>) -> bool;

/// Each refusal with the rule that gives it, in the order of refusal.
const RULES: [(DenyReason, Rule); 17] = [
    (DenyReason::UnknownToken, |case| case.is_value_outlived()),
    (DenyReason::WrongType, |case| case.is_wrong_type()),
    (DenyReason::BadSignature, |case| case.is_unproven()),
    (DenyReason::Revoked, |case| case.terms.revoked_at.is_some()),
    (DenyReason::Disabled, |case| !case.terms.enabled),
    (DenyReason::NotYetValid, |case| case.terms.is_early(case.now)),
    (DenyReason::Expired, |case| case.terms.is_expired(case.now)),
    (DenyReason::LinkExpired, |case| case.is_link_expired()),
    (DenyReason::MethodDenied, |case| case.is_method_denied()),
    (DenyReason::WrongCloud, |case| case.is_wrong_cloud()),
    (DenyReason::WrongHost, |case| case.is_wrong_host()),
    (DenyReason::PathDenied, |case| case.is_path_denied()),
    (DenyReason::StorageDenied, |case| case.is_storage_denied()),
    (DenyReason::PermissionDenied, |case| case.is_permission_denied()),
    (DenyReason::ConstraintFailed, |case| case.is_constraint_failed()),
    (DenyReason::AuthenticationRequired, |case| case.is_viewer_unproven()),
    (DenyReason::LimitReached, |case| case.terms.would_exceed_limit(case.used, case.takes())),
];

struct Case<'a> {
    terms: &'a Terms,
    request: &'a Request<'a>,
    used: u64,
    now: UnixSeconds,
}

impl Case<'_> {
    fn is_wrong_type(&self) -> bool {
        match (&self.request.proof, self.terms.kind()) {
            (Proof::Url(_), TokenKind::ImageUrl) => false,
            (Proof::Value(_), TokenKind::Upload | TokenKind::ApiKey) => false,
            (Proof::Url(_) | Proof::Value(_), _) => true,
        }
    }

    /// A value that a regeneration has replaced is as unknown as one that never was.
    fn is_value_outlived(&self) -> bool {
        match &self.request.proof {
            Proof::Url(_) => false,
            Proof::Value(digest) => !self.terms.presents(*digest, self.now),
        }
    }

    fn is_unproven(&self) -> bool {
        match &self.request.proof {
            // A value is proven by being found.
            Proof::Value(_) => false,
            Proof::Url(url) => {
                let Some(image) = self.image() else { return true };
                // A secret that signs the legacy form must never verify ours: one secret, one algorithm.
                image.legacy_signatures != (url.form == SignatureForm::Token2)
                    || !image.keys.iter().any(|slot| {
                        slot.is_named_by(url.form)
                            && slot.version.state(self.now) != SecretState::Retired
                            && slot.key.verifies(url)
                    })
            }
        }
    }

    fn is_link_expired(&self) -> bool {
        match &self.request.proof {
            Proof::Url(url) => url.expires.is_some_and(|expires| self.now >= expires),
            Proof::Value(_) => false,
        }
    }

    fn is_method_denied(&self) -> bool {
        match self.terms.kind() {
            TokenKind::ImageUrl => !matches!(self.request.method(), "GET" | "HEAD"),
            TokenKind::Upload if self.request.continues_upload => {
                !matches!(self.request.method(), "PATCH" | "HEAD" | "DELETE")
            }
            TokenKind::Upload => !matches!(self.request.method(), "POST" | "PUT"),
            TokenKind::ApiKey => false,
        }
    }

    fn is_wrong_cloud(&self) -> bool {
        let named = match &self.request.proof {
            Proof::Url(url) => url.cloud,
            Proof::Value(_) => self.request.cloud,
        };
        if let (Some(named), Some(mapped)) = (named, self.request.mapped_cloud)
            && named != mapped
        {
            return true;
        }
        let cloud = self.request.effective_cloud();
        match &self.terms.purpose {
            Purpose::ImageUrl(image) => is_outside_one(image.cloud_id.as_deref(), cloud),
            Purpose::Upload(upload) => is_outside_one(upload.extra.cloud_id.as_deref(), cloud),
            Purpose::ApiKey(api) => is_outside_list(api.clouds.as_deref(), cloud),
        }
    }

    fn is_wrong_host(&self) -> bool {
        let Some(image) = self.image() else { return false };
        match &self.request.proof {
            Proof::Url(url) => !is_host_allowed(&image.hosts, &url.host),
            Proof::Value(_) => !image.hosts.is_empty(),
        }
    }

    fn is_path_denied(&self) -> bool {
        let Some(base) = self.api().and_then(|api| api.base_path.as_ref()) else { return false };
        let moves = matches!(self.request.method(), "MOVE" | "COPY");
        is_outside_path(base, self.request.path) || (moves && is_outside_path(base, self.request.destination))
    }

    fn is_storage_denied(&self) -> bool {
        match self.api() {
            // CloudPaste's texts lie in no storage: its access list concerns files and mounts only.
            Some(_) if self.request.storage.is_none() && self.is_about_text() => false,
            Some(api) => is_outside_list(api.storages.as_deref(), self.request.storage),
            None => self.request.is_demanded_of_all && self.request.storage.is_some(),
        }
    }

    fn is_about_text(&self) -> bool {
        let asked = self.request.permission.unwrap_or_default();
        self.terms.dialect == Dialect::Cloudpaste && asked.starts_with("text:")
    }

    fn is_permission_denied(&self) -> bool {
        match self.api() {
            Some(api) => !self.request.permission.is_some_and(|asked| api.permissions.covers(asked)),
            None => self.request.is_demanded_of_all && self.request.permission.is_some(),
        }
    }

    fn is_constraint_failed(&self) -> bool {
        match &self.terms.purpose {
            // What continues an upload was measured when it began and will be when it completes.
            Purpose::Upload(upload) if !self.request.continues_upload => {
                !upload.extra.admits(self.request.bytes, self.request.content_type, self.request.public_id)
            }
            _ => false,
        }
    }

    fn is_viewer_unproven(&self) -> bool {
        self.image().is_some_and(|image| !image.viewers.is_empty()) && self.request.viewer == Viewer::Unproven
    }

    fn takes(&self) -> u64 {
        let counts = match &self.terms.purpose {
            Purpose::ImageUrl(image) => image.counting == Counting::Request || self.request.method() == "GET",
            Purpose::Upload(_) => !self.request.continues_upload,
            Purpose::ApiKey(_) => true,
        };
        if counts { self.request.cost } else { 0 }
    }

    fn image(&self) -> Option<&ImageTerms> {
        match &self.terms.purpose {
            Purpose::ImageUrl(image) => Some(image),
            _ => None,
        }
    }

    fn api(&self) -> Option<&ApiTerms> {
        match &self.terms.purpose {
            Purpose::ApiKey(api) => Some(api),
            _ => None,
        }
    }
}

fn non_empty(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|it| !it.is_empty())
}

fn is_outside_one(allowed: Option<&str>, named: Option<&str>) -> bool {
    allowed.is_some() && named != allowed
}

fn is_outside_list(allowed: Option<&[Box<str>]>, named: Option<&str>) -> bool {
    allowed.is_some_and(|allowed| !named.is_some_and(|named| allowed.iter().any(|one| **one == *named)))
}

fn is_outside_path(base: &BasePath, path: Option<&str>) -> bool {
    !path.is_some_and(|path| base.covers(path))
}

fn is_host_allowed(hosts: &[Host], host: &Host) -> bool {
    hosts.is_empty() || hosts.contains(host)
}
