//! Uses are exact: spent by what was stored, and by nothing else.

use std::sync::mpsc;

use countermark_core::{MimeGlob, UploadExtra};
use futures_util::future::{join, join_all};
use serde_json::json;

use super::related::Related;
use super::target::{Target, respond};
use super::{Uploads, refusal, remote};

fn nothing_special() -> UploadExtra {
    UploadExtra::default()
}

#[actix_web::test]
async fn an_upload_reaches_the_target_as_the_token_directs_it_and_is_answered_as_an_image() {
    // S2-14 to S2-24.
    let report = r#"{"bytes": 40, "contentType": "image/webp", "existed": false, "width": 4, "height": 3, "md5": "d4"}"#;
    let uploads = Uploads::answered(200, report).await;
    let extra = UploadExtra {
        notification_urls: vec!["https://hooks.example/x".into()],
        tags: Some(vec!["one".into()]),
        add_tags: vec!["two".into()],
        transformation: Some("w:200".into()),
        transformation_prefix: Some("a".into()),
        transformation_postfix: Some("b".into()),
        cloud_id: Some("mycloud".into()),
        format: Some("webp".into()),
        projection: Some("p".into()),
        public_id: Some("fixed".into()),
        insert_only: true,
        ..nothing_special()
    };
    let token = uploads.token(Some(1), extra).await;
    let sent = Related::new(&token.value);
    let answer = uploads.send(sent.request()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        json!({"publicId": "fixed", "cloudId": "mycloud", "createdAt": 1_800_000_000_u64,
               "object": {"md5": "d4", "size": 40}, "format": "webp", "mimeType": "image/webp",
               "dimensions": {"width": 4, "height": 3}, "tags": ["one", "two"]})
    );
    let [handed] = &uploads.target.requests()[..] else { panic!("one request") };
    assert_eq!(handed.line(), "POST /shardimage");
    let upload = handed.upload();
    assert_eq!(upload["tokenId"], json!(token.id));
    assert_eq!((&upload["owner"], &upload["insertOnly"]), (&json!("shop"), &json!(true)));
    assert_eq!(
        upload["effective"],
        json!({"cloudId": "mycloud", "publicId": "fixed", "tags": ["one", "two"], "transformation": "a/w:200/b",
               "format": "webp", "projection": "p"})
    );
    let parts = handed.parts();
    assert!(parts[1].0.contains("Content-Type: image/png"), "by its first bytes: {}", parts[1].0);
    assert_eq!(parts[1].1, sent.file);
    assert!(!String::from_utf8_lossy(&handed.body).contains(&token.value), "the target learns no value");

    let path = format!("/v1/uploads/{}", upload["uploadId"].as_str().unwrap());
    let viewed = uploads.installation.get(&uploads.installation.admin, &path).await.body;
    assert_eq!((&viewed["state"], &viewed["result"]["width"]), (&json!("completed"), &json!(4)));
    assert_eq!(uploads.used(&token).await, 1);
    let notifications = uploads.installation.get(&uploads.installation.admin, "/v1/notifications").await.body;
    assert_eq!(notifications["items"].as_array().unwrap().len(), 1, "{notifications}");

    assert_eq!(refusal(&uploads.upload(&token).await), (403, 1002), "the limit is reached");
    assert!(uploads.target.requests().is_empty());
}

#[actix_web::test]
async fn an_upload_by_address_hands_the_address_over() {
    let uploads = Uploads::answered(201, "{}").await;
    let token = uploads.token(Some(1), nothing_special()).await;
    let body = json!({"resource": "https://example.com/cat.png", "publicId": "cat", "tags": [], "format": null,
                      "allowOverride": false, "plugins": ["x"]});
    let answer = uploads.send(remote(&token.value, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.body["publicId"], &answer.body["object"]["size"]), (&json!("cat"), &json!(null)));
    let [handed] = &uploads.target.requests()[..] else { panic!("one request") };
    assert_eq!(handed.parts().len(), 1);
    assert_eq!(handed.upload()["resource"], "https://example.com/cat.png");
    assert_eq!(handed.upload()["insertOnly"], true, "the client wants nothing replaced");
    assert_eq!(uploads.used(&token).await, 1);
    assert_eq!(refusal(&uploads.remote(&token).await), (403, 1002));
}

#[actix_web::test]
async fn parallel_uploads_spend_exactly_the_limit() {
    // S2-6.
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(3), nothing_special()).await;
    let answers = join_all((0..40).map(|_| uploads.remote(&token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!([(403, 1002), (503, 1003)].contains(&refusal(answer)), "spent, or no seat: {answer:?}");
    }
    assert_eq!((uploads.target.requests().len(), uploads.used(&token).await), (3, 3));

    let other = uploads.token(Some(2), nothing_special()).await;
    let answers = join_all((0..8).map(|_| uploads.upload(&other))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
    assert_eq!((uploads.target.requests().len(), uploads.used(&other).await), (2, 2));
}

#[actix_web::test]
async fn a_target_that_fails_gives_the_use_back_and_is_told_to_forget_what_it_may_have() {
    for (status, body, expected, is_withdrawn) in [
        (409, "", (409, 1003), false),
        (422, "{}", (422, 1003), false),
        (400, "{}", (422, 1003), false),
        (404, "{}", (502, 1003), true),
        (302, "{}", (502, 1003), true),
        (500, "{}", (502, 1003), true),
        (503, "{}", (502, 1003), true),
        (200, "", (502, 1003), true),
        (200, "[]", (502, 1003), true),
        (200, "not json", (502, 1003), true),
        (200, r#"{"bytes": "many"}"#, (502, 1003), true),
    ] {
        let uploads = Uploads::answered(status, body).await;
        let token = uploads.token(Some(1), nothing_special()).await;
        for _ in 0..2 {
            let answer = uploads.upload(&token).await;
            assert_eq!(refusal(&answer), expected, "{status} {body}");
            let requests = uploads.target.requests();
            let id = requests[0].upload()["uploadId"].as_str().unwrap().to_owned();
            let lines: Vec<&str> = requests[1..].iter().map(|request| request.line()).collect();
            let withdrawal = format!("DELETE /shardimage/{id}");
            assert_eq!(
                lines,
                if is_withdrawn { vec![withdrawal.as_str()] } else { vec![] },
                "{status} {body}"
            );
            assert_eq!(uploads.used(&token).await, 0, "{status} {body}");
        }
    }
}

#[actix_web::test]
async fn a_target_that_hangs_up_or_answers_without_end_fails() {
    let hangs_up = Target::with(|_, stream| drop(stream));
    let endless = Target::with(|handed, stream| {
        if handed.head.starts_with("POST") {
            respond(stream, 200, &format!("{{\"x\": \"{}\"}}", "x".repeat(9000)));
        }
    });
    for target in [hangs_up, endless] {
        let uploads = Uploads::with(target).await;
        let token = uploads.token(Some(1), nothing_special()).await;
        assert_eq!(refusal(&uploads.upload(&token).await), (502, 1003));
        assert_eq!(uploads.used(&token).await, 0);
    }
}

#[actix_web::test]
async fn a_target_that_nobody_is_at_gives_the_use_back() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let uploads = Uploads::configured(Target::answering(200, "{}"), |config| {
        config.facades.shardimage_upload_target = Some(format!("http://{closed}/").parse().unwrap());
    });
    let uploads = uploads.await;
    let token = uploads.token(Some(1), nothing_special()).await;
    for _ in 0..2 {
        let answer = uploads.upload(&token).await;
        assert_eq!((refusal(&answer), answer.header("retry-after")), ((503, 1003), "1"));
        assert_eq!(refusal(&uploads.remote(&token).await), (503, 1003));
    }
    assert_eq!(uploads.used(&token).await, 0);
}

#[actix_web::test]
async fn what_was_stored_against_the_token_is_withdrawn_and_costs_nothing() {
    let uploads =
        Uploads::answered(200, r#"{"bytes": 11, "contentType": "text/html", "existed": true}"#).await;
    for extra in [
        UploadExtra { mime_types: vec![MimeGlob::parse("image/*").unwrap()], ..nothing_special() },
        UploadExtra { min_bytes: Some(20), ..nothing_special() },
        UploadExtra { insert_only: true, ..nothing_special() },
    ] {
        let token = uploads.token(Some(1), extra).await;
        assert_eq!(refusal(&uploads.upload(&token).await), (403, 1002));
        let lines: Vec<String> = uploads.target.requests().iter().map(|it| it.line().to_owned()).collect();
        assert!(lines.len() == 2 && lines[1].starts_with("DELETE /shardimage/upl_"), "{lines:?}");
        assert_eq!(uploads.used(&token).await, 0);
    }
}

#[actix_web::test]
async fn the_size_that_arrived_counts_where_the_target_reports_none() {
    let uploads = Uploads::answered(200, r#"{"contentType": "image/png"}"#).await;
    let token = uploads.token(Some(1), UploadExtra { max_bytes: Some(1000), ..nothing_special() }).await;
    let answer = uploads.upload(&token).await;
    let size = Related::new("").file.len();
    assert_eq!((answer.status, &answer.body["object"]["size"]), (200, &json!(size)));
}

#[actix_web::test]
async fn constraints_are_judged_before_the_target_hears_of_an_upload() {
    let uploads = Uploads::answered(200, "{}").await;
    let small = uploads.token(Some(1), UploadExtra { max_bytes: Some(5), ..nothing_special() }).await;
    let image = UploadExtra { mime_types: vec![MimeGlob::parse("image/png").unwrap()], ..nothing_special() };
    let image = uploads.token(Some(1), image).await;
    assert_eq!(refusal(&uploads.upload(&small).await), (403, 1002));
    assert_eq!(refusal(&uploads.remote(&small).await), (403, 1002), "nobody knows its size");
    let text = Related::new(&image.value).changed(|it| it.file = b"<html>".to_vec());
    assert_eq!(refusal(&uploads.send(text.request()).await), (403, 1002));
    assert!(uploads.target.requests().is_empty());
    assert_eq!((uploads.used(&small).await, uploads.used(&image).await), (0, 0));
}

/// A target that tells of each upload, and answers none before it is let go on.
fn held() -> (Target, tokio::sync::mpsc::UnboundedReceiver<()>, mpsc::Sender<()>) {
    let (arrived, arrivals) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    let target = Target::with(move |_, stream| {
        let _ = arrived.send(());
        let _ = gate.lock().unwrap().recv();
        respond(stream, 200, "{}");
    });
    (target, arrivals, go_on)
}

#[actix_web::test]
async fn eight_files_are_held_at_once_and_no_more_and_two_of_one_token() {
    let (target, mut arrivals, go_on) = held();
    let uploads = Uploads::with(target).await;
    let tokens = join_all((0..5).map(|_| uploads.token(None, nothing_special()))).await;
    let others = async {
        for _ in 0..2 {
            arrivals.recv().await.unwrap();
        }
        let third = uploads.upload(&tokens[0]).await;
        assert_eq!((refusal(&third), third.header("retry-after")), ((503, 1003), "1"));
        let six = async {
            for _ in 0..6 {
                arrivals.recv().await.unwrap();
            }
            let ninth = uploads.upload(&tokens[4]).await;
            assert_eq!((refusal(&ninth), ninth.header("retry-after")), ((503, 1003), "1"));
            for _ in 0..8 {
                go_on.send(()).unwrap();
            }
        };
        join(join_all(tokens[1..4].iter().flat_map(|it| [it, it]).map(|it| uploads.upload(it))), six).await.0
    };
    let (first, rest) = join(join_all((0..2).map(|_| uploads.upload(&tokens[0]))), others).await;
    assert!(first.iter().chain(&rest).all(|answer| answer.status == 200));
    go_on.send(()).unwrap();
    assert_eq!(uploads.upload(&tokens[0]).await.status, 200, "the seats are free again");
    assert_eq!((uploads.used(&tokens[0]).await, uploads.used(&tokens[4]).await), (3, 0));
}

#[actix_web::test]
async fn one_token_has_eight_uploads_by_address_at_once_and_hinders_no_other() {
    let (target, mut arrivals, go_on) = held();
    let uploads = Uploads::with(target).await;
    let token = uploads.token(None, nothing_special()).await;
    let other = uploads.token(None, nothing_special()).await;
    let others = async {
        for _ in 0..8 {
            arrivals.recv().await.unwrap();
        }
        let ninth = uploads.remote(&token).await;
        assert_eq!((refusal(&ninth), ninth.header("retry-after")), ((503, 1003), "1"));
        for _ in 0..9 {
            go_on.send(()).unwrap();
        }
        assert_eq!(uploads.remote(&other).await.status, 200);
    };
    let (answers, ()) = join(join_all((0..8).map(|_| uploads.remote(&token))), others).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[actix_web::test]
async fn a_spent_token_is_refused_by_the_head_and_gets_no_seat() {
    let uploads = Uploads::answered(200, "{}").await;
    let token = uploads.token(Some(1), nothing_special()).await;
    assert_eq!(uploads.upload(&token).await.status, 200);
    let no_upload = Related::new(&token.value).changed(|it| it.json = "not even JSON".into());
    assert_eq!(refusal(&uploads.send(no_upload.request()).await), (403, 1002));
    assert_eq!(refusal(&uploads.send(remote(&token.value, json!([]))).await), (403, 1002));
}
