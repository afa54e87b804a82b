//! The life of an upload: hooks in every order, repeated, lost and late.

use std::time::Duration;

use countermark_tests::{Connection, in_parallel, within};
use serde_json::json;

use super::{
    SECRET, World, about, basic, changed, created_id, hook_request, pre_create, refusal, with_header,
};

#[test]
fn an_upload_runs_from_the_first_hook_to_the_last() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(2));
    let created = world.hook(&pre_create(&value));
    let id = created_id(&created);
    assert!(id.starts_with("upl_") && id.len() == 26, "{id}");
    assert_eq!(created.json(), json!({"ChangeFileInfo": {"ID": id}}), "metadata that stay are not sent");
    assert_eq!(world.used(&token), 1);
    for name in
        ["post-create", "post-receive", "pre-finish", "post-finish", "pre-terminate", "post-terminate"]
    {
        let answer = world.hook(&about(name, &id));
        assert_eq!((answer.status, answer.text().contains("{}")), (200, true), "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
    }
    assert_eq!(world.used(&token), 1, "finished before it was deleted: the use stays spent");
    let upload = world.upload(&id);
    assert_eq!(upload["state"], "completed");
    assert_eq!(upload["result"], json!({"bytes": 5, "contentType": "image/png", "existed": false}));
    assert_eq!(upload["beganBy"], "ak_0000000000000000000000");
}

#[test]
fn a_creation_whose_answer_was_lost_goes_back_at_its_deadline() {
    let world = World::with(&[("COUNTERMARK__UPLOADS__DEADLINE_SECONDS", "1")]);
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    let given_back = || (world.used(&token) == 0).then_some(());
    assert!(within(Duration::from_secs(20), given_back).is_some());
    assert_eq!(world.upload(&id)["state"], "aborted");
    assert_eq!(world.hook(&about("post-finish", &id)).json(), json!({}), "too late");
    assert_eq!(world.used(&token), 0);
}

#[test]
fn an_upload_that_is_deleted_unfinished_gives_its_use_back_once() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    assert_eq!(refusal(&world.hook(&pre_create(&value))), (403, "LIMIT_REACHED".to_owned()));
    for _ in 0..3 {
        assert_eq!(world.hook(&about("post-terminate", &id)).json(), json!({}));
        assert_eq!(world.used(&token), 0);
    }
    // Whatever comes late for it changes nothing.
    for late in ["post-create", "post-finish", "post-terminate"] {
        assert_eq!(world.hook(&about(late, &id)).json(), json!({}), "{late}");
        assert_eq!(world.used(&token), 0, "{late}");
    }
    created_id(&world.hook(&pre_create(&value)));
    assert_eq!(world.used(&token), 1);
}

#[test]
fn hooks_in_any_order_and_repeated_leave_the_same() {
    // The last two are unordered for tusd; `whole` is the deletion of an upload that had been received whole.
    let orders: [(&[&str], u64); 8] = [
        (&["post-finish", "post-finish", "post-create"], 1),
        (&["pre-finish", "pre-finish", "post-finish"], 1),
        (&["post-finish", "pre-finish", "post-terminate"], 1),
        (&["post-finish", "whole", "whole"], 1),
        (&["whole", "post-finish"], 1),
        (&["whole", "post-terminate", "post-finish"], 1),
        (&["post-terminate", "post-create", "post-terminate"], 0),
        (&["post-terminate", "post-finish", "whole"], 0),
    ];
    let world = World::start();
    for (order, used) in orders {
        let (token, value) = world.server.admin().issue_upload(Some(1));
        let id = created_id(&world.hook(&pre_create(&value)));
        for name in order {
            let body = match *name {
                "whole" => changed(about("post-terminate", &id), "/Event/Upload/Offset", json!(5)),
                name => about(name, &id),
            };
            assert_eq!(world.hook(&body).status, 200, "{name} in {order:?}");
        }
        assert_eq!(world.used(&token), used, "{order:?}");
    }
}

#[test]
fn pre_finish_tells_the_client_that_its_upload_is_over() {
    let world = World::start();
    let (_, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    world.hook(&about("post-terminate", &id));
    assert_eq!(refusal(&world.hook(&about("pre-finish", &id))), (409, "UPLOAD_CLOSED".to_owned()));
}

#[test]
fn without_a_request_id_two_equal_creations_are_two_uploads() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(5));
    let body = with_header(pre_create(&value), "X-Request-Id", "chosen-by-the-client");
    let [one, two] = [created_id(&world.hook(&body)), created_id(&world.hook(&body))];
    assert_ne!(one, two);
    assert_eq!(world.used(&token), 2);
}

#[test]
fn with_the_request_id_of_a_proxy_a_repeated_creation_is_one_upload() {
    let world = World::with(&[("COUNTERMARK__HOOKS__TUSD_REQUEST_ID_HEADER", "x-request-id")]);
    let (token, value) = world.server.admin().issue_upload(Some(2));
    let body = |id: &str| with_header(pre_create(&value), "X-Request-Id", id);
    let first = created_id(&world.hook(&body("request-1")));
    for _ in 0..3 {
        assert_eq!(created_id(&world.hook(&body("request-1"))), first);
        assert_eq!(world.used(&token), 1);
    }
    let second = created_id(&world.hook(&body("request-2")));
    assert_ne!(first, second, "another request of the client, equal in everything else");
    assert_eq!(refusal(&world.hook(&body("request-3"))).1, "LIMIT_REACHED");
    let other = changed(body("request-1"), "/Event/Upload/Size", json!(6));
    assert_eq!(refusal(&world.hook(&other)), (422, "IDEMPOTENCY_MISMATCH".to_owned()));
    world.hook(&about("post-finish", &first));
    assert_eq!(
        refusal(&world.hook(&body("request-1"))),
        (409, "UPLOAD_CLOSED".to_owned()),
        "nothing is written over"
    );
    world.hook(&about("post-terminate", &second));
    assert_eq!(refusal(&world.hook(&body("request-2"))).0, 409, "its use was given back");
}

#[test]
fn a_limit_is_exact_when_thirty_creations_come_at_once() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(5));
    let address = world.server.address();
    let answers = in_parallel(30, move |_| {
        let mut connection = Connection::open(address).unwrap();
        connection.send(&hook_request(&pre_create(&value), Some(&basic(SECRET)))).unwrap();
        connection.answer_to("POST").unwrap()
    });
    let begun = answers.iter().filter(|answer| answer.json()["ChangeFileInfo"]["ID"].is_string()).count();
    let refused = answers.iter().filter(|answer| answer.json()["RejectUpload"] == true);
    assert_eq!(begun, 5);
    assert_eq!(refused.map(refusal).filter(|refusal| refusal.1 == "LIMIT_REACHED").count(), 25);
    assert_eq!(world.used(&token), 5);
}

#[test]
fn an_upload_that_may_only_insert_can_be_completed() {
    let world = World::start();
    let token = json!({"type": "upload", "limit": 1, "extra": {"insertOnly": true}});
    let token = world.server.admin().issue(&token);
    let id = created_id(&world.hook(&pre_create(token["value"].as_str().unwrap())));
    assert_eq!(world.hook(&about("pre-finish", &id)).json(), json!({}));
    world.hook(&about("post-terminate", &id));
    assert_eq!(world.used(token["id"].as_str().unwrap()), 1, "it was completed");
}

#[test]
fn completed_uploads_outlive_a_kill_and_repeats_after_it_are_free() {
    let mut world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(2));
    let [one, two] =
        [created_id(&world.hook(&pre_create(&value))), created_id(&world.hook(&pre_create(&value)))];
    world.hook(&about("post-finish", &one));
    world.server.kill();
    world.server.restart();
    world.hook(&about("post-finish", &one));
    world.hook(&about("post-terminate", &one));
    world.hook(&about("post-terminate", &two));
    assert_eq!(world.used(&token), 1);
}

#[test]
fn the_s3_store_of_tusd_appends_an_id_of_its_own() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    world.hook(&about("post-terminate", &format!("{id}+bXVsdGk.part-id_1")));
    assert_eq!(world.used(&token), 0);
}
