//! Management calls that meet: conditional changes have one winner, the others are told.

use countermark_tests::{TestServer, in_parallel};
use serde_json::json;

#[test]
fn of_fifty_changes_on_one_revision_exactly_one_wins() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for round in 0..4 {
        let (id, _) = admin.issue_upload(Some(10));
        let path = format!("/v1/access-tokens/{id}");
        let before = admin.call("GET", &path, None);
        let etag = before.header("etag").expect("a record has an ETag").to_owned();
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let statuses = in_parallel(50, move |number| {
            let mut client = countermark_tests::Client::new(address, &key);
            let patch = json!({"name": format!("name {number}")});
            let answer = client.try_call("PATCH", &path, &[("if-match", &etag)], Some(&patch)).unwrap();
            (answer.status, answer.json()["name"].as_str().map(str::to_owned))
        });
        let winners: Vec<_> = statuses.iter().filter(|(status, _)| *status == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}: {statuses:?}");
        assert!(statuses.iter().all(|(status, _)| matches!(status, 200 | 412)), "{statuses:?}");
        let after = admin.view(&id);
        assert_eq!(
            after["name"].as_str().map(str::to_owned),
            winners[0].1,
            "the winner's change is what holds"
        );
        assert_eq!(after["revision"].as_u64(), before.json()["revision"].as_u64().map(|before| before + 1));
    }
}

#[test]
fn changes_without_a_condition_all_happen_one_after_another() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, _) = admin.issue_upload(Some(10));
    let before = admin.view(&id)["revision"].as_u64().unwrap();
    let (address, key, path) =
        (server.address(), server.admin_key().to_owned(), format!("/v1/access-tokens/{id}"));
    let statuses = in_parallel(20, move |number| {
        let mut client = countermark_tests::Client::new(address, &key);
        client.call("PATCH", &path, Some(&json!({"description": format!("text {number}")}))).status
    });
    assert_eq!(statuses, vec![200; 20]);
    assert_eq!(admin.view(&id)["revision"].as_u64(), Some(before + 20), "no change is lost");
}

#[test]
fn an_issue_that_is_sent_twenty_times_with_one_key_makes_one_token() {
    let server = TestServer::start();
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let answers = in_parallel(20, move |_| {
        let mut client = countermark_tests::Client::new(address, &key);
        let token = json!({"type": "upload", "owner": "twenty", "limit": 3});
        client.try_call("POST", "/v1/access-tokens", &[("idempotency-key", "once")], Some(&token)).unwrap()
    });
    let issued: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!issued.is_empty());
    for answer in &answers {
        assert!(matches!(answer.status, 201 | 409), "{}", answer.text());
    }
    assert!(
        issued.iter().all(|answer| answer.json()["value"] == issued[0].json()["value"]),
        "one and the same"
    );
    let list = server.admin().call("GET", "/v1/access-tokens?owner=twenty", None).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}
