//! tusd's hooks over HTTP, in every order and repeated, with bodies of the shape that tusd sends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{Answer, Client, Connection, Options, TestServer, in_parallel, request, within};
use serde_json::{Value, json};

const SECRET: &str = "a-long-and-random-hook-secret";
const HOOKS: &str = "/v1/hooks/tusd";

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
fn what_the_token_demands_is_demanded_before_the_upload_begins() {
    let world = World::start();
    let extra = json!({"minBytes": 2, "maxBytes": 5, "mimeTypes": ["image/*"], "publicIdPrefix": "in/", "cloudId": "c1"});
    let token = world.server.admin().issue(&json!({"type": "upload", "limit": 9, "extra": extra}));
    let value = token["value"].as_str().unwrap();
    let good = with_metadata(pre_create(value), &[("filetype", "image/png"), ("publicId", "in/cat")]);
    let cases = [
        ("size", changed(good.clone(), "/Event/Upload/Size", json!(6)), "CONSTRAINT_FAILED"),
        ("size", changed(good.clone(), "/Event/Upload/Size", json!(1)), "CONSTRAINT_FAILED"),
        ("no size", deferred(good.clone()), "CONSTRAINT_FAILED"),
        (
            "type",
            with_metadata(good.clone(), &[("filetype", "text/html"), ("publicId", "in/cat")]),
            "CONSTRAINT_FAILED",
        ),
        ("no type", with_metadata(good.clone(), &[("publicId", "in/cat")]), "CONSTRAINT_FAILED"),
        (
            "name",
            with_metadata(good.clone(), &[("filetype", "image/png"), ("publicId", "out/cat")]),
            "CONSTRAINT_FAILED",
        ),
        (
            "a file name is no name",
            with_metadata(good.clone(), &[("filetype", "image/png"), ("filename", "in/cat")]),
            "CONSTRAINT_FAILED",
        ),
        (
            "cloud",
            with_metadata(
                good.clone(),
                &[("filetype", "image/png"), ("publicId", "in/cat"), ("cloudId", "c2")],
            ),
            "WRONG_CLOUD",
        ),
        ("part", changed(good.clone(), "/Event/Upload/IsPartial", json!(true)), "PARTIAL_UPLOAD"),
        ("whole of parts", changed(good.clone(), "/Event/Upload/IsFinal", json!(true)), "PARTIAL_UPLOAD"),
    ];
    for (case, body, code) in cases {
        let answer = world.hook(&body);
        assert_eq!(refusal(&answer), (403, code.to_owned()), "{case}: {}", answer.text());
    }
    assert!(
        reply_to_client(&world.hook(&deferred(good.clone())))["detail"]
            .as_str()
            .unwrap()
            .contains("2 to 5 bytes")
    );
    assert_eq!(world.used(token["id"].as_str().unwrap()), 0, "refusals are free");
    created_id(&world.hook(&good));
}

#[test]
fn an_unknown_size_is_taken_where_nothing_depends_on_it_and_checked_at_the_end_where_it_does() {
    let world = World::start();
    let (_, value) = world.server.admin().issue_upload(None);
    let id = created_id(&world.hook(&deferred(pre_create(&value))));
    assert_eq!(world.hook(&about("post-finish", &id)).json(), json!({}));

    let extra = json!({"maxBytes": 4, "mimeTypes": ["image/*"]});
    let token = world.server.admin().issue(&json!({"type": "upload", "limit": 1, "extra": extra}));
    let small = changed(pre_create(token["value"].as_str().unwrap()), "/Event/Upload/Size", json!(4));
    let id = created_id(&world.hook(&small));
    let answer = world.hook(&about("pre-finish", &id));
    assert_eq!(refusal(&answer), (403, "CONSTRAINT_FAILED".to_owned()), "five bytes came");
    assert_eq!(world.hook(&about("post-finish", &id)).json(), json!({}));
    assert!(world.server.log().contains("CONSTRAINT_FAILED"), "the operator learns of it");
    let whole = changed(about("post-terminate", &id), "/Event/Upload/Offset", json!(5));
    assert_eq!(world.hook(&whole).json(), json!({}));
    assert_eq!(world.used(token["id"].as_str().unwrap()), 0, "what was refused and deleted is given back");
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
fn by_the_vectors_the_metadata_are_what_the_token_directs() {
    let world = World::start();
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../vectors/upload_directives.json")).unwrap();
    let mut seen = 0;
    for vector in vectors {
        let token = world.server.admin().issue(&json!({"type": "upload", "extra": vector["extra"]}));
        let mut asked = vec![("filename".to_owned(), "cat.png".to_owned())];
        asked.extend(as_metadata(&vector["request"]));
        let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (&**name, &**value)).collect();
        let answer = world.hook(&with_metadata(pre_create(token["value"].as_str().unwrap()), &asked));
        if vector["effective"].is_null() {
            assert_eq!(refusal(&answer), (403, "WRONG_CLOUD".to_owned()), "{vector}");
            continue;
        }
        created_id(&answer);
        let before: Value = asked.iter().map(|(name, value)| (*name, *value)).collect();
        let changed = answer.json()["ChangeFileInfo"]["MetaData"].clone();
        let mut effective = if changed.is_null() { before } else { changed };
        let effective = effective.as_object_mut().unwrap();
        assert_eq!(effective.remove("filename"), Some(json!("cat.png")));
        let expected: Value = as_metadata(&vector["effective"]).into_iter().collect();
        assert_eq!(Value::Object(effective.clone()), expected, "{vector}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_client_that_is_refused_gets_a_problem_that_it_understands() {
    let world = World::start();
    let (id, value) = world.server.admin().issue_upload(Some(1));
    world.server.admin().revoke(&id);
    let unknown = countermark_tests::Random::fresh().value('u');
    assert_eq!(refusal(&world.hook(&pre_create(&value))), (403, "REVOKED".to_owned()));
    for (value, code) in [(unknown.as_str(), "UNKNOWN_TOKEN"), ("", "UNKNOWN_TOKEN")] {
        let answer = world.hook(&pre_create(value));
        assert_eq!(refusal(&answer), (401, code.to_owned()));
        let headers = answer.json()["HTTPResponse"]["Header"].clone();
        assert_eq!(headers["Content-Type"], "application/problem+json");
        assert!(headers["WWW-Authenticate"].as_str().unwrap().starts_with("Bearer realm="), "{headers}");
        let problem = reply_to_client(&answer);
        assert_eq!(problem["status"], 401);
        assert!(problem["type"].as_str().unwrap().ends_with(&format!("/docs/errors/{code}")));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    let mut twice = pre_create(&value);
    twice["Event"]["HTTPRequest"]["URI"] = json!(format!("/files/?token={value}"));
    assert_eq!(refusal(&world.hook(&twice)), (400, "INVALID_HEADER".to_owned()));
}

#[test]
fn the_token_may_come_as_a_parameter_or_as_an_api_key() {
    let world = World::start();
    let (_, value) = world.server.admin().issue_upload(None);
    let mut parameter = pre_create("");
    parameter["Event"]["HTTPRequest"]["URI"] = json!(format!("/files/?a=b&token={value}"));
    created_id(&world.hook(&parameter));
    created_id(&world.hook(&with_header(pre_create(&value), "Authorization", &format!("ApiKey {value}"))));
}

#[test]
fn a_reply_is_never_longer_than_tusd_reads() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(9));
    let with_note =
        |value: &str, bytes: usize| with_metadata(pre_create(value), &[("note", &"x".repeat(bytes))]);
    for bytes in [4_000, 5_000, 5_200, 20_000] {
        let answer = world.hook(&with_note(&value, bytes));
        assert!(answer.body.len() <= 5 * 1024, "{bytes}");
        assert_eq!(answer.json()["RejectUpload"] == true, bytes > 5_050, "{bytes}: {}", answer.text());
    }
    assert_eq!(world.used(&token), 2);
    // What the token puts over them can make them too long after the use was taken: then it goes back.
    let token = json!({"type": "upload", "limit": 1, "extra": {"transformation": "t".repeat(1000)}});
    let token = world.server.admin().issue(&token);
    let answer = world.hook(&with_note(token["value"].as_str().unwrap(), 4_900));
    assert_eq!(refusal(&answer), (400, "INVALID_METADATA".to_owned()));
    assert_eq!(world.used(token["id"].as_str().unwrap()), 0);
}

#[test]
fn bad_metadata_are_named_and_refused_to_the_client() {
    let world = World::start();
    let (_, value) = world.server.admin().issue_upload(None);
    for (name, value_of) in
        [("cloudId", "CANARY/x"), ("publicId", "CANARY\u{7}"), ("format", &"CANARY".repeat(20))]
    {
        let answer = world.hook(&with_metadata(pre_create(&value), &[(name, value_of)]));
        assert_eq!(refusal(&answer), (400, "INVALID_METADATA".to_owned()));
        assert_eq!(reply_to_client(&answer)["errors"][0]["pointer"], format!("/{name}"));
        assert!(!answer.text().contains("CANARY"));
    }
}

#[test]
fn uploads_that_are_not_ours_and_unknown_hooks_change_nothing() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    let strange = ["f14746f64ed846b5838861daad8b4211", "", "upl_034YReQTIGubVCzWuStHEC", "upl_short"];
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
fn the_s3_store_of_tusd_appends_an_id_of_its_own() {
    let world = World::start();
    let (token, value) = world.server.admin().issue_upload(Some(1));
    let id = created_id(&world.hook(&pre_create(&value)));
    world.hook(&about("post-terminate", &format!("{id}+bXVsdGk.part-id_1")));
    assert_eq!(world.used(&token), 0);
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

/// A server whose hooks are open.
struct World {
    server: TestServer,
}

impl World {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(environment: &[(&str, &str)]) -> Self {
        let mut all = vec![("COUNTERMARK__HOOKS__TUSD_SECRET".to_owned(), SECRET.into())];
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        Self { server: TestServer::with(Options { environment: all, ..Default::default() }) }
    }

    fn hook(&self, body: &Value) -> Answer {
        self.send(body, Some(&basic(SECRET)))
    }

    fn send(&self, body: &Value, authorization: Option<&str>) -> Answer {
        let mut client = Client::new(self.server.address(), "");
        client.exchange("POST", &hook_request(body, authorization)).unwrap()
    }

    fn upload(&self, id: &str) -> Value {
        self.server.admin().call("GET", &format!("/v1/uploads/{id}"), None).json()
    }

    fn used(&self, token: &str) -> u64 {
        self.server.admin().used(token)
    }
}

fn hook_request(body: &Value, authorization: Option<&str>) -> Vec<u8> {
    let mut headers = vec![("content-type", "application/json"), ("user-agent", "Go-http-client/1.1")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    request("POST", HOOKS, &headers, Some(body.to_string().as_bytes()))
}

fn basic(secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("tusd:{secret}")))
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/tusd/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The hook that asks whether an upload of five bytes may begin with this value.
fn pre_create(value: &str) -> Value {
    with_header(fixture("pre-create"), "Authorization", &format!("Bearer {value}"))
}

/// The hook of this name about the upload with this id.
fn about(name: &str, id: &str) -> Value {
    changed(fixture(name), "/Event/Upload/ID", json!(id))
}

fn changed(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).expect("the fixture has this member") = value;
    body
}

fn with_header(mut body: Value, name: &str, value: &str) -> Value {
    body["Event"]["HTTPRequest"]["Header"][name] = json!([value]);
    body
}

fn with_metadata(body: Value, members: &[(&str, &str)]) -> Value {
    let members: Value = members.iter().map(|(name, value)| (*name, *value)).collect();
    changed(body, "/Event/Upload/MetaData", members)
}

fn deferred(body: Value) -> Value {
    let body = changed(body, "/Event/Upload/Size", json!(0));
    changed(body, "/Event/Upload/SizeIsDeferred", json!(true))
}

/// Upload parameters of a vector as metadata: tags joined by commas, what is absent or empty left out.
fn as_metadata(parameters: &Value) -> Vec<(String, String)> {
    let texts = parameters.as_object().into_iter().flatten().map(|(name, value)| {
        let text = match value {
            Value::Array(tags) => tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        (name.clone(), text)
    });
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

fn created_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["ChangeFileInfo"]["ID"].as_str().map(str::to_owned);
    id.unwrap_or_else(|| panic!("nothing was created: {}", answer.text()))
}

/// Status and code that the client gets; the hook itself is always answered 200.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!((answer.status, &answer.json()["RejectUpload"]), (200, &json!(true)), "{}", answer.text());
    let status = answer.json()["HTTPResponse"]["StatusCode"].as_u64().unwrap() as u16;
    (status, reply_to_client(answer)["code"].as_str().unwrap().to_owned())
}

fn reply_to_client(answer: &Answer) -> Value {
    serde_json::from_str(answer.json()["HTTPResponse"]["Body"].as_str().unwrap()).unwrap()
}
