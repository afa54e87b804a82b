//! What the token demands and directs, and how a client learns of a refusal.

use serde_json::{Value, json};

use super::{
    World, about, as_metadata, changed, created_id, deferred, pre_create, refusal, reply_to_client,
    with_header, with_metadata,
};

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
    assert_eq!(refusal(&world.hook(&deferred(small.clone()))), (403, "CONSTRAINT_FAILED".to_owned()));
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
fn by_the_vectors_the_metadata_are_what_the_token_directs() {
    let world = World::start();
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../vectors/upload_directives.json")).unwrap();
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
fn a_refusal_for_long_demands_still_fits_what_tusd_reads() {
    let world = World::start();
    let types: Vec<String> = (10..70).map(|number| format!("image/{}-{number}", "x".repeat(90))).collect();
    let token = json!({"type": "upload", "limit": 1, "extra": {"mimeTypes": types}});
    let token = world.server.admin().issue(&token);
    let answer = world.hook(&pre_create(token["value"].as_str().unwrap()));
    assert!(answer.body.len() <= 5 * 1024, "{}", answer.body.len());
    assert_eq!(refusal(&answer), (403, "CONSTRAINT_FAILED".to_owned()));
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
