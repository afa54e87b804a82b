//! The closed lists of words in the OpenAPI document; the words themselves are written by the core's types.

use utoipa::ToSchema;

/// What a token is for: it signs image URLs, is presented by upload clients, or carries permissions.
#[derive(ToSchema)]
#[schema(as = AccessTokenType, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenType {
    ImageUrl,
    Upload,
    ApiKey,
}

/// What a token amounts to now: the first that applies, in this order.
#[derive(ToSchema)]
#[schema(as = AccessTokenStatus, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenStatus {
    Revoked,
    Disabled,
    Expired,
    Exhausted,
    NotYetValid,
    Active,
}

/// Which allowed requests of a signed URL are uses: only GET, or every request.
#[derive(ToSchema)]
#[schema(as = AccessTokenCounting, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenCounting {
    Get,
    Request,
}

/// The wire format in which a token was issued.
#[derive(ToSchema)]
#[schema(as = AccessTokenDialect, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenDialect {
    Native,
    Imgbed,
    Query,
    Shardimage,
    Cloudpaste,
    Contentive,
}

/// Whether a secret version signs and verifies, only verifies, or does nothing any more.
#[derive(ToSchema)]
#[schema(as = AccessTokenSecretState, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenSecretState {
    Active,
    VerifyOnly,
    Retired,
}
