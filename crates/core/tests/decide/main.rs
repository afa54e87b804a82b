//! The order of refusal and every single rule of it, through the public API and with really signed URLs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, in its helpers too")]

mod api_key;
mod explain;
mod image_url;
mod legacy;
#[path = "../../../../tests/legacy_signer.rs"]
mod legacy_signer;
mod life;
mod limit;
mod management;
mod methods;
mod order;
mod scene;
mod upload;
