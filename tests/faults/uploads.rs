//! SIGKILL while uploads begin, complete and abort.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use countermark_tests::{Client, Fault, Random, TestServer};
use serde_json::{Value, json};

use crate::alone;

const CLIENTS: u64 = 8;
const ROUNDS: u64 = 12;

/// One upload as its client knows it: the key under which it began, and how it was to end.
struct Known {
    key: String,
    /// `None` if the answer to its beginning was lost.
    id: Option<String>,
    /// The state that was asked for last, and whether that was answered.
    asked: &'static str,
    is_answered: bool,
}

#[test]
fn whatever_moment_the_kill_hits_uses_are_those_of_uploads_not_aborted() {
    let _alone = alone();
    let seed = Random::seed();
    println!("to repeat the choices: COUNTERMARK_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut server = TestServer::start();
    let (mut ended, mut lost) = (0, 0);
    for _ in 0..ROUNDS {
        let (token, value) = server.admin().issue_upload(Some(1_000_000));
        let is_over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (client, value, is_over) = (server.admin(), value.clone(), Arc::clone(&is_over));
                let random = Random::new(random.bits());
                thread::spawn(move || work(client, &value, number, random, &is_over))
            })
            .collect();
        thread::sleep(Duration::from_millis(random.between(50, 400)));
        server.kill();
        is_over.store(true, Ordering::SeqCst);
        let known: Vec<Known> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        server.restart();
        let mut admin = server.admin();
        ended += known.iter().filter(|upload| upload.is_answered && upload.asked != "reserved").count();
        lost += known.iter().filter(|upload| !upload.is_answered).count();
        let spent =
            known.iter().filter(|upload| state_after(&mut admin, &value, upload) != "aborted").count();
        assert_eq!(admin.used(&token), spent as u64, "of {} uploads", known.len());
    }
    println!("{ended} uploads had ended, {lost} answers were lost");
    assert!(ended > 50, "the load was too small to prove anything");
}

/// Begins uploads and ends them, until the server is gone.
fn work(
    mut client: Client,
    value: &str,
    number: u64,
    mut random: Random,
    is_over: &AtomicBool,
) -> Vec<Known> {
    let mut known = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let key = format!("{number}-{}", known.len());
        let mut upload = Known { key, id: None, asked: "reserved", is_answered: false };
        match begin(&mut client, value, &upload.key) {
            Ok(id) => (upload.id, upload.is_answered) = (Some(id), true),
            Err(Fault::NotSent(_)) => break,
            Err(Fault::Unknown(_)) => {}
        }
        if upload.is_answered {
            end(&mut client, &mut upload, &mut random);
        }
        known.push(upload);
    }
    known
}

fn begin(client: &mut Client, value: &str, key: &str) -> Result<String, Fault> {
    let order = json!({"value": value, "idempotencyKey": key});
    let answer = client.try_call("POST", "/v1/uploads", &[], Some(&order))?;
    // A use that was given back is the one other answer that a retry may get.
    assert!(matches!(answer.status, 201 | 409), "{}", answer.text());
    Ok(answer.json()["id"].as_str().unwrap_or_default().to_owned())
}

fn end(client: &mut Client, upload: &mut Known, random: &mut Random) {
    let id = upload.id.as_deref().unwrap();
    let (verb, state, body) = match random.between(0, 2) {
        0 => return,
        1 => ("complete", "completed", Some(json!({"result": {"bytes": 1}}))),
        _ => ("abort", "aborted", None),
    };
    match client.try_call("POST", &format!("/v1/uploads/{id}/{verb}"), &[], body.as_ref()) {
        Ok(answer) => {
            assert_eq!(answer.status, 200, "{}", answer.text());
            upload.asked = state;
        }
        Err(Fault::NotSent(_)) => {}
        Err(Fault::Unknown(_)) => (upload.asked, upload.is_answered) = (state, false),
    }
}

/// What has become of an upload, held against what its client was told. A beginning whose answer was lost is sent again:
/// by its key it happens once in all.
fn state_after(admin: &mut Client, value: &str, upload: &Known) -> String {
    let id = match &upload.id {
        Some(id) => id.clone(),
        None => begin(admin, value, &upload.key).unwrap(),
    };
    let answer = admin.call("GET", &format!("/v1/uploads/{id}"), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let upload_now: Value = answer.json();
    let state = upload_now["state"].as_str().unwrap().to_owned();
    if upload.is_answered || upload.asked == "reserved" {
        assert_eq!(state, upload.asked, "{upload_now}");
    } else {
        assert!(state == upload.asked || state == "reserved", "{upload_now}");
    }
    state
}
