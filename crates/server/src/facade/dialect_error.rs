//! An error answer in the words of a dialect.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use countermark_domain::DomainError;
use serde::Serialize;

use crate::native::error::problem;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// What a problem tells, the member at fault under the dialect's own name: `names` holds pairs of a native and a foreign
/// JSON pointer.
pub fn told<'a>(problem: &'a Problem, names: &[(&str, &str)]) -> Cow<'a, str> {
    let fault = problem.errors().first();
    let renamed = fault.and_then(|fault| {
        let (_, name) = names.iter().find(|(native, _)| *native == fault.pointer)?;
        Some(Cow::Owned(format!("{name}: {}", fault.detail)))
    });
    renamed.unwrap_or(Cow::Borrowed(problem.told()))
}

/// What a room's handlers return as `Err`; [`crate::respond::Respond`] lets it pass as it is, but for the request id, and
/// logs its cause.
#[derive(Debug)]
pub struct DialectError {
    status: StatusCode,
    /// `None` in dialects that name none.
    content_type: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    /// The member of the body's object under which the request id is told; `None` = only the header tells it.
    request_id_member: Option<&'static str>,
    closes: bool,
    cause: Option<String>,
}

impl DialectError {
    /// An error whose body is JSON.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("error bodies are plain structs of texts and numbers");
        Self::of(status, Some("application/json"), body)
    }

    /// An error whose body is text.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self::of(status, Some("text/plain; charset=utf-8"), body.into())
    }

    /// An error whose body is text, in a dialect whose answers name no content type.
    pub fn untyped(status: StatusCode, body: impl Into<String>) -> Self {
        Self::of(status, None, body.into())
    }

    fn answer(&self, body: String) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(content_type) = self.content_type.filter(|_| !body.is_empty()) {
            response.insert_header((header::CONTENT_TYPE, content_type));
        }
        for (name, value) in &self.headers {
            response.append_header((name.clone(), value.clone()));
        }
        if self.closes {
            response.force_close();
        }
        response.body(body)
    }

    fn of(status: StatusCode, content_type: Option<&'static str>, body: String) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body,
            request_id_member: None,
            closes: false,
            cause: None,
        }
    }

    /// Tells the request id in the body, too; for errors whose body is a JSON object with members.
    #[must_use]
    pub fn naming_request(mut self, member: &'static str) -> Self {
        self.request_id_member = Some(member);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Takes over what is not worded: the headers (such as `Retry-After` and `Allow`, but no challenge, which each dialect
    /// words by itself), the cause for the log, and whether the connection ends.
    #[must_use]
    pub fn carrying(mut self, problem: &Problem) -> Self {
        let worded = |(name, _): &&(HeaderName, HeaderValue)| *name != header::WWW_AUTHENTICATE;
        self.headers.extend(problem.headers().filter(worded).cloned());
        self.closes = problem.closes();
        self.cause = problem.cause().map(str::to_owned);
        self
    }

    /// Closes the connection after the answer, for requests whose body was not read to its end.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The answer to the request with this id.
    pub fn render(&self, request_id: &RequestId) -> HttpResponse {
        let whole = || match (self.request_id_member, self.body.strip_suffix('}')) {
            (Some(member), Some(open)) => format!(r#"{open},"{member}":"{request_id}"}}"#),
            _ => self.body.clone(),
        };
        self.answer(whole())
    }

    /// Whether something inside has failed, which is logged. 501 and a 503 without a cause are refusals on purpose, which
    /// any client can call forth.
    pub fn is_failure(&self) -> bool {
        let is_refusal = match self.status {
            StatusCode::NOT_IMPLEMENTED => true,
            StatusCode::SERVICE_UNAVAILABLE => self.cause.is_none(),
            status => !status.is_server_error(),
        };
        !is_refusal
    }

    /// The cause for the log, if there is any.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.closes
    }
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)
    }
}

impl ResponseError for DialectError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.answer(self.body.clone())
    }
}

/// What went wrong, before a room words it.
#[derive(Debug)]
pub enum Fault {
    /// A use-case has refused or failed.
    Domain(DomainError),
    /// The request is not acceptable, or the caller is braked.
    Problem(Problem),
}

impl Fault {
    /// The same as a problem of the native API, whose status, detail and headers fit whatever the room has no words for.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Domain(error) => problem(error),
            Self::Problem(problem) => problem,
        }
    }
}

impl From<DomainError> for Fault {
    fn from(error: DomainError) -> Self {
        Self::Domain(error)
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
