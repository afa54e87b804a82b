//! Uploads: the suite of the trait `UploadStore`, and its state machine against a model.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use countermark_core::{Tally, Token, TokenKind, UploadExtra, UploadId, UploadParameters};
use countermark_domain::store::{
    Booked, ENDED_UPLOAD_SECONDS, IDEMPOTENCY_SECONDS, IdempotencyKey, NewUpload, Upload,
    UploadBegun::{self, Exhausted, GivenBack, KeyMismatch, Repeated, Reserved, Stale, TooManyOpen},
    UploadEnd, UploadEnded, UploadState,
};
use proptest::prelude::*;

use fixture::{Fixture, at, audit, id, key, limited, one_use, token};

conformance! {
    an_upload_reads_back_as_it_began
    a_completed_upload_keeps_its_use_and_its_report
    an_aborted_upload_gives_exactly_one_use_back
    each_end_is_final_and_its_repetition_changes_nothing
    no_upload_begins_beyond_the_limit_or_on_a_token_that_has_changed
    a_token_without_a_limit_counts_and_gives_back_too
    reservations_are_capped_and_an_end_makes_room
    one_key_begins_one_upload
    a_key_whose_use_was_given_back_stays_used_up
    a_key_is_free_again_after_a_day_to_the_second
    a_deadline_aborts_for_a_server_and_completes_for_a_holder
    a_deadline_holds_before_anybody_has_come_by
    uploads_are_forgotten_a_week_after_their_end
    a_purged_token_takes_its_uploads_with_it
    every_outcome_tells_how_the_counters_stand
    the_sweep_waits_for_reservations
}

const DEADLINE: u64 = 2000;

fn upload_id(number: u64) -> UploadId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    UploadId::from_parts(1_700_000_000_000 + number, random)
}

/// The upload of this number, begun by an API key at 1000 and due at [`DEADLINE`].
fn upload(token: &Token, number: u64) -> Upload {
    Upload {
        id: upload_id(number),
        token: token.terms.id,
        owner: Some("owner".into()),
        began_by: Some(id(TokenKind::ApiKey, 9)),
        state: UploadState::Reserved,
        effective: UploadParameters { tags: vec!["ü".into()], ..UploadParameters::default() },
        extra: UploadExtra { max_bytes: Some(u64::MAX), ..UploadExtra::default() },
        began_at: at(1000),
        deadline: at(DEADLINE),
        ended_at: None,
        result: None,
    }
}

fn new(token: &Token, number: u64) -> NewUpload {
    NewUpload {
        upload: upload(token, number),
        revision: token.terms.revision,
        idempotency: None,
        open_at_most: 100,
    }
}

fn keyed(token: &Token, number: u64, key: IdempotencyKey) -> NewUpload {
    NewUpload { idempotency: Some(key), ..new(token, number) }
}

fn by_holder(mut new: NewUpload) -> NewUpload {
    new.upload.began_by = None;
    new
}

fn report(text: &str) -> UploadEnd {
    UploadEnd::Complete { result: text.to_owned(), notifications: Vec::new() }
}

async fn begin(it: &Fixture, new: NewUpload) -> UploadBegun {
    begin_at(it, new, 1000).await
}

async fn begin_at(it: &Fixture, new: NewUpload, seconds: u64) -> UploadBegun {
    booked(it, it.store.begin_upload(new, at(seconds)).await.unwrap()).await
}

/// The outcome, once every tally that came with it has proven to be what is stored.
async fn booked<T>(it: &Fixture, booked: Booked<T>) -> T {
    for (token, tally) in booked.tallies {
        assert_eq!(it.find(token).await.unwrap().usage.tally(), tally);
    }
    booked.outcome
}

async fn end(it: &Fixture, number: u64, end: UploadEnd) -> UploadEnded {
    end_at(it, number, end, 1001).await
}

async fn end_at(it: &Fixture, number: u64, end: UploadEnd, seconds: u64) -> UploadEnded {
    booked(it, it.store.end_upload(upload_id(number), end, at(seconds)).await.unwrap()).await
}

async fn expire(it: &Fixture, seconds: u64) -> Booked<u64> {
    it.store.expire_uploads(at(seconds), 10).await.unwrap()
}

async fn find(it: &Fixture, number: u64) -> Upload {
    it.store.find_upload(upload_id(number)).await.unwrap().unwrap()
}

async fn state(it: &Fixture, number: u64) -> UploadState {
    find(it, number).await.state
}

async fn an_upload_reads_back_as_it_began(it: Fixture) {
    let token = limited(1, 2);
    it.insert(&token).await;
    assert_eq!(it.store.find_upload(upload_id(1)).await.unwrap(), None);
    assert_eq!(begin(&it, new(&token, 1)).await, Reserved { used: 1 });
    assert_eq!(find(&it, 1).await, upload(&token, 1));
    assert_eq!(begin(&it, by_holder(new(&token, 2))).await, Reserved { used: 2 });
    assert_eq!(find(&it, 2).await.began_by, None);
    assert_eq!(it.find(token.terms.id).await.unwrap().usage.last_used_at, Some(at(1000)));
}

async fn a_completed_upload_keeps_its_use_and_its_report(it: Fixture) {
    let token = limited(1, 2);
    it.insert(&token).await;
    begin(&it, new(&token, 1)).await;
    let expected = Upload {
        state: UploadState::Completed,
        ended_at: Some(at(1001)),
        result: Some(r#"{"a":1}"#.into()),
        ..upload(&token, 1)
    };
    let ended = end(&it, 1, report(r#"{"a":1}"#)).await;
    assert_eq!(ended, UploadEnded::Ended { upload: Box::new(expected.clone()), counter: (1, Some(2)) });
    assert_eq!(find(&it, 1).await, expected);
    assert_eq!(it.used(token.terms.id).await, 1);
}

async fn an_aborted_upload_gives_exactly_one_use_back(it: Fixture) {
    let token = limited(1, 3);
    it.insert(&token).await;
    it.take(&[one_use(&token, 2)]).await;
    begin(&it, new(&token, 1)).await;
    for _ in 0..3 {
        let UploadEnded::Ended { upload, counter } = end(&it, 1, UploadEnd::Abort).await else {
            panic!("an abort may be repeated")
        };
        assert_eq!(
            (upload.state, upload.ended_at, counter),
            (UploadState::Aborted, Some(at(1001)), (2, Some(3)))
        );
    }
    assert_eq!(it.used(token.terms.id).await, 2);
}

async fn each_end_is_final_and_its_repetition_changes_nothing(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    for number in 1..=2 {
        begin(&it, new(&token, number)).await;
    }
    assert_eq!(end(&it, 9, UploadEnd::Abort).await, UploadEnded::Gone);
    let first = end(&it, 1, report("{}")).await;
    assert_eq!(end(&it, 1, report("{}")).await, first);
    assert!(matches!(end(&it, 1, report(r#"{"a":1}"#)).await, UploadEnded::Closed(_)), "another report");
    assert!(matches!(end(&it, 1, UploadEnd::Abort).await, UploadEnded::Closed(_)));
    end(&it, 2, UploadEnd::Abort).await;
    assert!(matches!(end(&it, 2, report("{}")).await, UploadEnded::Closed(_)));
    assert_eq!((state(&it, 1).await, state(&it, 2).await), (UploadState::Completed, UploadState::Aborted));
    assert_eq!(it.used(token.terms.id).await, 1);
}

async fn no_upload_begins_beyond_the_limit_or_on_a_token_that_has_changed(it: Fixture) {
    let mut token = limited(1, 1);
    it.insert(&token).await;
    assert_eq!(begin(&it, NewUpload { revision: 2, ..new(&token, 1) }).await, Stale);
    assert_eq!(begin(&it, new(&limited(2, 1), 1)).await, Stale, "no such token");
    assert_eq!(begin(&it, new(&token, 1)).await, Reserved { used: 1 });
    assert_eq!(begin(&it, new(&token, 2)).await, Exhausted { used: 1 });
    assert_eq!(
        it.take(&[one_use(&token, 1)]).await,
        [countermark_domain::store::UseOutcome::Exhausted { used: 1 }]
    );
    (token.terms.revision, token.terms.limit, token.terms.enabled) = (2, Some(5), false);
    it.store.update(&token, 1, audit("token.update")).await.unwrap();
    assert_eq!(begin(&it, new(&token, 2)).await, Stale, "switched off");
    (token.terms.revision, token.terms.enabled, token.terms.expiry) = (3, true, Some(at(1000)));
    it.store.update(&token, 2, audit("token.update")).await.unwrap();
    assert_eq!(begin(&it, new(&token, 2)).await, Stale, "expired");
    it.store.revoke(token.terms.id, at(1000), None, audit("token.revoke")).await.unwrap();
    token.terms.revision = 4;
    assert_eq!(begin(&it, new(&token, 2)).await, Stale, "revoked");
    assert_eq!(it.store.find_upload(upload_id(2)).await.unwrap(), None, "nothing is stored of a refusal");
    assert!(
        matches!(end(&it, 1, report("{}")).await, UploadEnded::Ended { .. }),
        "what has begun may be finished"
    );
}

async fn a_token_without_a_limit_counts_and_gives_back_too(it: Fixture) {
    let token = token(TokenKind::Upload, 1);
    it.insert(&token).await;
    assert_eq!(begin(&it, new(&token, 1)).await, Reserved { used: 1 });
    assert_eq!(begin(&it, new(&token, 2)).await, Reserved { used: 2 });
    end(&it, 1, UploadEnd::Abort).await;
    assert_eq!(it.used(token.terms.id).await, 1);
}

async fn reservations_are_capped_and_an_end_makes_room(it: Fixture) {
    let (token, other) = (limited(1, 100), limited(2, 100));
    it.insert(&token).await;
    it.insert(&other).await;
    let capped = |token: &Token, number| NewUpload { open_at_most: 2, ..new(token, number) };
    assert_eq!(begin(&it, capped(&token, 1)).await, Reserved { used: 1 });
    assert_eq!(begin(&it, capped(&token, 2)).await, Reserved { used: 2 });
    assert_eq!(begin(&it, capped(&token, 3)).await, TooManyOpen);
    assert_eq!(it.used(token.terms.id).await, 2);
    assert_eq!(begin(&it, capped(&other, 3)).await, Reserved { used: 1 }, "each token has its own room");
    end(&it, 1, report("{}")).await;
    assert_eq!(begin(&it, capped(&token, 4)).await, Reserved { used: 3 });
    let later = begin_at(&it, capped(&token, 5), DEADLINE).await;
    assert_eq!(later, Reserved { used: 2 }, "so does a deadline: two went back, one was taken");
}

async fn one_key_begins_one_upload(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    assert_eq!(begin(&it, keyed(&token, 1, key(1, 1))).await, Reserved { used: 1 });
    let repeated = Repeated { upload: Box::new(upload(&token, 1)), used: 1 };
    assert_eq!(begin(&it, keyed(&token, 2, key(1, 1))).await, repeated);
    assert_eq!(begin(&it, keyed(&token, 3, key(1, 2))).await, KeyMismatch);
    assert_eq!(begin(&it, keyed(&token, 4, key(2, 1))).await, Reserved { used: 2 });
    end(&it, 1, report("{}")).await;
    let Repeated { upload, .. } = begin(&it, keyed(&token, 5, key(1, 1))).await else {
        panic!("a repetition")
    };
    assert_eq!(upload.state, UploadState::Completed);
    assert_eq!(it.used(token.terms.id).await, 2);
}

async fn a_key_whose_use_was_given_back_stays_used_up(it: Fixture) {
    let token = limited(1, 1);
    it.insert(&token).await;
    begin(&it, keyed(&token, 1, key(1, 1))).await;
    end(&it, 1, UploadEnd::Abort).await;
    assert_eq!(begin(&it, keyed(&token, 2, key(1, 1))).await, GivenBack);
    assert_eq!(it.used(token.terms.id).await, 0);
    assert_eq!(begin(&it, keyed(&token, 3, key(2, 1))).await, Reserved { used: 1 });
    assert_eq!(begin(&it, keyed(&token, 4, key(3, 1))).await, Exhausted { used: 1 });
    end(&it, 3, UploadEnd::Abort).await;
    assert_eq!(
        begin(&it, keyed(&token, 5, key(3, 1))).await,
        Reserved { used: 1 },
        "a refusal leaves its key free"
    );
}

async fn a_key_is_free_again_after_a_day_to_the_second(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    let again = async |number, seconds| {
        let mut new = by_holder(keyed(&token, number, key(1, 1)));
        (new.upload.began_at, new.upload.deadline) = (at(seconds), at(seconds + 10));
        begin_at(&it, new, seconds).await
    };
    assert_eq!(again(1, 1000).await, Reserved { used: 1 });
    let day = 1000 + IDEMPOTENCY_SECONDS;
    assert!(matches!(again(2, day - 1).await, Repeated { used: 1, .. }));
    assert_eq!(again(2, day).await, Reserved { used: 2 });
    assert!(
        matches!(again(3, day + 1).await, Repeated { used: 2, .. }),
        "the new upload has taken the key over"
    );
}

async fn a_deadline_aborts_for_a_server_and_completes_for_a_holder(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    begin(&it, new(&token, 1)).await;
    begin(&it, by_holder(new(&token, 2))).await;
    let nothing = Booked { outcome: 0, tallies: vec![] };
    assert_eq!(expire(&it, DEADLINE - 1).await, nothing);
    let tallies = vec![(token.terms.id, Tally { used: 1, given_back: 1 })];
    assert_eq!(expire(&it, DEADLINE).await, Booked { outcome: 2, tallies });
    assert_eq!(expire(&it, DEADLINE).await, nothing);
    for (number, expected) in [(1, UploadState::Aborted), (2, UploadState::Completed)] {
        let found = find(&it, number).await;
        assert_eq!((found.state, found.ended_at, &found.result), (expected, Some(at(DEADLINE)), &None));
        let mut begun = upload(&token, number);
        begun.began_by = found.began_by;
        assert_eq!(begun.at(at(DEADLINE)), found, "the model says the same");
    }
    assert_eq!(it.used(token.terms.id).await, 1);
}

async fn a_deadline_holds_before_anybody_has_come_by(it: Fixture) {
    let token = limited(1, 1);
    it.insert(&token).await;
    begin(&it, keyed(&token, 1, key(1, 1))).await;
    let late = end_at(&it, 1, report("{}"), DEADLINE).await;
    assert!(matches!(late, UploadEnded::Closed(upload) if upload.state == UploadState::Aborted));
    assert_eq!(it.used(token.terms.id).await, 0, "a late completion takes the use back all the same");
    let mut next = new(&token, 2);
    next.upload.deadline = at(DEADLINE + 10);
    assert_eq!(begin_at(&it, next, DEADLINE).await, Reserved { used: 1 });
    let after = begin_at(&it, new(&token, 3), DEADLINE + 10).await;
    assert_eq!(after, Reserved { used: 1 }, "what is due makes room for what begins");
    assert_eq!(state(&it, 2).await, UploadState::Aborted);
}

async fn uploads_are_forgotten_a_week_after_their_end(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    begin(&it, new(&token, 1)).await;
    end(&it, 1, report("{}")).await;
    expire(&it, 1001 + ENDED_UPLOAD_SECONDS).await;
    assert_eq!(state(&it, 1).await, UploadState::Completed);
    expire(&it, 1002 + ENDED_UPLOAD_SECONDS).await;
    assert_eq!(it.store.find_upload(upload_id(1)).await.unwrap(), None);
    assert_eq!(it.used(token.terms.id).await, 1);
}

async fn a_purged_token_takes_its_uploads_with_it(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    begin(&it, new(&token, 1)).await;
    it.store.purge(token.terms.id, audit("token.purge")).await.unwrap();
    assert_eq!(it.store.find_upload(upload_id(1)).await.unwrap(), None);
    assert_eq!(end(&it, 1, UploadEnd::Abort).await, UploadEnded::Gone);
}

async fn every_outcome_tells_how_the_counters_stand(it: Fixture) {
    let token = limited(1, 2);
    it.insert(&token).await;
    let id = token.terms.id;
    let tells = async |new: NewUpload, seconds, expected: &str, used, given_back| {
        let begun = it.store.begin_upload(new, at(seconds)).await.unwrap();
        assert_eq!(begun_name(&begun.outcome), expected);
        assert_eq!(begun.tallies, [(id, Tally { used, given_back })], "{expected}");
    };
    tells(keyed(&token, 1, key(1, 1)), 1000, "reserved", 1, 0).await;
    tells(keyed(&token, 2, key(1, 1)), 1000, "repeated", 1, 0).await;
    tells(keyed(&token, 2, key(1, 2)), 1000, "mismatch", 1, 0).await;
    tells(NewUpload { open_at_most: 1, ..new(&token, 2) }, 1000, "too many", 1, 0).await;
    tells(NewUpload { revision: 7, ..new(&token, 2) }, 1000, "stale", 1, 0).await;
    let mut longer = new(&token, 2);
    longer.upload.deadline = at(DEADLINE + 1);
    tells(longer.clone(), 1000, "reserved", 2, 0).await;
    tells(new(&token, 3), 1000, "exhausted", 2, 0).await;
    // What a begin gives back stays given back, whatever comes of the begin.
    tells(keyed(&token, 3, key(1, 1)), DEADLINE, "given back", 1, 1).await;
    tells(NewUpload { revision: 7, ..new(&token, 3) }, DEADLINE + 1, "stale", 0, 2).await;
    let ended = it.store.end_upload(upload_id(2), UploadEnd::Abort, at(DEADLINE + 2)).await.unwrap();
    assert_eq!(ended.tallies, [(id, Tally { used: 0, given_back: 2 })]);
    (longer.upload.id, longer.upload.deadline) = (upload_id(3), at(DEADLINE + 5));
    tells(longer, DEADLINE + 2, "reserved", 1, 2).await;
    let late = it.store.end_upload(upload_id(3), report("{}"), at(DEADLINE + 5)).await.unwrap();
    assert_eq!(ended_name(&late.outcome), "closed");
    assert_eq!(late.tallies, [(id, Tally { used: 0, given_back: 3 })]);
}

async fn the_sweep_waits_for_reservations(it: Fixture) {
    let [held, free] = [1, 2].map(|number| {
        let mut token = limited(number, 5);
        (token.terms.expiry, token.about.auto_delete) = (Some(at(1001)), true);
        token
    });
    it.insert(&held).await;
    it.insert(&free).await;
    begin(&it, new(&held, 1)).await;
    begin(&it, new(&free, 2)).await;
    end(&it, 2, report("{}")).await;
    assert_eq!(it.store.sweep(at(1500), 1).await.unwrap(), 1, "who waits is in nobody's way");
    assert!(it.find(free.terms.id).await.is_none());
    assert_eq!(it.store.sweep(at(1500), 9).await.unwrap(), 0);
    assert!(matches!(end(&it, 1, report("{}")).await, UploadEnded::Ended { .. }));
    assert_eq!(it.store.sweep(at(1500), 9).await.unwrap(), 1);
}

/// One step of a random story about one token.
#[derive(Clone, Debug)]
enum Step {
    Begin { key: Option<u8>, alone: bool, lasts: u64 },
    Complete(usize, u8),
    Abort(usize),
    Take,
    Pass(u64),
    Expire,
    Revoke,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::option::of(0..4u8), any::<bool>(), 1..40u64)
            .prop_map(|(key, alone, lasts)| Step::Begin { key, alone, lasts }),
        4 => (0..12usize, 0..2u8).prop_map(|(number, text)| Step::Complete(number, text)),
        4 => (0..12usize).prop_map(Step::Abort),
        2 => Just(Step::Take),
        2 => (1..30u64).prop_map(Step::Pass),
        2 => Just(Step::Expire),
        1 => Just(Step::Revoke),
    ]
}

/// What must be true of the token and its uploads.
struct Model {
    limit: u64,
    allowed: u64,
    given_back: u64,
    now: u64,
    is_revoked: bool,
    uploads: Vec<Known>,
}

/// What must be true of one upload.
struct Known {
    state: UploadState,
    is_holders: bool,
    deadline: u64,
    key: Option<u8>,
    report: Option<String>,
}

impl Model {
    const MOST_OPEN: u32 = 3;

    fn used(&self) -> u64 {
        self.allowed - self.given_back
    }

    fn open(&self) -> usize {
        self.uploads.iter().filter(|it| it.state == UploadState::Reserved).count()
    }

    /// Ends by deadline whichever uploads are chosen and due.
    fn end_due(&mut self, chosen: impl Fn(usize) -> bool) {
        for (number, upload) in self.uploads.iter_mut().enumerate() {
            if chosen(number) && upload.state == UploadState::Reserved && upload.deadline <= self.now {
                upload.state = if upload.is_holders { UploadState::Completed } else { UploadState::Aborted };
                self.given_back += u64::from(!upload.is_holders);
            }
        }
    }

    fn begin(&mut self, key: Option<u8>, alone: bool, lasts: u64) -> &'static str {
        self.end_due(|_| true);
        if self.is_revoked {
            return "stale";
        }
        if let Some(known) = key.and_then(|key| self.uploads.iter().find(|it| it.key == Some(key))) {
            return if known.state == UploadState::Aborted { "given back" } else { "repeated" };
        }
        if self.used() >= self.limit {
            return "exhausted";
        }
        if self.open() >= Self::MOST_OPEN as usize {
            return "too many";
        }
        self.allowed += 1;
        let deadline = self.now + lasts;
        self.uploads.push(Known {
            state: UploadState::Reserved,
            is_holders: alone,
            deadline,
            key,
            report: None,
        });
        "reserved"
    }

    fn end(&mut self, number: usize, to: UploadState, report: Option<String>) -> &'static str {
        self.end_due(|it| it == number);
        let Some(upload) = self.uploads.get_mut(number) else { return "gone" };
        match upload.state {
            UploadState::Reserved => {
                self.given_back += u64::from(to == UploadState::Aborted);
                (upload.state, upload.report) = (to, report);
                "ended"
            }
            state if state == to && upload.report == report => "ended",
            _ => "closed",
        }
    }
}

const fn begun_name(begun: &UploadBegun) -> &'static str {
    match begun {
        Reserved { .. } => "reserved",
        Repeated { .. } => "repeated",
        GivenBack => "given back",
        KeyMismatch => "mismatch",
        Exhausted { .. } => "exhausted",
        TooManyOpen => "too many",
        Stale => "stale",
    }
}

const fn ended_name(ended: &UploadEnded) -> &'static str {
    match ended {
        UploadEnded::Ended { .. } => "ended",
        UploadEnded::Closed(_) => "closed",
        UploadEnded::Gone => "gone",
    }
}

async fn play(it: Fixture, limit: u64, steps: Vec<Step>) {
    let token = limited(1, limit);
    it.insert(&token).await;
    let mut model =
        Model { limit, allowed: 0, given_back: 0, now: 1000, is_revoked: false, uploads: Vec::new() };
    let mut before = Tally::default();
    for step in steps {
        let now = at(model.now);
        let end = async |number: usize, end| ended_name(&end_at(&it, number as u64, end, now.get()).await);
        match step.clone() {
            Step::Begin { key: name, alone, lasts } => {
                let mut new = new(&token, model.uploads.len() as u64);
                new.idempotency = name.map(|name| key(name, 1));
                new.open_at_most = Model::MOST_OPEN;
                (new.upload.began_at, new.upload.deadline) = (now, at(model.now + lasts));
                let new = if alone { by_holder(new) } else { new };
                let begun = begin_at(&it, new, now.get()).await;
                assert_eq!(begun_name(&begun), model.begin(name, alone, lasts), "{step:?}");
            }
            Step::Complete(number, text) => {
                let text = format!("{{\"n\":{text}}}");
                let ended = end(number, report(&text)).await;
                assert_eq!(ended, model.end(number, UploadState::Completed, Some(text)), "{step:?}");
            }
            Step::Abort(number) => {
                let ended = end(number, UploadEnd::Abort).await;
                assert_eq!(ended, model.end(number, UploadState::Aborted, None), "{step:?}");
            }
            Step::Take => {
                let fits = !model.is_revoked && model.used() < limit;
                let taken = booked(&it, it.store.take_uses(&[one_use(&token, 1)], now).await.unwrap()).await;
                assert_eq!(matches!(taken[0], countermark_domain::store::UseOutcome::Granted { .. }), fits);
                model.allowed += u64::from(fits);
            }
            Step::Pass(seconds) => model.now += seconds,
            Step::Expire => {
                booked(&it, it.store.expire_uploads(now, 100).await.unwrap()).await;
                model.end_due(|_| true);
            }
            Step::Revoke => {
                it.store.revoke(token.terms.id, now, None, audit("token.revoke")).await.unwrap();
                model.is_revoked = true;
            }
        }
        let tally = it.find(token.terms.id).await.unwrap().usage.tally();
        let expected = Tally { used: model.used(), given_back: model.given_back };
        assert_eq!(tally, expected, "used = allowed - given back, after {step:?}");
        assert!(tally.used <= limit, "{tally:?} of {limit} after {step:?}");
        assert_eq!(
            tally.is_later_than(&before),
            tally != before,
            "{tally:?} follows {before:?} after {step:?}"
        );
        before = tally;
    }
    for (number, known) in model.uploads.iter().enumerate() {
        assert_eq!(find(&it, number as u64).await.state, known.state, "upload {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn uses_are_what_was_allowed_less_what_was_given_back(
        limit in 1..6u64,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            play(fixture::sqlite().await, limit, steps.clone()).await;
            play(fixture::postgres().await, limit, steps).await;
        });
    }
}
