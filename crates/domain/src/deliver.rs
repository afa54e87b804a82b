//! Delivering what waits in the outbox.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use countermark_core::{NotificationId, UnixSeconds};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::Notify;

use crate::clock::TOLERATED_STEP_BACK_SECONDS;
use crate::service::Service;
use crate::store::{Attempted, Claim, DueNotification, Next, StoreError};
use crate::webhook::{self, WebhookKey};

/// One attempt at one receiver, ready to be sent.
pub struct Parcel {
    /// `webhook-id`, the same for all attempts.
    pub id: NotificationId,
    /// URL of the receiver; may hold secrets.
    pub address: String,
    /// The JSON text, sent byte for byte.
    pub body: String,
    /// `webhook-timestamp`, new for each attempt.
    pub timestamp: UnixSeconds,
    /// `webhook-signature`.
    pub signature: String,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// Seconds that `Retry-After` asks for.
        retry_after: Option<u64>,
    },
    /// There was no answer.
    Failed {
        /// Why, in a few words without address or secret.
        reason: &'static str,
    },
}

/// Sends parcels. Must end within its own time-out; bodies of answers are never kept.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt.
    async fn deliver(&self, parcel: &Parcel) -> Delivery;
}

/// Attempts under way at once. Each only waits for its receiver, so that they cost little.
const AT_ONCE: usize = 256;

/// Attempts under way at once at one receiver: so many receivers as this goes into [`AT_ONCE`] must be silent before
/// others are held up.
const PER_RECEIVER: u32 = 8;

/// Most notifications of one claim, so that the writing thread is soon free again.
const CLAIM: usize = 32;

/// Seconds after which a claimed notification that nothing is known of is due again. An attempt takes 15 at most.
const LEASE_SECONDS: u64 = 60;

/// Seconds before each attempt, counted from the one before: the example schedule of Standard Webhooks 1.0.
const SCHEDULE: [u64; 10] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Most seconds that a receiver's `Retry-After` can ask for.
const RETRY_AFTER_SECONDS: u64 = 86_400;

/// What the deliveries of one service share.
#[derive(Default)]
pub(crate) struct Deliveries {
    totals: [AtomicU64; OUTCOMES.len()],
    is_stopping: AtomicBool,
    stop: Notify,
    wake: Notify,
}

/// What attempts come to, by the names under which they are counted.
const OUTCOMES: [&str; 4] = ["delivered", "failed", "dead", "disabled"];

impl Service {
    /// Delivers what is due, also what becomes due meanwhile, until nothing is or `at_most` attempts have been made;
    /// how many were.
    ///
    /// # Errors
    /// Whatever the store says; attempts that could not be recorded are made again.
    pub async fn deliver_due(&self, courier: &dyn Courier, at_most: u64) -> Result<u64, StoreError> {
        let mut under_way = FuturesUnordered::new();
        let mut at_receiver: HashMap<String, usize> = HashMap::new();
        // A clock that was set back is behind the time that attempts bear: receivers would take them for forged.
        if self.time.seconds_behind() > TOLERATED_STEP_BACK_SECONDS {
            return Ok(0);
        }
        let (mut begun, mut may_be_more) = (0, true);
        loop {
            let room = (AT_ONCE - under_way.len()).min(CLAIM);
            let room = u64::try_from(room).unwrap_or(0).min(at_most - begun);
            if may_be_more && room > 0 && !self.deliveries.is_stopping() {
                let due = self.claim_due(&at_receiver, room).await?;
                may_be_more = !due.is_empty();
                begun += due.len() as u64;
                let keys = if due.is_empty() { Vec::new() } else { self.webhook_keys().await? };
                for one in due {
                    *at_receiver.entry(one.receiver.clone()).or_default() += 1;
                    under_way.push(self.attempt_delivery(courier, one, &keys));
                }
                if may_be_more {
                    continue;
                }
            }
            tokio::select! {
                ended = under_way.next() => {
                    let Some(first) = ended else { return Ok(begun) };
                    let mut ended = vec![first];
                    while let Some(Some(more)) = under_way.next().now_or_never() {
                        ended.push(more);
                    }
                    self.record_ended(ended, &mut at_receiver).await?;
                    // A receiver that had its fill may get more now.
                    may_be_more = true;
                }
                () = self.something_is_due() => may_be_more = true,
            }
        }
    }

    /// Delivers for ever, until [`Service::stop_deliveries`]: at once what is put into the outbox, and what is due
    /// whenever [`Service::wake_deliveries`] says that time has passed.
    pub async fn run_deliveries(&self, courier: &dyn Courier) {
        let mut fails = false;
        while !self.deliveries.is_stopping() {
            match self.deliver_due(courier, u64::MAX).await {
                Ok(_) if std::mem::take(&mut fails) => tracing::info!("the outbox works again"),
                Ok(_) => {}
                Err(error) if !fails => {
                    tracing::error!(%error, "the outbox fails; it is tried again");
                    fails = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = self.deliveries.stop.notified() => {}
                // After a failure not at once: what has woken it may be the very cause.
                () = self.deliveries.wake.notified() => {}
                () = self.store.notification_added(), if !fails => {}
            }
        }
    }

    /// Makes the deliveries look for what has become due.
    pub fn wake_deliveries(&self) {
        self.deliveries.wake.notify_one();
    }

    /// Begins no further attempts; those under way still end.
    pub fn stop_deliveries(&self) {
        self.deliveries.is_stopping.store(true, Ordering::SeqCst);
        self.deliveries.stop.notify_one();
    }

    /// What attempts have come to since the start.
    pub fn delivery_totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let totals = self.deliveries.totals.iter().map(|total| total.load(Ordering::Relaxed));
        OUTCOMES.into_iter().zip(totals)
    }

    async fn something_is_due(&self) {
        tokio::select! {
            () = self.deliveries.wake.notified() => {}
            () = self.store.notification_added() => {}
        }
    }

    async fn claim_due(
        &self,
        at_receiver: &HashMap<String, usize>,
        room: u64,
    ) -> Result<Vec<DueNotification>, StoreError> {
        let now = self.now();
        let claim = Claim {
            now,
            lease_until: now.plus(LEASE_SECONDS),
            under_way: at_receiver.clone(),
            per_receiver: PER_RECEIVER,
            at_most: u32::try_from(room).unwrap_or(u32::MAX),
        };
        self.store.claim_notifications(claim).await
    }

    /// The keys that sign now, the newest first; the very first one is made here.
    async fn webhook_keys(&self) -> Result<Vec<WebhookKey>, StoreError> {
        let now = self.now();
        let secrets = self.webhook_secrets().await?;
        let live = secrets.iter().rev().filter(|it| it.valid_until.is_none_or(|until| now < until));
        live.map(|secret| {
            WebhookKey::of(&secret.text).ok_or_else(|| StoreError::Corrupt {
                table: "notification_secrets",
                column: "sealed",
                row: secret.version.to_string(),
            })
        })
        .collect()
    }

    /// One attempt. It borrows nothing of `keys`, which are new for each claim.
    fn attempt_delivery<'a>(
        &'a self,
        courier: &'a dyn Courier,
        due: DueNotification,
        keys: &[WebhookKey],
    ) -> impl Future<Output = (String, Attempted)> + use<'a> {
        let at = self.now();
        let parcel = Parcel {
            id: due.id,
            signature: webhook::sign(keys, due.id, at, &due.body),
            address: due.address,
            body: due.body,
            timestamp: at,
        };
        let (receiver, round, failures, is_of_token) =
            (due.receiver, due.round, due.failures, due.token.is_some());
        async move {
            let began = self.time.clock_millis();
            let delivery = courier.deliver(&parcel).await;
            let millis = self.time.clock_millis().saturating_sub(began);
            let ended_at = self.now();
            let next = self.follow_up(&delivery, failures, is_of_token, ended_at);
            let outcome = match delivery {
                Delivery::Answered { status, .. } => Ok(status),
                Delivery::Failed { reason } => Err(reason),
            };
            (receiver, Attempted { id: parcel.id, round, at, ended_at, millis, outcome, next })
        }
    }

    async fn record_ended(
        &self,
        ended: Vec<(String, Attempted)>,
        at_receiver: &mut HashMap<String, usize>,
    ) -> Result<(), StoreError> {
        let mut attempts = Vec::with_capacity(ended.len());
        for (receiver, attempted) in ended {
            if let Some(count) = at_receiver.get_mut(&receiver) {
                *count -= 1;
                if *count == 0 {
                    at_receiver.remove(&receiver);
                }
            }
            attempts.push(attempted);
        }
        self.store.record_attempts(&attempts).await?;
        for attempted in &attempts {
            self.deliveries.count(attempted.next);
        }
        Ok(())
    }

    /// What follows from an attempt after `failures` failed ones.
    fn follow_up(&self, delivery: &Delivery, failures: u32, is_of_token: bool, now: UnixSeconds) -> Next {
        let retry_after = match delivery {
            Delivery::Answered { status: 200..=299, .. } => return Next::Delivered,
            Delivery::Answered { status: 410, .. } if is_of_token => return Next::Disabled,
            Delivery::Answered { status: 410, .. } => return Next::Dead,
            Delivery::Answered { retry_after, .. } => retry_after.unwrap_or(0),
            Delivery::Failed { .. } => 0,
        };
        match SCHEDULE.get(failures as usize + 1) {
            Some(seconds) => {
                let planned = seconds + self.jitter(*seconds);
                Next::Retry(now.plus(planned.max(retry_after.min(RETRY_AFTER_SECONDS))))
            }
            None => Next::Dead,
        }
    }

    /// Up to a tenth of `seconds`, so that what has failed together does not come back together.
    fn jitter(&self, seconds: u64) -> u64 {
        let mut random = [0; 8];
        self.rng.fill(&mut random);
        u64::from_be_bytes(random) % (seconds / 10 + 1)
    }
}

impl Deliveries {
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    fn count(&self, next: Next) {
        let outcome = match next {
            Next::Delivered => 0,
            Next::Retry(_) => 1,
            Next::Dead => 2,
            Next::Disabled => 3,
        };
        self.totals[outcome].fetch_add(1, Ordering::Relaxed);
    }
}
