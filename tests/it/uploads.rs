//! Uploads, seen from outside: begun by servers and by holders, ended in every order and race, exact at every moment.

use std::time::Duration;

use countermark_tests::{Answer, Client, Options, TestServer, in_parallel, request, upload_question, within};
use serde_json::{Value, json};

/// A server begins an upload for the holder of this value.
fn begin(caller: &mut Client, value: &str) -> Answer {
    caller.call("POST", "/v1/uploads", Some(&json!({"value": value})))
}

/// The same, which must be allowed; the upload's id.
fn begun(caller: &mut Client, value: &str) -> String {
    let answer = begin(caller, value);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn complete(caller: &mut Client, id: &str) -> Answer {
    let report = json!({"result": {"bytes": 5, "contentType": "image/png", "existed": false}});
    caller.call("POST", &format!("/v1/uploads/{id}/complete"), Some(&report))
}

fn abort(caller: &mut Client, id: &str) -> Answer {
    caller.call("POST", &format!("/v1/uploads/{id}/abort"), None)
}

fn view(caller: &mut Client, id: &str) -> Value {
    let answer = caller.call("GET", &format!("/v1/uploads/{id}"), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn an_upload_begins_completes_and_can_be_looked_at() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let token = admin.issue(&json!({"type": "upload", "owner": "shop", "limit": 3, "extra": {
        "addTags": ["inbox"], "maxBytes": 100, "mimeTypes": ["image/*"], "cloudId": "mycloud"
    }}));
    let order = json!({"value": token["value"], "request": {
        "publicId": "cat", "tags": ["pets"], "bytes": 5, "contentType": "image/png"
    }});
    let answer = admin.call("POST", "/v1/uploads", Some(&order));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let upload = answer.json();
    let id = upload["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("/v1/uploads/{id}").as_str()));
    assert!(id.starts_with("upl_") && id.len() == 26, "{id}");
    assert_eq!(
        upload["effective"],
        json!({"cloudId": "mycloud", "publicId": "cat", "tags": ["pets", "inbox"],
               "transformation": null, "format": null, "projection": null})
    );
    assert_eq!(
        upload["constraints"],
        json!({"minBytes": null, "maxBytes": 100, "mimeTypes": ["image/*"], "publicIdPrefix": null,
               "insertOnly": false})
    );
    assert_eq!((&upload["tokenId"], &upload["owner"]), (&token["id"], &json!("shop")));
    assert_eq!((&upload["state"], &upload["remaining"]), (&json!("reserved"), &json!(2)));
    let lasts = upload["deadline"].as_u64().unwrap() - upload["beganAt"].as_u64().unwrap();
    assert_eq!(lasts, 86_400);

    let answer = complete(&mut admin, &id);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let completed = answer.json();
    assert_eq!((&completed["state"], &completed["remaining"]), (&json!("completed"), &json!(2)));
    assert_eq!(completed["result"], json!({"bytes": 5, "contentType": "image/png", "existed": false}));
    let mut viewed = view(&mut admin, &id);
    viewed["remaining"] = json!(2);
    assert_eq!(viewed, completed);
}

#[test]
fn a_holder_begins_alone_and_cannot_win_his_use_back() {
    let server = TestServer::with(Options {
        environment: vec![("COUNTERMARK__UPLOADS__DEADLINE_SECONDS".into(), "2".into())],
        ..Options::default()
    });
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(3));
    let mut holder = server.caller(&value);
    let answer = holder.call("POST", "/v1/uploads", Some(&json!({"request": {"bytes": 5}})));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.json()["beganBy"], Value::Null);
    for path in [format!("/v1/uploads/{id}/abort"), format!("/v1/uploads/{id}/complete")] {
        let answer = holder.call("POST", &path, Some(&json!({"result": {}})));
        assert_eq!(refusal(&answer), refused(401, "UNAUTHENTICATED"), "{path}");
    }
    assert_eq!(holder.call("GET", &format!("/v1/uploads/{id}"), None).status, 401);
    let by_server = begun(&mut admin, &value);
    assert_eq!(admin.used(&token), 2);
    let states = within(Duration::from_secs(20), || {
        let states = [&id, &by_server].map(|id| view(&mut admin, id)["state"].as_str().unwrap().to_owned());
        let used = admin.used(&token);
        (states == ["completed", "aborted"] && used == 1).then_some(())
    });
    assert!(states.is_some(), "the holder's use stays spent, the server's goes back");
    for id in [&id, &by_server] {
        assert_eq!(refusal(&complete(&mut admin, id)), refused(409, "UPLOAD_CLOSED"), "too late");
    }
    assert_eq!(refusal(&abort(&mut admin, &id)), refused(409, "UPLOAD_CLOSED"));
    assert_eq!(abort(&mut admin, &by_server).status, 200, "aborted it is");
    assert_eq!(admin.used(&token), 1);
}

#[test]
fn a_key_bound_to_a_cloud_reaches_its_own_uploads_and_no_foreign_ones() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(3));
    let foreign = begun(&mut admin, &value);
    let key = admin.issue(&json!({"type": "apiKey", "permissions": ["authorize"], "clouds": ["c1"]}));
    let mut bound = server.caller(key["value"].as_str().unwrap());
    let looked_at = bound.call("GET", &format!("/v1/uploads/{foreign}"), None);
    assert_eq!(refusal(&looked_at), refused(404, "NOT_FOUND"));
    assert_eq!(refusal(&complete(&mut bound, &foreign)), refused(404, "NOT_FOUND"));
    assert_eq!(refusal(&abort(&mut bound, &foreign)), refused(404, "NOT_FOUND"));
    assert_eq!(view(&mut admin, &foreign)["state"], "reserved");
    let own = begun(&mut bound, &value);
    assert_eq!(view(&mut bound, &own)["state"], "reserved");
    assert_eq!(complete(&mut bound, &own).status, 200);
    let own = begun(&mut bound, &value);
    assert_eq!(abort(&mut bound, &own).status, 200);
    assert_eq!(admin.used(&token), 2);
}

#[test]
fn who_begins_says_so_in_exactly_one_way() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (_, value) = admin.issue_upload(Some(5));
    let (_, reader) = admin.issue_key(&["tokens:read"]);
    let (_, asker) = admin.issue_key(&["authorize"]);
    let call = |key: &str, body: Value| server.caller(key).call("POST", "/v1/uploads", Some(&body));
    assert_eq!(call(&asker, json!({"value": value})).status, 201);
    let neither = call(&asker, json!({}));
    assert_eq!(refusal(&neither), refused(400, "INVALID_MEMBER"));
    assert_eq!(neither.json()["errors"][0]["pointer"], "/value");
    let both = call(&value, json!({"value": value}));
    assert_eq!(refusal(&both), refused(400, "INVALID_MEMBER"));
    assert_eq!(both.json()["errors"][0]["pointer"], "/value");
    assert_eq!(refusal(&call(&reader, json!({"value": value}))), refused(403, "PERMISSION_REQUIRED"));
    let challenge = r#"Bearer realm="countermark", error="invalid_token""#;
    let unknown = call(&asker, json!({"value": asker.replace("cmk_", "cmu_")}));
    assert_eq!(refusal(&unknown), refused(401, "UNKNOWN_TOKEN"));
    assert_eq!(unknown.header("www-authenticate"), Some(challenge));
    let wrong_type = call(&asker, json!({"value": asker}));
    assert_eq!(refusal(&wrong_type), refused(401, "WRONG_TYPE"));
    assert_eq!(wrong_type.header("www-authenticate"), Some(challenge));
    assert_eq!(refusal(&call("cmu_guess", json!({}))), refused(401, "UNKNOWN_TOKEN"));
    assert_eq!(refusal(&call("cmk_guess", json!({"value": value}))), refused(401, "UNAUTHENTICATED"));
    let bare = request("POST", "/v1/uploads", &[("content-type", "application/json")], Some(b"{}"));
    assert_eq!(refusal(&admin.exchange("POST", &bare).unwrap()), refused(401, "UNAUTHENTICATED"));
}

#[test]
fn a_refusal_has_its_code_and_takes_nothing() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let token =
        admin.issue(&json!({"type": "upload", "limit": 1, "extra": {"maxBytes": 10, "cloudId": "c1"}}));
    let (id, value) = (token["id"].as_str().unwrap(), token["value"].as_str().unwrap());
    let mut ask = |request: Value| {
        let answer = admin.call("POST", "/v1/uploads", Some(&json!({"value": value, "request": request})));
        (refusal(&answer), admin.used(id))
    };
    assert_eq!(ask(json!({"bytes": 11})), (refused(403, "CONSTRAINT_FAILED"), 0));
    assert_eq!(ask(json!({})), (refused(403, "CONSTRAINT_FAILED"), 0));
    assert_eq!(ask(json!({"bytes": 1, "cloudId": "c2"})), (refused(403, "WRONG_CLOUD"), 0));
    assert_eq!(ask(json!({"bytes": 1})), (refused(201, ""), 1));
    assert_eq!(ask(json!({"bytes": 1})), (refused(403, "LIMIT_REACHED"), 1));
    admin.patch(id, &json!({"enabled": false}));
    assert_eq!(refusal(&begin(&mut admin, value)), refused(403, "DISABLED"));
    admin.revoke(id);
    let revoked = begin(&mut admin, value);
    assert_eq!((refusal(&revoked), revoked.header("www-authenticate")), (refused(403, "REVOKED"), None));
}

#[test]
fn what_was_really_uploaded_is_judged_again() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let extra = json!({"maxBytes": 10, "mimeTypes": ["image/*"], "insertOnly": true});
    let token = admin.issue(&json!({"type": "upload", "limit": 1, "extra": extra}));
    let order = json!({"value": token["value"], "request": {"bytes": 1, "contentType": "image/png"}});
    let answer = admin.call("POST", "/v1/uploads", Some(&order));
    let path = format!("/v1/uploads/{}/complete", answer.json()["id"].as_str().unwrap());
    let good = json!({"bytes": 10, "contentType": "image/png", "existed": false, "free": {"a": [1, null]}});
    for (member, value) in [
        ("bytes", json!(11)),
        ("bytes", Value::Null),
        ("contentType", json!("text/html")),
        ("existed", json!(true)),
        ("existed", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let answer = admin.call("POST", &path, Some(&json!({"result": bad})));
        assert_eq!(refusal(&answer), refused(403, "CONSTRAINT_FAILED"), "{bad}");
    }
    let answer = admin.call("POST", &path, Some(&json!({"result": good})));
    assert_eq!((answer.status, &answer.json()["result"]), (200, &good));
}

#[test]
fn bad_input_is_named_and_never_repeated() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(5));
    let id = begun(&mut admin, &value);
    let long = "x".repeat(8193);
    let begins = [
        (r#"{"canary": 1}"#.to_owned(), ""),
        (format!(r#"{{"value": "{value}", "request": ["canary"]}}"#), "/request"),
        (format!(r#"{{"value": "{value}", "request": {{"bytes": "canary"}}}}"#), "/request/bytes"),
        (format!(r#"{{"value": "{value}", "request": {{"bytes": -1}}}}"#), "/request/bytes"),
        (format!(r#"{{"value": "{value}", "request": {{"bytes": 1.0}}}}"#), "/request/bytes"),
        (format!(r#"{{"value": "{value}", "request": {{"tags": "canary"}}}}"#), "/request/tags"),
        (format!(r#"{{"value": "{value}", "request": {{"tags": [""]}}}}"#), "/request/tags/0"),
        (
            format!(r#"{{"value": "{value}", "request": {{"publicId": "canary\u0000"}}}}"#),
            "/request/publicId",
        ),
        (format!(r#"{{"value": "{value}", "request": {{"method": "canary"}}}}"#), "/request/method"),
        (format!(r#"{{"value": "{value}", "value": "{value}"}}"#), "/value"),
        (format!(r#"{{"value": "{value}", "idempotencyKey": ""}}"#), "/idempotencyKey"),
        (r#"{"value": 7}"#.to_owned(), "/value"),
    ];
    let completions = [
        (r#"{}"#.to_owned(), ""),
        (r#"{"result": "canary"}"#.to_owned(), "/result"),
        (r#"{"result": []}"#.to_owned(), "/result"),
        (r#"{"result": {"bytes": "canary"}}"#.to_owned(), "/result/bytes"),
        (r#"{"result": {"bytes": 1.5}}"#.to_owned(), "/result/bytes"),
        (r#"{"result": {"contentType": 7}}"#.to_owned(), "/result/contentType"),
        (r#"{"result": {"existed": "canary"}}"#.to_owned(), "/result/existed"),
        (r#"{"result": {"a": 1, "a": 2}}"#.to_owned(), "/result/a"),
        (r#"{"result": {"deep": {"a": 1, "a": 2}}}"#.to_owned(), "/result/deep/a"),
        (format!(r#"{{"result": {{"canary": "{long}"}}}}"#), "/result"),
        (r#"{"result": {}, "canary": 1}"#.to_owned(), "/canary"),
    ];
    let path = format!("/v1/uploads/{id}/complete");
    let all = begins.iter().map(|it| ("/v1/uploads", it)).chain(completions.iter().map(|it| (&*path, it)));
    let authorization = format!("Bearer {}", server.admin_key());
    for (path, (body, pointer)) in all {
        let headers = [("authorization", &*authorization), ("content-type", "application/json")];
        let answer = admin.exchange("POST", &request("POST", path, &headers, Some(body.as_bytes()))).unwrap();
        assert_eq!(refusal(&answer), refused(400, "INVALID_MEMBER"), "{body}: {}", answer.text());
        let found = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(found == *pointer || pointer.is_empty(), "{body}: {found}");
        let said = answer.text().replace("/canary", "");
        assert!(!said.contains("canary") && !said.contains(&value), "{body}: {said}");
    }
    let key_of_both = [("idempotency-key", "other")];
    let order = json!({"value": value, "idempotencyKey": "one"});
    let differs = admin.try_call("POST", "/v1/uploads", &key_of_both, Some(&order)).unwrap();
    assert_eq!(differs.json()["errors"][0]["pointer"], "/idempotencyKey");
    for path in ["/v1/uploads/upl_none", "/v1/uploads/upl_0000000000000000000000"] {
        assert_eq!(refusal(&admin.call("GET", path, None)), refused(404, "NOT_FOUND"));
        assert_eq!(refusal(&abort(&mut admin, &path[12..])), refused(404, "NOT_FOUND"));
    }
    let with_member = admin.call("POST", &format!("/v1/uploads/{id}/abort"), Some(&json!({"why": "canary"})));
    assert_eq!(refusal(&with_member), refused(400, "INVALID_MEMBER"));
    assert_eq!((view(&mut admin, &id)["state"].as_str(), admin.used(&token)), (Some("reserved"), 1));
    assert_eq!(admin.call("POST", &format!("/v1/uploads/{id}/abort"), Some(&json!({}))).status, 200);
}

#[test]
fn forty_beginnings_at_once_reserve_exactly_the_limit() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(7));
    let dry =
        json!({"credential": {"value": value}, "request": {"method": "POST"}, "cost": 0, "dryRun": true});
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let answers = in_parallel(40, move |number| {
        let mut caller = Client::new(address, &key);
        // Every other one is a plain use: both take from the same limit.
        if number % 2 == 0 {
            let answer = begin(&mut caller, &value);
            assert!(matches!(answer.status, 201 | 403), "{}", answer.text());
            (answer.status == 201).then(|| answer.json()["remaining"].as_u64().unwrap())
        } else {
            let answer = caller.try_authorize(&upload_question(&value)).unwrap().json();
            (answer["allowed"] == true).then(|| answer["remaining"].as_u64().unwrap())
        }
    });
    let mut remaining: Vec<u64> = answers.into_iter().flatten().collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..7).collect::<Vec<_>>(), "each use once, and what was left true at each");
    assert_eq!(admin.used(&token), 7);
    assert_eq!(admin.try_authorize(&dry).unwrap().json()["remaining"], 0, "the cache has followed in order");
}

#[test]
fn of_two_that_race_to_end_an_upload_one_wins_and_the_uses_agree() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(1000));
    let mut spent = 0;
    for round in 0..20 {
        let id = begun(&mut admin, &value);
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let statuses = in_parallel(8, move |number| {
            let mut caller = Client::new(address, &key);
            let does_complete = round % 4 == 0 || (number % 2 == 0 && round % 4 != 1);
            let answer = if does_complete { complete(&mut caller, &id) } else { abort(&mut caller, &id) };
            assert!(matches!(answer.status, 200 | 409), "{}", answer.text());
            (does_complete, answer.status == 200)
        });
        let winners: Vec<bool> = statuses.iter().filter(|it| it.1).map(|it| it.0).collect();
        assert!(!winners.is_empty() && winners.iter().all(|it| *it == winners[0]), "{statuses:?}");
        let same = statuses.iter().filter(|it| it.0 == winners[0]).count();
        assert_eq!(winners.len(), same, "everyone who asked for what happened is told so");
        spent += u64::from(winners[0]);
        assert_eq!(admin.used(&token), spent);
    }
}

#[test]
fn one_key_begins_one_upload_however_often_it_is_sent() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(5));
    let (address, key, order) =
        (server.address(), server.admin_key().to_owned(), json!({"value": value, "request": {"bytes": 1}}));
    let sent = order.clone();
    let ids = in_parallel(20, move |_| {
        let mut caller = Client::new(address, &key);
        let headers = [("idempotency-key", "once")];
        let answer = caller.try_call("POST", "/v1/uploads", &headers, Some(&sent)).unwrap();
        assert_eq!((answer.status, &answer.json()["remaining"]), (201, &json!(4)), "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(admin.used(&token), 1);
    let mut again = |body: &Value| {
        let answer = admin.try_call("POST", "/v1/uploads", &[("idempotency-key", "once")], Some(body));
        refusal(&answer.unwrap())
    };
    assert_eq!(
        again(&json!({"value": value, "request": {"bytes": 2}})),
        refused(422, "IDEMPOTENCY_MISMATCH")
    );
    assert_eq!(again(&order), refused(201, ""));
    let mut admin = server.admin();
    assert_eq!(abort(&mut admin, &ids[0]).status, 200);
    let given_back =
        admin.try_call("POST", "/v1/uploads", &[("idempotency-key", "once")], Some(&order)).unwrap();
    assert_eq!(refusal(&given_back), refused(409, "USE_GIVEN_BACK"));
    assert_eq!(admin.used(&token), 0);
    let in_body = json!({"value": value, "request": {"bytes": 1}, "idempotencyKey": "other"});
    let first = admin.call("POST", "/v1/uploads", Some(&in_body)).json();
    assert_eq!(admin.call("POST", "/v1/uploads", Some(&in_body)).json(), first);
    assert_eq!(admin.used(&token), 1);
}

#[test]
fn what_is_left_is_true_after_every_step() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(3));
    let dry =
        json!({"credential": {"value": value}, "request": {"method": "POST"}, "cost": 0, "dryRun": true});
    let mut left = |expected: u64, what: &str| {
        assert_eq!(admin.view(&token)["remaining"], expected, "stored, {what}");
        assert_eq!(admin.try_authorize(&dry).unwrap().json()["remaining"], expected, "cached, {what}");
    };
    left(3, "issued");
    let mut caller = server.admin();
    let (first, second) = (begun(&mut caller, &value), begun(&mut caller, &value));
    left(1, "two begun");
    assert_eq!(abort(&mut caller, &first).json()["remaining"], 2);
    left(2, "one aborted");
    assert_eq!(complete(&mut caller, &second).json()["remaining"], 2);
    left(2, "one completed");
    assert_eq!(caller.authorize(&upload_question(&value)), "ALLOWED");
    let third = begun(&mut caller, &value);
    left(0, "all taken");
    assert_eq!(refusal(&begin(&mut caller, &value)), refused(403, "LIMIT_REACHED"));
    abort(&mut caller, &third);
    left(1, "one given back");
}

#[test]
fn reservations_are_capped() {
    let server = TestServer::with(Options {
        environment: vec![("COUNTERMARK__UPLOADS__OPEN_PER_TOKEN".into(), "2".into())],
        ..Options::default()
    });
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(None);
    let first = begun(&mut admin, &value);
    begun(&mut admin, &value);
    assert_eq!(refusal(&begin(&mut admin, &value)), refused(429, "TOO_MANY_UPLOADS"));
    complete(&mut admin, &first);
    begun(&mut admin, &value);
    assert_eq!(admin.used(&token), 3);
}

#[test]
fn what_continues_an_upload_is_free_and_only_while_it_lives() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(2));
    let id = begun(&mut admin, &value);
    let patch = json!({"credential": {"value": value}, "request": {"method": "PATCH", "uploadId": id}});
    assert_eq!(admin.authorize(&patch), "ALLOWED");
    assert_eq!(admin.used(&token), 1);
    let alone = json!({"credential": {"value": value}, "request": {"method": "PATCH"}});
    assert_eq!(admin.authorize(&alone), "METHOD_DENIED");
    complete(&mut admin, &id);
    assert_eq!(admin.authorize(&patch), "METHOD_DENIED");
    let bad = json!({"credential": {"value": value}, "request": {"uploadId": "canary"}});
    let bad = admin.try_authorize(&bad).unwrap();
    assert_eq!(bad.json()["errors"][0]["pointer"], "/request/uploadId");
}

#[test]
fn a_kill_between_beginning_and_end_loses_nothing() {
    let mut server = TestServer::start();
    let mut admin = server.admin();
    let (token, value) = admin.issue_upload(Some(4));
    let (completed, aborted) = (begun(&mut admin, &value), begun(&mut admin, &value));
    let order = json!({"value": value, "idempotencyKey": "a"});
    let kept = admin.call("POST", "/v1/uploads", Some(&order)).json();
    complete(&mut admin, &completed);
    abort(&mut admin, &aborted);
    server.kill();
    server.restart();
    let mut admin = server.admin();
    assert_eq!(admin.used(&token), 2);
    assert_eq!(view(&mut admin, &completed)["state"], "completed");
    assert_eq!(view(&mut admin, &aborted)["state"], "aborted");
    assert_eq!(admin.call("POST", "/v1/uploads", Some(&order)).json()["id"], kept["id"], "a retry finds it");
    assert_eq!(complete(&mut admin, kept["id"].as_str().unwrap()).json()["remaining"], 2);
    assert_eq!(admin.used(&token), 2);
}

#[test]
fn pages_of_allowed_origins_may_upload_and_no_others() {
    let origin = "https://app.example.com";
    let server = TestServer::with(Options {
        environment: vec![("COUNTERMARK__CORS__ALLOWED_ORIGINS".into(), origin.into())],
        ..Options::default()
    });
    let mut admin = server.admin();
    let (_, value) = admin.issue_upload(Some(1));
    let preflight = |client: &mut Client, path: &str, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,idempotency-key"),
        ];
        client.exchange("OPTIONS", &request("OPTIONS", path, &headers, None)).unwrap()
    };
    let allowed = preflight(&mut admin, "/v1/uploads", origin);
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    for (path, origin) in [
        ("/v1/uploads", "https://app.example.com.evil.example"),
        ("/v1/uploads", "null"),
        ("/healthz", origin),
    ] {
        let refused = preflight(&mut admin, path, origin);
        assert_eq!(refused.header("access-control-allow-origin"), None, "{path} {origin}");
        assert!(refused.status >= 400);
    }
    let mut holder = server.caller(&value);
    let mut begin = |origin: &str| {
        holder.try_call("POST", "/v1/uploads", &[("origin", origin)], Some(&json!({}))).unwrap()
    };
    let begun = begin(origin);
    assert_eq!((begun.status, begun.header("access-control-allow-origin")), (201, Some(origin)));
    let exposed = begun.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    for header in ["location", "www-authenticate", "retry-after"] {
        assert!(exposed.contains(header), "{exposed}");
    }
    let problem = begin(origin);
    assert_eq!(refusal(&problem), refused(403, "LIMIT_REACHED"));
    assert_eq!(problem.header("access-control-allow-origin"), Some(origin), "a page may read why");
    assert_eq!(begin("https://evil.example").header("access-control-allow-origin"), None);
}

#[test]
fn without_configuration_no_page_is_let_in() {
    let server = TestServer::start();
    let headers = [("origin", "https://app.example.com"), ("access-control-request-method", "POST")];
    let preflight = request("OPTIONS", "/v1/uploads", &headers, None);
    let answer = server.admin().exchange("OPTIONS", &preflight).unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}
