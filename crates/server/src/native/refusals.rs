//! The problems that many operations can answer with, once for the OpenAPI document.

use utoipa::IntoResponses;

use crate::problem::ProblemBody;

/// What every route that needs a management key can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum Refusals<'a> {
    /// A part of the request is not acceptable; `errors` names it.
    #[response(status = 400, content_type = "application/problem+json")]
    Unacceptable(ProblemBody<'a>),
    /// No usable management key.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody<'a>),
    /// The key lacks a permission, or the token's rights exceed the key's.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
    /// Too many failed attempts from this address.
    #[response(status = 429, content_type = "application/problem+json")]
    Throttled(ProblemBody<'a>),
    /// The service cannot answer now; nothing has been done.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}
