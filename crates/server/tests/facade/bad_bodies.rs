//! Every route of these rooms that takes a body, with bodies that no client should send.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation};

/// Method, path, an acceptable body, and one of its members.
const ROUTES: [(&str, &str, &str, &str); 5] = [
    ("POST", "/api/manage/apiTokens", r#"{"name":"n","owner":"o","permissions":["upload"]}"#, "name"),
    ("PUT", "/api/manage/apiTokens", r#"{"tokenId":"0","permissions":["upload"]}"#, "tokenId"),
    ("POST", "/_/token", r#"{"name":"n"}"#, "name"),
    ("PUT", "/_/token", r#"{"name":"n"}"#, "name"),
    ("DELETE", "/_/token", r#"{"name":"n"}"#, "name"),
];

async fn send(it: &Installation, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let request = TestRequest::with_uri(path).method(method.parse().unwrap());
    let request = request.insert_header(("authorization", format!("Bearer {}", it.admin)));
    it.send(request.insert_header(("content-type", "application/json")).set_payload(body)).await
}

/// Whether it is an error of the room's own: an object of one text here, one line of untyped text there.
fn is_worded(path: &str, answer: &Answer) -> bool {
    let text = if path == "/_/token" {
        assert!(answer.headers.get("content-type").is_none());
        std::str::from_utf8(&answer.bytes).unwrap().to_owned()
    } else {
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body.as_object().unwrap().len(), 1);
        answer.body["error"].as_str().unwrap().to_owned()
    };
    assert!(!text.contains("canary"), "{text}");
    !text.is_empty() && text.len() < 300 && !text.contains('\n') && !text.starts_with('{')
}

fn bad_bodies(good: &str, member: &str) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "[]",
        "\"canary\"",
        "0",
        "true",
        "{",
        "}",
        "{}",
        "{]",
        "{\"canary\"",
        "nul",
        "{}{}",
        "\u{feff}{}",
        "{\"a\":1e999}",
        "[\"n\",\"o\",[\"upload\"]]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    bodies.push(b"{\"canary\":\"\xff\xfe\"}".to_vec());
    bodies.push(b"\x00\x01\x02".to_vec());
    bodies.push(format!("{good} canary").into_bytes());
    bodies.push(good.as_bytes()[..good.len() - 1].to_vec());
    bodies.push("[".repeat(60_000).into_bytes());
    bodies.push(format!("{{\"{member}\":{}", "{\"a\":".repeat(10_000)).into_bytes());
    bodies.push(format!("{{\"{member}\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes());
    for wrong in ["null", "0", "1.5", "true", "[]", "{}", "[\"canary\"]"] {
        let mut body: Value = serde_json::from_str(good).unwrap();
        body[member] = serde_json::from_str(wrong).unwrap();
        bodies.push(body.to_string().into_bytes());
    }
    // The same member twice: two readers could take different ones.
    bodies.push(format!("{{\"{member}\":\"canary\",{}", &good[1..]).into_bytes());
    bodies
        .push(good.replacen(&format!("\"{member}\":\""), &format!("\"{member}\":\"\\ud800"), 1).into_bytes());
    bodies
}

#[actix_web::test]
async fn a_bad_body_is_a_400_in_the_words_of_the_dialect() {
    let it = Installation::new().await;
    for (method, path, good, member) in ROUTES {
        for body in bad_bodies(good, member) {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let answer = send(&it, method, path, body).await;
            assert_eq!(answer.status, 400, "{method} {path} {shown}: {:?}", answer.bytes);
            assert!(is_worded(path, &answer), "{method} {path} {shown}: {:?}", answer.bytes);
        }
    }
    assert_eq!(it.get(&it.admin, "/_/token").await.body, json!({"data": []}));
    assert_eq!(it.get(&it.admin, "/api/manage/apiTokens").await.body, json!({"tokens": []}));
}

#[actix_web::test]
async fn a_huge_or_encoded_body_is_refused_in_the_words_of_the_dialect() {
    let it = Installation::new().await;
    for (method, path, good, _) in ROUTES {
        let huge = send(&it, method, path, vec![b' '; 64 * 1024 + 1]).await;
        assert_eq!(huge.status, 413, "{method} {path}");
        assert!(is_worded(path, &huge));
        let request = TestRequest::with_uri(path).method(method.parse().unwrap());
        let request = request.insert_header(("authorization", format!("Bearer {}", it.admin)));
        let request = request.insert_header(("content-type", "application/json"));
        let encoded = it.send(request.insert_header(("content-encoding", "gzip")).set_payload(good)).await;
        assert_eq!(encoded.status, 415, "{method} {path}");
        assert!(is_worded(path, &encoded));
    }
}

/// What browsers send for a page of another origin without asking first must do nothing: they add a Basic login by
/// themselves.
#[actix_web::test]
async fn imgbed_takes_json_only_and_query_whatever_is_said_to_come() {
    let it = Installation::new().await;
    for (method, path, good, _) in ROUTES {
        for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let request = TestRequest::with_uri(path).method(method.parse().unwrap());
            let request = request.insert_header(("authorization", format!("Bearer {}", it.admin)));
            let answer =
                it.send(request.insert_header(("content-type", content_type)).set_payload(good)).await;
            if path == "/_/token" {
                assert!(matches!(answer.status, 200 | 201 | 400), "{method} {content_type}");
                assert_ne!(answer.bytes, "The body is empty");
            } else {
                assert_eq!(answer.status, 415, "{method} {content_type}");
                assert!(is_worded(path, &answer));
            }
        }
    }
    assert_eq!(it.get(&it.admin, "/api/manage/apiTokens").await.body, json!({"tokens": []}));
}
