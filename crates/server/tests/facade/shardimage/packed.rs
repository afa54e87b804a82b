//! MessagePack as PHP writes it.

use actix_web::test::TestRequest;

use super::{KEY, KEY_SECRET, Shardimage, TOKENS, named, refusal, signed};
use crate::installation::Answer;
use serde_json::{Value, json};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn packed(method: &str, uri: &str, body: Vec<u8>) -> TestRequest {
    signed(method, uri, KEY, KEY_SECRET, Value::Null)
        .insert_header(("accept", "application/json,application/msgpack"))
        .insert_header(("content-type", "application/msgpack"))
        .set_payload(body)
}

async fn post(here: &Shardimage, body: &[u8]) -> Answer {
    here.it.send(packed("POST", TOKENS, body.to_vec())).await
}

const NOTED: &str = "86a26964c0a6657870697279ce713fb300a56c696d6974cd03e8a5657874726183c001a7636c6f75644964a76d79636c6f7564\
    a6736563726574ac736563726574537472696e67a9637265617465644174c0a474797065a8696d61676555726c";

#[actix_web::test]
async fn the_noted_creation_of_96_bytes_is_understood() {
    // S2-25
    let here = Shardimage::new().await;
    let body = bytes(NOTED);
    assert_eq!(body.len(), 96);
    let made = post(&here, &body).await;
    assert_eq!((made.status, made.header("content-type")), (200, "application/json"));
    assert_eq!(made.body["extra"], json!({"cloudId": "mycloud", "secret": "secretString"}));
    assert_eq!((&made.body["limit"], &made.body["expiry"]), (&json!(1000), &json!(1_900_000_000)));
}

#[actix_web::test]
async fn lists_with_integer_keys_and_a_nil_are_lists() {
    // S2-14, S2-15, S2-16
    let here = Shardimage::new().await;
    let body = [
        b"\x82\xa4type\xa6upload\xa5extra\x84\xc0\x01\xa4tags\x82\xc0\x01\x00\xa1a".as_slice(),
        b"\xa7addTags\x83\xc0\x01\x00\xa1b\x01\xa1c\xb0notificationUrls\x90",
    ]
    .concat();
    let made = post(&here, &body).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(
        (&made.body["extra"]["tags"], &made.body["extra"]["addTags"]),
        (&json!(["a"]), &json!(["b", "c"]))
    );
}

#[actix_web::test]
async fn the_other_name_of_the_type_is_understood_and_others_are_not() {
    let here = Shardimage::new().await;
    let with = |content_type: &str| {
        packed("POST", TOKENS, bytes(NOTED)).insert_header(("content-type", content_type))
    };
    assert_eq!(here.it.send(with("application/x-msgpack")).await.status, 200);
    assert_eq!(here.it.send(with("Application/MsgPack; x=y")).await.status, 200);
    for other in ["application/octet-stream", "text/plain", "application/msgpackx", ""] {
        assert_eq!(refusal(&here.it.send(with(other)).await), (415, 1003), "{other}");
    }
    assert_eq!(refusal(&here.it.send(with("application/json")).await), (400, 1000));
    let none =
        signed("POST", TOKENS, KEY, KEY_SECRET, Value::Null).set_payload(super::image_token().to_string());
    assert_eq!(here.it.send(none).await.status, 200, "without a type it is JSON");
}

#[actix_web::test]
async fn broken_bodies_are_refused_and_make_nothing() {
    let here = Shardimage::new().await;
    let whole = bytes(NOTED);
    for length in 0..whole.len() {
        assert_eq!(refusal(&post(&here, &whole[..length]).await), (400, 1000), "cut after {length}");
    }
    let trailing = [whole.as_slice(), b"\xc0"].concat();
    let twice = [b"\x83\xa4type\xa6upload\xa4type\xa6upload\xa5extra\xc0".as_slice()].concat();
    let cases: [&[u8]; 8] = [
        &trailing,
        &twice,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xdb\xff\xff\xff\xff",
        b"\xc1\xc1",
        b"\xa5hello",
        b"\x93\x01\x02\x03",
    ];
    for (index, case) in cases.into_iter().enumerate() {
        assert_eq!(refusal(&post(&here, case).await), (400, 1000), "case {index}");
    }
    let deep = [vec![0x91; 60_000], vec![0xc0]].concat();
    assert_eq!(refusal(&post(&here, &deep).await), (400, 1000));
    let list = here.native("GET", "/v1/access-tokens?dialect=shardimage&type=imageUrl", Value::Null).await;
    assert_eq!(list.body["items"], json!([]));
}

#[actix_web::test]
async fn a_wrong_type_names_its_member_as_in_json() {
    let here = Shardimage::new().await;
    let body = b"\x83\xa4type\xa8imageUrl\xa5limit\xff\xa5extra\x81\xa6secret\xacsecretString";
    assert_eq!(named(&post(&here, body).await), "limit");
    let body = b"\x82\xa4type\xa8imageUrl\xa5extra\x81\xa6secret\xc4\x0csecretString";
    assert_eq!(refusal(&post(&here, body).await), (400, 1000), "binary data are no text");
}
