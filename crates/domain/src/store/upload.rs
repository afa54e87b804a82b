//! Uploads at rest: a use reserved when one begins, final or given back when it ends.

use async_trait::async_trait;
use countermark_core::{TokenId, UnixSeconds, UploadExtra, UploadId, UploadParameters};

use super::{Booked, IdempotencyKey, NewNotification, StoreError};

/// What has become of an upload; the last two are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Begun: its use is reserved.
    Reserved,
    /// Its use is spent.
    Completed,
    /// Its use has gone back.
    Aborted,
}

/// An upload under a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Its public handle.
    pub id: UploadId,
    /// The upload token whose use it is.
    pub token: TokenId,
    /// On whose behalf the token acted when the upload began.
    pub owner: Option<String>,
    /// The API key that began it; `None` if the token's holder did so alone.
    pub began_by: Option<TokenId>,
    /// What has become of it.
    pub state: UploadState,
    /// The parameters that it really gets.
    pub effective: UploadParameters,
    /// What the token directed and demanded when the upload began; this still holds when it completes.
    pub extra: UploadExtra,
    /// When it began.
    pub began_at: UnixSeconds,
    /// When a reservation ends by itself: aborted if an API key began it, completed if the holder did.
    pub deadline: UnixSeconds,
    /// When it ended.
    pub ended_at: Option<UnixSeconds>,
    /// What it became, as the JSON object that completed it; `None` also where the deadline did.
    pub result: Option<String>,
}

impl Upload {
    /// Whether it is begun and its deadline lies ahead.
    pub fn is_live(&self, now: UnixSeconds) -> bool {
        self.state == UploadState::Reserved && now < self.deadline
    }

    /// The same upload as it stands at `now`: its deadline holds from its very second, also before
    /// [`UploadStore::expire_uploads`] has come by.
    #[must_use]
    pub fn at(mut self, now: UnixSeconds) -> Self {
        if self.state == UploadState::Reserved && now >= self.deadline {
            self.state = self.state_at_deadline();
            self.ended_at = Some(self.deadline);
        }
        self
    }

    /// A server that began the upload and has fallen silent has not stored it; a holder alone must not win its use back by
    /// saying nothing.
    pub const fn state_at_deadline(&self) -> UploadState {
        if self.began_by.is_some() { UploadState::Aborted } else { UploadState::Completed }
    }
}

/// An upload that a decision has allowed and that is now to begin.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The upload, [`UploadState::Reserved`].
    pub upload: Upload,
    /// The revision on which the decision was made.
    pub revision: u64,
    /// Makes a retry find the same upload.
    pub idempotency: Option<IdempotencyKey>,
    /// Most reservations of the token at once, this one included.
    pub open_at_most: u32,
}

/// What became of the beginning of an upload.
#[derive(Clone, Debug, PartialEq)]
pub enum UploadBegun {
    /// Its use is taken and it is stored; durable.
    Reserved {
        /// Uses so far, this one included.
        used: u64,
    },
    /// The same request has begun this upload before; none was begun now.
    Repeated {
        /// That upload, reserved or completed.
        upload: Box<Upload>,
        /// Uses so far.
        used: u64,
    },
    /// The same request has begun an upload whose use was given back since.
    GivenBack,
    /// The key was used before for another request.
    KeyMismatch,
    /// No use is left.
    Exhausted {
        /// Uses so far.
        used: u64,
    },
    /// The token has as many reservations as it may have at once.
    TooManyOpen,
    /// The record is no longer what the decision was made on: find it and decide again.
    Stale,
}

/// How an upload is to end.
#[derive(Clone, Debug)]
pub enum UploadEnd {
    /// Its use is spent.
    Complete {
        /// The JSON object that says what it became.
        result: String,
        /// What is told to whom, in the same transaction.
        notifications: Vec<NewNotification>,
    },
    /// Its use goes back.
    Abort,
}

/// What became of the end of an upload.
#[derive(Clone, Debug, PartialEq)]
pub enum UploadEnded {
    /// It has ended so now, or had already ended exactly so.
    Ended {
        /// The upload as it is now.
        upload: Box<Upload>,
        /// Uses so far and the limit of its token.
        counter: (u64, Option<u64>),
    },
    /// It had ended another way, its deadline included.
    Closed(Box<Upload>),
    /// There is no such upload.
    Gone,
}

/// How long an upload that has ended can still be asked for, in seconds: longer than its idempotency key lives.
pub const ENDED_UPLOAD_SECONDS: u64 = 7 * super::IDEMPOTENCY_SECONDS;

/// Where uploads are kept. One method is one transaction.
#[async_trait]
pub trait UploadStore: Send + Sync + 'static {
    /// Takes one use by the same guard as [`super::Store::take_uses`] and stores the upload. Reservations of the token
    /// whose deadline has come at `now` are ended first.
    async fn begin_upload(&self, new: NewUpload, now: UnixSeconds)
    -> Result<Booked<UploadBegun>, StoreError>;

    /// One upload.
    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>, StoreError>;

    /// Ends a reserved upload; one whose deadline has come at `now` is first ended by it.
    async fn end_upload(
        &self,
        id: UploadId,
        end: UploadEnd,
        now: UnixSeconds,
    ) -> Result<Booked<UploadEnded>, StoreError>;

    /// Ends at most `at_most` reserved uploads whose deadline has come, and forgets as many that ended more than
    /// [`ENDED_UPLOAD_SECONDS`] ago; how many it has ended.
    async fn expire_uploads(&self, now: UnixSeconds, at_most: u32) -> Result<Booked<u64>, StoreError>;
}
