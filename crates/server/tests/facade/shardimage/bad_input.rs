//! Whatever is sent: the dialect's own shape comes back, never an internal error and never the native shape.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{KEY, KEY_SECRET, SECRET, Shardimage, TOKENS, at, image_token, named, refusal, signed};

fn post(body: &[u8]) -> TestRequest {
    signed("POST", TOKENS, KEY, KEY_SECRET, Value::Null)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_vec())
}

#[actix_web::test]
async fn each_wrong_member_is_named_and_its_value_is_not_repeated() {
    // S2-4, S2-5, S2-6, S2-7, S2-8, S2-10, S2-12, S2-13, S2-14, S2-15, S2-16, S2-17, S2-22, S2-24
    let here = Shardimage::new().await;
    let image = |extra: Value| json!({"type": "imageUrl", "extra": extra});
    let upload = |extra: Value| json!({"type": "upload", "extra": extra});
    let with = |member: &str, value: Value| {
        let mut token = image_token();
        token[member] = value;
        token
    };
    let many: Vec<_> = (0..101).map(|it| it.to_string()).collect();
    let cases = [
        (json!({}), "type"),
        (json!({"type": null}), "type"),
        (json!({"type": "apiKey"}), "type"),
        (json!({"type": "canary"}), "type"),
        (json!({"type": 1}), "type"),
        (with("expiry", json!(-1)), "expiry"),
        (with("expiry", json!(1.5)), "expiry"),
        (with("expiry", json!("1900000000")), "expiry"),
        (with("expiry", json!(1_900_000_000_000_u64)), "expiry"),
        (with("limit", json!(-1)), "limit"),
        (with("limit", json!(u64::MAX)), "limit"),
        (with("limit", json!(true)), "limit"),
        (with("id", json!(7)), "id"),
        (with("createdAt", json!("canary")), "createdAt"),
        (with("extra", json!("canary")), "extra"),
        (with("extra", json!(["canary"])), "extra"),
        (with("extra", Value::Null), "extra.secret"),
        (with("extra", json!([])), "extra.secret"),
        (image(json!({"cloudId": "c"})), "extra.secret"),
        (image(json!({"secret": null})), "extra.secret"),
        (image(json!({"secret": "***"})), "extra.secret"),
        (image(json!({"secret": "canary1"})), "extra.secret"),
        (image(json!({"secret": "canary\0canary"})), "extra.secret"),
        (image(json!({"secret": "canary".repeat(50)})), "extra.secret"),
        (image(json!({"secret": 12_345_678})), "extra.secret"),
        (image(json!({"secret": SECRET, "cloudId": "no/cloud"})), "extra.cloudId"),
        (image(json!({"secret": SECRET, "cloudId": ""})), "extra.cloudId"),
        (image(json!({"secret": SECRET, "authentication": "canary"})), "extra.authentication"),
        (image(json!({"secret": SECRET, "authentication": {"u": "***"}})), "extra.authentication"),
        (image(json!({"secret": SECRET, "authentication": {"u": null}})), "extra.authentication.u"),
        (image(json!({"secret": SECRET, "authentication": {"u": ""}})), "extra.authentication.u"),
        (
            image(json!({"secret": SECRET, "authentication": {"u": ["msha1", "canary"]}})),
            "extra.authentication.u",
        ),
        (
            image(
                json!({"secret": SECRET, "authentication": {"u": ["sha9", "3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7"]}}),
            ),
            "extra.authentication.u",
        ),
        (upload(json!({"tags": "canary"})), "extra.tags"),
        (upload(json!({"tags": {"a": "b"}})), "extra.tags"),
        (upload(json!({"tags": [""]})), "extra.tags.0"),
        (upload(json!({"tags": many})), "extra.tags.100"),
        (upload(json!({"addTags": [1]})), "extra.addTags.0"),
        (upload(json!({"notificationUrls": ["canary"]})), "extra.notificationUrls.0"),
        (upload(json!({"notificationUrls": ["ftp://example.com"]})), "extra.notificationUrls.0"),
        (upload(json!({"transformation": 1})), "extra.transformation"),
        (upload(json!({"format": ["canary"]})), "extra.format"),
        (upload(json!({"publicId": "x".repeat(513)})), "extra.publicId"),
        (upload(json!({"cloudId": "ca nary"})), "extra.cloudId"),
    ];
    for (body, member) in cases {
        let answer = here.call("POST", TOKENS, body.clone()).await;
        let name = named(&answer);
        let expected =
            if member == "extra.tags.100" { name.starts_with("extra.tags") } else { name == member };
        assert!(expected, "{name} instead of {member} for {body}");
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("canary"), "{}", answer.body);
    }
}

#[actix_web::test]
async fn a_member_of_the_other_kind_and_unknown_ones_are_ignored() {
    // S2-9
    let here = Shardimage::new().await;
    let image =
        json!({"type": "imageUrl", "new": {"a": [1]}, "extra": {"secret": SECRET, "tags": 5, "more": null}});
    assert_eq!(here.create(image).await["extra"], json!({"secret": SECRET}));
    let upload = json!({"type": "upload", "extra": {"secret": 5, "authentication": 1, "minBytes": "x", "insertOnly": 3}});
    here.create(upload).await;
}

#[actix_web::test]
async fn bodies_that_are_no_json_object_are_refused() {
    let here = Shardimage::new().await;
    let deep = [b"[".repeat(50_000), b"]".repeat(50_000)].concat();
    let twice = br#"{"type":"upload","limit":1,"limit":2}"#;
    let long = format!(r#"{{"type":"upload","limit":{}}}"#, "9".repeat(5000));
    let cases: [&[u8]; 12] = [
        b"",
        b"null",
        b"[]",
        b"\"text\"",
        b"{",
        b"{}x",
        b"\xff\xfe",
        b"{\"type\":\"upload\"}{}",
        b"{\"type\":\"upload\",\"extra\":{\"tags\":[\"\xff\"]}}",
        twice,
        long.as_bytes(),
        &deep,
    ];
    for (index, case) in cases.into_iter().enumerate() {
        let (status, code) = refusal(&here.it.send(post(case)).await);
        assert!(matches!((status, code), (400, 1000) | (413, 1003)), "case {index}: {status} {code}");
    }
    let large = vec![b' '; 64 * 1024 + 1];
    assert_eq!(refusal(&here.it.send(post(&large)).await), (413, 1003));
    let encoded = post(b"{}").insert_header(("content-encoding", "gzip"));
    assert_eq!(refusal(&here.it.send(encoded).await), (415, 1003));
}

#[actix_web::test]
async fn paths_and_methods_that_are_not_offered_are_refused_in_the_dialect() {
    let here = Shardimage::new().await;
    for (method, path, status) in [
        ("GET", TOKENS, 405),
        ("DELETE", TOKENS, 405),
        ("PATCH", "/secure/v1/access-token/x", 405),
        ("POST", "/secure/v1/access-token/x", 405),
        ("GET", "/multipart/mixed", 405),
        ("GET", "/secure/v1", 404),
        ("GET", "/secure/v1/", 404),
        ("GET", "/secure/v1/clouds", 404),
        ("GET", "/secure/v1/access-token/", 404),
        ("GET", "/secure/v1/access-token/a/b", 404),
        ("POST", "/multipart/other", 404),
        ("POST", "/multipart", 404),
    ] {
        let answer = here.call(method, path, Value::Null).await;
        assert_eq!(refusal(&answer).0, status, "{method} {path}");
        assert_eq!(answer.header("allow").is_empty(), status == 404, "{method} {path}");
    }
}

#[actix_web::test]
async fn odd_ids_are_not_found() {
    let here = Shardimage::new().await;
    for id in ["%00", "%ff", "a%2Fb", "..", "%2e%2e", "iu_", "ak_0000000000000000000000", "a b", "é"] {
        let id = id.replace(' ', "%20").replace('é', "%C3%A9");
        for method in ["GET", "PUT", "DELETE"] {
            let answer = here.call(method, &at(&id), image_token()).await;
            assert_eq!(refusal(&answer), (404, 1001), "{method} {id}");
        }
    }
    let long = "x".repeat(5000);
    assert_eq!(refusal(&here.get(&long).await), (404, 1001));
}
