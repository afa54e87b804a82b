//! The use-cases of Countermark over its pure core: this list is the table of contents.
//!
//! Everything that must be done by a machine is declared here and made elsewhere: [`store::Store`], [`clock::Clock`],
//! [`rng::Rng`].

mod administrator;
mod authorize;
mod caller;
mod dialect;
mod explain;
mod introspect;
mod issue;
mod login;
mod notifications;
mod regenerate;
mod reveal;
mod revoke;
mod shardimage_key;
mod sign;
mod update;
mod upload;
mod upload_report;
mod view;

mod draft;
mod error;
pub mod event;
pub mod follower;
mod idempotency;
mod jwt;
mod service;

pub mod cache;
pub mod clock;
mod combiner;
pub mod deliver;
pub mod histogram;
pub mod lease;
mod proof;
mod readiness;
pub mod rng;
mod statistics;
pub mod store;
mod viewer;
mod webhook;
mod window;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use authorize::{Answer, Credential, Facts, Question};
pub use caller::Caller;
pub use combiner::{BATCH, USE_WAIT};
pub use deliver::{Courier, Delivery, Parcel};
pub use draft::{Draft, Expiry, NewPassword, Patch, PurposeDraft};
pub use error::DomainError;
pub use explain::Explanation;
pub use idempotency::Idempotency;
pub use issue::{Issued, Outcome, Repeatable};
pub use login::{Login, MAX_LOGIN_SECONDS};
pub use readiness::{Missing, NotReady};
pub use service::Service;
pub use shardimage_key::{ShardimageRights, SignedCall};
pub use sign::SigningOrder;
pub use update::{ExtraPatch, MAX_LABELS, NotifyPatch, TokenPatch, UploadPatch};
pub use upload::{UploadAnswer, UploadAsker, UploadOrder, UploadResult, UploadSettings, UploadStanding};
pub use upload_report::MAX_REPORT_BYTES;
pub use view::Page;
