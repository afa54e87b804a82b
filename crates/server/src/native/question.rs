//! A question about a credential as it stands on the wire, and the answer to it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use countermark_core::{DenyReason, Permission, UnixSeconds, UploadId, bounds};
use countermark_domain::{Answer, Credential, Facts, Idempotency, Question};
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::json::{Obj, Whole, optional_object};
use crate::problem::Problem;

/// The body of `POST /v1/authorize`, and one item of a batch.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[schema(as = AuthorizeRequest, example = json!({
    "credential": {"url": "https://img.example.com/mycloud/s-cm1:iu_034YCGMODo7rNXJe1rD0Im.1,1900000000,r15w7L8AR17CuZZJRFjRA2D2mufAOZvu-N5ddeiiOZQ/i/cat.jpg"},
    "request": {"method": "GET", "clientIp": "203.0.113.7"}
}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizeRequest<'a> {
    /// What was presented: exactly one of `url`, `value` and `basic`.
    #[serde(borrow)]
    #[schema(value_type = WireCredential)]
    credential: Obj<WireCredential<'a>>,
    /// What it is to be used for. Host, cloud and path of a signed URL come from the URL alone.
    #[serde(default, borrow, deserialize_with = "optional_object")]
    #[schema(value_type = Option<WireFacts>)]
    request: Option<Box<WireFacts<'a>>>,
    /// Uses to take if the request counts, all or none; 1 if absent, 0 takes nothing.
    #[serde(default)]
    cost: Option<Cost>,
    /// Whether only to tell what would be decided.
    #[serde(default)]
    dry_run: bool,
    /// Makes a retry of the same question free for 24 hours. The `Idempotency-Key` header does the same.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 255)]
    idempotency_key: Option<Str<'a, 255>>,
}

/// Uses of one question.
type Cost = Whole<0, 9_223_372_036_854_775_807>;

/// What was presented: exactly one of the members.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[schema(as = PresentedCredential)]
#[serde(deny_unknown_fields)]
pub struct WireCredential<'a> {
    /// A whole signed URL, byte for byte as the client sent it.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 8500)]
    url: Option<Str<'a, { bounds::URL }>>,
    /// A token value.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    value: Option<Str<'a, { bounds::VALUE }>>,
    /// HTTP Basic credentials: user name and password are both the token value.
    #[serde(default, borrow, deserialize_with = "optional_object")]
    #[schema(value_type = Option<WireBasic>)]
    basic: Option<Box<WireBasic<'a>>>,
}

/// HTTP Basic credentials.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[schema(as = BasicCredentials)]
#[serde(deny_unknown_fields)]
pub struct WireBasic<'a> {
    /// User name.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 4096)]
    username: Str<'a, { bounds::VALUE }>,
    /// Password.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 4096)]
    password: Str<'a, { bounds::VALUE }>,
}

/// The facts of the request; what a token restricts and the facts do not name is refused.
#[derive(Debug, Default, serde::Deserialize, ToSchema)]
#[schema(as = RequestFacts)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireFacts<'a> {
    /// HTTP method in upper case; GET if absent.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, example = "GET")]
    method: Option<Method<'a>>,
    /// Cloud that the request is for.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 64)]
    cloud_id: Option<Str<'a, { bounds::CLOUD_ID }>>,
    /// Raw, undecoded path.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    path: Option<Str<'a, { bounds::PATH }>>,
    /// Raw path of a MOVE's or COPY's destination.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    destination: Option<Str<'a, { bounds::PATH }>>,
    /// Permission that the request needs; looked at for apiKey tokens.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, example = "read")]
    permission: Option<Asked<'a>>,
    /// Storage that the request touches.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    storage: Option<Str<'a, { bounds::STORAGE }>>,
    /// Size of an upload.
    #[serde(default)]
    bytes: Option<Whole<0, { u64::MAX }>>,
    /// Content type of an upload.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 255)]
    content_type: Option<Str<'a, { bounds::CONTENT_TYPE }>>,
    /// Name that the client gives an upload.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    public_id: Option<Str<'a, { bounds::PUBLIC_ID }>>,
    /// The upload that a PATCH, HEAD or DELETE continues; free while it is reserved.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "upl_034YCGMODo7rNXJe1rD0Im")]
    upload_id: Option<UploadId>,
    /// Address of the client, for counting windows.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    client_ip: Option<Address>,
    /// The viewer's own HTTP Basic credentials, for tokens with `authentication`.
    #[serde(default, borrow, deserialize_with = "optional_object")]
    #[schema(value_type = Option<WireBasic>)]
    basic: Option<Box<WireBasic<'a>>>,
}

/// The answer to a question; the members of a token are null until the credential is proven to be its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthorizeAnswer, example = json!({
    "allowed": true, "code": "ALLOWED", "tokenId": "iu_034YCGMODo7rNXJe1rD0Im", "type": "imageUrl",
    "owner": "shop", "limit": 100, "used": 7, "remaining": 93, "expiry": null
}))]
#[serde(rename_all = "camelCase")]
pub struct AuthorizeAnswer {
    /// Whether the use may go on. If a use was counted, it is durable.
    pub allowed: bool,
    /// `ALLOWED` or the reason of the refusal.
    #[schema(example = "ALLOWED")]
    pub code: &'static str,
    /// The token.
    #[schema(value_type = Option<String>)]
    pub token_id: Option<countermark_core::TokenId>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// On whose behalf it acts.
    pub owner: Option<String>,
    /// Most uses, null = unlimited.
    pub limit: Option<u64>,
    /// Uses so far.
    pub used: Option<u64>,
    /// Uses left, null = unlimited.
    pub remaining: Option<u64>,
    /// First instant at which it no longer works, Unix seconds.
    #[schema(value_type = Option<u64>)]
    pub expiry: Option<UnixSeconds>,
}

/// Who asks, for idempotency keys.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The caller's key.
    pub caller: countermark_core::TokenId,
    /// The route asked.
    pub route: &'static str,
    /// The `Idempotency-Key` header.
    pub header_key: Option<&'a str>,
}

impl AuthorizeRequest<'_> {
    /// The question; `item` is this object's place in a batch, `client` what [`AuthorizeRequest::client`] gave.
    ///
    /// # Errors
    /// 400 for no or several credentials and for a key in body and header that differ.
    pub fn question<'q>(
        &'q self,
        item: Option<usize>,
        client: Option<&'q str>,
        asker: Asker<'q>,
    ) -> Result<Question<'q>, Problem> {
        let credential = match (&self.credential.url, &self.credential.value, &self.credential.basic) {
            (Some(url), None, None) => Credential::Url(url),
            (None, Some(value), None) => Credential::Value(value),
            (None, None, Some(basic)) => {
                Credential::Basic { username: &basic.username, password: &basic.password }
            }
            _ => {
                let pointer = pointer_in(item, "credential");
                return Err(Problem::invalid_member(pointer, "expected exactly one of url, value and basic"));
            }
        };
        let mut question = Question {
            credential,
            facts: self.request.as_ref().map(|facts| facts.facts(client)).unwrap_or_default(),
            cost: self.cost.map_or(1, Cost::get),
            dry_run: self.dry_run,
            idempotency: None,
        };
        let key = match (self.idempotency_key.as_deref(), asker.header_key) {
            (Some(one), Some(other)) if one != other => {
                let pointer = pointer_in(item, "idempotencyKey");
                return Err(Problem::invalid_member(pointer, "expected the same key as in the header"));
            }
            (Some(""), _) => {
                let pointer = pointer_in(item, "idempotencyKey");
                return Err(Problem::invalid_member(pointer, "expected 1 to 255 characters"));
            }
            (key, header_key) => key.or(header_key),
        };
        question.idempotency = key.map(|key| Idempotency {
            caller: asker.caller,
            route: asker.route,
            key,
            request: digest(&question),
        });
        Ok(question)
    }

    /// The client's address in one spelling.
    pub fn client(&self) -> Option<String> {
        self.request.as_ref()?.client_ip.map(|address| address.0.to_canonical().to_string())
    }
}

impl WireFacts<'_> {
    fn facts<'q>(&'q self, client: Option<&'q str>) -> Facts<'q> {
        Facts {
            method: self.method.as_ref().map(|method| &*method.0),
            host: None,
            cloud: self.cloud_id.as_deref(),
            path: self.path.as_deref(),
            destination: self.destination.as_deref(),
            permission: self.permission.as_ref().map(|asked| &*asked.0),
            storage: self.storage.as_deref(),
            bytes: self.bytes.map(Whole::get),
            content_type: self.content_type.as_deref(),
            public_id: self.public_id.as_deref(),
            client,
            viewer: self.basic.as_ref().map(|basic| (&*basic.username, &*basic.password)),
            upload: self.upload_id,
            demanded_cloud: None,
            is_demanded_of_all: false,
        }
    }
}

impl AuthorizeAnswer {
    /// The answer on the wire.
    pub fn of(answer: &Answer) -> Self {
        Self::new(answer.verdict.err(), answer.token.as_deref().map(|entry| (&entry.terms, answer.used)))
    }

    /// The answer with this refusal about this token, of which so many uses are taken.
    pub fn new(refusal: Option<DenyReason>, token: Option<(&countermark_core::Terms, u64)>) -> Self {
        Self {
            allowed: refusal.is_none(),
            code: refusal.map_or("ALLOWED", DenyReason::code),
            token_id: token.map(|(terms, _)| terms.id),
            kind: token.map(|(terms, _)| terms.kind().name()),
            owner: token.and_then(|(terms, _)| terms.owner.as_deref().map(str::to_owned)),
            limit: token.and_then(|(terms, _)| terms.limit),
            used: token.map(|(_, used)| used),
            remaining: token.and_then(|(terms, used)| terms.remaining(used)),
            expiry: token.and_then(|(terms, _)| terms.expiry),
        }
    }
}

fn pointer_in(item: Option<usize>, member: &str) -> String {
    match item {
        None => format!("/{member}"),
        Some(place) => format!("/items/{place}/{member}"),
    }
}

/// A digest of everything that is asked, whatever its spelling in JSON.
fn digest(question: &Question<'_>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut part = |text: Option<&str>| match text {
        None => digest.update([0]),
        Some(text) => {
            digest.update([1]);
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    };
    match question.credential {
        Credential::Url(url) => part(Some(url)),
        Credential::Target { host, target } => [host, target].into_iter().for_each(|text| part(Some(text))),
        Credential::Value(value) => ["value", value].into_iter().for_each(|text| part(Some(text))),
        Credential::Basic { username, password } => {
            ["basic", username, password].into_iter().for_each(|text| part(Some(text)));
        }
    }
    let facts = &question.facts;
    for text in [facts.method, facts.host, facts.cloud, facts.path, facts.destination, facts.permission] {
        part(text);
    }
    for text in [facts.storage, facts.content_type, facts.public_id, facts.client] {
        part(text);
    }
    part(facts.viewer.map(|(user, _)| user));
    part(facts.viewer.map(|(_, password)| password));
    part(facts.bytes.map(|bytes| bytes.to_string()).as_deref());
    part(facts.upload.map(|upload| upload.to_string()).as_deref());
    part(Some(&question.cost.to_string()));
    part(Some(if question.dry_run { "dry" } else { "" }));
    digest.finalize().into()
}

/// A string of at most `MAX` bytes, borrowed from the body where JSON has not escaped it.
#[derive(Debug)]
struct Str<'a, const MAX: usize>(Cow<'a, str>);

impl<const MAX: usize> std::ops::Deref for Str<'_, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Str<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StrVisitor::<MAX>).map(Str)
    }
}

struct StrVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for StrVisitor<MAX> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of at most {MAX} bytes")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if text.len() <= MAX {
            Ok(Cow::Borrowed(text))
        } else {
            Err(E::invalid_value(Unexpected::Other(""), &self))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.len() <= MAX {
            Ok(Cow::Owned(text.to_owned()))
        } else {
            Err(E::invalid_value(Unexpected::Other(""), &self))
        }
    }
}

#[derive(Debug)]
struct Method<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Method<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(StrVisitor::<{ bounds::METHOD }>)?;
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if fits { Ok(Self(text)) } else { Err(de::Error::custom("expected an HTTP method in upper case")) }
    }
}

#[derive(Debug)]
struct Asked<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Asked<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(StrVisitor::<{ bounds::PERMISSION }>)?;
        Permission::parse(&text).map_err(de::Error::custom)?;
        Ok(Self(text))
    }
}

#[derive(Clone, Copy, Debug)]
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(StrVisitor::<{ bounds::ADDRESS }>)?;
        text.parse().map(Self).map_err(|_| de::Error::custom("expected an IPv4 or IPv6 address"))
    }
}
