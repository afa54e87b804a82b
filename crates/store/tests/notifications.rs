//! The outbox and the events of tokens, as one suite that each engine must pass.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use countermark_core::{
    NotificationId, Notify, Token, TokenEvent, TokenId, TokenKind, UploadExtra, UploadId, UploadParameters,
};
use countermark_domain::store::{
    Attempted, AuditFilter, Changed, Claim, NewNotification, NewUpload, Next, Notification,
    NotificationFilter,
    NotificationState::{Dead, Delivered, Disabled, Pending},
    Outbox, StoreError, Upload, UploadBegun, UploadEnd, UploadState, UseOutcome,
};
use zeroize::Zeroizing;

use fixture::{Fixture, at, audit, id, limited, one_use, token};

conformance! {
    what_is_claimed_is_nobody_elses_until_its_lease_ends
    a_claim_takes_the_longest_due_of_receivers_that_are_not_busy
    thousands_for_a_busy_receiver_hide_none_for_another
    one_receiver_gets_no_more_than_its_share_under_however_many_addresses
    a_replay_outlives_an_attempt_that_began_before_it
    an_attempt_that_began_before_a_410_does_not_undo_it
    what_is_first_due_is_told_and_not_what_was_written_first
    what_an_attempt_came_to_reads_back
    what_was_delivered_stays_so_whatever_a_late_record_says
    a_receiver_that_is_gone_gets_no_more_of_that_token_until_it_takes_a_replay
    lists_are_newest_first_and_filter_by_every_member
    what_ended_long_ago_is_forgotten_and_nothing_else
    secrets_follow_each_other_and_the_first_one_is_made_once
    three_secrets_sign_at_most_and_those_long_ended_are_forgotten
    a_limit_is_told_to_be_near_and_reached_by_the_very_uses_that_make_it_so
    one_use_can_make_a_limit_near_and_reached_at_once
    a_changed_limit_is_told_anew_and_an_unchanged_one_is_not
    what_was_told_of_a_limit_is_not_told_again_when_uses_go_back
    a_limit_lowered_to_the_uses_is_told_to_be_reached
    a_refused_use_tells_nothing
    a_revocation_tells_of_each_token_that_it_ends_once
    a_purge_tells_of_a_token_that_was_still_live
    an_expiry_is_told_once_and_a_new_one_again
    an_expiry_that_has_passed_is_not_told_to_be_near
    a_call_whose_actor_has_changed_puts_nothing_into_the_outbox
    whoever_waits_for_notifications_is_woken_by_a_new_one
}

const HOOK: &str = "https://hooks.example/a?key=1";

fn ntf(number: u8) -> NotificationId {
    NotificationId::from_parts(1_700_000_000_000 + u64::from(number), [number; 10])
}

fn new(number: u8, token: Option<TokenId>) -> NewNotification {
    let (id, body) = (ntf(number), format!("{{\"number\":{number}}}"));
    NewNotification { id, address: HOOK.into(), event: "test.ping", token, body }
}

fn attempted(number: u8, outcome: Result<u16, &'static str>, next: Next) -> Attempted {
    Attempted { id: ntf(number), round: 0, at: at(1000), ended_at: at(1001), millis: 42, outcome, next }
}

impl Fixture {
    async fn enqueue(&self, new: NewNotification) {
        self.store.enqueue_notification(new, audit("notification.test")).await.unwrap();
    }

    async fn claim(&self, now: u64, at_most: u32) -> Vec<NotificationId> {
        self.claim_beside(&[], now, at_most).await
    }

    /// While so many attempts are under way at these receivers, of 8 at most at each.
    async fn claim_beside(&self, under_way: &[(&str, usize)], now: u64, at_most: u32) -> Vec<NotificationId> {
        let under_way = under_way.iter().map(|(receiver, count)| ((*receiver).to_owned(), *count)).collect();
        let claim = Claim { now: at(now), lease_until: at(now + 60), under_way, per_receiver: 8, at_most };
        let claimed = self.store.claim_notifications(claim).await.unwrap();
        let mut ids: Vec<NotificationId> = claimed.into_iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids
    }

    async fn record(&self, attempt: Attempted) {
        self.store.record_attempts(&[attempt]).await.unwrap();
    }

    async fn view(&self, number: u8) -> Notification {
        self.store.find_notification(ntf(number)).await.unwrap().unwrap().0
    }

    /// Events in the outbox with `used`, oldest first.
    async fn told(&self) -> Vec<(String, u64)> {
        let filter = NotificationFilter { at_most: 1000, ..NotificationFilter::default() };
        let all = self.store.notifications(&filter).await.unwrap();
        let mut told: Vec<(String, u64)> = all
            .into_iter()
            .map(|one| {
                let body: serde_json::Value = serde_json::from_str(&one.body).unwrap();
                assert_eq!(body["type"], *one.event);
                assert_eq!(body["data"]["tokenId"], one.token.unwrap().to_string());
                (one.event, body["data"]["used"].as_u64().unwrap())
            })
            .collect();
        told.sort_by_key(|(event, used)| (*used, event.clone()));
        told
    }

    async fn begin_and_abort(&self, token: &Token, number: u8) {
        let upload = Upload {
            id: UploadId::from_parts(1_700_000_000_000, [number; 10]),
            token: token.terms.id,
            owner: None,
            began_by: None,
            state: UploadState::Reserved,
            effective: UploadParameters::default(),
            extra: UploadExtra::default(),
            began_at: at(1000),
            deadline: at(2000),
            ended_at: None,
            result: None,
        };
        let id = upload.id;
        let new = NewUpload { upload, revision: token.terms.revision, idempotency: None, open_at_most: 9 };
        let begun = self.store.begin_upload(new, at(1000)).await.unwrap();
        assert!(matches!(begun.outcome, UploadBegun::Reserved { .. }), "{begun:?}");
        self.store.end_upload(id, UploadEnd::Abort, at(1001)).await.unwrap();
    }

    async fn change(&self, token: &mut Token) {
        token.terms.revision += 1;
        let done = self.store.update(token, token.terms.revision - 1, audit("token.update")).await.unwrap();
        assert_eq!(done, Changed::Done);
    }
}

/// The token, telling of these events.
fn telling(mut token: Token, events: &[TokenEvent]) -> Token {
    token.about.notify = Some(Notify { urls: vec![HOOK.into()], events: events.to_vec() });
    token
}

fn near(used: u64) -> (String, u64) {
    ("token.limit_near".into(), used)
}

fn reached(used: u64) -> (String, u64) {
    ("token.limit_reached".into(), used)
}

async fn what_is_claimed_is_nobody_elses_until_its_lease_ends(mut it: Fixture) {
    it.enqueue(new(1, None)).await;
    assert_eq!(it.claim(999, 10).await, [], "not due yet");
    assert_eq!(it.claim(1000, 10).await, [ntf(1)]);
    assert_eq!(it.claim(1059, 10).await, []);
    it.reopen().await;
    assert_eq!(it.claim(1059, 10).await, [], "also after a restart");
    assert_eq!(it.claim(1060, 10).await, [ntf(1)]);
    assert_eq!(it.view(1).await.attempts, 0, "what nobody has recorded is no attempt");
}

async fn a_claim_takes_the_longest_due_of_receivers_that_are_not_busy(it: Fixture) {
    for (number, due) in [(1, 1010), (2, 1005), (3, 1020)] {
        it.enqueue(new(number, None)).await;
        it.record(attempted(number, Ok(500), Next::Retry(at(due)))).await;
    }
    it.enqueue(NewNotification { address: "https://busy.example/".into(), ..new(4, None) }).await;
    assert_eq!(it.claim_beside(&[("busy.example:443", 8)], 1010, 10).await, [ntf(1), ntf(2)]);
    assert_eq!(it.claim(1080, 1).await, [ntf(4)], "the longest due");
    assert_eq!(it.claim(1080, 2).await.len(), 2, "as many as asked for");
}

async fn thousands_for_a_busy_receiver_hide_none_for_another(it: Fixture) {
    it.enqueue(new(1, None)).await;
    it.sql(
        "WITH RECURSIVE count_up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count_up WHERE n < 4097)
         INSERT INTO notifications SELECT 'ntf_' || n, 'https://busy.example/' || n,
             'busy.example:443', 'test.ping', NULL, '{}', 'pending', 1, 0, 0, 0, 1, NULL FROM count_up",
    )
    .await;
    let busy = [("busy.example:443", 8)];
    assert_eq!(it.claim_beside(&busy, 1000, 10).await, [ntf(1)]);
    assert_eq!(it.claim_beside(&busy, 1000, 10).await, []);
}

async fn one_receiver_gets_no_more_than_its_share_under_however_many_addresses(it: Fixture) {
    let addresses = [
        "https://a.example/",
        "https://a.example/?1",
        "https://a.example?2",
        "HTTPS://A.Example/3",
        "https://a.example:443/4",
        "https://a.example:0443/5",
        "https://a.example./6",
        "http://a.example:443/7",
        "https://a.example:/8",
        "https://a.example/9",
    ];
    for (number, address) in (1..).zip(addresses) {
        it.enqueue(NewNotification { address: address.into(), ..new(number, None) }).await;
    }
    it.enqueue(NewNotification { address: "https://a.example:444/".into(), ..new(11, None) }).await;
    it.enqueue(NewNotification { address: "http://[2001:DB8::1]/".into(), ..new(12, None) }).await;
    let others = [ntf(11), ntf(12)];
    let busy = [("a.example:443", 8), ("[2001:db8::1]:80", 7)];
    assert_eq!(it.claim_beside(&busy, 1000, 99).await, others);
    let claimed = it.claim_beside(&[("a.example:443", 5)], 1000, 99).await;
    assert_eq!(claimed.len(), 3, "what is left of its share");
}

async fn a_replay_outlives_an_attempt_that_began_before_it(it: Fixture) {
    let one = token(TokenKind::Upload, 1);
    it.insert(&one).await;
    for next in [Next::Retry(at(2000)), Next::Dead, Next::Disabled] {
        let number = match next {
            Next::Retry(_) => 1,
            Next::Dead => 2,
            _ => 3,
        };
        it.enqueue(new(number, Some(one.terms.id))).await;
        it.claim(1000, 10).await;
        assert!(it.store.replay_notification(ntf(number), audit("notification.replay")).await.unwrap());
        it.record(attempted(number, Ok(500), next)).await;
        let kept = it.view(number).await;
        assert_eq!(
            (kept.state, kept.next_attempt_at, kept.attempts),
            (Pending, Some(at(1000)), 1),
            "{next:?}"
        );
    }
    it.record(attempted(1, Ok(200), Next::Delivered)).await;
    assert_eq!(it.view(1).await.state, Delivered, "the receiver has it");
    it.record(Attempted { round: 1, ..attempted(2, Ok(500), Next::Dead) }).await;
    assert_eq!(it.view(2).await.state, Dead, "what is of the replay counts");
}

async fn an_attempt_that_began_before_a_410_does_not_undo_it(it: Fixture) {
    let one = token(TokenKind::Upload, 1);
    it.insert(&one).await;
    for number in [1, 2] {
        it.enqueue(new(number, Some(one.terms.id))).await;
    }
    it.record(attempted(1, Ok(410), Next::Disabled)).await;
    let late = Attempted { at: at(1001), ended_at: at(1010), ..attempted(2, Ok(200), Next::Delivered) };
    it.record(late.clone()).await;
    it.enqueue(new(3, Some(one.terms.id))).await;
    assert_eq!((it.view(2).await.state, it.view(3).await.state), (Delivered, Disabled));
    it.record(Attempted { at: at(1002), ..late }).await;
    it.enqueue(new(4, Some(one.terms.id))).await;
    assert_eq!(it.view(4).await.state, Pending);
}

async fn what_is_first_due_is_told_and_not_what_was_written_first(it: Fixture) {
    it.enqueue(new(1, None)).await;
    it.record(attempted(1, Ok(500), Next::Retry(at(9000)))).await;
    assert_eq!(it.store.outbox().await.unwrap(), Outbox { waiting: 1, first_due_at: Some(at(9000)) });
}

async fn what_an_attempt_came_to_reads_back(it: Fixture) {
    it.enqueue(new(1, None)).await;
    it.record(attempted(1, Err("timed out"), Next::Retry(at(1005)))).await;
    it.record(attempted(1, Ok(503), Next::Dead)).await;
    let (notification, attempts) = it.store.find_notification(ntf(1)).await.unwrap().unwrap();
    assert_eq!((notification.state, notification.attempts, notification.next_attempt_at), (Dead, 2, None));
    assert_eq!((notification.created_at, notification.ended_at), (at(1000), Some(at(1001))));
    assert_eq!(notification.body, "{\"number\":1}");
    let outcomes: Vec<_> =
        attempts.iter().map(|one| (one.number, one.status, one.reason.as_deref(), one.millis)).collect();
    assert_eq!(outcomes, [(1, None, Some("timed out"), 42), (2, Some(503), None, 42)]);
    assert!(it.store.find_notification(ntf(2)).await.unwrap().is_none());
}

async fn what_was_delivered_stays_so_whatever_a_late_record_says(it: Fixture) {
    it.enqueue(new(1, None)).await;
    it.record(attempted(1, Ok(500), Next::Dead)).await;
    it.record(attempted(1, Ok(204), Next::Delivered)).await;
    assert_eq!(it.view(1).await.state, Delivered, "the later word of the receiver");
    it.record(attempted(1, Ok(500), Next::Retry(at(2000)))).await;
    let notification = it.view(1).await;
    assert_eq!((notification.state, notification.attempts), (Delivered, 3));
    it.record(attempted(9, Ok(500), Next::Dead)).await;
    assert_eq!(it.store.outbox().await.unwrap(), Outbox::default(), "what is gone stays gone");
}

async fn a_receiver_that_is_gone_gets_no_more_of_that_token_until_it_takes_a_replay(it: Fixture) {
    let (one, other) = (token(TokenKind::Upload, 1), token(TokenKind::Upload, 2));
    it.insert(&one).await;
    it.insert(&other).await;
    for (number, about) in [(1, &one), (2, &one), (3, &other)] {
        it.enqueue(new(number, Some(about.terms.id))).await;
    }
    it.record(attempted(1, Ok(410), Next::Disabled)).await;
    it.enqueue(new(4, Some(one.terms.id))).await;
    it.enqueue(NewNotification { address: "https://other.example/".into(), ..new(5, Some(one.terms.id)) })
        .await;
    let mut states = Vec::new();
    for number in 1..=5 {
        states.push(it.view(number).await.state);
    }
    assert_eq!(states, [Disabled, Disabled, Pending, Disabled, Pending]);
    assert!(it.store.replay_notification(ntf(4), audit("notification.replay")).await.unwrap());
    it.enqueue(new(6, Some(one.terms.id))).await;
    assert_eq!(it.view(6).await.state, Disabled, "until the replay is taken");
    it.record(Attempted { at: at(1002), ..attempted(4, Ok(200), Next::Delivered) }).await;
    it.enqueue(new(7, Some(one.terms.id))).await;
    assert_eq!(it.view(7).await.state, Pending);
    it.store.purge(one.terms.id, audit("token.purge")).await.unwrap();
    it.record(attempted(7, Ok(410), Next::Disabled)).await;
    assert_eq!(it.view(7).await.state, Disabled, "also when the token is gone");
    assert!(!it.store.replay_notification(ntf(99), audit("notification.replay")).await.unwrap());
}

async fn lists_are_newest_first_and_filter_by_every_member(it: Fixture) {
    let about = id(TokenKind::Upload, 1);
    for number in 1..=4 {
        let event = if number == 4 { "token.revoked" } else { "test.ping" };
        it.enqueue(NewNotification { event, ..new(number, (number > 1).then_some(about)) }).await;
    }
    it.record(attempted(2, Ok(200), Next::Delivered)).await;
    let shown = async |filter: NotificationFilter| {
        let found = it.store.notifications(&filter).await.unwrap();
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let all = NotificationFilter { at_most: 10, ..NotificationFilter::default() };
    assert_eq!(shown(all.clone()).await, [ntf(4), ntf(3), ntf(2), ntf(1)]);
    let page = NotificationFilter { at_most: 2, after: Some(ntf(4)), ..all.clone() };
    assert_eq!(shown(page).await, [ntf(3), ntf(2)]);
    assert_eq!(shown(NotificationFilter { state: Some(Delivered), ..all.clone() }).await, [ntf(2)]);
    assert_eq!(
        shown(NotificationFilter { event: Some("token.revoked".into()), ..all.clone() }).await,
        [ntf(4)]
    );
    assert_eq!(shown(NotificationFilter { token: Some(about), ..all }).await, [ntf(4), ntf(3), ntf(2)]);
    assert_eq!(it.store.outbox().await.unwrap(), Outbox { waiting: 3, first_due_at: Some(at(1000)) });
}

async fn what_ended_long_ago_is_forgotten_and_nothing_else(it: Fixture) {
    const DAY: u64 = 24 * 60 * 60;
    for (number, next) in [(1, Some(Next::Delivered)), (2, Some(Next::Dead)), (3, None)] {
        it.enqueue(new(number, None)).await;
        if let Some(next) = next {
            it.record(attempted(number, Ok(200), next)).await;
        }
    }
    for (now, forgotten) in
        [(7 * DAY + 1000, 0), (7 * DAY + 1001, 1), (30 * DAY + 1000, 0), (30 * DAY + 1001, 1)]
    {
        assert_eq!(it.store.forget_notifications(at(now), 10).await.unwrap(), forgotten, "{now}");
    }
    assert!(it.store.find_notification(ntf(3)).await.unwrap().is_some(), "what waits is kept");
}

async fn secrets_follow_each_other_and_the_first_one_is_made_once(mut it: Fixture) {
    let text = |text: &str| Zeroizing::new(text.to_owned());
    assert_eq!(it.store.notification_secrets().await.unwrap(), []);
    it.store.found_notification_secret(&text("one"), at(10)).await.unwrap();
    it.store.found_notification_secret(&text("late"), at(11)).await.unwrap();
    let rotate = async |it: &Fixture, new: &str, until| {
        let entry = audit("notification.secret.rotate");
        it.store.rotate_notification_secret(&text(new), at(until), entry).await.unwrap().version
    };
    assert_eq!(rotate(&it, "two", 2000).await, 2);
    assert_eq!(rotate(&it, "three", 3000).await, 3);
    it.reopen().await;
    let secrets = it.store.notification_secrets().await.unwrap();
    let shown: Vec<_> = secrets.iter().map(|one| (one.version, one.text.as_str(), one.valid_until)).collect();
    assert_eq!(shown, [(1, "one", Some(at(2000))), (2, "two", Some(at(3000))), (3, "three", None)]);
    assert!(!format!("{secrets:?}").contains("three"));
}

async fn three_secrets_sign_at_most_and_those_long_ended_are_forgotten(it: Fixture) {
    let rotate = async |now: u64, until| {
        let text = Zeroizing::new(format!("of {now}"));
        let mut entry = audit("notification.secret.rotate");
        entry.at = at(now);
        it.store.rotate_notification_secret(&text, at(until), entry).await.unwrap();
        it.store.notification_secrets().await.unwrap()
    };
    let mut secrets = Vec::new();
    for now in 1000..1100 {
        secrets = rotate(now, 900_000).await;
        let signing = secrets.iter().filter(|one| one.valid_until.is_none_or(|until| at(now) < until));
        assert!(signing.count() <= 3, "{now}");
        assert!(secrets.len() <= 21, "{now}");
    }
    let newest: Vec<_> = secrets.iter().rev().map(|one| (one.version, one.valid_until)).take(4).collect();
    let until = Some(at(900_000));
    assert_eq!(newest, [(100, None), (99, until), (98, until), (97, Some(at(1099)))]);
    let month = 30 * 24 * 60 * 60;
    assert_eq!(rotate(900_000 + month - 1, 900_000 + month).await.len(), 4);
    let versions: Vec<u64> =
        rotate(900_000 + month, 900_000 + month).await.iter().map(|one| one.version).collect();
    assert_eq!(versions, [100, 101, 102]);
}

async fn a_limit_is_told_to_be_near_and_reached_by_the_very_uses_that_make_it_so(it: Fixture) {
    let token = telling(limited(1, 10), &[TokenEvent::LimitNear, TokenEvent::LimitReached]);
    let silent = limited(2, 10);
    let only_reached = telling(limited(3, 10), &[TokenEvent::LimitReached]);
    for token in [&token, &silent, &only_reached] {
        it.insert(token).await;
    }
    it.take(&[one_use(&token, 7), one_use(&silent, 10)]).await;
    assert_eq!(it.told().await, []);
    // One batch over both thresholds, and a refusal behind them.
    it.take(&vec![one_use(&token, 1); 5]).await;
    assert_eq!(it.told().await, [near(8), reached(10)]);
    it.take(&[one_use(&token, 1)]).await;
    assert_eq!(it.told().await.len(), 2);
    it.take(&vec![one_use(&only_reached, 1); 10]).await;
    assert_eq!(it.told().await, [near(8), reached(10), reached(10)]);
}

async fn one_use_can_make_a_limit_near_and_reached_at_once(it: Fixture) {
    let both = [TokenEvent::LimitNear, TokenEvent::LimitReached];
    let (single, costly) = (telling(limited(1, 1), &both), telling(limited(2, 100), &both));
    it.insert(&single).await;
    it.insert(&costly).await;
    it.take(&[one_use(&single, 1), one_use(&costly, 90), one_use(&costly, 10)]).await;
    assert_eq!(it.told().await, [near(1), reached(1), near(90), reached(100)]);
}

async fn a_changed_limit_is_told_anew_and_an_unchanged_one_is_not(it: Fixture) {
    let both = [TokenEvent::LimitNear, TokenEvent::LimitReached];
    let mut token = telling(limited(1, 10), &both);
    it.insert(&token).await;
    it.take(&[one_use(&token, 9)]).await;
    token.about.name = Some("renamed".into());
    it.change(&mut token).await;
    token.about.notify = None;
    it.change(&mut token).await;
    token = telling(token, &both);
    it.change(&mut token).await;
    it.take(&[one_use(&token, 1)]).await;
    assert_eq!(it.told().await, [near(9), reached(10)]);
    token.terms.limit = Some(12);
    it.change(&mut token).await;
    it.take(&[one_use(&token, 1)]).await;
    it.take(&[one_use(&token, 1)]).await;
    assert_eq!(it.told().await, [near(9), reached(10), near(11), reached(12)]);
}

async fn what_was_told_of_a_limit_is_not_told_again_when_uses_go_back(it: Fixture) {
    let mut token = telling(limited(1, 1), &[TokenEvent::LimitNear, TokenEvent::LimitReached]);
    it.insert(&token).await;
    for number in 1..4 {
        it.begin_and_abort(&token, number).await;
        assert_eq!(it.told().await, [near(1), reached(1)], "{number}");
        token.about.name = Some(format!("renamed {number}"));
        it.change(&mut token).await;
    }
    token.terms.limit = Some(2);
    it.change(&mut token).await;
    it.take(&[one_use(&token, 2)]).await;
    assert_eq!(it.told().await, [near(1), reached(1), near(2), reached(2)]);
}

async fn a_limit_lowered_to_the_uses_is_told_to_be_reached(it: Fixture) {
    let mut token = telling(limited(1, 10), &[TokenEvent::LimitNear, TokenEvent::LimitReached]);
    let mut silent = telling(limited(2, 10), &[TokenEvent::LimitNear]);
    for token in [&mut token, &mut silent] {
        it.insert(token).await;
        it.take(&[one_use(token, 5)]).await;
        token.terms.limit = Some(5);
        it.change(token).await;
        it.change(token).await;
        assert_eq!(it.told().await, [reached(5)]);
    }
}

async fn a_refused_use_tells_nothing(it: Fixture) {
    let token = telling(limited(1, 10), &[TokenEvent::LimitNear, TokenEvent::LimitReached]);
    it.insert(&token).await;
    let mut stale = one_use(&token, 10);
    stale.revision = 2;
    let outcomes = it.take(&[stale, one_use(&token, 11)]).await;
    assert_eq!(outcomes, [UseOutcome::Stale, UseOutcome::Exhausted { used: 0 }]);
    assert_eq!(it.told().await, []);
}

async fn a_revocation_tells_of_each_token_that_it_ends_once(it: Fixture) {
    let parent = telling(token(TokenKind::ApiKey, 1), &[TokenEvent::Revoked]);
    let mut child = telling(token(TokenKind::Upload, 2), &[TokenEvent::Revoked]);
    let mut silent = telling(token(TokenKind::Upload, 3), &[TokenEvent::Expiring]);
    for token in [&mut child, &mut silent] {
        token.about.created_by = Some(parent.terms.id);
    }
    for token in [&parent, &child, &silent] {
        it.insert(token).await;
    }
    let judged = it.store.descent(parent.terms.id).await.unwrap();
    for _ in 0..2 {
        it.store.revoke(parent.terms.id, at(1000), Some(&judged), audit("token.revoke")).await.unwrap();
    }
    assert_eq!(it.told().await.len(), 2);
    let filter = NotificationFilter { token: Some(child.terms.id), at_most: 9, ..Default::default() };
    let told = it.store.notifications(&filter).await.unwrap();
    assert!(told[0].body.contains("\"revokedAt\":1000"), "{}", told[0].body);
}

async fn a_purge_tells_of_a_token_that_was_still_live(it: Fixture) {
    for (number, is_live) in [(1, true), (2, false)] {
        let token = telling(token(TokenKind::Upload, number), &[TokenEvent::Revoked]);
        it.insert(&token).await;
        if !is_live {
            it.store.revoke(token.terms.id, at(1000), None, audit("token.revoke")).await.unwrap();
        }
        it.store.purge(token.terms.id, audit("token.purge")).await.unwrap();
    }
    assert_eq!(it.told().await.len(), 2);
    let filter = NotificationFilter { at_most: 9, ..NotificationFilter::default() };
    for told in it.store.notifications(&filter).await.unwrap() {
        assert!(told.body.contains("\"revokedAt\":1000"), "{}", told.body);
    }
}

async fn an_expiry_is_told_once_and_a_new_one_again(it: Fixture) {
    let mut token = telling(limited(1, 10), &[TokenEvent::Expiring]);
    token.terms.expiry = Some(at(2000));
    it.insert(&token).await;
    let mut revoked = telling(limited(2, 10), &[TokenEvent::Expiring]);
    revoked.terms.expiry = Some(at(2000));
    it.insert(&revoked).await;
    it.store.revoke(revoked.terms.id, at(1000), None, audit("token.revoke")).await.unwrap();
    let tell = async |horizon| it.store.tell_expiring(at(1000), at(horizon), 10).await.unwrap();
    assert_eq!([tell(1999).await, tell(2000).await, tell(2000).await], [0, 1, 0]);
    token.about.name = Some("renamed".into());
    it.change(&mut token).await;
    assert_eq!(tell(2000).await, 0, "the same expiry");
    token.terms.expiry = Some(at(3000));
    it.change(&mut token).await;
    assert_eq!([tell(2999).await, tell(3000).await], [0, 1]);
    assert_eq!(it.told().await.len(), 2);
}

async fn an_expiry_that_has_passed_is_not_told_to_be_near(it: Fixture) {
    let mut token = telling(limited(1, 10), &[TokenEvent::Expiring]);
    token.terms.expiry = Some(at(1000));
    it.insert(&token).await;
    assert_eq!(it.store.tell_expiring(at(1000), at(2000), 10).await.unwrap(), 0);
    token.terms.expiry = Some(at(1001));
    it.change(&mut token).await;
    assert_eq!(it.store.tell_expiring(at(1000), at(2000), 10).await.unwrap(), 1);
}

async fn a_call_whose_actor_has_changed_puts_nothing_into_the_outbox(it: Fixture) {
    let actor = token(TokenKind::ApiKey, 1);
    it.insert(&actor).await;
    let mut entry = audit("notification.test");
    (entry.actor, entry.actor_revision) = (Some(actor.terms.id), Some(2));
    for _ in 0..2 {
        let refused = it.store.enqueue_notification(new(1, None), entry.clone()).await;
        assert!(matches!(refused, Err(StoreError::ActorChanged)));
    }
    assert_eq!(it.store.outbox().await.unwrap().waiting, 0);
    it.enqueue(new(1, None)).await;
    let replayed = it.store.replay_notification(ntf(1), entry.clone()).await;
    assert!(matches!(replayed, Err(StoreError::ActorChanged)));
    assert!(matches!(it.store.note_revealed_secrets(entry).await, Err(StoreError::ActorChanged)));
    let filter = AuditFilter { action: Some("notification.test".into()), at_most: 9, ..Default::default() };
    assert_eq!(it.store.audit(&filter).await.unwrap().len(), 1);
}

async fn whoever_waits_for_notifications_is_woken_by_a_new_one(it: Fixture) {
    let token = telling(limited(1, 1), &[TokenEvent::LimitReached]);
    it.insert(&token).await;
    let taken = async { drop(it.take(&[one_use(&token, 1)]).await) };
    tokio::join!(it.store.notification_added(), taken);
    assert_eq!(it.claim(1000, 10).await.len(), 1, "what has woken is there to be claimed");
}
