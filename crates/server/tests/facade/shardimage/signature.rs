//! Keys and signatures.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{KEY, KEY_SECRET, Shardimage, TOKENS, at, image_token, refusal, signed};

const VECTORS: &str = include_str!("../../../../../tests/vectors/shardimage.json");

#[actix_web::test]
async fn every_signature_of_the_vectors_is_accepted_and_no_other() {
    let here = Shardimage::new().await;
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["api_signature"].as_array().unwrap();
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let [uri, key, secret, signature] =
            ["uri", "key", "secret", "signature"].map(|name| vector[name].as_str().unwrap());
        if key != KEY {
            here.make_key(key, secret, &["tokens:read", "tokens:write"], None).await;
        }
        let method = if uri == TOKENS { "POST" } else { "GET" };
        let call = |uri: &str, signature: &str| {
            TestRequest::with_uri(uri)
                .method(method.parse().unwrap())
                .insert_header(("x-shardimage-auth-key", key))
                .insert_header(("x-shardimage-auth-signature", signature))
        };
        let answer = here.it.send(call(uri, signature)).await;
        assert_eq!(refusal(&answer).0, if method == "POST" { 400 } else { 404 }, "{vector}");
        let elsewhere = here.it.send(call(&format!("{uri}?"), signature)).await;
        assert_eq!(refusal(&elsewhere), (401, 1002));
        let upper = signature.to_uppercase();
        let cut = &signature[..41];
        for other in ["", "s-", "s", &upper, cut, "s-0000000000000000000000000000000000000000"] {
            assert_eq!(refusal(&here.it.send(call(uri, other)).await), (401, 1002), "{other}");
        }
    }
}

#[actix_web::test]
async fn a_signature_holds_for_its_path_and_query_alone() {
    let here = Shardimage::new().await;
    let (first, second) = (here.image().await, here.image().await);
    let moved = signed("GET", &at(&first), KEY, KEY_SECRET, Value::Null).uri(&at(&second));
    assert_eq!(refusal(&here.it.send(moved).await), (401, 1002));
    let extended = signed("GET", &at(&first), KEY, KEY_SECRET, Value::Null);
    assert_eq!(
        refusal(&here.it.send(extended.uri(&format!("{}?projections=x", at(&first)))).await),
        (401, 1002)
    );
}

#[actix_web::test]
async fn missing_and_repeated_headers_and_other_credentials_are_refused() {
    let here = Shardimage::new().await;
    let id = here.image().await;
    let whole = || signed("GET", &at(&id), KEY, KEY_SECRET, Value::Null);
    assert_eq!(here.it.send(whole()).await.status, 200);
    let bare = || TestRequest::with_uri(&at(&id));
    let signature = countermark_core::shardimage_api_signature(&at(&id), KEY, KEY_SECRET);
    let cases = [
        bare(),
        bare().insert_header(("x-shardimage-auth-key", KEY)),
        bare().insert_header(("x-shardimage-auth-signature", signature.clone())),
        whole().append_header(("x-shardimage-auth-key", KEY)),
        whole().append_header(("x-shardimage-auth-signature", signature)),
        whole().insert_header(("x-shardimage-auth-key", "1234567890, 1")),
        bare().insert_header(("authorization", format!("Bearer {}", here.it.admin))),
        bare().insert_header(("authorization", format!("Bearer {KEY_SECRET}"))),
        bare().insert_header(("x-shardimage-auth-token", KEY_SECRET)),
        signed("GET", &at(&id), "0000000000", KEY_SECRET, Value::Null),
        signed("GET", &at(&id), "123", KEY_SECRET, Value::Null),
        signed("GET", &at(&id), "", "", Value::Null),
        signed("GET", &at(&id), "000000000000", "0000000000000000000000000000000000000000", Value::Null),
        signed("GET", &at(&id), KEY, "another", Value::Null),
    ];
    for (index, case) in cases.into_iter().enumerate() {
        let answer = here.it.send(case).await;
        assert_eq!(refusal(&answer), (401, 1002), "case {index}");
        assert!(answer.header("www-authenticate").starts_with("Shardimage"));
    }
}

#[actix_web::test]
async fn unknown_wrong_and_ended_keys_are_refused_in_the_same_words() {
    let here = Shardimage::new().await;
    let id = here.image().await;
    let ended = here.make_key("9999999999", "ended secret", &["tokens:read"], None).await;
    assert_eq!(here.native("DELETE", &format!("/v1/access-tokens/{ended}"), Value::Null).await.status, 204);
    let of = async |key: &str, secret: &str| {
        let answer = here.it.send(signed("GET", &at(&id), key, secret, Value::Null)).await;
        (refusal(&answer), answer.body)
    };
    let unknown = of("8888888888", "x").await;
    assert_eq!(unknown.0, (401, 1002));
    assert_eq!(of(KEY, "wrong").await, unknown);
    assert_eq!(of("9999999999", "ended secret").await, unknown);
}

#[actix_web::test]
async fn a_key_that_is_switched_off_or_regenerated_stops_at_once() {
    let here = Shardimage::new().await;
    let id = here.make_key("7777777777", "a secret", &["tokens:read"], None).await;
    let target = at("absent");
    let of = async |secret: &str| {
        refusal(&here.it.send(signed("GET", &target, "7777777777", secret, Value::Null)).await)
    };
    assert_eq!(of("a secret").await, (404, 1001));
    let path = format!("/v1/access-tokens/{id}");
    assert_eq!(here.native("PATCH", &path, json!({"enabled": false})).await.status, 200);
    assert_eq!(of("a secret").await, (401, 1002));
    assert_eq!(here.native("PATCH", &path, json!({"enabled": true})).await.status, 200);
    assert_eq!(of("a secret").await, (404, 1001));
    let new = here.native("POST", &format!("{path}/regenerate"), json!({})).await;
    assert_eq!(of("a secret").await, (401, 1002));
    assert_eq!(of(new.body["value"].as_str().unwrap()).await, (404, 1001), "the new value is the new secret");
}

#[actix_web::test]
async fn a_read_only_key_views_and_changes_nothing() {
    let here = Shardimage::new().await;
    here.make_key("1111111111", "reading", &["tokens:read"], None).await;
    let id = here.image().await;
    let call = async |method: &str, uri: &str, body: Value| {
        here.it.send(signed(method, uri, "1111111111", "reading", body)).await
    };
    assert_eq!(call("GET", &at(&id), Value::Null).await.status, 200);
    assert_eq!(call("HEAD", &at(&id), Value::Null).await.status, 200);
    assert_eq!(refusal(&call("POST", TOKENS, image_token()).await), (403, 1002));
    assert_eq!(refusal(&call("PUT", &at(&id), image_token()).await), (403, 1002));
    assert_eq!(refusal(&call("DELETE", &at(&id), Value::Null).await), (403, 1002));
    assert_eq!(here.get(&id).await.status, 200);
}

#[actix_web::test]
async fn a_key_of_another_network_is_refused_and_one_of_this_is_not() {
    let here = Shardimage::new().await;
    let network = |text: &str| Some(vec![text.parse().unwrap()]);
    here.make_key("2222222222", "elsewhere", &["tokens:read"], network("192.0.2.0/24")).await;
    here.make_key("3333333333", "from here", &["tokens:read"], network("198.51.100.0/24")).await;
    let from = |request: TestRequest| request.peer_addr("198.51.100.7:1234".parse().unwrap());
    let elsewhere = from(signed("GET", &at("x"), "2222222222", "elsewhere", Value::Null));
    assert_eq!(refusal(&here.it.send(elsewhere).await), (403, 1002));
    let near = from(signed("GET", &at("x"), "3333333333", "from here", Value::Null));
    assert_eq!(refusal(&here.it.send(near).await), (404, 1001));
}

#[actix_web::test]
async fn the_digits_of_a_key_cannot_be_renamed() {
    let here = Shardimage::new().await;
    let id = here.make_key("1111111111", "another", &["tokens:read"], None).await;
    let path = format!("/v1/access-tokens/{id}");
    let renamed = here.native("PATCH", &path, json!({"name": "2222222222"})).await;
    assert_eq!(
        (renamed.status, &renamed.body["errors"][0]["pointer"]),
        (400, &json!("/name")),
        "{}",
        renamed.body
    );
    assert_eq!(here.native("PATCH", &path, json!({"description": "CMS"})).await.status, 200);
}

#[actix_web::test]
async fn a_key_refused_for_its_network_is_told_that_it_may_be_the_address() {
    let here = Shardimage::new().await;
    here.make_key("1111111111", "another", &["tokens:read"], Some(vec!["192.0.2.0/24".parse().unwrap()]))
        .await;
    let elsewhere = signed("GET", &at("tok_abc"), "1111111111", "another", Value::Null);
    let refused = here.it.send(elsewhere.peer_addr("198.51.100.1:9".parse().unwrap())).await;
    assert_eq!(refusal(&refused), (403, 1002));
    let told = &refused.body["error"]["message"];
    assert_eq!(told, "this key may not do that, or not from this address");
}

#[actix_web::test]
async fn the_key_opens_no_other_api() {
    let here = Shardimage::new().await;
    for presented in [KEY, KEY_SECRET] {
        assert_eq!(here.it.get(presented, "/v1/access-tokens").await.status, 401);
        let question = json!({"credential": {"value": presented}, "request": {"permission": "tokens:read"}});
        let decided = here.native("POST", "/v1/authorize", question).await.body;
        assert!(presented == KEY_SECRET || decided["code"] == "UNKNOWN_TOKEN", "{decided}");
    }
}

#[actix_web::test]
async fn failures_are_braked_by_address_and_right_keys_are_not() {
    let here = Shardimage::new().await;
    let from =
        |request: TestRequest, address: &str| request.peer_addr(format!("{address}:1").parse().unwrap());
    let wrong = || signed("GET", &at("x"), KEY, "wrong", Value::Null);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        let answer = here.it.send(from(wrong(), "198.51.100.1")).await;
        statuses.push(refusal(&answer));
        if answer.status == 429 {
            assert!(!answer.header("retry-after").is_empty());
        }
    }
    assert!(statuses.contains(&(401, 1002)) && statuses.contains(&(429, 1002)), "{statuses:?}");
    assert_eq!(refusal(&here.it.send(from(wrong(), "198.51.100.2")).await), (401, 1002));
    let right = signed("GET", &at("x"), KEY, KEY_SECRET, Value::Null);
    assert_eq!(refusal(&here.it.send(from(right, "198.51.100.1")).await), (404, 1001));
}
