//! What the files give away, and what happens to those who meddle with them.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use countermark_core::{TokenKind, ValueDigest};
use countermark_domain::store::{KeptAnswer, Lookup, Recalled, StoreError};
use countermark_store::{OpenError, Rotation};
use zeroize::Zeroizing;

use fixture::postgres::{FAST, Server};
use fixture::{Fixture, at, audit, fill_random, key, master_key, open, secret, sqlite, token, value};

conformance! {
    ciphertexts_moved_to_another_row_are_corrupt
    broken_rows_are_corrupt_and_never_a_panic
    only_the_right_master_key_opens_a_database
    an_interrupted_rotation_is_finished_by_repeating_it
}

const CANARY: &str = "canary-0123456789-abcdefghij-KLMNOPQRSTUV";

fn encodings() -> Vec<Vec<u8>> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut found = vec![CANARY.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    // Base64 looks different at each of the three offsets within a longer text.
    for offset in 0..3 {
        found.push(base64(&CANARY.as_bytes()[offset..offset + 30]).into_bytes());
    }
    found
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift) as usize & 63]))
        })
        .collect()
}

#[tokio::test]
async fn no_file_of_a_sqlite_database_holds_a_value_or_secret_in_clear() {
    let it = sqlite().await;
    keep_canaries(&it).await;
    demand_no_canary(it.directory.path());
    it.store.close().await;
    demand_no_canary(it.directory.path());
}

#[tokio::test]
async fn no_file_of_a_postgresql_server_holds_a_value_or_secret_in_clear() {
    let server = Server::start(&FAST);
    let it = fixture::postgres_on(&server).await;
    keep_canaries(&it).await;
    // Tables, the write-ahead log and the log for people.
    it.sql("CHECKPOINT").await;
    demand_no_canary(server.folder());
}

fn demand_no_canary(folder: &Path) {
    assert_eq!(search(folder, &encodings()), Vec::<PathBuf>::new());
    let id = token(TokenKind::Upload, 1).terms.id.to_string();
    assert!(!search(folder, &[id.into_bytes()]).is_empty(), "the search finds what is in the clear");
}

async fn keep_canaries(it: &Fixture) {
    let (upload, image) = (token(TokenKind::Upload, 1), token(TokenKind::ImageUrl, 2));
    let kept = KeptAnswer { key: key(1, 1), answer: Zeroizing::new(CANARY.as_bytes().to_vec()) };
    it.store.insert(&upload, value(CANARY), audit("token.issue"), Some(kept)).await.unwrap();
    it.store.insert(&image, secret(CANARY), audit("token.issue"), None).await.unwrap();
    it.store.reveal(upload.terms.id, audit("token.reveal")).await.unwrap().unwrap();
    it.store.found_notification_secret(&Zeroizing::new(CANARY.to_owned()), at(1)).await.unwrap();
}

/// The files in the folder that hold any of these.
fn search(folder: &Path, needles: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let (path, kind) = file.map(|file| (file.path(), file.file_type().unwrap())).unwrap();
        if kind.is_dir() {
            found.extend(search(&path, needles));
        } else if kind.is_file() {
            // A server that runs may remove a file meanwhile.
            let Ok(content) = std::fs::read(&path) else { continue };
            if needles.iter().any(|needle| holds(&content, needle)) {
                found.push(path);
            }
        }
    }
    found
}

fn holds(mut content: &[u8], needle: &[u8]) -> bool {
    loop {
        let before = content;
        match content.skip_until(needle[0]).unwrap() {
            0 => return false,
            skipped if before[skipped - 1..].starts_with(needle) => return true,
            _ => {}
        }
    }
}

async fn ciphertexts_moved_to_another_row_are_corrupt(it: Fixture) {
    for number in 1..=2 {
        it.insert(&token(TokenKind::Upload, number)).await;
        it.insert(&token(TokenKind::ImageUrl, number)).await;
    }
    let swapped = it
        .sql(
            "UPDATE token_values SET sealed = (SELECT sealed FROM token_values o WHERE o.token <> token_values.token);
             UPDATE signing_secrets SET sealed = (SELECT sealed FROM signing_secrets o
                                                  WHERE o.token <> signing_secrets.token ORDER BY version LIMIT 1)
             WHERE token = (SELECT min(token) FROM signing_secrets)",
        )
        .await;
    assert_eq!(swapped, 3);
    let upload = token(TokenKind::Upload, 1).terms.id;
    let revealed = it.store.reveal(upload, audit("token.reveal")).await;
    assert!(matches!(revealed, Err(StoreError::Corrupt { table: "token_values", column: "sealed", .. })));
    let image = token(TokenKind::ImageUrl, 1).terms.id;
    let found = it.store.find(Lookup::Id(image)).await;
    assert!(matches!(found, Err(StoreError::Corrupt { table: "signing_secrets", column: "sealed", .. })));
}

async fn broken_rows_are_corrupt_and_never_a_panic(it: Fixture) {
    it.insert(&token(TokenKind::ImageUrl, 1)).await;
    let id = token(TokenKind::ImageUrl, 1).terms.id;
    // Later members are broken first, since each breach stays.
    for (breaking, table, column) in [
        ("UPDATE token_counters SET last_used_at = -1", "token_counters", "last_used_at"),
        ("UPDATE access_tokens SET created_by = 'ak_'", "access_tokens", "created_by"),
        ("UPDATE access_tokens SET created_at = 253402300800", "access_tokens", "created_at"),
        ("UPDATE access_tokens SET labels = '[]'", "access_tokens", "labels"),
        ("UPDATE access_tokens SET dialect = 'klingon'", "access_tokens", "dialect"),
        ("UPDATE access_tokens SET terms = '{}'", "access_tokens", "terms"),
        ("UPDATE signing_secrets SET sealed = substr(sealed, 1, 1)", "signing_secrets", "sealed"),
        ("UPDATE signing_secrets SET master_key_version = 7", "signing_secrets", "master_key_version"),
        ("DELETE FROM signing_secrets", "signing_secrets", "sealed"),
    ] {
        assert_eq!(it.sql(breaking).await, 1, "{breaking}");
        match it.store.find(Lookup::Id(id)).await {
            Err(StoreError::Corrupt { table: t, column: c, row }) => {
                assert_eq!((t, c), (table, column));
                assert!(row.starts_with(&id.to_string()), "{row}");
            }
            other => panic!("{breaking}: {other:?}"),
        }
    }
}

async fn only_the_right_master_key_opens_a_database(it: Fixture) {
    it.store.close().await;
    let error = open(&it.location, master_key(2)).await.err().unwrap();
    assert!(matches!(error, OpenError::WrongMasterKey), "{error}");
    assert!(open(&it.location, master_key(1)).await.is_ok());
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let it = sqlite().await;
    let error = open(&it.location, master_key(1)).await.err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    it.store.close().await;
    assert!(open(&it.location, master_key(1)).await.is_ok());
}

async fn an_interrupted_rotation_is_finished_by_repeating_it(mut it: Fixture) {
    let (upload, image) = (token(TokenKind::Upload, 1), token(TokenKind::ImageUrl, 2));
    let kept = KeptAnswer { key: key(1, 1), answer: Zeroizing::new(b"answer".to_vec()) };
    it.store.insert(&upload, value("the value"), audit("token.issue"), Some(kept)).await.unwrap();
    it.insert(&image).await;
    it.store.found_notification_secret(&Zeroizing::new("whsec".to_owned()), at(1)).await.unwrap();
    let digest: ValueDigest = it.store.digest("the value");
    it.store.close().await;

    let (old, new) = (master_key(1), master_key(2));
    for _ in 0..2 {
        let mut rotation = Rotation::begin(&it.location, &old, &new, fill_random()).await.unwrap().unwrap();
        assert!(rotation.step().await.unwrap(), "there is more to do");
        rotation.close().await.unwrap();
        for key in [1, 2] {
            let error = open(&it.location, master_key(key)).await.err().unwrap();
            assert!(matches!(error, OpenError::RotationUnfinished), "{error}");
        }
        assert!(countermark_store::check(&it.location).await.unwrap().is_rotation_unfinished);
    }
    let other = countermark_store::rotate_master_key(&it.location, &old, &master_key(3), fill_random()).await;
    assert!(matches!(other, Err(OpenError::WrongMasterKey)), "not to a third key");
    for _ in 0..2 {
        countermark_store::rotate_master_key(&it.location, &old, &new, fill_random()).await.unwrap();
    }

    assert!(matches!(open(&it.location, master_key(1)).await.err(), Some(OpenError::WrongMasterKey)));
    (it.store, it.changes) = open(&it.location, master_key(2)).await.unwrap();
    assert_eq!(it.store.digest("the value"), digest, "values are found as before");
    let revealed = it.store.reveal(upload.terms.id, audit("token.reveal")).await.unwrap().unwrap();
    assert_eq!(revealed.text.as_str(), "the value");
    assert!(it.find(image.terms.id).await.unwrap().terms.signing_slot().is_some());
    assert_eq!(it.store.notification_secrets().await.unwrap()[0].text.as_str(), "whsec");
    let recalled = it.store.recall(key(1, 1), at(1000)).await.unwrap();
    assert!(matches!(recalled, Recalled::Answer(answer) if *answer == b"answer"));
}
