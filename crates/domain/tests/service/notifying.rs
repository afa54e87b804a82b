//! Notifications: the schedule, the signatures, and that nothing is lost.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_core::{NotificationId, Notify, TokenEvent};
use countermark_domain::store::{Attempt, Notification, NotificationFilter, NotificationState};
use countermark_domain::{
    Courier, Delivery, DomainError, Draft, Expiry, NotifyPatch, Parcel, Patch, TokenPatch,
};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{Notify as Wake, mpsc};

use crate::installation::{Installation, START, get, image_url, link, upload};

const HOOK: &str = "https://hooks.example/a";

/// Remembers what it is given and answers by its script, 204 once that has ended.
#[derive(Default)]
struct Recording {
    parcels: Mutex<Vec<Sent>>,
    script: Mutex<VecDeque<Delivery>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    id: NotificationId,
    body: String,
    timestamp: u64,
    signature: String,
}

#[async_trait]
impl Courier for Recording {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        self.parcels.lock().unwrap().push(Sent {
            id: parcel.id,
            body: parcel.body.clone(),
            timestamp: parcel.timestamp.get(),
            signature: parcel.signature.clone(),
        });
        self.script.lock().unwrap().pop_front().unwrap_or(status(204))
    }
}

impl Recording {
    fn answering(script: impl IntoIterator<Item = Delivery>) -> Self {
        Self { script: Mutex::new(script.into_iter().collect()), ..Self::default() }
    }

    fn sent(&self) -> Vec<Sent> {
        self.parcels.lock().unwrap().clone()
    }
}

fn status(status: u16) -> Delivery {
    Delivery::Answered { status, retry_after: None }
}

fn retry_after(seconds: u64) -> Delivery {
    Delivery::Answered { status: 503, retry_after: Some(seconds) }
}

impl Installation {
    async fn ping(&self, address: &str) -> NotificationId {
        self.service.send_test_notification(&self.admin, address.to_owned()).await.unwrap().id
    }

    async fn deliver(&self, courier: &dyn Courier) -> u64 {
        self.service.deliver_due(courier, u64::MAX).await.unwrap()
    }

    async fn notification(&self, id: NotificationId) -> (Notification, Vec<Attempt>) {
        self.service.view_notification(id).await.unwrap()
    }

    /// How many notifications of each event there are.
    async fn told(&self) -> BTreeMap<String, usize> {
        let filter = NotificationFilter { at_most: 10_000, ..NotificationFilter::default() };
        let mut told = BTreeMap::new();
        for one in self.service.notifications(&filter).await.unwrap() {
            *told.entry(one.event).or_default() += 1;
        }
        told
    }
}

fn telling(draft: Draft, events: &[TokenEvent]) -> Draft {
    let notify = Notify { urls: vec![HOOK.to_owned()], events: events.to_vec() };
    Draft { notify: Some(notify), ..draft }
}

/// Whether one of the signatures is that of this secret, computed as the specification says.
fn fits(secret: &str, sent: &Sent) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", sent.id, sent.timestamp, sent.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    sent.signature.split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn a_failing_receiver_is_tried_by_the_schedule_of_the_specification_and_then_given_up() {
    let here = Installation::new().await;
    let courier = Recording::answering((0..10).map(|_| status(500)));
    let id = here.ping(HOOK).await;
    assert_eq!(here.deliver(&courier).await, 1, "at once");
    for delay in [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] {
        let now = here.service.now().get();
        let due = here.notification(id).await.0.next_attempt_at.unwrap().get() - now;
        assert!((delay..=delay + delay / 10).contains(&due), "{due} instead of {delay}");
        here.clock.advance(due - 1);
        assert_eq!(here.deliver(&courier).await, 0, "not a second before");
        here.clock.advance(1);
        assert_eq!(here.deliver(&courier).await, 1);
    }
    let (notification, attempts) = here.notification(id).await;
    assert_eq!((notification.state, notification.attempts), (NotificationState::Dead, 10));
    assert!(attempts.iter().all(|attempt| attempt.status == Some(500)));
    here.clock.advance(1_000_000);
    assert_eq!(here.deliver(&courier).await, 0);
}

#[tokio::test]
async fn the_jitter_is_not_always_the_same() {
    let here = Installation::new().await;
    let courier = Recording::answering((0..40).map(|_| status(500)));
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(here.ping(HOOK).await);
    }
    here.deliver(&courier).await;
    here.clock.advance(6);
    here.deliver(&courier).await;
    let mut due = Vec::new();
    for id in ids {
        due.push(here.notification(id).await.0.next_attempt_at.unwrap());
    }
    due.sort_unstable();
    due.dedup();
    assert!(due.len() > 5, "{due:?}");
}

#[tokio::test]
async fn retry_after_is_honoured_where_it_asks_for_more_than_the_schedule_up_to_a_day() {
    let here = Installation::new().await;
    for (asked, due) in [(1, 5), (100, 100), (10_000_000, 86_400)] {
        let id = here.ping(HOOK).await;
        here.deliver(&Recording::answering([retry_after(asked)])).await;
        let next = here.notification(id).await.0.next_attempt_at.unwrap();
        assert_eq!(next.get() - here.service.now().get(), due, "{asked}");
    }
}

#[tokio::test]
async fn only_2xx_is_success() {
    let here = Installation::new().await;
    for code in [200, 204, 299] {
        let id = here.ping(HOOK).await;
        here.deliver(&Recording::answering([status(code)])).await;
        assert_eq!(here.notification(id).await.0.state, NotificationState::Delivered, "{code}");
    }
    let unanswered = Delivery::Failed { reason: "timed out" };
    for answer in
        [100, 199, 300, 301, 302, 304, 400, 404, 429, 500].map(status).into_iter().chain([unanswered])
    {
        let id = here.ping(HOOK).await;
        here.deliver(&Recording::answering([answer])).await;
        assert_eq!(here.notification(id).await.0.state, NotificationState::Pending);
    }
    let id = here.ping(HOOK).await;
    here.deliver(&Recording::answering([status(410)])).await;
    assert_eq!(here.notification(id).await.0.state, NotificationState::Dead, "it is about no token");
    let totals: HashMap<_, _> = here.service.delivery_totals().collect();
    assert_eq!((totals["delivered"], totals["failed"], totals["dead"]), (3, 11, 1));
}

#[tokio::test]
async fn a_receiver_that_answers_410_gets_nothing_more_of_that_token_until_it_takes_a_replay() {
    let here = Installation::new().await;
    let both = [TokenEvent::LimitNear, TokenEvent::Revoked];
    let issued = here.issue(telling(image_url(Some(1)), &both)).await;
    assert!(here.ask(get(&link(&issued))).await.is_ok());
    let courier = Recording::answering([status(410)]);
    assert_eq!(here.deliver(&courier).await, 1);
    here.service.revoke(&here.admin, issued.token.terms.id, false).await.unwrap();
    assert_eq!(here.deliver(&courier).await, 0);
    let filter = NotificationFilter {
        state: Some(NotificationState::Disabled),
        at_most: 10,
        ..NotificationFilter::default()
    };
    let disabled = here.service.notifications(&filter).await.unwrap();
    assert_eq!(disabled.len(), 2, "both are there to be seen");
    here.clock.advance(1);
    here.service.replay_notification(&here.admin, disabled[0].id).await.unwrap();
    assert_eq!(here.deliver(&courier).await, 1);
    assert_eq!(here.notification(disabled[0].id).await.0.state, NotificationState::Delivered);
}

#[tokio::test]
async fn each_attempt_has_the_same_id_and_body_a_new_timestamp_and_a_fitting_signature() {
    let here = Installation::new().await;
    let courier = Recording::answering([status(500)]);
    here.ping(HOOK).await;
    here.deliver(&courier).await;
    here.clock.advance(5);
    here.deliver(&courier).await;
    let secrets = here.service.notification_secrets().await.unwrap();
    let sent = courier.sent();
    assert_eq!((sent[0].id, &sent[0].body), (sent[1].id, &sent[1].body));
    assert_eq!((sent[0].timestamp, sent[1].timestamp), (START, START + 5));
    assert!(sent.iter().all(|sent| fits(&secrets[0].text, sent) && !sent.signature.contains(' ')));
}

#[tokio::test]
async fn while_secrets_overlap_both_sign_and_afterwards_only_the_new_one_does() {
    let here = Installation::new().await;
    let courier = Recording::default();
    here.ping(HOOK).await;
    here.deliver(&courier).await;
    here.service.rotate_notification_secret(&here.admin, 100).await.unwrap();
    let secrets = here.service.notification_secrets().await.unwrap();
    let (old, new) = (&secrets[0].text, &secrets[1].text);
    for (advance, count) in [(0, 2), (99, 2), (1, 1)] {
        here.clock.advance(advance);
        here.ping(HOOK).await;
        here.deliver(&courier).await;
        let sent = courier.sent().pop().unwrap();
        assert_eq!(sent.signature.split(' ').count(), count);
        assert_eq!((fits(new, &sent), fits(old, &sent)), (true, count == 2));
    }
}

#[tokio::test]
async fn a_hundred_uses_at_once_tell_each_event_exactly_once() {
    let here = Installation::new().await;
    let both = [TokenEvent::LimitNear, TokenEvent::LimitReached];
    let issued = here.issue(telling(image_url(Some(50)), &both)).await;
    let url = link(&issued);
    let allowed =
        join_all((0..100).map(|_| here.ask(get(&url)))).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(allowed, 50);
    assert_eq!(here.told().await, [("token.limit_near".into(), 1), ("token.limit_reached".into(), 1)].into());
    let raised = TokenPatch { limit: Patch::Set(60), ..TokenPatch::default() };
    here.service.update(&here.admin, issued.token.terms.id, None, raised).await.unwrap();
    join_all((0..100).map(|_| here.ask(get(&url)))).await;
    assert_eq!(here.told().await, [("token.limit_near".into(), 2), ("token.limit_reached".into(), 2)].into());
}

#[tokio::test]
async fn nothing_is_sent_while_the_clock_is_behind_the_time_that_it_would_bear() {
    let here = Installation::new().await;
    let courier = Recording::default();
    here.clock.advance(3600);
    here.ping(HOOK).await;
    here.clock.set(START);
    assert_eq!(here.deliver(&courier).await, 0);
    here.clock.advance(3600);
    assert_eq!(here.deliver(&courier).await, 1);
    assert_eq!(courier.sent().len(), 1);
}

#[tokio::test]
async fn a_token_is_told_to_be_expiring_once_a_day_before_it_does() {
    let here = Installation::new().await;
    let draft = Draft { expiry: Some(Expiry::After(100_000)), ..upload(None) };
    here.issue(telling(draft, &[TokenEvent::Expiring])).await;
    here.clock.advance(100_000 - 86_401);
    assert_eq!(here.service.tell_expiring().await.unwrap(), 0);
    here.clock.advance(1);
    assert_eq!(here.service.tell_expiring().await.unwrap(), 1);
    assert_eq!(here.service.tell_expiring().await.unwrap(), 0);
    assert_eq!(here.told().await, [("token.expiring".into(), 1)].into());
}

/// Says when it has been asked, and never answers.
struct Stuck(mpsc::UnboundedSender<NotificationId>);

#[async_trait]
impl Courier for Stuck {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        self.0.send(parcel.id).unwrap();
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_a_crash_cuts_off_is_delivered_after_the_restart() {
    let here = Installation::new().await;
    let id = here.ping(HOOK).await;
    let (asked, mut heard) = mpsc::unbounded_channel();
    let stuck = Stuck(asked);
    tokio::select! {
        _ = here.deliver(&stuck) => unreachable!("the courier never answers"),
        heard = heard.recv() => assert_eq!(heard, Some(id)),
    }
    let here = here.restarted().await;
    let courier = Recording::default();
    assert_eq!(here.deliver(&courier).await, 0, "it may still be under way elsewhere");
    here.clock.advance(60);
    assert_eq!(here.deliver(&courier).await, 1);
    assert_eq!(courier.sent()[0].id, id);
    assert_eq!(here.notification(id).await.0.state, NotificationState::Delivered);
}

/// Holds every parcel for one receiver until it is told to go on, and counts how many are under way.
#[derive(Default)]
struct Slow {
    go_on: Wake,
    under_way: AtomicUsize,
    most: AtomicUsize,
    slow_under_way: AtomicUsize,
    most_slow: AtomicUsize,
    fast: AtomicUsize,
}

const SLOW: &str = "https://slow.example/";

#[async_trait]
impl Courier for Slow {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if parcel.address.starts_with(SLOW) {
            let slow = self.slow_under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_slow.fetch_max(slow, Ordering::SeqCst);
            self.go_on.notified().await;
            self.slow_under_way.fetch_sub(1, Ordering::SeqCst);
        } else {
            tokio::task::yield_now().await;
            if self.fast.fetch_add(1, Ordering::SeqCst) + 1 == 40 {
                self.go_on.notify_waiters();
            }
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.fast.load(Ordering::SeqCst) >= 40 {
            self.go_on.notify_one();
        }
        status(204)
    }
}

#[tokio::test]
async fn a_slow_receiver_of_many_addresses_holds_up_no_other_and_has_no_more_than_8_under_way() {
    let here = Installation::new().await;
    for number in 0..40 {
        here.ping(&format!("{SLOW}?{number}")).await;
    }
    for number in 0..40 {
        here.ping(&format!("https://fast.example/{number}")).await;
    }
    let courier = Slow::default();
    assert_eq!(here.deliver(&courier).await, 80, "the slow ones end only after all fast ones");
    assert!(courier.most.load(Ordering::SeqCst) <= 16);
    assert_eq!(courier.most_slow.load(Ordering::SeqCst), 8);
}

/// Holds every parcel until 256 are under way.
#[derive(Default)]
struct Crowd(AtomicUsize);

#[async_trait]
impl Courier for Crowd {
    async fn deliver(&self, _: &Parcel) -> Delivery {
        let begun = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(begun <= 256);
        while self.0.load(Ordering::SeqCst) < 256 {
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    }
}

#[tokio::test]
async fn many_receivers_are_served_at_once_but_no_more_than_256() {
    let here = Installation::new().await;
    for number in 0..260 {
        here.ping(&format!("https://{number}.example/")).await;
    }
    let crowd = Crowd::default();
    let is_full = async {
        while crowd.0.load(Ordering::SeqCst) < 256 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = here.deliver(&crowd) => unreachable!("the courier never answers"),
        () = is_full => {}
    }
    assert_eq!(crowd.0.load(Ordering::SeqCst), 256);
}

#[tokio::test]
async fn the_age_of_the_outbox_is_how_late_it_is_and_not_how_old() {
    let here = Installation::new().await;
    here.ping(HOOK).await;
    here.deliver(&Recording::answering([retry_after(1_000)])).await;
    here.clock.advance(999);
    assert_eq!(here.service.outbox().await.unwrap(), (1, 0));
    here.clock.advance(8);
    assert_eq!(here.service.outbox().await.unwrap(), (1, 7));
}

#[tokio::test]
async fn no_more_is_delivered_than_was_asked_for() {
    let here = Installation::new().await;
    for _ in 0..20 {
        here.ping(HOOK).await;
    }
    let courier = Recording::default();
    assert_eq!(here.service.deliver_due(&courier, 13).await.unwrap(), 13);
    assert_eq!(courier.sent().len(), 13);
    assert_eq!(here.deliver(&courier).await, 7);
    assert_eq!(here.service.outbox().await.unwrap(), (0, 0));
}

/// Says what it has been given.
struct Telling(mpsc::UnboundedSender<NotificationId>);

#[async_trait]
impl Courier for Telling {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        self.0.send(parcel.id).unwrap();
        status(204)
    }
}

#[tokio::test]
async fn the_loop_delivers_at_once_what_is_put_into_the_outbox_and_ends_when_told() {
    let here = Installation::new().await;
    let (given, mut heard) = mpsc::unbounded_channel();
    let courier = Telling(given);
    let drive = async {
        for _ in 0..3 {
            let id = here.ping(HOOK).await;
            assert_eq!(heard.recv().await, Some(id));
        }
        here.service.stop_deliveries();
    };
    tokio::join!(here.service.run_deliveries(&courier), drive);
    here.ping(HOOK).await;
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn the_loop_tries_again_when_it_is_told_that_time_has_passed() {
    let here = Installation::new().await;
    let courier = Recording::answering([status(500)]);
    let id = here.ping(HOOK).await;
    let attempts = async |count| {
        while here.notification(id).await.0.attempts < count {
            tokio::task::yield_now().await;
        }
    };
    let drive = async {
        attempts(1).await;
        here.clock.advance(5);
        here.service.wake_deliveries();
        attempts(2).await;
        here.service.stop_deliveries();
    };
    tokio::join!(here.service.run_deliveries(&courier), drive);
}

#[tokio::test]
async fn whoever_asks_to_be_told_must_say_of_what_and_where() {
    let here = Installation::new().await;
    for (urls, events, pointer) in [(0, 1, "/notify/urls"), (11, 1, "/notify/urls"), (1, 0, "/notify/events")]
    {
        let notify = Notify { urls: vec![HOOK.into(); urls], events: vec![TokenEvent::Revoked; events] };
        let refused = here.issue_by(&here.admin, Draft { notify: Some(notify), ..upload(None) }).await;
        assert!(
            matches!(refused, Err(DomainError::Invalid { pointer: at, .. }) if at == pointer),
            "{pointer}"
        );
    }
    let issued = here.issue(telling(upload(None), &[TokenEvent::Revoked])).await;
    let twice = NotifyPatch { urls: Patch::Set(vec![HOOK.into(); 3]), events: Patch::Keep };
    let patch = TokenPatch { notify: Patch::Set(twice), ..TokenPatch::default() };
    let changed = here.service.update(&here.admin, issued.token.terms.id, None, patch).await.unwrap();
    let notify = changed.about.notify.unwrap();
    assert_eq!((notify.urls, notify.events), (vec![HOOK.to_owned()], vec![TokenEvent::Revoked]));
}
