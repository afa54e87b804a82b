//! `POST /multipart/mixed`.

use actix_web::test::TestRequest;
use countermark_core::shardimage_api_signature;
use serde_json::{Value, json};

use super::{KEY, KEY_SECRET, Shardimage, TOKENS, at, image_token, refusal, refusal_in, signed};
use crate::installation::Answer;

const BATCH: &str = "/multipart/mixed";

/// What came back in one part.
struct Told {
    content_id: String,
    status: u16,
    phrase: String,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn refusal(&self) -> (u16, u64) {
        refusal_in(self.status, &self.json())
    }
}

/// A request in a part as the SDK writes it: no space follows the colons.
fn part_of(id: &str, method: &str, uri: &str, secret: &str, body: &Value) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let signature = shardimage_api_signature(uri, KEY, secret);
    format!(
        "{method} {uri} HTTP/1.1\r\nHost:127.0.0.1:18081\r\nAccept-Encoding:gzip\r\nContent-ID:{id}\r\n\
         Content-Length:{}\r\nContent-Type:application/json; charset=utf-8\r\nExpect:100-continue\r\n\
         X-Shardimage-Auth-Key:{KEY}\r\nX-Shardimage-Auth-Signature:{signature}\r\n\r\n{body}",
        body.len()
    )
}

fn body_of(parts: &[String]) -> String {
    let head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let parts: String = parts.iter().map(|part| format!("--1.2.3\r\n{head}{part}\r\n")).collect();
    format!("{parts}--1.2.3--")
}

fn outer(body: impl Into<actix_web::web::Bytes>) -> TestRequest {
    signed("POST", BATCH, KEY, KEY_SECRET, Value::Null)
        .insert_header(("content-type", "multipart/mixed; boundary=1.2.3"))
        .insert_header(("content-id", "24683.1.2.3"))
        .set_payload(body)
}

async fn send(here: &Shardimage, parts: &[String]) -> Vec<Told> {
    told(&here.it.send(outer(body_of(parts))).await)
}

fn told(answer: &Answer) -> Vec<Told> {
    assert_eq!((answer.status, answer.header("content-id")), (200, "24683.1.2.3"), "{}", answer.body);
    let boundary = answer.header("content-type").strip_prefix("multipart/mixed; boundary=").unwrap();
    let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
    let mark = format!("--{boundary}");
    let mut pieces: Vec<&str> = text.split(mark.as_str()).collect();
    assert_eq!((pieces.remove(0), pieces.pop().unwrap().trim_end()), ("", "--"));
    pieces.iter().map(|piece| one(piece)).collect()
}

fn one(piece: &str) -> Told {
    let (_, inner) = piece.split_once("\r\n\r\n").unwrap();
    let (head, body) = inner.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let (status, phrase) = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().split_once(' ').unwrap();
    let field = |name: &str| lines.clone().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let body = body.strip_suffix("\r\n").unwrap();
    assert_eq!(field("Content-Length: "), body.len().to_string());
    Told {
        content_id: field("Content-Id: ").to_owned(),
        status: status.parse().unwrap(),
        phrase: phrase.to_owned(),
        body: body.to_owned(),
    }
}

#[actix_web::test]
async fn each_call_of_a_batch_is_answered_by_itself_under_its_id() {
    // S2-25, S2-26, S2-27, S2-28, S2-29
    let here = Shardimage::new().await;
    let (id, other, none) = (here.image().await, here.image().await, Value::Null);
    let mut changed = image_token();
    changed["limit"] = json!(77);
    let told = send(
        &here,
        &[
            part_of("a", "GET", &at(&id), KEY_SECRET, &none),
            part_of("b", "GET", &at("tok_abc"), KEY_SECRET, &none),
            part_of("c", "POST", TOKENS, KEY_SECRET, &image_token()),
            part_of("d", "HEAD", &at(&id), KEY_SECRET, &none),
            part_of("e", "HEAD", &at("tok_abc"), KEY_SECRET, &none),
            part_of("f", "PUT", &at(&id), KEY_SECRET, &changed),
            part_of("g", "DELETE", &at(&other), KEY_SECRET, &none),
            part_of("h", "POST", TOKENS, KEY_SECRET, &json!({"type": "upload", "limit": -1})),
            part_of("i", "GET", &format!("{}?projections=x%2Cy", at(&id)), KEY_SECRET, &none),
        ],
    )
    .await;
    let ids: Vec<_> = told.iter().map(|it| it.content_id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    let statuses: Vec<_> = told.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [200, 404, 200, 200, 404, 200, 204, 400, 200]);
    assert_eq!((told[0].phrase.as_str(), told[1].phrase.as_str()), ("OK", "Not Found"));
    assert_eq!(told[0].json()["id"], id.as_str());
    assert_eq!(told[1].refusal(), (404, 1001));
    assert_eq!(told[2].json()["extra"]["secret"], super::SECRET);
    assert_eq!((told[3].body.as_str(), told[4].body.as_str(), told[6].body.as_str()), ("", "", ""));
    assert_eq!(told[5].json()["limit"], 77);
    assert_eq!(told[7].refusal(), (400, 1000));
    assert_eq!(told[8].json()["limit"], 77, "the calls are made in their order");
    assert_eq!(here.call("HEAD", &at(&other), Value::Null).await.status, 404);
}

#[actix_web::test]
async fn a_part_that_is_not_signed_fails_alone() {
    let here = Shardimage::new().await;
    let (id, none) = (here.image().await, Value::Null);
    let right = part_of("a", "GET", &at(&id), KEY_SECRET, &none);
    let told = send(
        &here,
        &[
            right.clone(),
            part_of("b", "DELETE", &at(&id), "wrong", &none),
            right
                .replace("Content-ID:a", "Content-ID:c")
                .replace("GET ", "DELETE ")
                .replace("X-Shardimage-Auth-Key", "X-Other"),
            right.replace(&id, "tok_abc"),
        ],
    )
    .await;
    assert_eq!(told[0].status, 200);
    for part in &told[1..] {
        assert_eq!(part.refusal(), (401, 1002), "{}", part.content_id);
    }
    assert_eq!(here.get(&id).await.status, 200);
}

#[actix_web::test]
async fn the_batch_itself_must_be_signed_and_its_refusal_bears_its_id() {
    let here = Shardimage::new().await;
    let id = here.image().await;
    let body = body_of(&[part_of("a", "DELETE", &at(&id), KEY_SECRET, &Value::Null)]);
    let wrong = signed("POST", BATCH, KEY, "wrong", Value::Null)
        .insert_header(("content-type", "multipart/mixed; boundary=1.2.3"))
        .insert_header(("content-id", "24683.1.2.3"))
        .set_payload(body);
    let answer = here.it.send(wrong).await;
    assert_eq!((refusal(&answer), answer.header("content-id")), ((401, 1002), "24683.1.2.3"));
    assert_eq!(here.get(&id).await.status, 200);
}

#[actix_web::test]
async fn a_read_only_key_may_send_a_batch_in_which_it_reads() {
    let here = Shardimage::new().await;
    here.make_key("1111111111", "reading", &["tokens:read"], None).await;
    let (id, none) = (here.image().await, Value::Null);
    let of = |name: &str, method: &str| {
        let signature = shardimage_api_signature(&at(&id), "1111111111", "reading");
        part_of(name, method, &at(&id), "", &none)
            .replace(&format!("Auth-Key:{KEY}"), "Auth-Key:1111111111")
            .replace(&shardimage_api_signature(&at(&id), KEY, ""), &signature)
    };
    let batch = signed("POST", BATCH, "1111111111", "reading", Value::Null)
        .insert_header(("content-type", "multipart/mixed; boundary=1.2.3"))
        .insert_header(("content-id", "24683.1.2.3"))
        .set_payload(body_of(&[of("a", "GET"), of("b", "DELETE")]));
    let told = told(&here.it.send(batch).await);
    assert_eq!((told[0].status, told[1].refusal()), (200, (403, 1002)));
}

#[actix_web::test]
async fn a_hundred_calls_are_answered_and_one_more_is_refused() {
    let here = Shardimage::new().await;
    let id = here.image().await;
    let part = part_of("a", "HEAD", &at(&id), KEY_SECRET, &Value::Null);
    let told = send(&here, &vec![part.clone(); 100]).await;
    assert!(told.len() == 100 && told.iter().all(|it| it.status == 200));
    let refused = here.it.send(outer(body_of(&vec![part; 101]))).await;
    assert_eq!((refusal(&refused), refused.header("content-id")), ((400, 1000), "24683.1.2.3"));
    let large = vec![b'x'; 1024 * 1024 + 1];
    assert_eq!(refusal(&here.it.send(outer(large)).await), (413, 1003));
}

#[actix_web::test]
async fn all_parts_together_set_at_most_a_hundred_new_passwords() {
    let here = Shardimage::new().await;
    let users = |count: usize| (0..count).map(|it| (format!("u{it}"), json!("password"))).collect();
    let token = |count: usize| {
        let mut token = image_token();
        token["extra"]["authentication"] = Value::Object(users(count));
        token
    };
    let part = |id: &str, count: usize| part_of(id, "POST", TOKENS, KEY_SECRET, &token(count));
    let before = here.it.get(&here.it.admin, "/v1/access-tokens").await.body;
    let many = here.it.send(outer(body_of(&[part("a", 50), part("b", 51)]))).await;
    assert_eq!((refusal(&many), many.header("content-id")), ((400, 1000), "24683.1.2.3"));
    assert_eq!(here.it.get(&here.it.admin, "/v1/access-tokens").await.body, before, "no part is answered");
    let mut masked = token(2);
    masked["extra"]["authentication"] = json!({"u0": "***", "u1": "***"});
    let told = send(&here, &[part("a", 2), part_of("b", "POST", TOKENS, KEY_SECRET, &masked)]).await;
    assert_eq!((told[0].status, told[1].refusal()), (200, (400, 1000)));
}

#[actix_web::test]
async fn a_part_is_held_to_the_rules_of_a_call_that_comes_by_itself() {
    let here = Shardimage::new().await;
    let sized = |size: usize| {
        let mut token = image_token();
        token["ignored"] = json!("");
        token["ignored"] = json!("x".repeat(size - token.to_string().len()));
        part_of("a", "POST", TOKENS, KEY_SECRET, &token)
    };
    let encoded = part_of("c", "POST", TOKENS, KEY_SECRET, &image_token());
    let encoded = encoded.replace("Content-ID:c", "Content-ID:c\r\nContent-Encoding:gzip");
    let told = send(&here, &[sized(64 * 1024), sized(64 * 1024 + 1), encoded]).await;
    let codes = (told[0].status, told[1].refusal(), told[2].refusal());
    assert_eq!(codes, (200, (413, 1003), (415, 1003)));
    assert_eq!((told[1].content_id.as_str(), told[2].content_id.as_str()), ("a", "c"));
}

#[actix_web::test]
async fn uploads_cannot_be_deferred_into_a_batch() {
    let here = Shardimage::new().await;
    let batch = TestRequest::post()
        .uri(BATCH)
        .insert_header(("x-shardimage-auth-token", "2222222222222222222222"))
        .insert_header(("content-type", "multipart/mixed; boundary=1.2.3"))
        .insert_header(("content-id", "24683.1.2.3"))
        .set_payload(body_of(&["POST /upload/v1/c/mycloud HTTP/1.1\r\nA:b\r\n\r\n{}".to_owned()]));
    let answer = here.it.send(batch).await;
    assert_eq!((refusal(&answer), answer.header("content-id")), ((501, 1003), "24683.1.2.3"));
    assert_eq!(answer.body["error"]["message"], "uploads cannot be deferred; send them one by one");
}

#[actix_web::test]
async fn parts_that_are_no_calls_of_tokens_fail_alone() {
    let here = Shardimage::new().await;
    let (id, none) = (here.image().await, Value::Null);
    let of = |method: &str, uri: &str| part_of("x", method, uri, KEY_SECRET, &none);
    let told = send(
        &here,
        &[
            of("POST", BATCH),
            of("GET", TOKENS),
            of("PATCH", &at(&id)),
            of("GET", "/secure/v1/access-tokenx"),
            of("GET", "/secure/v1/access-token/a/b"),
            of("GET", "/v1/access-tokens"),
            of("GET", "/secure/v1/access-token/"),
            "no request".to_owned(),
            "GET http://x/ HTTP/1.1\r\nA:b\r\n\r\n".to_owned(),
            "GET /x HTTP/2\r\nA:b\r\n\r\n".to_owned(),
            "GET /x HTTP/1.1\r\nno field\r\n\r\n".to_owned(),
            of("GET", &at(&id)).replace("Content-Length:0", "Content-Length:1"),
            of("GET", &at(&id)),
        ],
    )
    .await;
    let statuses: Vec<_> = told.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [400, 405, 405, 404, 404, 404, 404, 400, 400, 400, 400, 400, 200]);
    for part in &told[..12] {
        assert!(part.refusal().1 >= 1000, "{}", part.body);
    }
}

#[actix_web::test]
async fn what_is_no_batch_is_refused_in_the_dialect() {
    let here = Shardimage::new().await;
    for body in ["", "text", "--1.2.3--", "--1.2.3\r\n\r\nx", "--1.2.3\r\nA: b\r\n--1.2.3--"] {
        assert_eq!(refusal(&here.it.send(outer(body)).await), (400, 1000), "{body:?}");
    }
    let with = |content_type: &str| outer("--1.2.3--").insert_header(("content-type", content_type));
    assert_eq!(refusal(&here.it.send(with("multipart/mixed")).await), (400, 1000));
    for other in ["application/json", "multipart/related; boundary=1.2.3", ""] {
        assert_eq!(refusal(&here.it.send(with(other)).await), (415, 1003), "{other}");
    }
    let plain = "--1.2.3\r\nContent-Type: text/plain\r\n\r\nx\r\n--1.2.3--";
    let told = told(&here.it.send(outer(plain)).await);
    assert_eq!(told[0].refusal(), (415, 1003));
}

#[actix_web::test]
async fn an_id_that_could_break_the_answer_is_not_repeated() {
    let here = Shardimage::new().await;
    let id = here.image().await;
    let long = "x".repeat(201);
    let told = send(
        &here,
        &[
            part_of(&long, "HEAD", &at(&id), KEY_SECRET, &Value::Null),
            part_of("a b", "HEAD", &at(&id), KEY_SECRET, &Value::Null),
        ],
    )
    .await;
    assert!(told.iter().all(|it| it.status == 200 && it.content_id.is_empty()));
}
