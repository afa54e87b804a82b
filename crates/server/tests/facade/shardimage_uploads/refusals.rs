//! Everything that is no upload, in the dialect's own words, at no cost.

use actix_web::test::TestRequest;
use countermark_core::{Dialect, UnixSeconds, UploadExtra};
use countermark_domain::Expiry;
use countermark_server::config::Config;
use serde_json::json;

use super::related::{BOUNDARY, Related};
use super::target::Target;
use super::{Token, Uploads, refusal, remote};
use crate::installation::Installation;

#[actix_web::test]
async fn a_token_that_cannot_upload_is_refused_by_either_way() {
    let uploads = Uploads::answered(200, "{}").await;
    let extra = UploadExtra::default;
    let soon = Expiry::At(UnixSeconds::new(1_800_000_010).unwrap());
    let expired = uploads.token_of(Dialect::Shardimage, Some(1), Some(soon), extra()).await;
    let spent = uploads.token(Some(0), extra()).await;
    let native = uploads.token_of(Dialect::Native, Some(1), None, extra()).await;
    let elsewhere = UploadExtra { cloud_id: Some("othercloud".into()), ..extra() };
    let elsewhere = uploads.token(Some(1), elsewhere).await;
    let revoked = uploads.token(Some(1), extra()).await;
    let installation = &uploads.installation;
    installation
        .call(&installation.admin, "DELETE", &format!("/v1/access-tokens/{}", revoked.id), json!(null))
        .await;
    installation.clock.set(1_800_000_010);
    let of = |value: &str| Token { id: String::new(), value: value.into() };
    for (token, status) in [
        (of("2222222222222222222222"), 401),
        (of(&installation.admin), 401),
        (of(&native.id), 401),
        (native, 401),
        (expired, 403),
        (revoked, 403),
        (spent, 403),
        (elsewhere, 403),
    ] {
        assert_eq!(refusal(&uploads.upload(&token).await), (status, 1002), "{}", token.id);
        assert_eq!(refusal(&uploads.remote(&token).await), (status, 1002), "{}", token.id);
    }
    assert!(uploads.target.requests().is_empty());
    let figures = uploads.send(TestRequest::get().uri("/metrics")).await;
    let figures = String::from_utf8_lossy(&figures.bytes).into_owned();
    for (code, count) in [("EXPIRED", 2), ("REVOKED", 2), ("LIMIT_REACHED", 2), ("WRONG_CLOUD", 2)] {
        let line = format!("countermark_decisions_total{{code=\"{code}\"}} {count}\n");
        assert!(figures.contains(&line), "each refusal is counted once: {line}{figures}");
    }
}

#[actix_web::test]
async fn whoever_guesses_tokens_is_braked() {
    let uploads = Uploads::configured(Target::answering(200, "{}"), |config| {
        config.throttle.burst = 2.try_into().unwrap();
    });
    let uploads = uploads.await;
    let guess = || remote("2222222222222222222222", json!({})).peer_addr("192.0.2.1:9".parse().unwrap());
    for status in [401, 401, 429] {
        assert_eq!(refusal(&uploads.send(guess()).await), (status, 1002));
    }
}

#[actix_web::test]
async fn an_upload_is_made_by_one_token_and_no_key() {
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    let other = uploads.token(Some(1), UploadExtra::default()).await;
    let sent = Related::new(&token.value);
    let key = ("x-shardimage-auth-key", "1234567890");
    let signature = ("x-shardimage-auth-signature", "s-e392f0b9d3c36ae526b2c2c9e0fd162f22010905");
    let bare = sent.changed(|it| it.token = None);
    for (request, expected) in [
        (bare.request(), (401, 1002)),
        (bare.request().insert_header(key).insert_header(signature), (403, 1002)),
        (sent.request().insert_header(key), (400, 1000)),
        (sent.request().insert_header(signature), (400, 1000)),
        (sent.request().append_header(("x-shardimage-auth-token", token.value.as_str())), (400, 1000)),
        (sent.changed(|it| it.token = Some(other.value.clone())).request(), (400, 1000)),
        (
            sent.changed(|it| it.second_headers.push_str("X-Shardimage-Auth-token:x\r\n")).request(),
            (400, 1000),
        ),
        (sent.changed(|it| it.first_headers.push_str("X-Shardimage-Auth-Key:1\r\n")).request(), (400, 1000)),
    ] {
        let answer = uploads.send(request).await;
        assert_eq!(refusal(&answer), expected, "{answer:?}");
    }
    assert!(uploads.target.requests().is_empty());
    let silent_parts = sent.changed(|it| {
        let line = format!("X-Shardimage-Auth-token:{}\r\n", token.value);
        it.first_headers = it.first_headers.replace(&line, "");
        it.second_headers = it.second_headers.replace(&line, "");
    });
    assert_eq!(uploads.send(silent_parts.request()).await.status, 200);
    assert_eq!((uploads.used(&token).await, uploads.used(&other).await), (1, 0));
}

#[actix_web::test]
async fn a_body_that_is_not_exactly_an_upload_and_its_file_is_refused() {
    type Change = fn(&mut Related);
    let changes: [(&str, Change, (u16, u64)); 28] = [
        ("another type", |it| it.content_type = format!("multipart/mixed; boundary={BOUNDARY}"), (415, 1003)),
        ("no boundary", |it| it.content_type = "multipart/related".into(), (400, 1000)),
        ("another boundary", |it| it.content_type = "multipart/related; boundary=x".into(), (400, 1000)),
        ("another method", |it| it.first_line = "PUT /upload/v1/c/mycloud HTTP/1.1".into(), (400, 1000)),
        ("another path", |it| it.first_line = "POST /secure/v1/access-token HTTP/1.1".into(), (400, 1000)),
        ("no cloud", |it| it.first_line = "POST /upload/v1/c/ HTTP/1.1".into(), (404, 1001)),
        (
            "a path for a cloud",
            |it| it.first_line = "POST /upload/v1/c/a/remote HTTP/1.1".into(),
            (404, 1001),
        ),
        ("an escaped cloud", |it| it.first_line = "POST /upload/v1/c/%6dycloud HTTP/1.1".into(), (404, 1001)),
        ("no request line", |it| it.first_line = "x".into(), (400, 1000)),
        ("two clouds", |it| it.json = r#"{"cloudId":"other"}"#.into(), (400, 1000)),
        ("no JSON", |it| it.json = "x".into(), (400, 1000)),
        ("no object", |it| it.json = "[1]".into(), (400, 1000)),
        ("a number for a name", |it| it.json = r#"{"publicId":1}"#.into(), (400, 1000)),
        ("a text for tags", |it| it.json = r#"{"tags":"a"}"#.into(), (400, 1000)),
        ("bytes in the JSON", |it| it.json = r#"{"file":"aGk="}"#.into(), (400, 1000)),
        ("too much JSON", |it| it.json = format!(r#"{{"x":"{}"}}"#, "x".repeat(70_000)), (413, 1003)),
        ("another second path", |it| it.second_line = "POST /files HTTP/1.1".into(), (400, 1000)),
        ("no reference", |it| it.second_headers = "X-Shardimage-Ref-Attribute:file\r\n".into(), (400, 1000)),
        (
            "a wrong reference",
            |it| it.second_headers = it.second_headers.replace("Ref-Id:24685.1", "Ref-Id:24685.2"),
            (400, 1000),
        ),
        ("no attribute", |it| it.second_headers = "X-Shardimage-Ref-Id:24685.1\r\n".into(), (400, 1000)),
        (
            "an attribute of another name",
            |it| it.second_headers = it.second_headers.replace("Attribute:file", "Attribute:tags"),
            (400, 1000),
        ),
        (
            "the parts the other way round",
            |it| {
                std::mem::swap(&mut it.first_line, &mut it.second_line);
                std::mem::swap(&mut it.first_headers, &mut it.second_headers);
            },
            (400, 1000),
        ),
        ("two references", |it| it.second_headers.push_str("X-Shardimage-Ref-Id:24685.1\r\n"), (400, 1000)),
        ("no end", |it| it.end = String::new(), (400, 1000)),
        ("a bare second part", |it| it.part_type = "text/plain".into(), (400, 1000)),
        ("a chunked file", |it| it.second_headers.push_str("Transfer-Encoding:chunked\r\n"), (400, 1000)),
        (
            "a third part",
            |it| {
                it.end =
                    format!("\r\n--{BOUNDARY}\r\nContent-Type: application/http\r\n\r\nx\r\n\r\n{}", it.end)
            },
            (400, 1000),
        ),
        (
            "a file that ends the request",
            |it| it.file = format!("x\r\n--{BOUNDARY}--\r\nx").into(),
            (400, 1000),
        ),
    ];
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    for (what, change, expected) in changes {
        let answer = uploads.send(Related::new(&token.value).changed(change).request()).await;
        assert_eq!(refusal(&answer), expected, "{what}: {answer:?}");
    }
    for body in
        [String::new(), format!("--{BOUNDARY}--"), format!("--{BOUNDARY}\r\n\r\n--{BOUNDARY}--"), "x".into()]
    {
        let answer = uploads.send(Related::new(&token.value).request().set_payload(body)).await;
        assert_eq!(refusal(&answer), (400, 1000), "{answer:?}");
    }
    assert!(uploads.target.requests().is_empty());
    assert_eq!(uploads.used(&token).await, 0);
}

#[actix_web::test]
async fn a_file_may_have_as_many_bytes_as_are_configured_and_not_one_more() {
    let target = Target::answering(200, "{}");
    let uploads = Uploads::configured(target, |config| config.facades.shardimage_upload_bytes = 1000).await;
    let token = uploads.token(Some(5), UploadExtra::default()).await;
    let sized = |size: usize| Related::new(&token.value).changed(|it| it.file = vec![b'x'; size]).request();
    assert_eq!(uploads.send(sized(1000)).await.status, 200);
    for size in [1001, 200_000] {
        assert_eq!(refusal(&uploads.send(sized(size)).await), (413, 1003), "{size}");
    }
    let announced = sized(0).insert_header(("content-length", "200000"));
    assert_eq!(refusal(&uploads.send(announced).await), (413, 1003));
    assert_eq!(uploads.used(&token).await, 1);
}

#[actix_web::test]
async fn whoever_may_not_upload_is_told_so_however_large_the_body_is() {
    let target = Target::answering(200, "{}");
    let uploads = Uploads::configured(target, |config| config.facades.shardimage_upload_bytes = 1000).await;
    for length in [200_000, 2_000_000_000] {
        let stranger = Related::new("2222222222222222222222").request();
        let answer = uploads.send(stranger.insert_header(("content-length", length.to_string()))).await;
        assert_eq!(refusal(&answer), (401, 1002));
    }
}

#[actix_web::test]
async fn an_address_must_be_one_over_http() {
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    for body in [
        json!({}),
        json!({"resource": null}),
        json!({"resource": ""}),
        json!({"resource": 1}),
        json!({"resource": "cat.png"}),
        json!({"resource": "file:///etc/passwd"}),
        json!({"resource": "gopher://example.com/"}),
        json!({"resource": "https:example.com/cat.png"}),
        json!({"resource": " https://example.com/"}),
        json!({"resource": "https:\\\\example.com\\"}),
        json!({"resource": "https://user@example.com/"}),
        json!({"resource": "https://:password@example.com/"}),
        json!({"resource": format!("https://example.com/{}", "x".repeat(2048))}),
        json!([]),
    ] {
        assert_eq!(refusal(&uploads.send(remote(&token.value, body.clone())).await), (400, 1000), "{body}");
    }
    assert_eq!(uploads.used(&token).await, 0);
}

#[actix_web::test]
async fn the_target_fetches_the_address_as_it_was_understood() {
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    let sent = json!({"resource": "HTTP://EXAMPLE.com:80\\a/../b c"});
    assert_eq!(uploads.send(remote(&token.value, sent)).await.status, 200);
    assert_eq!(uploads.target.requests()[0].upload()["resource"], "http://example.com/b%20c");
}

#[actix_web::test]
async fn an_upload_without_bytes_is_no_upload_and_images_are_not_modified() {
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    for body in [r#"{"file":""}"#, r#"{"file":"aGk="}"#, "x", ""] {
        let request = TestRequest::post()
            .uri("/upload/v1/c/mycloud")
            .insert_header(("x-shardimage-auth-token", token.value.as_str()))
            .insert_header(("content-type", "application/json"))
            .set_payload(body);
        assert_eq!(refusal(&uploads.send(request).await), (400, 1000), "{body}");
    }
    for name in ["cat", "a/b/cat"] {
        let path = format!("/upload/v1/c/mycloud/o/{name}/modify");
        let request =
            TestRequest::put().uri(&path).insert_header(("x-shardimage-auth-token", token.value.as_str()));
        assert_eq!(refusal(&uploads.send(request).await), (501, 1003), "{name}");
    }
    let get = TestRequest::get().uri("/multipart/related");
    assert_eq!(uploads.send(get).await.status, 405);
    assert_eq!(uploads.used(&token).await, 0);
}

#[actix_web::test]
async fn without_a_target_nothing_begins() {
    let uploads = Uploads {
        installation: Installation::configured(&Config::default()).await,
        target: Target::answering(200, "{}"),
    };
    let token = uploads.token(Some(1), UploadExtra::default()).await;
    assert_eq!(refusal(&uploads.upload(&token).await), (501, 1003));
    assert_eq!(refusal(&uploads.remote(&token).await), (501, 1003));
    assert_eq!(uploads.used(&token).await, 0);
}
