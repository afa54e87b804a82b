//! The secret that tusd presents: the password of the user info in its hook URL, which arrives as HTTP Basic.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::{Problem, codes};

/// Digest of a secret, so that the comparison takes the same time whatever is presented, also of another length.
pub(super) struct SecretDigest([u8; 32]);

impl SecretDigest {
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// Demands that the request presents the secret as the password of HTTP Basic; the user name is not looked at.
///
/// # Errors
/// 400 for more than one Authorization header, 401 with a challenge for anything but the secret.
pub(super) fn check(request: &HttpRequest, expected: &SecretDigest) -> Result<(), Problem> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let only = headers.next().ok_or_else(refused)?;
    if headers.next().is_some() {
        return Err(Problem::new(&codes::INVALID_HEADER).detail("expected exactly one Authorization header"));
    }
    let password = password(only).ok_or_else(refused)?;
    let presented = SecretDigest::of(&password);
    if bool::from(presented.0.ct_eq(&expected.0)) { Ok(()) } else { Err(refused()) }
}

fn password(header: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut credentials = STANDARD.decode(credentials).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    Some(credentials.split_off(colon + 1))
}

/// tusd shows this text to the upload's client, who can do nothing about it and should not learn more.
fn refused() -> Problem {
    Problem::new(&codes::UNAUTHENTICATED).detail("the upload server must present its hook secret").header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Basic realm="countermark", charset="UTF-8""#),
    )
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    fn code(headers: &[&str]) -> Option<&'static str> {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(("authorization", *header));
        }
        let expected = SecretDigest::of(b"correct:horse");
        check(&request.to_http_request(), &expected).err().map(|problem| problem.code().name)
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn the_secret_is_the_password_of_any_user() {
        for user in ["tusd", "", "other"] {
            assert_eq!(code(&[&basic(&format!("{user}:correct:horse"))]), None, "{user}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_challenge() {
        let bad = ["tusd:correct", "tusd:correct:horse2", "tusd:", "correct:horse", ""].map(basic);
        for header in bad.iter().map(String::as_str).chain(["Bearer correct:horse", "Basic", "Basic !!", ""])
        {
            assert_eq!(code(&[header]), Some("UNAUTHENTICATED"), "{header}");
        }
        assert_eq!(code(&[]), Some("UNAUTHENTICATED"));
        let right = basic("tusd:correct:horse");
        assert_eq!(code(&[&right, &right]), Some("INVALID_HEADER"));
        assert!(refused().error_response().headers().contains_key("www-authenticate"));
    }
}
