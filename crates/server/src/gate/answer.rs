//! Decisions as proxies understand them: statuses by dialect, and the five headers that always stand.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use countermark_core::DenyReason;
use countermark_domain::cache::Entry;

use crate::config::GateChallenge;
use crate::problem::codes::{self, code_of_reason};
use crate::problem::{BEARER_CHALLENGE, Code, ProblemBody};
use crate::request_id::RequestId;

/// Statuses in which the dialects differ.
#[derive(Debug)]
pub(super) struct Statuses {
    pub(super) allowed: StatusCode,
    pub(super) malformed: StatusCode,
    pub(super) expired: StatusCode,
    pub(super) exhausted: StatusCode,
}

/// nginx makes 500 of everything but 2xx, 401 and 403.
pub(super) const FOR_NGINX: Statuses = Statuses {
    allowed: StatusCode::NO_CONTENT,
    malformed: StatusCode::FORBIDDEN,
    expired: StatusCode::FORBIDDEN,
    exhausted: StatusCode::FORBIDDEN,
};

/// For proxies that give our status to the client.
pub(super) const IN_FULL: Statuses = Statuses {
    allowed: StatusCode::NO_CONTENT,
    malformed: StatusCode::BAD_REQUEST,
    expired: StatusCode::GONE,
    exhausted: StatusCode::TOO_MANY_REQUESTS,
};

/// Envoy lets nothing pass but what is answered with 200; a 204 it would give to the client as the final answer.
pub(super) const FOR_ENVOY: Statuses = Statuses { allowed: StatusCode::OK, ..IN_FULL };

/// The request may go on.
pub(super) struct Pass {
    /// The token and its uses so far; `None` for what needs no credential.
    pub(super) token: Option<(Arc<Entry>, u64)>,
    /// Seconds for which the client may keep what it gets.
    pub(super) max_age: Option<u64>,
}

/// The request may not go on.
pub(super) enum Refused {
    /// The peer is no trusted proxy.
    Untrusted,
    /// The proxy has not sent a header that it must.
    Untold,
    /// The request breaks the grammar, as this says.
    Malformed(&'static str),
    /// Nothing was presented.
    NoCredential(GateChallenge),
    /// A decision about what was presented; the token and its uses once it is proven.
    Denied { reason: DenyReason, token: Option<(Arc<Entry>, u64)>, challenge: GateChallenge },
    /// A value that may be a guess, from a client that may not try now.
    Throttled { seconds: u64 },
    /// No decision could be made.
    Unavailable,
    /// A record cannot be read.
    Broken,
}

const TOKEN_ID: HeaderName = HeaderName::from_static("x-countermark-token-id");
const CODE: HeaderName = HeaderName::from_static("x-countermark-code");
const REMAINING: HeaderName = HeaderName::from_static("x-countermark-remaining");
const OWNER: HeaderName = HeaderName::from_static("x-countermark-owner");
const CLIENT_CACHE: HeaderName = HeaderName::from_static("x-countermark-cache-control");

const EMPTY: HeaderValue = HeaderValue::from_static("");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("private, no-store");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const BEARER: HeaderValue = HeaderValue::from_static(BEARER_CHALLENGE);
const BEARER_INVALID: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="countermark", error="invalid_token""#);
const BEARER_INSUFFICIENT: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="countermark", error="insufficient_scope""#);
const BASIC: HeaderValue = HeaderValue::from_static(r#"Basic realm="countermark", charset="UTF-8""#);

impl Pass {
    /// An answer without a body, with the status that this dialect has for it.
    pub(super) fn render(&self, statuses: &Statuses) -> HttpResponse {
        let mut response = HttpResponse::build(statuses.allowed);
        let client_cache = match self.max_age {
            None => NOT_KEPT,
            Some(seconds) => value(format!("max-age={seconds}")),
        };
        put_headers(&mut response, HeaderValue::from_static("ALLOWED"), self.token.as_ref(), client_cache);
        response.finish()
    }
}

impl Refused {
    /// The refusal as a problem, with the status that this dialect has for it.
    pub(super) fn render(
        &self,
        statuses: &Statuses,
        request: &HttpRequest,
        public_url: &str,
    ) -> HttpResponse {
        let code = self.code();
        let status = self.status(statuses);
        let mut response = HttpResponse::build(status);
        let token = match self {
            Self::Denied { token, .. } => token.as_ref(),
            _ => None,
        };
        put_headers(&mut response, HeaderValue::from_static(code.name), token, NOT_KEPT);
        for challenge in self.challenges().into_iter().flatten() {
            response.append_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after().filter(|_| status != StatusCode::FORBIDDEN) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        let id = RequestId::of(request);
        let body = ProblemBody {
            page: format!("{public_url}/docs/errors/{}", code.name),
            title: code.title,
            status: status.as_u16(),
            detail: if let Self::Malformed(detail) = self { detail } else { code.title },
            code: code.name,
            request_id: id.as_ref().map_or("", RequestId::as_str),
            errors: &[],
        };
        response.content_type("application/problem+json");
        response.body(serde_json::to_vec(&body).expect("texts and numbers always become JSON"))
    }

    fn code(&self) -> &'static Code {
        match self {
            Self::Untrusted => &codes::UNTRUSTED_PROXY,
            Self::Untold => &codes::PROXY_HEADER_MISSING,
            Self::Malformed(_) => &codes::MALFORMED,
            Self::NoCredential(_) => &codes::NO_CREDENTIAL,
            Self::Denied { reason, .. } => code_of_reason(*reason),
            Self::Throttled { .. } => &codes::THROTTLED,
            Self::Unavailable => &codes::UNAVAILABLE,
            Self::Broken => &codes::INTERNAL,
        }
    }

    /// Seconds.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled { seconds } => Some(*seconds),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }

    fn status(&self, statuses: &Statuses) -> StatusCode {
        match self {
            Self::Untrusted => StatusCode::FORBIDDEN,
            Self::Untold | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Malformed(_) => statuses.malformed,
            Self::NoCredential(_) => StatusCode::UNAUTHORIZED,
            Self::Throttled { .. } => statuses.exhausted,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Denied { reason, .. } => match reason {
                DenyReason::Malformed => statuses.malformed,
                DenyReason::UnknownToken
                | DenyReason::WrongType
                | DenyReason::BadSignature
                | DenyReason::AuthenticationRequired => StatusCode::UNAUTHORIZED,
                DenyReason::Expired | DenyReason::LinkExpired => statuses.expired,
                DenyReason::LimitReached => statuses.exhausted,
                _ => StatusCode::FORBIDDEN,
            },
        }
    }

    /// Basic stands first: of several challenges, some proxies pass on the first one alone.
    fn challenges(&self) -> [Option<HeaderValue>; 2] {
        let asking = |challenge: &GateChallenge, bearer| {
            [(*challenge == GateChallenge::Basic).then_some(BASIC), Some(bearer)]
        };
        match self {
            Self::NoCredential(challenge) => asking(challenge, BEARER),
            Self::Denied { reason, challenge, .. } => match reason {
                DenyReason::UnknownToken | DenyReason::WrongType | DenyReason::BadSignature => {
                    asking(challenge, BEARER_INVALID)
                }
                DenyReason::AuthenticationRequired => [Some(BASIC), None],
                DenyReason::PermissionDenied => [Some(BEARER_INSUFFICIENT), None],
                _ => [None, None],
            },
            _ => [None, None],
        }
    }
}

/// All five in every answer: a proxy that copies them would else leave what the client had sent.
fn put_headers(
    response: &mut HttpResponseBuilder,
    code: HeaderValue,
    token: Option<&(Arc<Entry>, u64)>,
    client_cache: HeaderValue,
) {
    let (id, remaining, owner) = match token {
        None => (EMPTY, EMPTY, EMPTY),
        Some((entry, used)) => (
            value(entry.terms.id.to_string()),
            entry.terms.remaining(*used).map_or(EMPTY, HeaderValue::from),
            entry.terms.owner.as_deref().map_or(EMPTY, escaped),
        ),
    };
    response
        .insert_header((TOKEN_ID, id))
        .insert_header((CODE, code))
        .insert_header((REMAINING, remaining))
        .insert_header((OWNER, owner))
        .insert_header((CLIENT_CACHE, client_cache))
        .insert_header((header::CACHE_CONTROL, NO_STORE));
}

/// Percent-encoded but for what needs no escape anywhere.
fn escaped(text: &str) -> HeaderValue {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for half in [byte >> 4, byte & 15] {
                escaped.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
            }
        }
    }
    value(escaped)
}

/// Takes the text over without a copy.
fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("visible ASCII may stand in a header")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn rendered(refused: &Refused, statuses: &Statuses) -> HttpResponse {
        refused.render(statuses, &TestRequest::default().to_http_request(), "https://cm.example")
    }

    /// DESIGN's table, row by row: status for nginx, status for the others, challenge.
    #[test]
    fn each_refusal_has_its_status_and_challenge() {
        let denied = |reason| Refused::Denied { reason, token: None, challenge: GateChallenge::Bearer };
        for reason in DenyReason::ALL {
            let (nginx, full, challenge) = match reason {
                DenyReason::Malformed => (403, 400, ""),
                DenyReason::UnknownToken | DenyReason::WrongType | DenyReason::BadSignature => {
                    (401, 401, r#"Bearer realm="countermark", error="invalid_token""#)
                }
                DenyReason::AuthenticationRequired => {
                    (401, 401, r#"Basic realm="countermark", charset="UTF-8""#)
                }
                DenyReason::Expired | DenyReason::LinkExpired => (403, 410, ""),
                DenyReason::LimitReached => (403, 429, ""),
                DenyReason::PermissionDenied => {
                    (403, 403, r#"Bearer realm="countermark", error="insufficient_scope""#)
                }
                _ => (403, 403, ""),
            };
            assert_statuses(&denied(reason), nginx, full, challenge);
        }
        assert_statuses(&Refused::Malformed("x"), 403, 400, "");
        assert_statuses(
            &Refused::NoCredential(GateChallenge::Bearer),
            401,
            401,
            r#"Bearer realm="countermark""#,
        );
        assert_statuses(&Refused::Untrusted, 403, 403, "");
        assert_statuses(&Refused::Untold, 500, 500, "");
        assert_statuses(&Refused::Broken, 500, 500, "");
        assert_statuses(&Refused::Unavailable, 503, 503, "");
        assert_statuses(&Refused::Throttled { seconds: 7 }, 403, 429, "");
    }

    fn assert_statuses(refused: &Refused, nginx: u16, full: u16, challenge: &str) {
        for (statuses, expected) in [(&FOR_NGINX, nginx), (&IN_FULL, full)] {
            let answer = rendered(refused, statuses);
            assert_eq!(answer.status(), expected, "{}", refused.code().name);
            let headers = answer.headers();
            let shown = headers.get("www-authenticate").map_or("", |it| it.to_str().unwrap());
            assert_eq!(shown, challenge, "{}", refused.code().name);
            assert_eq!(headers.get("x-countermark-code").unwrap(), refused.code().name);
            assert_eq!(headers.get("x-countermark-cache-control").unwrap(), "private, no-store");
            for name in ["token-id", "remaining", "owner"] {
                assert_eq!(headers.get(format!("x-countermark-{name}")).unwrap(), "", "{name}");
            }
            assert_eq!(headers.get("cache-control").unwrap(), "no-store");
            let wait = match refused {
                Refused::Throttled { .. } if expected == 429 => Some("7"),
                Refused::Unavailable => Some("1"),
                _ => None,
            };
            assert_eq!(headers.get("retry-after").map(|it| it.to_str().unwrap()), wait);
        }
    }

    #[test]
    fn under_a_rule_for_it_name_and_password_are_asked_for_first() {
        let basic = r#"Basic realm="countermark", charset="UTF-8""#;
        let shown = |refused| {
            let answer = rendered(&refused, &FOR_NGINX);
            let values = answer.headers().get_all("www-authenticate");
            values.map(|it| it.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let denied = |reason| Refused::Denied { reason, token: None, challenge: GateChallenge::Basic };
        let invalid = r#"Bearer realm="countermark", error="invalid_token""#;
        assert_eq!(
            shown(Refused::NoCredential(GateChallenge::Basic)),
            [basic, r#"Bearer realm="countermark""#]
        );
        assert_eq!(shown(denied(DenyReason::UnknownToken)), [basic, invalid]);
        assert_eq!(shown(denied(DenyReason::AuthenticationRequired)), [basic]);
        assert_eq!(
            shown(denied(DenyReason::PermissionDenied)),
            [r#"Bearer realm="countermark", error="insufficient_scope""#]
        );
        assert!(shown(denied(DenyReason::Revoked)).is_empty());
    }

    #[test]
    fn an_owner_cannot_add_headers() {
        assert_eq!(escaped("a-Z.0_~"), "a-Z.0_~");
        assert_eq!(escaped("a\r\nb: c%é"), "a%0D%0Ab%3A%20c%25%C3%A9");
    }
}
