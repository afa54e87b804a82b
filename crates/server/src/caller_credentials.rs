//! The only reader of the management API's credentials; the look-up is someone else's.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};

use crate::problem::{Problem, codes};

/// The management key that the request presents, without a copy.
///
/// # Errors
/// As [`bearer`]; 401 also for a value that cannot be a management key.
pub fn management_key(request: &HttpRequest) -> Result<&str, Problem> {
    let value = bearer(request)?;
    if value.starts_with("cmk_") { Ok(value) } else { Err(Problem::key_refused()) }
}

/// RFC 6750, section 3.1: more than one way of presenting a token is an invalid request.
const INVALID_REQUEST_CHALLENGE: &str = r#"Bearer realm="countermark", error="invalid_request""#;

/// Any value presented as Bearer, for routes that a token's holder may call as well.
///
/// # Errors
/// 400 for more than one Authorization header, 401 with a challenge for none or another scheme.
pub fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let only = headers.next().ok_or_else(Problem::unauthenticated)?;
    if headers.next().is_some() {
        return Err(Problem::new(&codes::INVALID_HEADER)
            .detail("expected exactly one Authorization header")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(INVALID_REQUEST_CHALLENGE)));
    }
    only.to_str().ok().and_then(bearer_value).ok_or_else(Problem::unauthenticated)
}

/// The scheme in any case, one space, then the value: printable and without spaces.
fn bearer_value(header: &str) -> Option<&str> {
    let (scheme, value) = header.split_once(' ')?;
    let fits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(value)
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    fn code(request: TestRequest) -> Result<String, &'static str> {
        let request = request.to_http_request();
        management_key(&request).map(str::to_owned).map_err(|problem| problem.code().name)
    }

    fn with(value: &str) -> TestRequest {
        TestRequest::default().insert_header(("authorization", value))
    }

    #[test]
    fn one_bearer_header_is_read() {
        assert_eq!(code(with("Bearer cmk_abc")).as_deref(), Ok("cmk_abc"));
        assert_eq!(code(with("bearer cmk_abc")).as_deref(), Ok("cmk_abc"));
    }

    #[test]
    fn two_authorization_headers_are_a_bad_request() {
        let two = with("Bearer cmk_abc").append_header(("authorization", "Bearer cmk_abc"));
        assert_eq!(code(two), Err("INVALID_HEADER"));
    }

    #[test]
    fn anything_else_is_unauthenticated_with_a_challenge() {
        assert_eq!(code(TestRequest::default()), Err("UNAUTHENTICATED"));
        for bad in
            ["Basic abc", "Bearer", "Bearer ", "Bearer  cmk_a", "Bearer cmk_a b", "cmk_a", "Bearer cmu_a"]
        {
            assert_eq!(code(with(bad)), Err("UNAUTHENTICATED"), "{bad}");
        }
    }

    #[test]
    fn the_challenge_names_an_error_only_where_something_was_presented() {
        let challenge = |request: TestRequest| {
            let answer = management_key(&request.to_http_request()).unwrap_err().error_response();
            let header = answer.headers().get("www-authenticate").unwrap();
            (answer.status().as_u16(), header.to_str().unwrap().to_owned())
        };
        let bare = r#"Bearer realm="countermark""#;
        assert_eq!(challenge(TestRequest::default()), (401, bare.to_owned()));
        assert_eq!(challenge(with("Basic YTpi")), (401, bare.to_owned()));
        assert_eq!(challenge(with("Bearer cmu_a")), (401, format!(r#"{bare}, error="invalid_token""#)));
        let two = with("Bearer cmk_a").append_header(("authorization", "Bearer cmk_a"));
        assert_eq!(challenge(two), (400, format!(r#"{bare}, error="invalid_request""#)));
    }
}
