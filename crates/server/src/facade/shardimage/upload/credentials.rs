//! Who uploads: the holder of an upload token, which stands in a header of the request and may be repeated in its parts.

use actix_web::HttpRequest;
use countermark_core::{DenyReason, Dialect, TokenId};
use countermark_domain::DomainError;
use zeroize::Zeroizing;

use super::flow::refused;
use super::refusal::Refusal;
use super::seats::Seat;
use super::target::UploadTarget;
use crate::facade::Fault;
use crate::facade::call::Call;
use crate::facade::shardimage::message::Asked;
use crate::problem::{Problem, codes};

/// The header that bears the token's value.
const TOKEN: &str = "x-shardimage-auth-token";
/// The headers of a management key, which uploads nothing.
const KEY: [&str; 2] = ["x-shardimage-auth-key", "x-shardimage-auth-signature"];

/// What stands in the answer where the token is missing.
const TOKEN_NEEDED: &str =
    "uploads need the id of an upload token in X-Shardimage-Auth-token; keys upload nothing";

/// A request that may go on to send its body.
pub(super) struct Admission {
    /// The token's value.
    pub(super) value: Zeroizing<String>,
    /// Its seat.
    pub(super) seat: Seat,
}

/// Admits a request by its head alone, so that strangers fill neither memory nor seats, and holders of spent tokens neither. The token is decided on once more
/// when the upload begins.
///
/// # Errors
/// 501 without a target, 400 or 401 or 403 for the token, 503 if all seats are taken, or all
/// of the token's.
pub(super) async fn admit(
    request: &HttpRequest,
    call: &Call<'_>,
    seat: impl Fn(&UploadTarget, TokenId) -> Option<Seat>,
) -> Result<Admission, Refusal> {
    if !call.state.shardimage_target.is_configured() {
        return Err(Refusal::NotImplemented("this service has no upload target"));
    }
    let value = token(request)?;
    let uploader = call.service().uploader(Dialect::Shardimage, &value).await.map_err(Fault::from)?;
    let token = uploader.map_err(|reason| call.failed(refused(reason)))?;
    let seat = seat(&call.state.shardimage_target, token).ok_or(Refusal::Busy)?;
    Ok(Admission { value, seat })
}

fn token(request: &HttpRequest) -> Result<Zeroizing<String>, Fault> {
    let mut tokens = request.headers().get_all(TOKEN);
    let has_key = KEY.iter().any(|name| request.headers().contains_key(*name));
    match (tokens.next(), tokens.next(), has_key) {
        (Some(only), None, false) => {
            let value = only.to_str().map_err(|_| DomainError::Unauthenticated(DenyReason::UnknownToken))?;
            Ok(Zeroizing::new(value.to_owned()))
        }
        (None, _, true) => Err(Problem::new(&codes::PERMISSION_REQUIRED).detail(TOKEN_NEEDED).into()),
        (None, _, false) => Err(Problem::new(&codes::NO_CREDENTIAL).detail(TOKEN_NEEDED).into()),
        _ => Err(Problem::new(&codes::INVALID_HEADER)
            .detail("expected one X-Shardimage-Auth-token and no key beside it")
            .into()),
    }
}

/// Demands that a part presents nothing else than the whole request does.
///
/// # Errors
/// 400 for another token or a key.
pub(super) fn agrees(part: &Asked, value: &str) -> Result<(), Problem> {
    let mut others = part.headers.get_all(TOKEN).filter(|other| other.as_bytes() != value.as_bytes());
    let has_key = KEY.iter().any(|name| part.headers.contains_key(*name));
    if others.next().is_some() || has_key {
        return Err(Problem::new(&codes::INVALID_HEADER)
            .detail("expected the X-Shardimage-Auth-token of the whole request in each part"));
    }
    Ok(())
}
