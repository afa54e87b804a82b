//! What is not tusd, not ours or not a hook.

use countermark_tests::{Connection, TestServer};
use serde_json::json;

use super::{
    SECRET, World, about, basic, changed, created_id, hook_request, pre_create, refusal, with_header,
    with_metadata,
};

#[test]
fn uploads_that_are_not_ours_and_unknown_hooks_change_nothing() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    let strange = ["f14746f64ed846b5838861daad8b4211", "", "upl_short"];
    for name in
        ["post-create", "post-receive", "pre-finish", "post-finish", "pre-terminate", "post-terminate"]
    {
        for id in strange {
            let answer = world.hook(&about(name, id));
            assert_eq!((answer.status, answer.json()), (200, json!({})), "{name} {id}");
        }
    }
    let unknown = json!({"Type": "post-tomorrow", "Event": ["of", "another", "shape"]});
    assert_eq!(world.hook(&unknown).json(), json!({}));
    let newer = changed(about("post-create", &id), "/Event/Upload/Size", json!("five"));
    assert_eq!(world.hook(&newer).status, 200, "a hook that changes nothing is not read further");
    assert_eq!(world.used(&token), 1);
}

#[test]
fn an_unknown_upload_with_an_id_of_our_form_is_not_stored() {
    let world = World::start();
    let unknown = "upl_034YReQTIGubVCzWuStHEC";
    assert_eq!(refusal(&world.hook(&about("pre-finish", unknown))), (404, "NOT_FOUND".to_owned()));
    for name in ["post-create", "post-finish", "post-terminate"] {
        assert_eq!(world.hook(&about(name, unknown)).json(), json!({}), "nobody waits for {name}");
    }
}

#[test]
fn an_upload_that_tusd_has_not_begun_is_not_ended_by_it() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let begun = world.server.admin().call("POST", "/v1/uploads", Some(&json!({"value": value})));
    let id = begun.json()["id"].as_str().unwrap_or_else(|| panic!("{}", begun.text())).to_owned();
    let whole = changed(about("post-terminate", &id), "/Event/Upload/Offset", json!(5));
    for hook in [about("pre-finish", &id), about("post-finish", &id), about("post-terminate", &id), whole] {
        world.hook(&hook);
        assert_eq!(world.upload(&id)["state"], "reserved", "{hook}");
    }
    assert_eq!(world.used(&token), 1);
}

#[test]
fn malformed_hooks_are_refused_by_pointer() {
    let world = World::start();
    let cases = [
        (json!({}), "/Type"),
        (json!({"Type": 1}), "/Type"),
        (json!({"Type": "pre-create"}), "/Event"),
        (json!({"Type": "pre-create", "Event": {"HTTPRequest": {}}}), "/Event/Upload"),
        (json!({"Type": "pre-create", "Event": {"Upload": {}}}), "/Event/HTTPRequest"),
        (changed(pre_create("x"), "/Event/Upload/Size", json!("CANARY")), "/Event/Upload/Size"),
        (changed(pre_create("x"), "/Event/Upload/Size", json!(-1)), "/Event/Upload/Size"),
        (changed(pre_create("x"), "/Event/Upload/MetaData", json!(["CANARY"])), "/Event/Upload/MetaData"),
        (changed(pre_create("x"), "/Event/HTTPRequest/Header", json!("CANARY")), "/Event/HTTPRequest/Header"),
    ];
    for (body, pointer) in cases {
        let answer = world.hook(&body);
        assert_eq!(answer.status, 400, "{pointer}: {}", answer.text());
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text());
        assert!(!answer.text().contains("CANARY"), "{pointer}");
    }
    let mut raw = Connection::open(world.server.address()).unwrap();
    let long = "x".repeat(65 * 1024);
    raw.send(&hook_request(&json!({"Type": long}), Some(&basic(SECRET)))).unwrap();
    assert_eq!(raw.answer_to("POST").unwrap().status, 413);
}

#[test]
fn only_the_secret_opens_the_hooks() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let admin = format!("Bearer {}", world.server.admin_key());
    let wrong = [basic("wrong"), basic(""), basic(&SECRET[1..]), format!("Bearer {SECRET}"), admin];
    for header in wrong.iter().map(|header| Some(header.as_str())).chain([None]) {
        let answer = world.send(&pre_create(&value), header);
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED".to_owned()), "{header:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    assert_eq!(world.used(&token), 0);
    assert_eq!(world.send(&pre_create(&value), Some(&basic(SECRET))).status, 200);
}

#[test]
fn without_a_configured_secret_nobody_gets_in_and_the_log_says_what_to_do() {
    let server = TestServer::start();
    let world = World { server };
    for header in [None, Some(basic("")), Some(basic("x"))] {
        let answer = world.send(&pre_create("x"), header.as_deref());
        assert_eq!((answer.status, answer.code()), (403, "HOOKS_NOT_CONFIGURED".to_owned()));
    }
    assert_eq!(world.server.log().matches("hooks.tusd_secret").count(), 1, "once, not for every stranger");
}

#[test]
fn no_secret_of_a_hook_is_found_in_log_or_database() {
    let world = World::with(&[("COUNTERMARK__LOG__LEVEL", "debug")]);
    let mut world = world;
    let (_, value) = world.server.admin().issue_upload(Some(1));
    let canary = "CaNaRyOfTheHooks";
    let body = with_header(pre_create(&value), "Cookie", &format!("session={canary}"));
    let id = created_id(&world.hook(&body));
    world.send(&body, Some(&basic(canary)));
    let extra = changed(about("post-finish", &id), "/Event/Upload/Size", json!(canary));
    world.hook(&extra);
    world.hook(&with_metadata(body.clone(), &[("cloudId", &format!("{canary}/"))]));
    let mut parameter = pre_create("");
    parameter["Event"]["HTTPRequest"]["URI"] = json!(format!("/files/?token={canary}"));
    world.hook(&parameter);
    world.hook(&about("post-finish", &id));
    assert_eq!(world.server.stop().code(), Some(0));
    let mut searched = world.server.log().into_bytes();
    for entry in std::fs::read_dir(world.server.data()).unwrap() {
        searched.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let password = basic(SECRET);
    for needle in [canary, SECRET, &value, password.strip_prefix("Basic ").unwrap()] {
        let found = searched.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!found, "{needle}");
    }
}
