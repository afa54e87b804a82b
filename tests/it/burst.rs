//! Many clients at one instant: every connection holds back its last byte, then all last bytes are sent together.

use countermark_tests::{Answer, TestServer, request, upload_question, url_question};
use serde_json::{Value, json};

#[test]
fn a_burst_is_granted_exactly_the_limit() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for (limit, clients, rounds) in
        [(1, 64, 10), (7, 64, 6), (100, 64, 3), (1, 200, 4), (7, 200, 4), (100, 200, 4)]
    {
        for _ in 0..rounds {
            let (id, value) = admin.issue_upload(Some(limit));
            let question = upload_question(&value);
            let answers = burst(&server, vec![single(&server, &question); clients]);
            let expected = limit.min(clients as u64);
            assert_eq!(allowed(&answers), expected, "of {clients} clients under limit {limit}");
            assert_eq!(admin.used(&id), expected);
        }
    }
}

#[test]
fn a_burst_of_links_is_granted_exactly_the_limit() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for limit in [1, 7, 100] {
        let (id, url) = admin.issue_link(Some(limit));
        let answers = burst(&server, vec![single(&server, &url_question(&url)); 128]);
        assert_eq!((allowed(&answers), admin.used(&id)), (limit, limit));
    }
}

#[test]
fn a_burst_of_uses_that_cost_three_never_takes_a_part() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for (limit, granted) in [(1, 0), (7, 2), (100, 33)] {
        let (id, value) = admin.issue_upload(Some(limit));
        let mut question = upload_question(&value);
        question["cost"] = json!(3);
        let answers = burst(&server, vec![single(&server, &question); 64]);
        assert_eq!((allowed(&answers), admin.used(&id)), (granted, 3 * granted), "limit {limit}");
    }
}

#[test]
fn a_burst_over_single_and_batch_routes_is_granted_exactly_the_limit() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for limit in [1, 7, 100, 100] {
        let (id, value) = admin.issue_upload(Some(limit));
        let question = upload_question(&value);
        let batch = json!({"items": vec![question.clone(); 5]});
        let requests = (0..64).map(|number| match number % 2 {
            0 => single(&server, &question),
            _ => call(&server, "/v1/authorize/batch", &batch),
        });
        let answers = burst(&server, requests.collect());
        assert_eq!((allowed(&answers), admin.used(&id)), (limit, limit));
    }
}

#[test]
fn a_burst_with_one_idempotency_key_takes_one_use() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for round in 0..5 {
        let (id, value) = admin.issue_upload(Some(10));
        let mut question = upload_question(&value);
        question["idempotencyKey"] = json!(format!("round-{round}"));
        let answers = burst(&server, vec![single(&server, &question); 64]);
        for answer in &answers {
            // Those that come while the first one still runs may be told so.
            assert!(
                matches!(
                    (answer.status, answer.code().as_str()),
                    (200, "ALLOWED") | (409, "IDEMPOTENCY_IN_PROGRESS")
                ),
                "{}",
                answer.text()
            );
        }
        assert!(allowed(&answers) >= 1);
        assert_eq!(admin.used(&id), 1);
    }
}

/// The requests of one burst at the server.
fn burst(server: &TestServer, requests: Vec<Vec<u8>>) -> Vec<Answer> {
    let requests: Vec<_> = requests.into_iter().map(|request| (server.address(), request)).collect();
    countermark_tests::burst(&requests)
}

fn single(server: &TestServer, question: &Value) -> Vec<u8> {
    call(server, "/v1/authorize", question)
}

fn call(server: &TestServer, path: &str, body: &Value) -> Vec<u8> {
    let authorization = format!("Bearer {}", server.admin_key());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    request("POST", path, &headers, Some(body.to_string().as_bytes()))
}

/// Uses granted, in single answers and in results of batches; whatever else is said must be a refusal by limit.
fn allowed(answers: &[Answer]) -> u64 {
    let mut allowed = 0;
    for answer in answers {
        let body = answer.json();
        let results = body["results"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
        for result in results {
            match result["code"].as_str() {
                Some("ALLOWED") => allowed += 1,
                Some("LIMIT_REACHED" | "IDEMPOTENCY_IN_PROGRESS") => {}
                _ => panic!("neither granted nor refused by limit: {}", answer.text()),
            }
        }
    }
    allowed
}
