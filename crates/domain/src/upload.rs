//! Uploads: one use is reserved when one begins; it is spent when the upload completes and goes back when it is aborted.

use std::collections::HashSet;
use std::sync::Arc;

use countermark_core::{
    Beginning, Completion, DenyReason, Dialect, NotificationId, Purpose, Terms, TokenId, TokenKind,
    UnixSeconds, UploadId, UploadParameters, ValueDigest, decide_completion, decide_upload,
};
use serde_json::Value;

use crate::authorize::{ATTEMPTS, Credential, Presented};
use crate::cache::Entry;
use crate::caller::Caller;
use crate::error::DomainError;
use crate::idempotency::Idempotency;
use crate::service::Service;
use crate::store::{
    Booked, Lookup, NewNotification, NewUpload, StoreError, Upload, UploadBegun, UploadEnd, UploadEnded,
    UploadState,
};
use crate::upload_report;

/// An upload that is to begin.
#[derive(Clone, Debug)]
pub struct UploadOrder<'a> {
    /// The upload token's value as it was presented.
    pub credential: Credential<'a>,
    /// The API key that begins the upload for the holder; `None` if the holder does so alone.
    pub began_by: Option<TokenId>,
    /// The parameters that the client asks for.
    pub asked: UploadParameters,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Makes a retry find the same upload: the route that asks, the key, and the digest of all that was asked.
    pub idempotency: Option<(&'static str, &'a str, [u8; 32])>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum UploadAnswer {
    /// The upload has begun, or had begun by the same request.
    Begun {
        /// The upload.
        upload: Box<Upload>,
        /// Uses that its token has left; `None` = unlimited.
        remaining: Option<u64>,
    },
    /// It may not begin.
    Refused {
        /// Why.
        reason: DenyReason,
        /// The token, once the credential is proven to be its own.
        token: Option<Arc<Entry>>,
    },
}

/// Who asks for an upload or ends it. What he does not reach is answered like what does not exist.
#[derive(Clone, Copy, Debug)]
pub enum UploadAsker<'a> {
    /// An API key reaches the uploads that it has begun and those of the tokens that it sees.
    Caller(&'a Caller),
    /// An upload server that is no API key and has proven itself otherwise reaches the uploads begun under this id.
    Server(TokenId),
}

/// What an upload has become, as its server reports it.
#[derive(Clone, Debug, Default)]
pub struct UploadResult<'a> {
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Whether it has replaced something of the same name.
    pub existed: Option<bool>,
    /// The whole JSON object of the report, at most 8 KiB; kept and sent to receivers.
    pub report: &'a str,
}

/// An upload after a call that ends it.
#[derive(Clone, Debug)]
pub struct UploadStanding {
    /// The upload.
    pub upload: Upload,
    /// Uses that its token has left; `None` = unlimited.
    pub remaining: Option<u64>,
}

/// Bounds of uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Seconds from the beginning to the deadline.
    pub deadline_seconds: u64,
    /// Most reservations of one token at once.
    pub open_per_token: u32,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { deadline_seconds: 24 * 60 * 60, open_per_token: 100 }
    }
}

/// Most uploads that one call of [`Service::expire_uploads`] ends.
const EXPIRED_AT_ONCE: u32 = 1_000;

impl Service {
    /// Begins an upload: decides, reserves one use and sets the parameters that the upload really gets.
    ///
    /// # Errors
    /// [`DomainError::KeyMismatch`], [`DomainError::UseGivenBack`], [`DomainError::TooManyUploads`],
    /// [`DomainError::Overloaded`] and store errors. Refusals are answers.
    pub async fn begin_upload(&self, order: &UploadOrder<'_>) -> Result<UploadAnswer, DomainError> {
        let value = match self.present(order.credential) {
            Ok(Presented::Value(value)) => value,
            Ok(Presented::Url(_)) => return Ok(self.refuse_upload(None, DenyReason::WrongType)),
            Err(reason) => return Ok(self.refuse_upload(None, reason)),
        };
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.entry(Lookup::Value(value)).await? else {
                return Ok(self.refuse_upload(None, DenyReason::UnknownToken));
            };
            if let Some(answer) = self.try_upload(&entry, value, order).await? {
                return Ok(answer);
            }
            self.cache.forget(&entry);
        }
        Err(StoreError::Unavailable("the token changed faster than it could be decided".to_owned()).into())
    }

    /// The upload token of `dialect` by whose value an upload may begin, before anything of one is known, or why none at
    /// all may. The latter counts as a refusal; nothing is taken.
    ///
    /// # Errors
    /// Store errors.
    pub async fn uploader(
        &self,
        dialect: Dialect,
        value: &str,
    ) -> Result<Result<TokenId, DenyReason>, DomainError> {
        let reason = match self.holder(dialect, value).await {
            Ok(token) if token.terms.kind() == TokenKind::Upload => {
                if !token.terms.would_exceed_limit(token.usage.used, 1) {
                    return Ok(Ok(token.terms.id));
                }
                DenyReason::LimitReached
            }
            Ok(_) => DenyReason::WrongType,
            Err(DomainError::Unauthenticated(reason)) => reason,
            Err(error) => return Err(error),
        };
        let entry = match self.present(Credential::Value(value)) {
            Ok(Presented::Value(value)) => self.entry(Lookup::Value(value)).await?,
            _ => None,
        };
        self.refuse_upload(entry.as_ref().filter(|entry| entry.terms.dialect == dialect), reason);
        Ok(Err(reason))
    }

    /// One upload.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn view_upload(&self, asker: UploadAsker<'_>, id: UploadId) -> Result<Upload, DomainError> {
        let upload = self.store.find_upload(id).await?.ok_or(DomainError::NotFound)?;
        let reaches = match asker {
            UploadAsker::Server(server) => upload.began_by == Some(server),
            UploadAsker::Caller(caller) if upload.began_by == Some(caller.id()) => true,
            UploadAsker::Caller(caller) => self.exists(caller, upload.token).await?,
        };
        if reaches { Ok(upload.at(self.time.now())) } else { Err(DomainError::NotFound) }
    }

    /// Makes the use of an upload final and queues its notifications, if the real figures are as the token demands.
    /// Repeating the same call changes nothing.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::UploadRefused`] (the upload stays reserved),
    /// [`DomainError::UploadClosed`], [`DomainError::Invalid`] for a report that is too long or no JSON object, and
    /// store errors.
    pub async fn complete_upload(
        &self,
        asker: UploadAsker<'_>,
        id: UploadId,
        result: &UploadResult<'_>,
    ) -> Result<UploadStanding, DomainError> {
        let report = upload_report::canonical(result.report)?;
        let upload = self.view_upload(asker, id).await?;
        let mut notifications = Vec::new();
        if upload.state == UploadState::Reserved {
            let completion = Completion {
                bytes: result.bytes,
                content_type: result.content_type,
                public_id: upload.effective.public_id.as_deref(),
                existed: result.existed,
            };
            decide_completion(&upload.extra, &completion).map_err(DomainError::UploadRefused)?;
            notifications = self.tell_of(&upload, &report);
        }
        self.end_upload(id, UploadEnd::Complete { result: report.to_string(), notifications }).await
    }

    /// Gives the use of an upload back. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::UploadClosed`] and store errors.
    pub async fn abort_upload(
        &self,
        asker: UploadAsker<'_>,
        id: UploadId,
    ) -> Result<UploadStanding, DomainError> {
        self.view_upload(asker, id).await?;
        self.end_upload(id, UploadEnd::Abort).await
    }

    /// Ends uploads whose deadline has come and forgets those that ended long ago; how many it has ended. Due every few
    /// seconds.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn expire_uploads(&self) -> Result<u64, StoreError> {
        let expired = self.store.expire_uploads(self.time.now(), EXPIRED_AT_ONCE).await?;
        self.cache.book(&expired.tallies);
        Ok(expired.outcome)
    }

    /// One decision and, if it allows, the reservation; `None` if the record was no longer what was decided on.
    async fn try_upload(
        &self,
        entry: &Arc<Entry>,
        value: ValueDigest,
        order: &UploadOrder<'_>,
    ) -> Result<Option<UploadAnswer>, DomainError> {
        let terms = &entry.terms;
        let now = self.time.now();
        let beginning = Beginning { bytes: order.bytes, content_type: order.content_type };
        let new = match decide_upload(terms, value, &beginning, &order.asked, now) {
            Ok(effective) => {
                upload_report::demand_short(&effective)?;
                self.new_upload(terms, order, effective, now)
            }
            Err(reason) => return Ok(Some(self.refuse_upload(Some(entry), reason))),
        };
        let upload = new.upload.clone();
        let (begun, used) = match self.reserve_upload(new).await? {
            UploadBegun::Reserved { used } => {
                self.statistics.note_allowed(entry, 1, true, now);
                (upload, used)
            }
            UploadBegun::Repeated { upload, used } => {
                self.statistics.note_allowed(entry, 0, true, now);
                (*upload, used)
            }
            UploadBegun::Exhausted { .. } => {
                return Ok(Some(self.refuse_upload(Some(entry), DenyReason::LimitReached)));
            }
            UploadBegun::Stale => return Ok(None),
            UploadBegun::GivenBack => return Err(DomainError::UseGivenBack),
            UploadBegun::KeyMismatch => return Err(DomainError::KeyMismatch),
            UploadBegun::TooManyOpen => return Err(DomainError::TooManyUploads),
        };
        let remaining = terms.limit.map(|limit| limit.saturating_sub(used));
        Ok(Some(UploadAnswer::Begun { upload: Box::new(begun), remaining }))
    }

    fn new_upload(
        &self,
        terms: &Terms,
        order: &UploadOrder<'_>,
        effective: UploadParameters,
        now: UnixSeconds,
    ) -> NewUpload {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        let Purpose::Upload(purpose) = &terms.purpose else { unreachable!("only upload tokens are allowed") };
        let upload = Upload {
            id: UploadId::from_parts(self.time.now_millis(), random),
            token: terms.id,
            owner: terms.owner.as_deref().map(str::to_owned),
            began_by: order.began_by,
            state: UploadState::Reserved,
            effective,
            extra: purpose.extra.clone(),
            began_at: now,
            deadline: now.plus(self.uploads.deadline_seconds),
            ended_at: None,
            result: None,
        };
        let idempotency = order.idempotency.map(|(route, key, request)| {
            // A holder's key is another than that of any API key: it is bound to the token in the caller's place too.
            let caller = order.began_by.unwrap_or(terms.id);
            Idempotency { caller, route, key, request }.about(Some(terms.id))
        });
        let open_at_most = self.uploads.open_per_token;
        NewUpload { upload, revision: terms.revision, idempotency, open_at_most }
    }

    async fn reserve_upload(&self, new: NewUpload) -> Result<UploadBegun, DomainError> {
        let (store, time) = (Arc::clone(&self.store), Arc::clone(&self.time));
        self.booked(async move { store.begin_upload(new, time.now()).await }).await
    }

    async fn end_upload(&self, id: UploadId, end: UploadEnd) -> Result<UploadStanding, DomainError> {
        let (store, time) = (Arc::clone(&self.store), Arc::clone(&self.time));
        match self.booked(async move { store.end_upload(id, end, time.now()).await }).await? {
            UploadEnded::Ended { upload, counter: (used, limit) } => {
                let remaining = limit.map(|limit| limit.saturating_sub(used));
                Ok(UploadStanding { upload: *upload, remaining })
            }
            UploadEnded::Closed(_) => Err(DomainError::UploadClosed),
            UploadEnded::Gone => Err(DomainError::NotFound),
        }
    }

    fn refuse_upload(&self, entry: Option<&Arc<Entry>>, reason: DenyReason) -> UploadAnswer {
        self.statistics.note_refused(entry, reason);
        // Up to a wrong signature the asker has not proven to hold the token: it learns nothing of it.
        let token = entry.filter(|_| reason > DenyReason::BadSignature).map(Arc::clone);
        UploadAnswer::Refused { reason, token }
    }

    /// One notification for each receiver of the token.
    fn tell_of(&self, upload: &Upload, report: &Value) -> Vec<NewNotification> {
        let body = upload_report::notification(upload, report, self.time.now());
        let tell = |address: &String| {
            let mut random = [0; 10];
            self.rng.fill(&mut random);
            NewNotification {
                id: NotificationId::from_parts(self.time.now_millis(), random),
                address: address.clone(),
                event: upload_report::UPLOAD_COMPLETED,
                token: Some(upload.token),
                body: body.clone(),
            }
        };
        // What was stored may name one of them twice.
        let mut told = HashSet::new();
        upload.extra.notification_urls.iter().filter(|address| told.insert(*address)).map(tell).collect()
    }

    /// Runs to its end even if the caller no longer waits: the cache must learn what the store has counted.
    async fn booked<T: Send + 'static>(
        &self,
        transaction: impl Future<Output = Result<Booked<T>, StoreError>> + Send + 'static,
    ) -> Result<T, DomainError> {
        let cache = Arc::clone(&self.cache);
        let booking = tokio::spawn(async move {
            let booked = transaction.await?;
            cache.book(&booked.tallies);
            Ok(booked.outcome)
        });
        match booking.await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable("the service is shutting down".to_owned()).into()),
        }
    }
}
