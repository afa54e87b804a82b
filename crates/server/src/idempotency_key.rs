//! The `Idempotency-Key` header.

use actix_web::HttpRequest;

use crate::problem::{Problem, codes};

/// The key that the request carries, 1 to 255 visible ASCII characters.
///
/// # Errors
/// 400 for a repeated header or any other content.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let mut headers = request.headers().get_all("idempotency-key");
    let Some(key) = headers.next() else { return Ok(None) };
    let text = key.to_str().ok().filter(|text| {
        (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    });
    match (text, headers.next()) {
        (Some(text), None) => Ok(Some(text)),
        _ => Err(Problem::new(&codes::INVALID_HEADER)
            .detail("expected one Idempotency-Key of 1 to 255 printable ASCII characters")),
    }
}
