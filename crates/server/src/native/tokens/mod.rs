//! The tokens themselves: one file an operation, and what they share.

pub(super) mod issue;
pub(super) mod list;
pub(super) mod regenerate;
pub(super) mod reveal;
pub(super) mod revoke;
pub(super) mod update;
pub(super) mod usage;
pub(super) mod view;

mod extra;
pub(crate) mod member;
mod notify;
mod record;
pub(super) mod schema;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use countermark_core::{Token, TokenId, UnixSeconds};
use countermark_domain::{Caller, Idempotency, Issued, Outcome, Repeatable};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::record::Record;
use crate::idempotency_key::idempotency_key;
use crate::problem::Problem;

/// The id in the path; what is no id is answered like one that does not exist.
fn token_id(request: &HttpRequest) -> Result<TokenId, Problem> {
    request.match_info().query("id").parse().map_err(|_| Problem::not_found())
}

/// 200 with the record and its `ETag`.
fn record_answer(token: &Token, now: UnixSeconds) -> HttpResponse {
    let body = serde_json::to_vec(&Record::of(token, now)).expect(PLAIN);
    answer(StatusCode::OK, token.terms.revision).body(body)
}

/// Renders the answer of an issue or a regeneration at `now`, secrets included.
fn rendered_at(now: UnixSeconds) -> impl Fn(&Issued) -> Vec<u8> + Sync {
    move |issued| serde_json::to_vec(&Record::of_issued(issued, now)).expect(PLAIN)
}

/// How the call is to be kept under its `Idempotency-Key`, if it has one.
fn repeatable<'a>(
    request: &'a HttpRequest,
    caller: &Caller,
    route: &'static str,
    body: &Bytes,
    render: &'a (dyn Fn(&Issued) -> Vec<u8> + Sync),
) -> Result<Option<Repeatable<'a>>, Problem> {
    let Some(key) = idempotency_key(request)? else { return Ok(None) };
    let idempotency = Idempotency { caller: caller.id(), route, key, request: Sha256::digest(body).into() };
    Ok(Some(Repeatable { idempotency, render }))
}

/// The answer of a call that may be a repetition: both times the same bytes and headers; with 201 the `Location` too.
fn outcome_answer(
    status: StatusCode,
    outcome: Outcome,
    render: impl Fn(&Issued) -> Vec<u8>,
) -> Result<HttpResponse, Problem> {
    #[derive(Deserialize)]
    struct Head {
        id: String,
        revision: u64,
    }
    let body = match outcome {
        Outcome::Done(issued) => render(&issued),
        Outcome::Repeated(kept) => kept.to_vec(),
    };
    let head: Head =
        serde_json::from_slice(&body).map_err(|_| Problem::internal("a kept answer cannot be read"))?;
    let mut answer = answer(status, head.revision);
    if status == StatusCode::CREATED {
        answer.insert_header((header::LOCATION, format!("/v1/access-tokens/{}", head.id)));
    }
    Ok(answer.body(body))
}

fn answer(status: StatusCode, revision: u64) -> HttpResponseBuilder {
    let etag = HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits may stand in a header");
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, etag));
    answer
}

const PLAIN: &str = "records are plain structs of texts and numbers";
