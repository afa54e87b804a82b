//! Who calls, by what the dialect's clients present.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use countermark_core::{DenyReason, Dialect, Purpose, Token};
use countermark_domain::{Caller, DomainError};
use zeroize::Zeroizing;

use crate::facade::Fault;
use crate::facade::call::Call;

/// What Basic needs of a key, on every route.
const BASIC_NEEDS: &str = "webdav:read";

/// Somebody who has proven who he is.
pub enum Visitor {
    /// By a login or by an administrator key.
    Administrator(Caller),
    /// By an API key of this dialect.
    Holder(Box<Token>),
}

/// Who calls. `Authorization` is tried first, `X-Custom-Auth-Key` where it is absent or fails; each failure counts against
/// the address, or a good key would hide guesses that stand beside it.
///
/// # Errors
/// 401, 403 for a key of this dialect as Bearer, 429 after too many failures, 503.
pub async fn visitor(call: &Call<'_>, request: &HttpRequest) -> Result<Visitor, Fault> {
    let mut failure = None;
    for presented in presented(request) {
        match identify(call, presented).await {
            Ok(visitor) => return Ok(visitor),
            Err(
                fault @ Fault::Domain(DomainError::Unauthenticated(_) | DomainError::PermissionRequired(_)),
            ) => drop(failure.get_or_insert(fault)),
            Err(other) => return Err(other),
        }
    }
    Err(failure.unwrap_or_else(|| unauthenticated().into()))
}

/// The administrator who calls.
///
/// # Errors
/// As [`visitor`], 403 for a key of this dialect however it is presented.
pub async fn administrator(call: &Call<'_>, request: &HttpRequest) -> Result<Caller, Fault> {
    match visitor(call, request).await? {
        Visitor::Administrator(caller) => Ok(caller),
        Visitor::Holder(_) => Err(DomainError::PermissionRequired("*").into()),
    }
}

/// The refusal of whoever presents nothing that counts.
pub const fn unauthenticated() -> DomainError {
    DomainError::Unauthenticated(DenyReason::UnknownToken)
}

enum Presented<'a> {
    Bearer(&'a str),
    Key(&'a str),
    /// A key as user name and password.
    Basic(Zeroizing<String>),
    Unreadable,
}

/// In the order in which they are tried.
fn presented(request: &HttpRequest) -> impl Iterator<Item = Presented<'_>> {
    let authorization = only(request, "authorization").map(|value| value.map_or(Presented::Unreadable, read));
    let key =
        only(request, "x-custom-auth-key").map(|value| value.map_or(Presented::Unreadable, Presented::Key));
    authorization.into_iter().chain(key)
}

/// The header's text; `Some(None)` where there are several, or what is no text.
fn only<'a>(request: &'a HttpRequest, name: &str) -> Option<Option<&'a str>> {
    let mut values = request.headers().get_all(name);
    let first: &HeaderValue = values.next()?;
    Some(first.to_str().ok().filter(|_| values.next().is_none()))
}

fn read(authorization: &str) -> Presented<'_> {
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("bearer") {
        Presented::Bearer(rest)
    } else if is("apikey") {
        Presented::Key(rest)
    } else if is("basic") {
        twice(rest).map_or(Presented::Unreadable, Presented::Basic)
    } else {
        Presented::Unreadable
    }
}

/// The key that is both user name and password.
fn twice(encoded: &str) -> Option<Zeroizing<String>> {
    let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let text = Zeroizing::new(String::from_utf8(bytes).ok()?);
    let (name, password) = text.split_once(':')?;
    (name == password).then(|| Zeroizing::new(name.to_owned()))
}

async fn identify(call: &Call<'_>, presented: Presented<'_>) -> Result<Visitor, Fault> {
    match presented {
        // Keys hold no full stop, login tokens two.
        Presented::Bearer(login) if login.contains('.') => {
            let found = call.service().authenticate_login(Dialect::Cloudpaste, login, call.address).await;
            call.proven(found).map(Visitor::Administrator)
        }
        Presented::Bearer(key) => {
            call.authenticate(Dialect::Cloudpaste, key, "*").await.map(Visitor::Administrator)
        }
        Presented::Key(key) => holder(call, key).await.map(Visitor::Holder),
        Presented::Basic(key) => {
            let token = holder(call, &key).await?;
            let granted =
                matches!(&token.terms.purpose, Purpose::ApiKey(api) if api.permissions.covers(BASIC_NEEDS));
            if granted { Ok(Visitor::Holder(token)) } else { Err(call.failed(unauthenticated())) }
        }
        Presented::Unreadable => Err(call.failed(unauthenticated())),
    }
}

async fn holder(call: &Call<'_>, key: &str) -> Result<Box<Token>, Fault> {
    call.brake(key)?;
    let found = call.service().holder(Dialect::Cloudpaste, key).await;
    found.map(Box::new).map_err(|error| call.failed(error))
}
