//! Uploads: one use reserved, then spent or given back.

use std::sync::Arc;

use countermark_core::{DenyReason, MimeGlob, TokenId, UploadExtra, UploadParameters};
use countermark_domain::store::{NotificationFilter, Upload, UploadState};
use countermark_domain::{
    Credential, DomainError, Draft, Facts, Issued, Patch, PurposeDraft, Question, TokenPatch, UploadAnswer,
    UploadAsker, UploadOrder, UploadPatch, UploadResult, UploadSettings, UploadStanding,
};
use serde_json::{Value, json};

use crate::installation::{Installation, START, api_key, api_key_in, ask_with, at, image_url, link, upload};

const DAY: u64 = 24 * 60 * 60;

/// An upload token with this extra.
fn with_extra(limit: Option<u64>, extra: UploadExtra) -> Draft {
    Draft { purpose: PurposeDraft::Upload { value: None, extra: Box::new(extra) }, ..upload(limit) }
}

fn order(value: &str) -> UploadOrder<'_> {
    UploadOrder {
        credential: Credential::Value(value),
        began_by: None,
        asked: UploadParameters::default(),
        bytes: None,
        content_type: None,
        idempotency: None,
    }
}

fn value(issued: &Issued) -> &str {
    issued.value.as_ref().unwrap()
}

fn report(text: &str) -> UploadResult<'_> {
    UploadResult { report: text, ..UploadResult::default() }
}

impl Installation {
    /// As a server begins it for the holder.
    fn by_server<'a>(&self, value: &'a str) -> UploadOrder<'a> {
        UploadOrder { began_by: Some(self.admin.id()), ..order(value) }
    }

    async fn begin(&self, order: &UploadOrder<'_>) -> Result<(Upload, Option<u64>), DenyReason> {
        match self.service.begin_upload(order).await.unwrap() {
            UploadAnswer::Begun { upload, remaining } => Ok((*upload, remaining)),
            UploadAnswer::Refused { reason, .. } => Err(reason),
        }
    }

    async fn complete(&self, upload: &Upload) -> Result<UploadStanding, DomainError> {
        self.service.complete_upload(self.asker(), upload.id, &report(r#"{"bytes":1}"#)).await
    }

    fn asker(&self) -> UploadAsker<'_> {
        UploadAsker::Caller(&self.admin)
    }

    async fn abort(&self, upload: &Upload) -> Result<UploadStanding, DomainError> {
        self.service.abort_upload(self.asker(), upload.id).await
    }

    /// What a dry run says, which looks into the store only for what the cache has forgotten.
    async fn known_used(&self, value: &str) -> u64 {
        let facts = Facts { method: Some("POST"), ..Facts::default() };
        let question = Question { dry_run: true, cost: 0, ..ask_with(Credential::Value(value), facts) };
        self.ask(question).await.unwrap().used
    }

    async fn change(&self, id: TokenId, patch: TokenPatch) {
        self.service.update(&self.admin, id, None, patch).await.unwrap();
    }
}

#[tokio::test]
async fn an_upload_reserves_a_use_that_its_completion_spends() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(2))).await;
    let (begun, remaining) = here.begin(&here.by_server(value(&issued))).await.unwrap();
    assert_eq!((begun.state, remaining), (UploadState::Reserved, Some(1)));
    assert_eq!((begun.began_at, begun.deadline), (at(START), at(START + DAY)));
    let standing = here.complete(&begun).await.unwrap();
    assert_eq!((standing.upload.state, standing.remaining), (UploadState::Completed, Some(1)));
    assert_eq!(here.service.view_upload(here.asker(), begun.id).await.unwrap(), standing.upload);
    assert_eq!(here.used(issued.token.terms.id).await, 1);
}

#[tokio::test]
async fn an_address_that_is_named_twice_is_told_once_of_an_upload() {
    let here = Installation::new().await;
    let urls = ["https://hooks.example/a", "https://hooks.example/b", "https://hooks.example/a"];
    let notification_urls: Vec<String> = urls.map(str::to_owned).into();
    let extra = UploadExtra { notification_urls: notification_urls.clone(), ..UploadExtra::default() };
    let issued = here.issue(with_extra(Some(1), extra)).await;
    let (begun, _) = here.begin(&order(value(&issued))).await.unwrap();
    here.complete(&begun).await.unwrap();
    let filter = NotificationFilter { at_most: 9, ..NotificationFilter::default() };
    let told = here.service.notifications(&filter).await.unwrap();
    let mut addresses: Vec<&str> = told.iter().map(|one| one.address.as_str()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, urls[..2]);

    let mut extra = UploadExtra::default();
    let patch = UploadPatch { notification_urls: Patch::Set(notification_urls), ..UploadPatch::default() };
    patch.apply(&mut extra);
    assert_eq!(extra.notification_urls, urls[..2], "nor is it kept twice");
}

#[tokio::test]
async fn an_abort_gives_one_use_back_and_the_cache_knows_at_once() {
    let here = Installation::new().await;
    for limit in [Some(1), None] {
        let issued = here.issue(upload(limit)).await;
        let (begun, remaining) = here.begin(&here.by_server(value(&issued))).await.unwrap();
        assert_eq!((remaining, here.known_used(value(&issued)).await), (limit.map(|_| 0), 1));
        for _ in 0..2 {
            let standing = here.abort(&begun).await.unwrap();
            assert_eq!((standing.upload.state, standing.remaining), (UploadState::Aborted, limit));
        }
        assert!(here.begin(&order(value(&issued))).await.is_ok());
        assert_eq!(here.used(issued.token.terms.id).await, 1);
        assert_eq!(here.known_used(value(&issued)).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_follows_uploads_uses_aborts_and_flushes_in_their_order() {
    let here = Arc::new(Installation::new().await);
    for limit in [Some(10_000), None] {
        let issued = here.issue(upload(limit)).await;
        let value: Arc<str> = value(&issued).into();
        // Few at once and often: only the last figure of each round can be overwritten by an earlier one.
        for round in 1..=150 {
            let asking = (0..5).map(|number| {
                let (here, value) = (Arc::clone(&here), Arc::clone(&value));
                tokio::spawn(async move {
                    match number {
                        0 | 1 => {
                            let (begun, _) = here.begin(&order(&value)).await.unwrap();
                            if number == 0 { here.complete(&begun).await } else { here.abort(&begun).await }
                                .unwrap();
                        }
                        2 => here.service.flush().await.unwrap(),
                        _ => {
                            let facts = Facts { method: Some("POST"), ..Facts::default() };
                            here.ask(ask_with(Credential::Value(&value), facts)).await.unwrap();
                        }
                    }
                })
            });
            for asked in asking.collect::<Vec<_>>() {
                asked.await.unwrap();
            }
            assert_eq!(here.known_used(&value).await, round * 3, "{limit:?}");
        }
    }
}

#[tokio::test]
async fn the_last_use_is_reserved_for_one_upload_only() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(1))).await;
    here.begin(&order(value(&issued))).await.unwrap();
    assert_eq!(here.begin(&order(value(&issued))).await.unwrap_err(), DenyReason::LimitReached);
    let put = ask_with(Credential::Value(value(&issued)), Facts { method: Some("PUT"), ..Facts::default() });
    assert_eq!(here.ask(put).await.unwrap_err(), DenyReason::LimitReached, "nor for a plain use");
}

#[tokio::test]
async fn what_has_ended_one_way_cannot_end_another() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(5))).await;
    let (first, _) = here.begin(&order(value(&issued))).await.unwrap();
    let (second, _) = here.begin(&order(value(&issued))).await.unwrap();
    here.complete(&first).await.unwrap();
    here.abort(&second).await.unwrap();
    let closed = |it: Result<UploadStanding, _>| matches!(it, Err(DomainError::UploadClosed));
    assert!(closed(here.abort(&first).await));
    assert!(closed(here.complete(&second).await));
    assert!(
        closed(here.service.complete_upload(here.asker(), first.id, &report("{}")).await),
        "another report"
    );
    let same =
        here.service.complete_upload(here.asker(), first.id, &report(r#" { "bytes" : 1 } "#)).await.unwrap();
    assert_eq!(same.upload.result.as_deref(), Some(r#"{"bytes":1}"#), "the same in another spelling");
    let unknown = "upl_0000000000000000000000".parse().unwrap();
    assert!(matches!(here.service.abort_upload(here.asker(), unknown).await, Err(DomainError::NotFound)));
    assert!(matches!(here.service.view_upload(here.asker(), unknown).await, Err(DomainError::NotFound)));
}

#[tokio::test]
async fn the_deadline_gives_back_to_servers_and_nothing_to_holders() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(5))).await;
    let (by_server, _) = here.begin(&here.by_server(value(&issued))).await.unwrap();
    let (by_holder, _) = here.begin(&order(value(&issued))).await.unwrap();
    here.clock.advance(DAY - 1);
    assert_eq!(here.service.expire_uploads().await.unwrap(), 0);
    here.clock.advance(1);
    let states = async || {
        let state =
            async |upload: &Upload| here.service.view_upload(here.asker(), upload.id).await.unwrap().state;
        (state(&by_server).await, state(&by_holder).await)
    };
    let ended = (UploadState::Aborted, UploadState::Completed);
    assert_eq!(states().await, ended, "from that very second");
    assert_eq!(here.service.expire_uploads().await.unwrap(), 2);
    assert_eq!(states().await, ended);
    assert_eq!(here.used(issued.token.terms.id).await, 1);
    assert_eq!(here.known_used(value(&issued)).await, 1, "the cache knows what has gone back");
    for upload in [&by_server, &by_holder] {
        assert!(matches!(here.complete(upload).await, Err(DomainError::UploadClosed)), "too late");
    }
    assert!(matches!(here.abort(&by_holder).await, Err(DomainError::UploadClosed)));
}

#[tokio::test]
async fn every_vector_of_directives_holds_for_the_upload_that_begins() {
    let here = Installation::new().await;
    let text = include_str!("../../../../tests/vectors/upload_directives.json");
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.len(), 26);
    for vector in vectors {
        let extra = serde_json::from_value(vector["extra"].clone()).unwrap();
        let asked: UploadParameters = serde_json::from_value(vector["request"].clone()).unwrap();
        let issued = here.issue(with_extra(Some(1), extra)).await;
        let order = UploadOrder { asked, ..order(value(&issued)) };
        let (begun, _) = here.begin(&order).await.unwrap_or_else(|reason| panic!("{reason:?}: {vector}"));
        assert_eq!(serde_json::to_value(&begun.effective).unwrap(), vector["effective"], "{vector}");
        assert_eq!(
            here.service.view_upload(here.asker(), begun.id).await.unwrap().effective,
            begun.effective
        );
    }
}

#[tokio::test]
async fn every_constraint_is_judged_when_an_upload_begins() {
    let here = Installation::new().await;
    let extra = UploadExtra {
        cloud_id: Some("c1".into()),
        min_bytes: Some(10),
        max_bytes: Some(20),
        mime_types: vec![MimeGlob::parse("image/*").unwrap()],
        public_id_prefix: Some("in/".into()),
        ..UploadExtra::default()
    };
    let issued = here.issue(with_extra(Some(5), extra)).await;
    let asked = UploadParameters { public_id: Some("in/a".into()), ..UploadParameters::default() };
    let fits =
        UploadOrder { asked, bytes: Some(10), content_type: Some("image/png"), ..order(value(&issued)) };
    let (begun, _) = here.begin(&fits).await.unwrap();
    assert_eq!(begun.effective.cloud_id.as_deref(), Some("c1"), "a directive too");
    let named = |id: &str| UploadParameters { public_id: Some(id.into()), ..UploadParameters::default() };
    let in_cloud = |cloud: &str| UploadParameters { cloud_id: Some(cloud.into()), ..named("in/a") };
    for (order, reason) in [
        (UploadOrder { bytes: Some(9), ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { bytes: Some(21), ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { bytes: None, ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { content_type: Some("text/html"), ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { content_type: None, ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { asked: named("out/a"), ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { asked: named(""), ..fits.clone() }, DenyReason::ConstraintFailed),
        (UploadOrder { asked: in_cloud("c2"), ..fits.clone() }, DenyReason::WrongCloud),
    ] {
        assert_eq!(here.begin(&order).await.unwrap_err(), reason, "{order:?}");
    }
    assert!(here.begin(&UploadOrder { asked: in_cloud("c1"), ..fits.clone() }).await.is_ok());
    assert_eq!(here.used(issued.token.terms.id).await, 2, "a refusal costs nothing");
}

#[tokio::test]
async fn the_real_figures_are_judged_by_what_held_when_the_upload_began() {
    let here = Installation::new().await;
    let extra = UploadExtra { max_bytes: Some(20), insert_only: true, ..UploadExtra::default() };
    let issued = here.issue(with_extra(Some(1), extra)).await;
    let order = UploadOrder { bytes: Some(1), ..here.by_server(value(&issued)) };
    let (begun, _) = here.begin(&order).await.unwrap();
    let result = |bytes, existed| UploadResult { bytes, existed, content_type: None, report: "{}" };
    for refused in [
        result(Some(21), Some(false)),
        result(None, Some(false)),
        result(Some(20), Some(true)),
        result(Some(20), None),
    ] {
        let answer = here.service.complete_upload(here.asker(), begun.id, &refused).await;
        let is_refused = matches!(answer, Err(DomainError::UploadRefused(DenyReason::ConstraintFailed)));
        assert!(is_refused, "{refused:?}: {answer:?}");
        assert_eq!(
            here.service.view_upload(here.asker(), begun.id).await.unwrap().state,
            UploadState::Reserved
        );
    }
    here.service.revoke(&here.admin, issued.token.terms.id, false).await.unwrap();
    assert!(
        here.service.complete_upload(here.asker(), begun.id, &result(Some(20), Some(false))).await.is_ok()
    );
}

#[tokio::test]
async fn only_upload_tokens_begin_uploads() {
    let here = Installation::new().await;
    let key = here.issue(api_key(&["*"])).await;
    let url = link(&here.issue(image_url(None)).await);
    let refused = async |credential| {
        let order = UploadOrder { credential, ..order("") };
        match here.service.begin_upload(&order).await.unwrap() {
            UploadAnswer::Refused { reason, token } => (reason, token.is_some()),
            UploadAnswer::Begun { .. } => panic!("no upload may begin"),
        }
    };
    assert_eq!(refused(Credential::Value(value(&key))).await, (DenyReason::WrongType, false));
    assert_eq!(refused(Credential::Url(&url)).await, (DenyReason::WrongType, false));
    assert_eq!(refused(Credential::Value("cmu_x")).await, (DenyReason::UnknownToken, false));
    assert_eq!(refused(Credential::Value("foreign")).await, (DenyReason::UnknownToken, false));
}

#[tokio::test]
async fn a_token_that_does_not_live_begins_nothing() {
    let here = Installation::new().await;
    let issued = here.issue(Draft { expiry: None, ..upload(Some(5)) }).await;
    let id = issued.token.terms.id;
    let refused = async || here.begin(&order(value(&issued))).await.unwrap_err();
    here.begin(&order(value(&issued))).await.unwrap();
    here.change(id, TokenPatch { enabled: Patch::Set(false), ..TokenPatch::default() }).await;
    assert_eq!(refused().await, DenyReason::Disabled);
    here.change(id, TokenPatch { enabled: Patch::Set(true), limit: Patch::Set(1), ..TokenPatch::default() })
        .await;
    assert_eq!(refused().await, DenyReason::LimitReached);
    here.service.revoke(&here.admin, id, false).await.unwrap();
    assert_eq!(refused().await, DenyReason::Revoked);
    assert_eq!(here.used(id).await, 1);
}

#[tokio::test]
async fn one_key_begins_one_upload_for_its_asker() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(5))).await;
    let keyed = |key, request| UploadOrder {
        idempotency: Some(("uploads", key, [request; 32])),
        ..here.by_server(value(&issued))
    };
    let (first, remaining) = here.begin(&keyed("a", 1)).await.unwrap();
    assert_eq!(here.begin(&keyed("a", 1)).await.unwrap(), (first.clone(), remaining));
    let mismatch = here.service.begin_upload(&keyed("a", 2)).await;
    assert!(matches!(mismatch, Err(DomainError::KeyMismatch)));
    let by_holder = UploadOrder { began_by: None, ..keyed("a", 1) };
    assert_ne!(here.begin(&by_holder).await.unwrap().0.id, first.id, "a holder's key is his own");
    let elsewhere = UploadOrder { idempotency: Some(("tusd", "a", [1; 32])), ..keyed("a", 1) };
    assert_ne!(here.begin(&elsewhere).await.unwrap().0.id, first.id, "so is a route's");
    here.abort(&first).await.unwrap();
    assert!(matches!(here.service.begin_upload(&keyed("a", 1)).await, Err(DomainError::UseGivenBack)));
    assert_eq!(here.used(issued.token.terms.id).await, 2);
    here.change(issued.token.terms.id, TokenPatch { enabled: Patch::Set(false), ..TokenPatch::default() })
        .await;
    assert_eq!(here.begin(&keyed("b", 1)).await.unwrap_err(), DenyReason::Disabled);
    assert_eq!(here.begin(&elsewhere).await.unwrap_err(), DenyReason::Disabled, "a retry is decided again");
}

#[tokio::test]
async fn reservations_of_a_token_are_capped() {
    let mut here = Installation::new().await;
    here.service = here.service.with_uploads(UploadSettings { deadline_seconds: 60, open_per_token: 2 });
    let issued = here.issue(upload(None)).await;
    here.begin(&order(value(&issued))).await.unwrap();
    let (second, _) = here.begin(&order(value(&issued))).await.unwrap();
    assert_eq!(second.deadline, at(START + 60));
    let third = here.service.begin_upload(&order(value(&issued))).await;
    assert!(matches!(third, Err(DomainError::TooManyUploads)));
    here.abort(&second).await.unwrap();
    assert!(here.begin(&order(value(&issued))).await.is_ok());
}

#[tokio::test]
async fn requests_that_continue_a_live_upload_are_free_and_no_others() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(2))).await;
    let other = here.issue(upload(Some(2))).await;
    let (begun, _) = here.begin(&here.by_server(value(&issued))).await.unwrap();
    let continuing = |issued, method| {
        let facts = Facts { method: Some(method), upload: Some(begun.id), ..Facts::default() };
        ask_with(Credential::Value(value(issued)), facts)
    };
    for method in ["PATCH", "HEAD", "DELETE"] {
        let answer = here.ask(continuing(&issued, method)).await.unwrap();
        assert_eq!((answer.used, answer.verdict.unwrap().takes), (1, 0), "{method}");
        let without =
            ask_with(Credential::Value(value(&issued)), Facts { method: Some(method), ..Facts::default() });
        assert_eq!(here.ask(without).await.unwrap_err(), DenyReason::MethodDenied);
    }
    assert_eq!(
        here.ask(continuing(&other, "PATCH")).await.unwrap_err(),
        DenyReason::MethodDenied,
        "not its own"
    );
    here.complete(&begun).await.unwrap();
    assert_eq!(here.ask(continuing(&issued, "PATCH")).await.unwrap_err(), DenyReason::MethodDenied, "ended");
    let (late, _) = here.begin(&here.by_server(value(&issued))).await.unwrap();
    here.clock.advance(DAY);
    let facts = Facts { method: Some("PATCH"), upload: Some(late.id), ..Facts::default() };
    let late = here.ask(ask_with(Credential::Value(value(&issued)), facts)).await;
    assert_eq!(late.unwrap_err(), DenyReason::MethodDenied, "past its deadline");
}

#[tokio::test]
async fn uploads_count_in_the_statistics() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(1))).await;
    here.begin(&order(value(&issued))).await.unwrap();
    here.begin(&order(value(&issued))).await.unwrap_err();
    let total = |code| here.service.decision_totals().find(|(name, _)| *name == code).unwrap().1;
    assert_eq!((total("ALLOWED"), total("LIMIT_REACHED")), (1, 1));
}

#[tokio::test]
async fn what_is_too_long_to_be_told_is_refused() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(1))).await;
    let tags = (0..100).map(|number| format!("{number:0>100}")).collect();
    let asked = UploadParameters { tags, ..UploadParameters::default() };
    let begun = here.service.begin_upload(&UploadOrder { asked, ..order(value(&issued)) }).await;
    assert!(matches!(begun, Err(DomainError::Invalid { pointer: "/request", .. })));
    let (begun, _) = here.begin(&order(value(&issued))).await.unwrap();
    let long = json!({"text": "x".repeat(8192)}).to_string();
    let grows = format!("{{\"n\":[{}1]}}", "1e15,".repeat(1000));
    for text in [long.as_str(), &grows, "[]", "null", "{"] {
        let refused = here.service.complete_upload(here.asker(), begun.id, &report(text)).await;
        assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/result", .. })), "{refused:?}");
    }
    let fits = json!({"text": "x".repeat(8192 - 11)}).to_string();
    assert_eq!(fits.len(), 8192);
    assert!(here.service.complete_upload(here.asker(), begun.id, &report(&fits)).await.is_ok());
}

#[tokio::test]
async fn a_begin_that_is_refused_tells_the_cache_what_it_has_given_back() {
    let settings = |open_per_token| UploadSettings { deadline_seconds: 60, open_per_token };
    let mut here = Installation::new().await;
    for refusal in ["given back", "mismatch", "too many"] {
        here.service = here.service.with_uploads(settings(3));
        let issued = here.issue(upload(Some(5))).await;
        let keyed = |request| UploadOrder {
            idempotency: Some(("uploads", "a", [request; 32])),
            ..here.by_server(value(&issued))
        };
        here.begin(&here.by_server(value(&issued))).await.unwrap();
        here.clock.advance(30);
        let (second, _) = here.begin(&keyed(1)).await.unwrap();
        here.begin(&here.by_server(value(&issued))).await.unwrap();
        if refusal == "given back" {
            here.abort(&second).await.unwrap();
        }
        let used = here.known_used(value(&issued)).await;
        let order = match refusal {
            "given back" => keyed(1),
            "mismatch" => keyed(2),
            _ => here.by_server(value(&issued)),
        };
        here.clock.advance(30);
        here.service = here.service.with_uploads(settings(2));
        let answer = here.service.begin_upload(&order).await;
        assert!(
            match refusal {
                "given back" => matches!(answer, Err(DomainError::UseGivenBack)),
                "mismatch" => matches!(answer, Err(DomainError::KeyMismatch)),
                _ => matches!(answer, Err(DomainError::TooManyUploads)),
            },
            "{refusal}: {answer:?}"
        );
        assert_eq!(here.used(issued.token.terms.id).await, used - 1, "{refusal}");
        assert_eq!(here.known_used(value(&issued)).await, used - 1, "{refusal}");
    }
}

#[tokio::test]
async fn without_a_limit_begins_uses_aborts_and_flushes_are_counted_once_in_any_order() {
    let here = Installation::new().await;
    let issued = here.issue(upload(None)).await;
    let value = value(&issued);
    let mut expected = 0;
    let mut open = Vec::new();
    for step in "uuuubbau fubaf aubuf bbuafauf ubffa".chars() {
        match step {
            'u' => {
                let facts = Facts { method: Some("POST"), ..Facts::default() };
                expected += 1;
                assert_eq!(here.ask(ask_with(Credential::Value(value), facts)).await.unwrap().used, expected);
            }
            'b' => {
                open.push(here.begin(&order(value)).await.unwrap().0);
                expected += 1;
            }
            'a' => {
                here.abort(&open.pop().unwrap()).await.unwrap();
                expected -= 1;
            }
            'f' => {
                here.service.flush().await.unwrap();
                assert_eq!(here.used(issued.token.terms.id).await, expected, "written");
            }
            _ => {}
        }
        assert_eq!(here.known_used(value).await, expected, "after {step}");
    }
}

#[tokio::test]
async fn a_bound_key_reaches_what_it_has_begun_and_what_lies_in_its_place() {
    let here = Installation::new().await;
    let in_cloud = |cloud: &str| UploadExtra { cloud_id: Some(cloud.into()), ..UploadExtra::default() };
    let mut tokens = Vec::new();
    for extra in [in_cloud("c1"), in_cloud("c2"), UploadExtra::default()] {
        tokens.push(here.issue(with_extra(Some(5), extra)).await);
    }
    let clouds: Option<&[&str]> = Some(&["c1"]);
    let bound = here.key_of(api_key_in(&["authorize", "tokens:read"], None, clouds)).await;
    let asker = UploadAsker::Caller(&bound);
    for (issued, is_seen) in tokens.iter().zip([true, false, false]) {
        let (theirs, _) = here.begin(&here.by_server(value(issued))).await.unwrap();
        assert_eq!(here.service.view_upload(asker, theirs.id).await.is_ok(), is_seen);
        if !is_seen {
            let is_hidden = |it: Result<UploadStanding, _>| matches!(it, Err(DomainError::NotFound));
            assert!(is_hidden(here.service.abort_upload(asker, theirs.id).await));
            assert!(is_hidden(here.service.complete_upload(asker, theirs.id, &report("{}")).await));
            assert_eq!(here.service.view_upload(here.asker(), theirs.id).await.unwrap(), theirs);
        }
        let order = UploadOrder { began_by: Some(bound.id()), ..order(value(issued)) };
        let (own, _) = here.begin(&order).await.unwrap();
        assert_eq!(here.service.view_upload(asker, own.id).await.unwrap(), own);
        assert!(here.service.complete_upload(asker, own.id, &report("{}")).await.is_ok());
        let (own, _) = here.begin(&order).await.unwrap();
        assert!(here.service.abort_upload(asker, own.id).await.is_ok());
        assert!(here.service.view_upload(here.asker(), own.id).await.is_ok(), "an unbound key reaches all");
    }
}

#[tokio::test]
async fn an_upload_server_without_a_key_reaches_only_what_it_has_begun() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(5))).await;
    let server: TokenId = "ak_0000000000000000000000".parse().unwrap();
    let asker = UploadAsker::Server(server);
    for (began_by, is_reached) in [(Some(server), true), (Some(here.admin.id()), false), (None, false)] {
        let order = UploadOrder { began_by, ..order(value(&issued)) };
        let (begun, _) = here.begin(&order).await.unwrap();
        assert_eq!(here.service.view_upload(asker, begun.id).await.is_ok(), is_reached);
        assert_eq!(here.service.abort_upload(asker, begun.id).await.is_ok(), is_reached);
        let completed = here.service.complete_upload(asker, begun.id, &report("{}")).await;
        assert_eq!(matches!(completed, Err(DomainError::NotFound)), !is_reached);
    }
}
