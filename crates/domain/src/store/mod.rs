//! The persistence that the use-cases need. One method is one transaction; both engines pass one conformance suite.

mod notification;
mod upload;

use std::net::IpAddr;

use async_trait::async_trait;
use countermark_core::{
    Dialect, KeyVersion, SigningSecret, Status, Tally, Token, TokenId, TokenKind, UnixSeconds, ValueDigest,
};
use zeroize::Zeroizing;

use crate::lease::Renewal;

pub use notification::{
    Attempt, Attempted, Claim, DELIVERED_KEPT_SECONDS, DueNotification, GIVEN_UP_KEPT_SECONDS,
    NewNotification, Next, Notification, NotificationFilter, NotificationSecret, NotificationState,
    NotificationStore, Outbox,
};
pub use upload::{
    ENDED_UPLOAD_SECONDS, NewUpload, Upload, UploadBegun, UploadEnd, UploadEnded, UploadState, UploadStore,
};

/// The number of the last configuration change that a snapshot or a cache has seen; they are numbered without gaps in
/// the order in which they were committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What a read found, and how new that is.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    /// The last change that the read could see.
    pub position: Position,
    /// What it found.
    pub found: T,
}

/// What a transaction that may change uses came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked<T> {
    /// The answer.
    pub outcome: T,
    /// How the counters stand at its end, of every token whose uses it has changed, whatever the answer says; may name
    /// others too.
    pub tallies: Vec<(TokenId, Tally)>,
}

/// By what a token is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// Its public id.
    Id(TokenId),
    /// The digest of a presented value.
    Value(ValueDigest),
}

/// A committed configuration change, told to the [`ChangeListener`] before its caller learns of it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number.
    pub position: Position,
    /// The tokens that are no longer what they were.
    pub tokens: Vec<TokenId>,
    /// The digests that now find a token that they did not find before.
    pub values: Vec<ValueDigest>,
}

/// Learns of every configuration change, in order, after its commit and before the call that made it returns.
///
/// Beside other nodes it learns of their changes, too, later; and a change may be told more than once.
pub trait ChangeListener: Send + Sync {
    /// Must not block: the writer waits for it.
    fn changed(&self, change: &Change);

    /// Changes up to `position` have come that are not known one by one: nothing from before may be kept.
    fn lost_track(&self, position: Position);

    /// Every change up to the moment at which the renewal was sent has been told. Told at opening, too, before anything
    /// else; until then nothing that is kept may be trusted.
    fn renewed(&self, renewal: Renewal);
}

/// Why the store could not answer. "Not found" is never an error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be read or written now; nothing of the call has been kept, unless the connection was lost
    /// while it was being committed: uses may then be counted that were not granted. The text is for the log.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The API key that acts is no longer what it was when the call was permitted; nothing has been done.
    #[error("the acting API key has changed")]
    ActorChanged,
    /// A row cannot be read as what it must be; the token behind it is refused.
    #[error("unreadable row: table {table}, column {column}, row {row}")]
    Corrupt {
        /// Table name.
        table: &'static str,
        /// Column name.
        column: &'static str,
        /// Primary key of the row; never a secret.
        row: String,
    },
}

/// How the connections to a database server are used. What is counted is counted since the opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionFigures {
    /// Connections that are open or being opened now.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// Calls that wait for a connection now.
    pub waiting: u32,
    /// How often a connection was waited for, however shortly.
    pub waits: u64,
    /// How long in all, also in vain.
    pub waited: std::time::Duration,
    /// How often in vain.
    pub refused: u64,
}

/// The secret half of a new or regenerated token.
#[derive(Debug)]
pub enum NewCredential {
    /// A presented value; kept by its digest, and sealed too if it is to be shown again.
    Value {
        /// The value, of our own or a foreign form.
        value: Zeroizing<String>,
        /// Whether a sealed copy is kept.
        recoverable: bool,
    },
    /// A signing secret, always kept sealed.
    Secret(SigningSecret),
}

/// One use that a decision has allowed and that must now be taken.
#[derive(Clone, Debug)]
pub struct UseRequest {
    /// Whose use it is.
    pub token: TokenId,
    /// The revision on which the decision was made; on any other the use is not granted.
    pub revision: u64,
    /// Uses to take, all or none; at least 1.
    pub cost: u64,
    /// Makes a retry free.
    pub idempotency: Option<IdempotencyKey>,
}

/// What became of one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseOutcome {
    /// Taken and durable.
    Granted {
        /// Uses so far, this one included.
        used: u64,
    },
    /// The same request has taken its use before; none was taken now.
    Repeated {
        /// Uses so far.
        used: u64,
    },
    /// The key was used before for another request.
    KeyMismatch,
    /// Too few uses are left.
    Exhausted {
        /// Uses so far.
        used: u64,
    },
    /// The record is no longer what the decision was made on, or its time has come: find it and decide again.
    Stale,
}

/// An idempotency key, already digested with caller, route and token, and the digest of the request that it stands for.
/// Kept for [`IDEMPOTENCY_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Digest of caller, route, token and key.
    pub scope: [u8; 32],
    /// Digest of the whole request.
    pub request: [u8; 32],
}

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_SECONDS: u64 = 24 * 60 * 60;

/// The answer of a management call that is kept, sealed, for a repetition of the same call.
#[derive(Debug)]
pub struct KeptAnswer {
    /// The key under which it is kept.
    pub key: IdempotencyKey,
    /// The whole answer, secrets included.
    pub answer: Zeroizing<Vec<u8>>,
}

/// What is found under an idempotency key of a management call.
#[derive(Debug)]
pub enum Recalled {
    /// Nothing: the call is new.
    Nothing,
    /// The answer that the first call got.
    Answer(Zeroizing<Vec<u8>>),
    /// The key stands for another request.
    KeyMismatch,
}

/// What became of an insertion.
#[derive(Debug)]
pub enum Inserted {
    /// Stored.
    Done,
    /// Another token has this value.
    ValueTaken,
    /// Another API key of this dialect, whose names are unique, has this name.
    NameTaken,
    /// The idempotency key had been used meanwhile: see [`Store::recall`].
    KeyTaken,
}

/// What became of a change to a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// Stored and told to the listener.
    Done,
    /// The token has another revision than expected: find it and judge again.
    Stale,
    /// There is no such token.
    Gone,
    /// The new limit is below the uses already taken.
    LimitBelowUsed,
    /// Another token has this value.
    ValueTaken,
    /// Another API key of this dialect, whose names are unique, has this name.
    NameTaken,
    /// The idempotency key had been used meanwhile: see [`Store::recall`].
    KeyTaken,
}

/// A value or secret opened for showing.
#[derive(Debug)]
pub struct Revealed {
    /// The current value or signing secret.
    pub text: Zeroizing<String>,
    /// The version of a signing secret; `None` for values.
    pub key_version: Option<KeyVersion>,
}

/// Statistics gathered in memory since the last flush.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Per token.
    pub tokens: Vec<TokenStatistic>,
    /// Decisions by code, for all tokens and for requests without one.
    pub decisions: Vec<(&'static str, u64)>,
    /// The hour they are booked on, as the instant of its beginning.
    pub hour: UnixSeconds,
}

/// Statistics of one token.
#[derive(Clone, Debug)]
pub struct TokenStatistic {
    /// The token.
    pub token: TokenId,
    /// Granted uses for the hourly figures.
    pub uses: u64,
    /// Refusals for the hourly figures.
    pub refusals: u64,
    /// Uses to add to `used`: those of a token without a limit, whose uses no guarded statement has taken. If the token
    /// has a limit by now, `used` is raised to it at most.
    pub unlimited_uses: u64,
    /// The last of these uses; `None` if there is none to add.
    pub last_used_at: Option<UnixSeconds>,
}

/// Figures of one token in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourlyUse {
    /// Beginning of the hour.
    pub hour: UnixSeconds,
    /// Granted uses.
    pub uses: u64,
    /// Refusals.
    pub refusals: u64,
}

/// Decisions with one code in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourlyDecisions {
    /// Beginning of the hour.
    pub hour: UnixSeconds,
    /// `ALLOWED` or the code of a refusal.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// Which tokens a list shows; every `None` shows all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Kind.
    pub kind: Option<TokenKind>,
    /// Status at the given instant.
    pub status: Option<(Status, UnixSeconds)>,
    /// Exact owner.
    pub owner: Option<String>,
    /// Exact name.
    pub name: Option<String>,
    /// A label's name and, if given, its value.
    pub label: Option<(String, Option<String>)>,
    /// Text that name, description, owner, id or preview contains, letter case of ASCII ignored.
    pub contains: Option<String>,
    /// Dialect of issue.
    pub dialect: Option<Dialect>,
    /// Only tokens that come after this one.
    pub after: Option<TokenId>,
    /// Most tokens to answer, at least 1.
    pub at_most: u32,
}

/// Who did what to which token, from where. Append-only.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: UnixSeconds,
    /// The API key that acted; `None` for the installation itself and the command line on the database.
    pub actor: Option<TokenId>,
    /// The actor's revision on which the call was permitted. The transaction that appends this entry fails with
    /// [`StoreError::ActorChanged`] unless the actor still has it and is enabled, not revoked and not expired.
    pub actor_revision: Option<u64>,
    /// What was done: `token.issue`, `token.update`, `token.revoke`, `token.purge`, `token.regenerate`, `token.reveal` …
    pub action: &'static str,
    /// To which token.
    pub token: Option<TokenId>,
    /// From which address.
    pub address: Option<IpAddr>,
    /// Request id of the call.
    pub request_id: Option<String>,
    /// Names of the members that changed; never their values.
    pub members: Vec<&'static str>,
}

/// One entry of the audit log as read back.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Ascending number, also the cursor.
    pub number: u64,
    /// When.
    pub at: UnixSeconds,
    /// Who.
    pub actor: Option<TokenId>,
    /// What.
    pub action: String,
    /// To which token.
    pub token: Option<TokenId>,
    /// From which address.
    pub address: Option<String>,
    /// Request id of the call.
    pub request_id: Option<String>,
    /// Names of the members that changed.
    pub members: Vec<String>,
}

/// Which audit entries are read, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this token.
    pub token: Option<TokenId>,
    /// Only by this actor.
    pub actor: Option<TokenId>,
    /// Only this action.
    pub action: Option<String>,
    /// Only entries with a smaller number.
    pub before: Option<u64>,
    /// Most entries to answer.
    pub at_most: u32,
}

/// Where tokens are kept.
///
/// Every write method appends its audit entry, takes its [`Position`], bumps revisions and tells the listener itself,
/// in one transaction each; an error means that nothing of it has been kept, but see [`StoreError::Unavailable`].
#[async_trait]
pub trait Store: UploadStore + NotificationStore + Send + Sync + 'static {
    /// The keyed digest by which a presented value is found; no I/O.
    fn digest(&self, value: &str) -> ValueDigest;

    /// A key for `purpose` alone, the same for the whole life of the installation; no I/O.
    fn derive_key(&self, purpose: &'static str) -> Zeroizing<[u8; 32]>;

    /// One token with the position of the snapshot that was read.
    async fn find(&self, by: Lookup) -> Result<Snapshot<Option<Token>>, StoreError>;

    /// Tokens, newest first.
    async fn list(&self, filter: &ListFilter) -> Result<Vec<Token>, StoreError>;

    /// The current value or secret, opened; `None` if the token is gone or keeps none.
    async fn reveal(&self, id: TokenId, audit: AuditEntry) -> Result<Option<Revealed>, StoreError>;

    /// The current values or secrets of these tokens in this order, opened; `None` for one that is gone or keeps none.
    /// Nothing is noted: for comparing, and for showing what [`Store::note`] has noted before.
    async fn open(&self, ids: &[TokenId]) -> Result<Vec<Option<Revealed>>, StoreError>;

    /// Appends an audit entry, and nothing else.
    async fn note(&self, audit: AuditEntry) -> Result<(), StoreError>;

    /// Takes many uses at once and answers them in order; an answer is given only after all of them are durable.
    ///
    /// Each is granted exactly if the token has the given revision, is enabled, not revoked and not expired at `now`,
    /// and its limit leaves room for the whole cost after the uses before it.
    async fn take_uses(
        &self,
        uses: &[UseRequest],
        now: UnixSeconds,
    ) -> Result<Booked<Vec<UseOutcome>>, StoreError>;

    /// Adds statistics; they may be lost in a crash, never counted twice. A token may be named more than once.
    async fn add_statistics(&self, statistics: &Statistics) -> Result<Booked<()>, StoreError>;

    /// Stores a new token. `token.terms` holds neither keys nor values: they come from `credential`.
    async fn insert(
        &self,
        token: &Token,
        credential: NewCredential,
        audit: AuditEntry,
        kept: Option<KeptAnswer>,
    ) -> Result<Inserted, StoreError>;

    /// Stores the first administrator key if this installation has none yet; whether it did.
    async fn bootstrap(
        &self,
        token: &Token,
        credential: NewCredential,
        audit: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Whether the installation has had its first administrator.
    async fn is_bootstrapped(&self) -> Result<bool, StoreError>;

    /// Replaces the configuration of a token that has the revision `expected`; uses, credentials, issue and revocation
    /// stay as stored. `token.terms.revision` is the new one.
    async fn update(&self, token: &Token, expected: u64, audit: AuditEntry) -> Result<Changed, StoreError>;

    /// As [`Store::update`]; `credential` becomes the current one and the former ones end at once.
    async fn update_with_credential(
        &self,
        token: &Token,
        expected: u64,
        credential: NewCredential,
        audit: AuditEntry,
    ) -> Result<Changed, StoreError>;

    /// Adds a credential that replaces the current one; the former ones end at `overlap_until` if not earlier.
    /// `token.terms.revision` and `token.about` are the new ones.
    async fn regenerate(
        &self,
        token: &Token,
        expected: u64,
        credential: NewCredential,
        overlap_until: UnixSeconds,
        audit: AuditEntry,
        kept: Option<KeptAnswer>,
    ) -> Result<Changed, StoreError>;

    /// The token and all that it has issued, down to the last, with their revisions; without those that are revoked.
    async fn descent(&self, id: TokenId) -> Result<Vec<(TokenId, u64)>, StoreError>;

    /// Revokes a token, with `judged` also all that it has issued, down to the last; the ids that are revoked now, also
    /// those that were already. Empty if there is no such token.
    ///
    /// `None`, with nothing done, if anything of the descent has another revision than `judged`. What has been issued
    /// since, and not changed, is revoked too: it reaches no further than its issuer, who was judged.
    async fn revoke(
        &self,
        id: TokenId,
        at: UnixSeconds,
        judged: Option<&[(TokenId, u64)]>,
        audit: AuditEntry,
    ) -> Result<Option<Vec<TokenId>>, StoreError>;

    /// Removes a token with its credentials and figures; whether it was there.
    async fn purge(&self, id: TokenId, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Removes at most `at_most` tokens that are marked `autoDelete`, have expired at `now` and have no upload reserved,
    /// and idempotency keys that are too old; how many tokens.
    async fn sweep(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError>;

    /// What is kept under an idempotency key that is not too old at `now`.
    async fn recall(&self, key: IdempotencyKey, now: UnixSeconds) -> Result<Recalled, StoreError>;

    /// Hourly figures of one token from `from` to before `to`, oldest first, only hours that have any.
    async fn usage(
        &self,
        id: TokenId,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyUse>, StoreError>;

    /// Hourly decisions by code, oldest first, only those that occurred.
    async fn decisions(&self, from: UnixSeconds, to: UnixSeconds)
    -> Result<Vec<HourlyDecisions>, StoreError>;

    /// Audit entries, newest first.
    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError>;

    /// The highest time that was ever stored.
    async fn highest_time(&self) -> Result<UnixSeconds, StoreError>;

    /// Raises the highest time; a lower one changes nothing.
    async fn raise_highest_time(&self, now: UnixSeconds) -> Result<(), StoreError>;

    /// Waits until every node decides with all changes that were committed before this call. Every method that changes a
    /// configuration has done so when it answers, also where it has found nothing left to change.
    async fn settle(&self) -> Result<(), StoreError>;

    /// Proves that the database answers a read and takes a write.
    async fn ping(&self) -> Result<(), StoreError>;

    /// How the connections to a database server are used; `None` of a database that has none.
    fn connections(&self) -> Option<ConnectionFigures> {
        None
    }

    /// Finishes what was begun, shrinks the write-ahead log and closes; every later call fails. Ends within a few seconds,
    /// also if a database server does not answer.
    async fn close(&self);
}
