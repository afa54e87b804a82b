//! What is refused before anything is done: each time by the member's pointer, and without repeating its value.

use crate::installation::{Answer, Installation, request, text};
use actix_web::test::TestRequest;
use serde_json::{Value, json};

const TOKENS: &str = "/v1/access-tokens";

async fn raw(it: &Installation, method: &str, path: &str, body: &str) -> Answer {
    let request = request(&it.admin, method, path, Value::Null)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_owned());
    it.send(request).await
}

/// Bodies of an issue, with the pointer that each must be refused by.
const BAD_ISSUES: &[(&str, &str)] = &[
    ("[]", ""),
    (r#"["upload"]"#, ""),
    ("{}", "/type"),
    (r#"{"type":"canary"}"#, "/type"),
    (r#"{"type":{"upload":null}}"#, "/type"),
    (r#"{"type":"upload","type":"upload"}"#, "/type"),
    (r#"{"type":"upload","canary":1}"#, "/canary"),
    (r#"{"type":"upload","value":"canary"}"#, "/value"),
    (r#"{"type":"upload","id":"canary"}"#, "/id"),
    (r#"{"type":"upload","legacySignatures":true}"#, "/legacySignatures"),
    (r#"{"type":"upload","name":""}"#, "/name"),
    (r#"{"type":"upload","name":5}"#, "/name"),
    (r#"{"type":"upload","name":"canary\n"}"#, "/name"),
    (r#"{"type":"upload","labels":{"a":"x","a":"y"}}"#, "/labels/a"),
    (r#"{"type":"upload","labels":{"a":1}}"#, "/labels/a"),
    (r#"{"type":"upload","labels":{"":"x"}}"#, "/labels/"),
    (r#"{"type":"upload","labels":["canary"]}"#, "/labels"),
    (r#"{"type":"upload","labels":{"a=":"x"}}"#, "/labels/a="),
    (r#"{"type":"upload","owner":""}"#, "/owner"),
    (r#"{"type":"upload","extra":{"cloudId":""}}"#, "/extra/cloudId"),
    (r#"{"type":"upload","extra":{"publicId":""}}"#, "/extra/publicId"),
    (r#"{"type":"upload","extra":{"publicIdPrefix":""}}"#, "/extra/publicIdPrefix"),
    (r#"{"type":"upload","extra":{"format":""}}"#, "/extra/format"),
    (r#"{"type":"upload","extra":{"projection":""}}"#, "/extra/projection"),
    (r#"{"type":"upload","extra":{"transformationPrefix":""}}"#, "/extra/transformationPrefix"),
    (r#"{"type":"upload","extra":{"transformationPostfix":""}}"#, "/extra/transformationPostfix"),
    (r#"{"type":"upload","enabled":"true"}"#, "/enabled"),
    (r#"{"type":"upload","limit":1.0}"#, "/limit"),
    (r#"{"type":"upload","limit":1e3}"#, "/limit"),
    (r#"{"type":"upload","limit":-1}"#, "/limit"),
    (r#"{"type":"upload","limit":9223372036854775808}"#, "/limit"),
    (r#"{"type":"upload","limit":18446744073709551616}"#, "/limit"),
    (r#"{"type":"upload","limit":"7"}"#, "/limit"),
    (r#"{"type":"upload","expiry":1900000000000}"#, "/expiry"),
    (r#"{"type":"upload","expiry":"2030-01-01T00:00:00Z"}"#, "/expiry"),
    (r#"{"type":"upload","notBefore":253402300800}"#, "/notBefore"),
    (r#"{"type":"upload","expiry":1900000000,"ttl":60}"#, "/ttl"),
    (r#"{"type":"upload","notBefore":1900000000,"expiry":1900000000}"#, "/notBefore"),
    (r#"{"type":"upload","counting":"get"}"#, "/counting"),
    (r#"{"type":"apiKey","countWindow":5}"#, "/countWindow"),
    (r#"{"type":"imageUrl","counting":"canary"}"#, "/counting"),
    (r#"{"type":"imageUrl","countWindow":31536001}"#, "/countWindow"),
    (r#"{"type":"imageUrl","permissions":[]}"#, "/permissions"),
    (r#"{"type":"upload","basePath":"/a"}"#, "/basePath"),
    (r#"{"type":"upload","storages":[]}"#, "/storages"),
    (r#"{"type":"imageUrl","clouds":[]}"#, "/clouds"),
    (r#"{"type":"apiKey","permissions":"*"}"#, "/permissions"),
    (r#"{"type":"apiKey","permissions":["Canary"]}"#, "/permissions/0"),
    (r#"{"type":"apiKey","basePath":"canary"}"#, "/basePath"),
    (r#"{"type":"apiKey","basePath":"/a/../b"}"#, "/basePath"),
    (r#"{"type":"apiKey","storages":["ok","can ary"]}"#, "/storages/1"),
    (r#"{"type":"apiKey","clouds":["can/ary"]}"#, "/clouds/0"),
    (r#"{"type":"apiKey","extra":{}}"#, "/extra"),
    (r#"{"type":"upload","extra":[]}"#, "/extra"),
    (r#"{"type":"upload","extra":{"canary":1}}"#, "/extra/canary"),
    (r#"{"type":"upload","extra":{"tags":[],"tags":[]}}"#, "/extra/tags"),
    (r#"{"type":"upload","extra":{"hosts":[]}}"#, "/extra/hosts"),
    (r#"{"type":"upload","extra":{"secret":"canary-canary-canary-canary-canary"}}"#, "/extra/secret"),
    (r#"{"type":"upload","extra":{"authentication":{}}}"#, "/extra/authentication"),
    (r#"{"type":"upload","extra":{"cloudId":"can ary"}}"#, "/extra/cloudId"),
    (r#"{"type":"upload","extra":{"minBytes":5,"maxBytes":4}}"#, "/extra/minBytes"),
    (r#"{"type":"upload","extra":{"mimeTypes":["canary"]}}"#, "/extra/mimeTypes/0"),
    (r#"{"type":"upload","extra":{"notificationUrls":["ftp://canary"]}}"#, "/extra/notificationUrls/0"),
    (
        r#"{"type":"upload","extra":{"notificationUrls":["https://u:p@canary/"]}}"#,
        "/extra/notificationUrls/0",
    ),
    (r#"{"type":"upload","extra":{"insertOnly":1}}"#, "/extra/insertOnly"),
    (r#"{"type":"imageUrl","extra":{"tags":[]}}"#, "/extra/tags"),
    (r#"{"type":"imageUrl","extra":{"hosts":["can ary"]}}"#, "/extra/hosts/0"),
    (r#"{"type":"imageUrl","extra":{"secret":"canary"}}"#, "/extra/secret"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"can:ary":"x"}}}"#, "/extra/authentication"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":"x","u":"y"}}}"#, "/extra/authentication/u"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":""}}}"#, "/extra/authentication/u"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":null}}}"#, "/extra/authentication"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":["msha1","canary"]}}}"#, "/extra/authentication/u"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":["canary"]}}}"#, "/extra/authentication/u"),
    (r#"{"type":"imageUrl","extra":{"authentication":{"u":{"canary":1}}}}"#, "/extra/authentication/u"),
];

#[actix_web::test]
async fn a_bad_issue_is_refused_by_pointer_and_issues_nothing() {
    let it = Installation::new().await;
    for (body, pointer) in BAD_ISSUES {
        let answer = raw(&it, "POST", TOKENS, body).await;
        let (status, code, named) = answer.refusal();
        assert_eq!((status, code, named), (400, "INVALID_MEMBER", *pointer), "{body}: {}", answer.body);
        let detail = text(&answer.body["errors"][0]["detail"]);
        assert!(detail.starts_with("expected "), "{body}: {detail}");
        assert!(!detail.contains("ary"), "{body}: {detail}");
    }
    let list = it.get(&it.admin, TOKENS).await.body;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "only the administrator");
}

#[actix_web::test]
async fn an_address_at_which_nobody_can_ever_be_is_refused() {
    let it = Installation::new().await;
    let long = format!("https://{}.example/", "a".repeat(64));
    let too_long = format!("https://{}/", ["a"; 128].join("."));
    let bad = ["http://256.1.1.1/", "http://h.example:0/", "http://a..b/", "http://.a/", &long, &too_long];
    for url in bad {
        let body = json!({"type": "upload", "extra": {"notificationUrls": [url]}}).to_string();
        let answer = raw(&it, "POST", TOKENS, &body).await;
        assert_eq!(answer.refusal(), (400, "INVALID_MEMBER", "/extra/notificationUrls/0"), "{url}");
    }
    for url in ["http://255.1.1.1/", "https://h.example.:1/a?b", "http://[::1]:8080", "http://a_b.example"] {
        let body = json!({"type": "upload", "extra": {"notificationUrls": [url]}}).to_string();
        assert_eq!(raw(&it, "POST", TOKENS, &body).await.status, 201, "{url}");
    }
}

#[actix_web::test]
async fn lists_and_maps_have_a_greatest_length() {
    let it = Installation::new().await;
    let many = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    let labels = |count| many(count).into_iter().map(|name| (name, json!("x"))).collect::<Value>();
    let urls = |count| many(count).into_iter().map(|host| format!("https://{host}/")).collect::<Vec<_>>();
    let cases = [
        (json!({"type": "apiKey", "clouds": many(100)}), 201),
        (json!({"type": "apiKey", "clouds": many(101)}), 400),
        (json!({"type": "upload", "labels": labels(20)}), 201),
        (json!({"type": "upload", "labels": labels(21)}), 400),
        (json!({"type": "upload", "extra": {"notificationUrls": urls(20)}}), 201),
        (json!({"type": "upload", "extra": {"notificationUrls": urls(21)}}), 400),
        (json!({"type": "upload", "name": "ö".repeat(200)}), 201),
        (json!({"type": "upload", "name": "ö".repeat(201)}), 400),
        (json!({"type": "imageUrl", "extra": {"secret": "x".repeat(256)}}), 201),
        (json!({"type": "imageUrl", "extra": {"secret": "x".repeat(257)}}), 400),
    ];
    for (body, status) in cases {
        assert_eq!(it.call(&it.admin, "POST", TOKENS, body.clone()).await.status, status, "{body}");
    }
}

#[actix_web::test]
async fn a_patch_refuses_what_it_cannot_change() {
    let it = Installation::new().await;
    let image = it.issue(&it.admin, json!({"type": "imageUrl"})).await;
    let path = format!("{TOKENS}/{}", text(&image["id"]));
    for (body, pointer) in [
        (r#"{"type":"upload"}"#, "/type"),
        (r#"{"id":"x"}"#, "/id"),
        (r#"{"value":"x"}"#, "/value"),
        (r#"{"used":0}"#, "/used"),
        (r#"{"ttl":5}"#, "/ttl"),
        (r#"{"recoverable":true}"#, "/recoverable"),
        (r#"{"legacySignatures":true}"#, "/legacySignatures"),
        (r#"{"extra":{"secret":"a secret that is long enough for HMAC"}}"#, "/extra/secret"),
        (r#"{"extra":null}"#, "/extra"),
        (r#"{"extra":{"tags":null}}"#, "/extra/tags"),
        (r#"{"permissions":["*"]}"#, "/permissions"),
        (r#"{"limit":1,"limit":2}"#, "/limit"),
        (r#"{"limit":1.5}"#, "/limit"),
        (r#"{"labels":{"a=b":"x"}}"#, "/labels/a=b"),
        (r#"{"labels":{"a=b":null}}"#, "/labels/a=b"),
        (r#"{"name":""}"#, "/name"),
        (r#"{"owner":""}"#, "/owner"),
        (r#"{"extra":{"cloudId":""}}"#, "/extra/cloudId"),
        (r#"{"extra":{"publicIdPrefix":""}}"#, "/extra/publicIdPrefix"),
        ("[]", ""),
    ] {
        let answer = raw(&it, "PATCH", &path, body).await;
        assert_eq!(answer.refusal(), (400, "INVALID_MEMBER", pointer), "{body}: {}", answer.body);
    }
    assert_eq!(it.get(&it.admin, &path).await.body["revision"], 1);
}

#[actix_web::test]
async fn a_limit_below_the_uses_taken_is_a_conflict() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload", "limit": 5})).await;
    let question =
        json!({"credential": {"value": issued["value"]}, "request": {"method": "POST"}, "cost": 3});
    it.call(&it.admin, "POST", "/v1/authorize", question).await;
    let path = format!("{TOKENS}/{}", text(&issued["id"]));
    let low = it.call(&it.admin, "PATCH", &path, json!({"limit": 2})).await;
    assert_eq!(low.refusal(), (409, "LIMIT_BELOW_USED", "/limit"));
    assert_eq!(it.call(&it.admin, "PATCH", &path, json!({"limit": 3})).await.body["remaining"], 0);
}

#[actix_web::test]
async fn parameters_are_refused_by_name() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload"})).await;
    let path = format!("{TOKENS}/{}", text(&issued["id"]));
    for (method, path, parameter) in [
        ("GET", format!("{TOKENS}?limit=0"), "?limit"),
        ("GET", format!("{TOKENS}?limit=201"), "?limit"),
        ("GET", format!("{TOKENS}?cursor=x"), "?cursor"),
        ("GET", format!("{TOKENS}?cursor=NDI"), "?cursor"),
        ("GET", format!("{TOKENS}?type=token"), "?type"),
        ("GET", format!("{TOKENS}?status=gone"), "?status"),
        ("GET", format!("{TOKENS}?dialect=x"), "?dialect"),
        ("GET", format!("{TOKENS}?label="), "?label"),
        ("GET", format!("{TOKENS}?page=2"), "?page"),
        ("GET", format!("{TOKENS}?q=a&q=b"), "?q"),
        ("GET", format!("{path}?x=1"), "?x"),
        ("GET", format!("{path}/value?x=1"), "?x"),
        ("GET", format!("{path}/usage?step=60"), "?step"),
        ("DELETE", format!("{path}?purge=1"), "?purge"),
        ("DELETE", format!("{path}?cascade="), "?cascade"),
        ("DELETE", format!("{path}?force=true"), "?force"),
        ("GET", "/v1/stats?from=x".to_owned(), "?from"),
        ("GET", "/v1/audit?token=x".to_owned(), "?token"),
        ("GET", "/v1/audit?actor=x".to_owned(), "?actor"),
    ] {
        let answer = it.call(&it.admin, method, &path, Value::Null).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMETER", parameter), "{method} {path}");
    }
    assert_eq!(it.get(&it.admin, &path).await.body["status"], "active");
}

#[actix_web::test]
async fn wrong_methods_types_and_sizes_have_their_own_statuses() {
    let it = Installation::new().await;
    let put = it.call(&it.admin, "PUT", &format!("{TOKENS}/x"), json!({})).await;
    assert_eq!((put.status, put.header("allow")), (405, "HEAD, GET, PATCH, DELETE"));
    let form = request(&it.admin, "POST", TOKENS, Value::Null)
        .insert_header(("content-type", "text/plain"))
        .set_payload(r#"{"type":"upload"}"#);
    assert_eq!(it.send(form).await.status, 415);
    let long = format!(r#"{{"type":"upload","description":"{}"}}"#, "x".repeat(65_536));
    assert_eq!(raw(&it, "POST", TOKENS, &long).await.status, 413);
    let deep = format!(r#"{{"type":"upload","extra":{}"#, "[".repeat(10_000));
    assert_eq!(raw(&it, "POST", TOKENS, &deep).await.status, 400);
    let two = request(&it.admin, "GET", TOKENS, Value::Null)
        .append_header(("authorization", format!("Bearer {}", it.admin)));
    assert_eq!(it.send(two).await.status, 400);
    let none = it.send(TestRequest::with_uri(TOKENS)).await;
    assert_eq!((none.status, none.header("www-authenticate").is_empty()), (401, false));
}
