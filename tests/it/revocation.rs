//! When a revocation, a switch-off, a narrowing or a regeneration has been answered, no later request is allowed.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use countermark_tests::{
    Answer, Client, Connection, TestServer, in_parallel, request, upload_question, url_question,
};
use serde_json::{Value, json};

/// Trials of each kind on limited and on unlimited tokens; eight kinds and limits make 320.
const TRIALS: usize = 40;
const ASKERS: usize = 4;

#[test]
fn no_use_is_allowed_that_began_after_a_revocation_was_answered() {
    trials("REVOKED", |admin, limit| {
        let (id, value) = admin.issue_upload(limit);
        (upload_question(&value), Box::new(move |admin| admin.revoke(&id)))
    });
}

#[test]
fn no_use_is_allowed_that_began_after_a_token_was_switched_off() {
    trials("DISABLED", |admin, limit| {
        let (id, url) = admin.issue_link(limit);
        (url_question(&url), Box::new(move |admin| admin.patch(&id, &json!({"enabled": false}))))
    });
}

#[test]
fn no_use_is_allowed_that_began_after_the_rights_were_narrowed() {
    trials("PERMISSION_DENIED", |admin, limit| {
        let key = json!({"type": "apiKey", "permissions": ["read", "write"], "limit": limit});
        let token = admin.issue(&key);
        let (id, value) = (token["id"].as_str().unwrap().to_owned(), &token["value"]);
        let question = json!({"credential": {"value": value}, "request": {"permission": "write"}});
        (question, Box::new(move |admin| admin.patch(&id, &json!({"permissions": ["read"]}))))
    });
}

#[test]
fn no_old_link_is_allowed_that_was_asked_for_after_a_regeneration_was_answered() {
    trials("BAD_SIGNATURE", |admin, limit| {
        let (id, url) = admin.issue_link(limit);
        let path = format!("/v1/access-tokens/{id}/regenerate");
        (
            url_question(&url),
            Box::new(move |admin| admin.call("POST", &path, Some(&json!({"overlapSeconds": 0})))),
        )
    });
}

type End = Box<dyn FnOnce(&mut Client) -> Answer>;

fn trials(code_after: &str, prepare: impl Fn(&mut Client, Option<u64>) -> (Value, End)) {
    let server = TestServer::start();
    let mut admin = server.admin();
    let clients: Arc<Vec<_>> = Arc::new((0..ASKERS).map(|_| Mutex::new(server.admin())).collect());
    for trial in 0..2 * TRIALS {
        let limit = (trial % 2 == 0).then_some(1_000_000);
        let (question, end) = prepare(&mut admin, limit);
        assert_eq!(admin.authorize(&question), "ALLOWED", "before its end");
        let ended = Arc::new(AtomicBool::new(false));
        let askers = {
            let (clients, ended) = (Arc::clone(&clients), Arc::clone(&ended));
            std::thread::spawn(move || {
                in_parallel(ASKERS, move |asker| {
                    ask_on(&mut clients[asker].lock().unwrap(), &question, &ended)
                })
            })
        };
        let answer = end(&mut admin);
        ended.store(true, SeqCst);
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
        for codes in askers.join().unwrap() {
            assert!(codes.iter().all(|code| code == code_after), "trial {trial}: {codes:?} after the end");
        }
    }
}

/// Asks without a pause until three requests have begun after the end; gives the codes of those three.
fn ask_on(client: &mut Client, question: &Value, ended: &AtomicBool) -> Vec<String> {
    let mut after = Vec::new();
    while after.len() < 3 {
        let begun_after = ended.load(SeqCst);
        let code = client.authorize(question);
        if begun_after {
            after.push(code);
        }
    }
    after
}

#[test]
fn a_key_revoked_while_its_body_arrives_does_nothing() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (_, spender) = admin.issue_link(Some(1));
    let question = url_question(&spender).to_string();
    let successor = r#"{"type":"apiKey","permissions":["*"]}"#.to_owned();
    for (path, body) in [("/v1/access-tokens", successor), ("/v1/authorize", question)] {
        let (id, key) = admin.issue_key(&["*"]);
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let bytes = request("POST", path, &headers, Some(body.as_bytes()));
        let (begun, rest) = bytes.split_at(bytes.len() - 10);
        let mut slow = Connection::open(server.address()).unwrap();
        slow.send(begun).unwrap();
        assert_eq!(admin.revoke(&id).status, 204);
        slow.send(rest).unwrap();
        assert_eq!(slow.answer_to("POST").unwrap().status, 401, "{path}");
    }
    assert_eq!(admin.authorize(&url_question(&spender)), "ALLOWED", "the only use is still there");
}
