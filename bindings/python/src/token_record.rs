//! The service's JSON record of a token as the terms that the core decides by.

use std::collections::BTreeMap;

use countermark_core::{
    ApiTerms, BasePath, Counting, Dialect, Host, ImageTerms, KeySlot, KeyVersion, Permission, Purpose,
    SecretVersion, SigningSecret, SlotKey, Terms, TokenId, TokenKind, TokenValue, UploadTerms, ValueDigest,
    ValueKind, ValueSlot, ViewerPassword, may_be_credential, preview,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

use crate::arguments::{self, wrong_type};
use crate::exceptions::invalid_argument;
use crate::members::Members;
use crate::secrets;
use crate::upload_extra;

/// What describes a token and decides nothing: left out of what is kept.
pub(crate) const DESCRIPTIVE: [&str; 11] = [
    "name",
    "description",
    "labels",
    "remaining",
    "notify",
    "autoDelete",
    "recoverable",
    "createdAt",
    "updatedAt",
    "lastUsedAt",
    "createdBy",
];
const OF_ALL: [&str; 13] = [
    "id",
    "type",
    "owner",
    "enabled",
    "notBefore",
    "expiry",
    "limit",
    "used",
    "dialect",
    "revision",
    "revokedAt",
    "status",
    "preview",
];

/// What a token is known by beside its record: what the service shows only once.
pub(crate) enum Known {
    /// Secrets of an imageUrl token by their versions.
    Secrets(BTreeMap<KeyVersion, SigningSecret>),
    /// The value of an upload token or API key.
    Value(String),
}

impl Known {
    /// The digest by which a presented value is compared with the token's own, keyed by that one, so that nobody else can
    /// say what it is.
    pub(crate) fn digest(&self, presented: &str) -> Option<ValueDigest> {
        match self {
            Self::Secrets(_) => None,
            Self::Value(own) => Some(ValueDigest::keyed(own.as_bytes(), presented)),
        }
    }
}

/// Reads a record, together with the secrets or the value given beside it or, in the answers of issue and regenerate, within
/// it. Those are taken out of `record`.
///
/// # Errors
/// `InvalidArgument` naming the member or argument.
pub(crate) fn read(
    record: &Members<'_>,
    secrets: Option<&Bound<'_, PyAny>>,
    value: Option<&Bound<'_, PyString>>,
) -> PyResult<(Terms, u64, Known)> {
    let id = read_id(record)?;
    record.must_name(&["notBefore", "expiry", "limit", "revokedAt"])?;
    record.must_say(&["enabled", "used", "dialect"])?;
    must_bear_out_its_status(record)?;
    let (purpose, known) = match id.kind() {
        TokenKind::ImageUrl => image_terms(record, secrets, value)?,
        TokenKind::Upload => {
            let value = own_value(record, ValueKind::Upload, secrets, value)?;
            record.refuse_others(&[&OF_ALL[..], &["extra"]].concat())?;
            let extra = required_extra(record)?;
            extra.must_name(&["cloudId", "publicId", "minBytes", "maxBytes", "publicIdPrefix"])?;
            extra.must_say(&["mimeTypes", "insertOnly"])?;
            let extra = upload_extra::read(&extra)?;
            (Purpose::Upload(Box::new(UploadTerms { values: slots(&value), extra })), value)
        }
        TokenKind::ApiKey => {
            let value = own_value(record, ValueKind::ApiKey, secrets, value)?;
            (Purpose::ApiKey(Box::new(api_terms(record, slots(&value))?)), value)
        }
    };
    let dialect = record.text("dialect")?.map_or(Some(Dialect::Native), |name| Dialect::from_name(&name));
    let terms = Terms {
        id,
        dialect: record.required("dialect", dialect, "expected a dialect that this version knows")?,
        revision: record.number("revision")?.unwrap_or(1),
        owner: record.text("owner")?.map(String::into_boxed_str),
        enabled: record.required("enabled", record.flag("enabled")?, "expected true or false")?,
        revoked_at: record.instant("revokedAt")?,
        not_before: record.instant("notBefore")?,
        expiry: record.instant("expiry")?,
        limit: record.number("limit")?,
        purpose,
    };
    Ok((terms, record.number("used")?.unwrap_or(0), known))
}

fn read_id(record: &Members<'_>) -> PyResult<TokenId> {
    let id = record.required("id", record.text("id")?, "expected the id of the token")?;
    let id: TokenId = id.parse().map_err(|invalid| record.wrong("id", invalid))?;
    let kind = record.text("type")?.and_then(|name| TokenKind::from_name(&name));
    let kind = record.required("type", kind, "expected imageUrl, upload or apiKey")?;
    if kind == id.kind() { Ok(id) } else { Err(record.wrong("type", "expected the type that the id names")) }
}

/// # Errors
/// `InvalidArgument` if the derived `status` says that the token does not work and the member that it derives from does not:
/// that one has been lost or changed on the way.
fn must_bear_out_its_status(record: &Members<'_>) -> PyResult<()> {
    let is_borne_out = match record.text("status")?.as_deref() {
        Some("revoked") => record.instant("revokedAt")?.is_some(),
        Some("disabled") => record.flag("enabled")? == Some(false),
        Some("expired") => record.instant("expiry")?.is_some(),
        _ => true,
    };
    if is_borne_out {
        Ok(())
    } else {
        Err(record.wrong("status", "expected one that agrees with revokedAt, enabled and expiry"))
    }
}

fn image_terms(
    record: &Members<'_>,
    secrets: Option<&Bound<'_, PyAny>>,
    value: Option<&Bound<'_, PyString>>,
) -> PyResult<(Purpose, Known)> {
    if let Some(value) = value {
        return Err(invalid_argument(value.py(), "value", "expected none: an imageUrl token has secrets"));
    }
    let extra = required_extra(record)?;
    extra.must_name(&["cloudId"])?;
    let versions = secret_versions(record)?;
    record.must_say(&["counting", "countWindow", "legacySignatures"])?;
    let issued = extra.take("secret")?.zip(record.take("keyVersion")?);
    let is_legacy = record.flag("legacySignatures")?.unwrap_or_default();
    let is_foreign = is_legacy || record.text("dialect")?.as_deref() == Some(Dialect::Shardimage.name());
    let new = if is_foreign { SigningSecret::short_foreign } else { SigningSecret::new };
    let secrets = match (secrets, issued) {
        (Some(secrets), _) => match secrets.cast::<PyString>() {
            Ok(secret) => {
                BTreeMap::from([(active(record, &versions)?, secrets::one("secrets", secret, new)?)])
            }
            Err(_) => secrets::by_version(secrets, new)?,
        },
        (None, Some((secret, version))) => secrets::issued(&version, &secret, new)?,
        (None, None) => {
            let expected = "expected the token's signing secret, or its secrets by their versions";
            return Err(invalid_argument(record.as_dict().py(), "secrets", expected));
        }
    };
    let keys = key_slots(record, versions, &secrets, is_legacy)?;
    record.refuse_others(
        &[&OF_ALL[..], &["extra", "counting", "countWindow", "secretVersions", "legacySignatures"]].concat(),
    )?;
    extra.refuse_others(&["cloudId", "hosts", "authentication"])?;
    let counting = match record.text("counting")?.as_deref() {
        None | Some("get") => Counting::Get,
        Some("request") => Counting::Request,
        Some(_) => return Err(record.wrong("counting", "expected get or request")),
    };
    let hosts = extra.parsed("hosts", Host::parse)?;
    let image = ImageTerms {
        keys,
        counting,
        count_window: record.number("countWindow")?.unwrap_or(0),
        cloud_id: extra.text("cloudId")?.map(String::into_boxed_str),
        hosts: extra.required("hosts", hosts, "expected a list of strings; empty is any host")?.into(),
        viewers: viewers(&extra)?,
        legacy_signatures: is_legacy,
    };
    Ok((Purpose::ImageUrl(Box::new(image)), Known::Secrets(secrets)))
}

/// The users whom the record names. It does not show their passwords, so none is ever proven here; that there are users is
/// what refuses.
fn viewers(extra: &Members<'_>) -> PyResult<BTreeMap<Box<str>, ViewerPassword>> {
    let users = extra.object("authentication")?;
    let users = extra.required("authentication", users, "expected an object of users; empty is nobody")?;
    let unknown = |name: String| (name.into_boxed_str(), ViewerPassword::Argon2id(Box::default()));
    users.as_dict().keys().iter().map(|name| Ok(unknown(name.extract()?))).collect()
}

fn secret_versions(record: &Members<'_>) -> PyResult<Vec<SecretVersion>> {
    let versions = record.objects("secretVersions")?;
    let versions = record.required("secretVersions", versions, "expected a list of objects")?;
    versions.iter().map(secret_version).collect()
}

fn secret_version(version: &Members<'_>) -> PyResult<SecretVersion> {
    version.refuse_others(&["version", "state", "createdAt", "verifyUntil"])?;
    let number = version.number("version")?.and_then(KeyVersion::new);
    let number = version.required("version", number, "expected 1 to 65535")?;
    let verify_until = version.instant("verifyUntil")?;
    let is_active = match version.text("state")?.as_deref() {
        Some("active") => true,
        Some("verifyOnly" | "retired") => false,
        _ => return Err(version.wrong("state", "expected active, verifyOnly or retired")),
    };
    version.must_name(&["verifyUntil"])?;
    if is_active != verify_until.is_none() {
        return Err(version.wrong("verifyUntil", "expected Unix seconds, but null of the active version"));
    }
    Ok(SecretVersion { number, created_at: version.instant("createdAt")?.unwrap_or_default(), verify_until })
}

/// The version that one secret without a number is of.
fn active(record: &Members<'_>, versions: &[SecretVersion]) -> PyResult<KeyVersion> {
    let active = versions.iter().rev().find(|version| version.verify_until.is_none());
    let expected = "expected an active version; without one, give the secrets by their versions";
    record.required("secretVersions", active.map(|version| version.number), expected)
}

/// The versions of which the secret is known; links of the others do not verify.
fn key_slots(
    record: &Members<'_>,
    versions: Vec<SecretVersion>,
    secrets: &BTreeMap<KeyVersion, SigningSecret>,
    is_legacy: bool,
) -> PyResult<Vec<KeySlot>> {
    if let Some(stranger) =
        secrets.keys().find(|number| versions.iter().all(|version| version.number != **number))
    {
        let expected = "expected versions that the record names in secretVersions";
        return Err(invalid_argument(record.as_dict().py(), &format!("secrets[{stranger}]"), expected));
    }
    let slot = |version: SecretVersion| {
        let secret = secrets.get(&version.number)?;
        Some(KeySlot { version, key: SlotKey::of(secret, is_legacy) })
    };
    let slots: Vec<KeySlot> = versions.into_iter().filter_map(slot).collect();
    if slots.is_empty() {
        return Err(invalid_argument(record.as_dict().py(), "secrets", "expected at least one secret"));
    }
    Ok(slots)
}

fn api_terms(record: &Members<'_>, values: Vec<ValueSlot>) -> PyResult<ApiTerms> {
    record.refuse_others(
        &[&OF_ALL[..], &["permissions", "basePath", "storages", "clouds", "sourceNetworks"]].concat(),
    )?;
    record.must_name(&["permissions", "basePath", "storages", "clouds"])?;
    let boxed = |list: Option<Vec<String>>| {
        list.map(|list| list.into_iter().map(String::into_boxed_str).collect::<Box<[_]>>())
    };
    let base_path = match record.text("basePath")? {
        Some(path) => Some(BasePath::parse(&path).map_err(|malformed| record.wrong("basePath", malformed))?),
        None => None,
    };
    record.texts("sourceNetworks")?;
    Ok(ApiTerms {
        values,
        permissions: record.parsed("permissions", Permission::parse)?.unwrap_or_default().into(),
        base_path,
        storages: boxed(record.texts("storages")?),
        clouds: boxed(record.texts("clouds")?),
        // They bound from where the key may manage tokens; uses do not look at them.
        source_networks: None,
    })
}

fn own_value(
    record: &Members<'_>,
    kind: ValueKind,
    secrets: Option<&Bound<'_, PyAny>>,
    value: Option<&Bound<'_, PyString>>,
) -> PyResult<Known> {
    let py = record.as_dict().py();
    if secrets.is_some() {
        return Err(invalid_argument(py, "secrets", "expected none: only imageUrl tokens have secrets"));
    }
    let issued = record.take("value")?;
    let given = value.map(|value| arguments::text("value", value)).transpose()?;
    let issued = issued.map(|value| issued_value(&value)).transpose()?;
    if given.as_ref().zip(issued.as_ref()).is_some_and(|(given, issued)| **given != **issued) {
        return Err(invalid_argument(
            py,
            "value",
            "expected the value that the record holds, or none beside it",
        ));
    }
    let Some(value) = given.or(issued) else {
        return Err(invalid_argument(py, "value", "expected the value that presents the token"));
    };
    if !may_be_credential(&value) {
        let expected = "expected a value: 1 to 4096 visible ASCII characters; one that begins with cmu_ or cmk_ with \
                        a checksum that fits";
        return Err(invalid_argument(py, "value", expected));
    }
    if TokenValue::parse(&value).is_ok_and(|value| value.kind() != kind) {
        let expected =
            "expected a value of the type that the id names: cmu_ of upload tokens, cmk_ of API keys";
        return Err(invalid_argument(py, "value", expected));
    }
    let shown = record.text("preview")?.filter(|shown| !shown.is_empty());
    if shown.is_some_and(|shown| shown != preview(&value)) {
        return Err(invalid_argument(
            py,
            "value",
            "expected the token's own: the record shows another preview",
        ));
    }
    Ok(Known::Value(value.to_owned()))
}

fn issued_value(value: &Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    let value = value.cast::<PyString>().map_err(|_| wrong_type("record.value", "str", value))?;
    arguments::text("record.value", value)
}

/// The one value that is known: what a regeneration has replaced is not, even while both overlap.
fn slots(value: &Known) -> Vec<ValueSlot> {
    let Known::Value(own) = value else { return Vec::new() };
    value.digest(own).map(|digest| ValueSlot { digest, valid_until: None }).into_iter().collect()
}

fn required_extra<'py>(record: &Members<'py>) -> PyResult<Members<'py>> {
    record.required("extra", record.object("extra")?, "expected an object")
}
