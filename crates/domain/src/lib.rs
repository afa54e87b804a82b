//! The use-cases of Countermark over its pure core: this list is the table of contents.
//!
//! Everything that must be done by a machine is declared here and made elsewhere: [`store::Store`], [`clock::Clock`],
//! [`rng::Rng`].

mod administrator;
mod authorize;
mod caller;
mod explain;
mod introspect;
mod issue;
mod regenerate;
mod reveal;
mod revoke;
mod sign;
mod update;
mod upload;
mod view;

mod draft;
mod error;
mod idempotency;
mod service;

pub mod cache;
pub mod clock;
mod combiner;
pub mod rng;
mod statistics;
pub mod store;
mod viewer;
mod window;

#[cfg(test)]
mod testing;

pub use authorize::{Answer, Credential, Facts, Question};
pub use caller::Caller;
pub use combiner::BATCH;
pub use draft::{Draft, Expiry, NewPassword, Patch, PurposeDraft};
pub use error::DomainError;
pub use explain::Explanation;
pub use idempotency::Idempotency;
pub use issue::{Issued, Outcome, Repeatable};
pub use service::{NotReady, Service};
pub use sign::SigningOrder;
pub use update::{ExtraPatch, MAX_LABELS, TokenPatch, UploadPatch};
pub use upload::{MAX_REPORT_BYTES, UploadAnswer, UploadOrder, UploadResult, UploadSettings, UploadStanding};
pub use view::Page;
