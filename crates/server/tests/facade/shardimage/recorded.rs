//! Requests that the official PHP SDK has sent, byte for byte, and what must come back.

use serde_json::{Value, json};

use super::{Shardimage, at, refusal, verbatim};
use crate::installation::NOW;

const CREATE: &str = "POST /secure/v1/access-token HTTP/1.1\r\nHost: 127.0.0.1:18081\r\nAccept-Encoding: gzip\r\n\
    Content-ID: 17486.1795294043.4233.342571975\r\nContent-Type: application/json; charset=utf-8\r\n\
    Expect: 100-continue\r\nX-Shardimage-Auth-Key: 1234567890\r\n\
    X-Shardimage-Auth-Signature: s-e392f0b9d3c36ae526b2c2c9e0fd162f22010905\r\nX-Shardimage-Mode: sync/parallel\r\n\
    User-Agent: GuzzleHttp/7 ShardimagePhpOfficial/1.0.0\r\nReferrer: 17486.1795294043.4233.342571975\r\n\
    Content-Length: 133\r\n\r\n";

fn create(body: &str) -> Vec<u8> {
    format!("{CREATE}{body}").into_bytes()
}

#[actix_web::test]
async fn the_noted_creation_is_answered_with_the_token() {
    // S2-25
    let here = Shardimage::new().await;
    let body = r#"{"id":null,"expiry":1900000000,"limit":1000,"extra":{"cloudId":"mycloud","secret":"secretString"},"createdAt":null,"type":"imageUrl"}"#;
    assert_eq!(body.len(), 133);
    let made = here.it.send(verbatim(&create(body))).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.header("content-id"), "17486.1795294043.4233.342571975");
    assert_eq!(
        made.body,
        json!({"id": made.body["id"], "type": "imageUrl", "expiry": 1_900_000_000, "limit": 1000,
            "extra": {"cloudId": "mycloud", "secret": "secretString"}, "createdAt": NOW})
    );
}

#[actix_web::test]
async fn the_noted_upload_token_and_users_are_taken_as_they_are() {
    // S2-13, S2-14, S2-25
    let here = Shardimage::new().await;
    let upload = r#"{"id":null,"expiry":1900000000,"limit":5,"extra":{"transformation":"w:200","transformationPrefix":null,"transformationPostfix":null,"format":"webp","cloudId":"mycloud","projection":null,"tags":["a"],"addTags":["b"],"notificationUrls":["https:\/\/example.com\/hook"],"publicId":"pid"},"createdAt":null,"type":"upload"}"#;
    let made = here.it.send(verbatim(&create(upload))).await;
    assert_eq!(
        (made.status, &made.body["extra"]),
        (
            200,
            &json!({"transformation": "w:200", "transformationPrefix": null, "transformationPostfix": null,
            "format": "webp", "cloudId": "mycloud", "projection": null, "tags": ["a"], "addTags": ["b"],
            "notificationUrls": ["https://example.com/hook"], "publicId": "pid"})
        )
    );
    let users = r#"{"type":"imageUrl","extra":{"secret":"secretString","authentication":{"viewer1":"plain","viewer2":["msha1","3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7"]}}}"#;
    let made = here.it.send(verbatim(&create(users))).await;
    let link = here.link(made.body["id"].as_str().unwrap()).await;
    assert_eq!(here.code(&link, Some(("viewer2", "password"))).await, "ALLOWED");
    let empty = r#"{"id":null,"expiry":null,"limit":null,"extra":[],"createdAt":null,"type":"imageUrl"}"#;
    assert_eq!(super::named(&here.it.send(verbatim(&create(empty))).await), "extra.secret");
}

#[actix_web::test]
async fn one_noted_signature_holds_for_four_methods_and_another_for_the_query() {
    // S2-26, S2-27, S2-28, S2-29: the token is not there, but the signatures are right.
    let here = Shardimage::new().await;
    let of = |method: &str, query: &str, signature: &str, body: &str| {
        let head = format!(
            "{method} /secure/v1/access-token/tok_abc{query} HTTP/1.1\r\nContent-ID: 1.2.3\r\n\
             Content-Type: application/json; charset=utf-8\r\nX-Shardimage-Auth-Key: 1234567890\r\n\
             X-Shardimage-Auth-Signature: {signature}\r\nX-Shardimage-Mode: sync/parallel\r\n\r\n{body}"
        );
        here.it.send(verbatim(head.as_bytes()))
    };
    let bare = "s-bff91cefc0a931e02b0916488a334b5363418ed8";
    let update = r#"{"id":"tok_abc","expiry":1900000000,"limit":1000,"extra":{"cloudId":"mycloud","secret":"secretString"},"createdAt":null,"type":"imageUrl"}"#;
    for (method, body) in [("PUT", update), ("GET", ""), ("DELETE", "")] {
        let answer = of(method, "", bare, body).await;
        assert_eq!(refusal(&answer), (404, 1001), "{method}");
        assert_eq!(answer.header("content-id"), "1.2.3", "refusals name their question, too");
    }
    assert_eq!(of("HEAD", "", bare, "").await.status, 404);
    let with_query = "s-0bee90103d1879f97ab3399bbde04cdea792d6f3";
    assert_eq!(refusal(&of("GET", "?projections=x%2Cy", with_query, "").await), (404, 1001));
    assert_eq!(refusal(&of("GET", "?projections=x%2Cy", bare, "").await), (401, 1002));
    assert_eq!(refusal(&of("GET", "", with_query, "").await), (401, 1002));
}

#[actix_web::test]
async fn every_recorded_creation_is_understood_in_both_formats() {
    // S2-25
    let here = Shardimage::new().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/shardimage_recorded");
    let recording = |name: &str| std::fs::read(format!("{folder}/{name}.http")).unwrap();
    for name in ["image_url", "upload", "with_no_tags", "with_numbered_viewer", "without_extra"] {
        let mut bodies: Vec<(u16, Value)> = Vec::new();
        for form in ["_json", "_msgpack"] {
            let answer = here.it.send(verbatim(&recording(&format!("create_{name}{form}")))).await;
            let mut body = answer.body;
            if answer.status == 200 {
                body["id"].take();
            }
            bodies.push((answer.status, body));
        }
        assert_eq!(bodies[0], bodies[1], "{name}");
        assert_eq!(bodies[0].0, if name == "without_extra" { 400 } else { 200 }, "{name}");
    }
    assert_eq!(refusal(&here.get("iu_1111111111111111111111").await), (404, 1001));
    assert_eq!(at("x"), "/secure/v1/access-token/x");
}
