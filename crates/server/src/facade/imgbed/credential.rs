//! Who manages: a token with `manage`, or an administrator, also by name and password.

use actix_web::HttpRequest;
use actix_web::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_core::{DenyReason, Dialect};
use countermark_domain::{Caller, DomainError};

use crate::facade::Fault;
use crate::facade::call::Call;

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
enum Presented<'a> {
    Value(&'a str),
    Basic { user: String, password: String },
}

/// The caller behind the only `Authorization` header: `Bearer` and a value, the value alone, or `Basic`. Schemes are read in
/// any case; ImgBed itself knows only `Bearer`.
///
/// # Errors
/// [`Fault::Domain`] with `Unauthenticated` or `PermissionRequired`, [`Fault::Problem`] with 429.
pub async fn manager(call: &Call<'_>, request: &HttpRequest) -> Result<Caller, Fault> {
    let nobody = || call.failed(DomainError::Unauthenticated(DenyReason::UnknownToken));
    match presented(request).ok_or_else(nobody)? {
        Presented::Value(value) => call.authenticate(Dialect::Imgbed, value, "manage").await,
        // As a password only an administrator key will do: a token of the dialect has a form of its own.
        Presented::Basic { user, password } if user == call.state.facades.admin_name => {
            call.authenticate(Dialect::Imgbed, &password, "*").await
        }
        Presented::Basic { .. } => Err(nobody()),
    }
}

fn presented(request: &HttpRequest) -> Option<Presented<'_>> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (Some(only), None) = (headers.next(), headers.next()) else { return None };
    let text = only.to_str().ok()?;
    let Some((scheme, rest)) = text.split_once(' ') else { return Some(Presented::Value(text)) };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Presented::Value(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Presented::Basic { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_value_comes_with_bearer_or_alone_and_a_name_with_basic() {
        // S0-3.
        let read = |header: &str| {
            let request = TestRequest::default().insert_header(("authorization", header)).to_http_request();
            presented(&request).map(|presented| match presented {
                Presented::Value(value) => value.to_owned(),
                Presented::Basic { user, password } => format!("{user} with {password}"),
            })
        };
        for value in ["Bearer imgbed_x", "bearer imgbed_x", "imgbed_x"] {
            assert_eq!(read(value).as_deref(), Some("imgbed_x"), "{value}");
        }
        assert_eq!(read("Basic YWRtaW46Y21rX3g6eQ==").as_deref(), Some("admin with cmk_x:y"));
        for unreadable in ["Basic", "Basic !", "Basic YWRtaW4=", "Basic //8=", "Digest imgbed_x"] {
            assert!(
                !matches!(read(unreadable), Some(value) if value.contains("imgbed_x") || value.contains("with"))
            );
        }
    }

    #[test]
    fn two_headers_present_nothing() {
        let two = TestRequest::default().insert_header(("authorization", "Bearer a"));
        let two = two.append_header(("authorization", "Bearer a")).to_http_request();
        assert_eq!(presented(&two), None);
    }
}
