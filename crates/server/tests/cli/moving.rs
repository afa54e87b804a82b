//! An installation that moves to PostgreSQL, is backed up and comes back, by the commands.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::postgres::{Database, PASSWORD};
use crate::process::{Ended, Place, Server};

/// Borrowed as the commands take it.
fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What a service is asked for, and answers.
struct Asked<'a> {
    server: &'a Server,
    key: &'a str,
}

impl Asked<'_> {
    fn issue(&self, token: &Value) -> Value {
        self.server.post(self.key, "/v1/access-tokens", token)
    }

    fn sign(&self, id: &Value) -> Value {
        let url = "https://img.example.com/mycloud/i/cat.jpg";
        self.server.post(self.key, "/v1/signed-urls", &json!({"tokenId": id, "url": url}))["url"].clone()
    }

    /// The code, and the uses that are left.
    fn authorize(&self, credential: Value) -> (String, Value) {
        let question = json!({"credential": credential, "request": {"method": "POST"}});
        let answer = self.server.post(self.key, "/v1/authorize", &question);
        (answer["code"].as_str().unwrap_or_default().to_owned(), answer["remaining"].clone())
    }
}

fn allowed(remaining: u64) -> (String, Value) {
    ("ALLOWED".to_owned(), remaining.into())
}

fn is_silent(done: &Ended) -> &Ended {
    assert!(!done.out.contains(PASSWORD) && !done.err.contains(PASSWORD), "{} {}", done.out, done.err);
    done
}

#[test]
fn a_moved_installation_serves_on_with_every_key_and_use_and_the_old_one_refuses() {
    let (place, database) = (Place::new(), Database::new());
    let environment = database.environment();
    let allow = &borrowed(&environment)[1..];
    std::fs::write(place.path("target"), format!("{}\n", database.url())).unwrap();
    let server = place.serve(&[]);
    let key = place.key();
    let asked = Asked { server: &server, key: &key };
    let (upload, image) = (
        asked.issue(&json!({"type": "upload", "limit": 5})),
        asked.issue(&json!({"type": "imageUrl", "limit": 9})),
    );
    let value = json!({"value": upload["value"]});
    let link = json!({"url": asked.sign(&image["id"])});
    for remaining in [4, 3] {
        assert_eq!(asked.authorize(value.clone()), allowed(remaining));
    }
    let refused = place.run(&["migrate", "--to-file", "target"], allow);
    assert_eq!(is_silent(&refused).code, 1);
    assert!(refused.err.contains("in use"), "{}", refused.err);
    server.terminate();
    let moved = place.run(&["migrate", "--to-file", "target", "--json"], allow);
    assert_eq!(is_silent(&moved).code, 0, "{}", moved.err);
    assert_eq!(moved.json()["wasComplete"], false);
    let again = place.run(&["migrate", "--to-file", "target"], allow);
    assert!(is_silent(&again).out.contains("already"), "{}{}", again.out, again.err);

    let server = place.serve(&borrowed(&environment));
    let asked = Asked { server: &server, key: &key };
    assert!(server.admits(&key));
    for remaining in [2, 1, 0] {
        assert_eq!(asked.authorize(value.clone()), allowed(remaining));
    }
    assert_eq!(asked.authorize(value).0, "LIMIT_REACHED");
    assert_eq!(asked.authorize(link.clone()).0, "METHOD_DENIED");
    let question = json!({"credential": link});
    assert_eq!(server.post(&key, "/v1/authorize", &question)["remaining"], 8);
    let doctor = place.run(&["doctor"], &borrowed(&environment));
    assert!(
        is_silent(&doctor).out.contains("epoch 1") && doctor.out.contains("PostgreSQL 1"),
        "{}",
        doctor.out
    );
    assert!(doctor.out.contains("the master key fits"), "{}", doctor.out);

    for command in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["admin", "create"], &["keys", "rotate"], &["migrate"]]
    {
        let refused = place.run(command, &[]);
        assert_eq!(is_silent(&refused).code, 1, "{command:?}");
        assert!(refused.err.contains("has been moved to PostgreSQL at"), "{}", refused.err);
    }
    let doctor = place.run(&["doctor", "--listen", "127.0.0.1:1"], &[]);
    assert_eq!(is_silent(&doctor).code, 1);
    assert!(doctor.out.contains("has been moved to PostgreSQL at"), "{}", doctor.out);
}

#[test]
fn a_move_is_taken_back_only_when_it_is_said_what_is_given_up() {
    let (place, database) = (Place::new(), Database::new());
    let environment = database.environment();
    let allow = &borrowed(&environment)[1..];
    let server = place.serve(&[]);
    let key = place.key();
    let value =
        Asked { server: &server, key: &key }.issue(&json!({"type": "upload", "limit": 5}))["value"].clone();
    server.terminate();
    assert_eq!(place.run(&["migrate", "--cancel"], allow).code, 1, "there is nothing to cancel");
    assert_eq!(place.run(&["migrate", "--to", "sqlite:x.db"], allow).code, 2);
    assert_eq!(place.run(&["migrate", "--to", &database.url()], allow).code, 0);
    let refused = place.run(&["migrate", "--cancel"], allow);
    assert_eq!(is_silent(&refused).code, 1);
    assert!(refused.err.contains("--abandon-target"), "{}", refused.err);
    let cancelled = place.run(&["migrate", "--cancel", "--abandon-target", "--json"], allow).json();
    assert_eq!((&cancelled["disabled"], &cancelled["wasComplete"]), (&1.into(), &true.into()));
    assert!(cancelled["warnings"][0].as_str().unwrap().contains("Nothing may serve PostgreSQL at"));
    let server = place.serve(&[]);
    assert_eq!(Asked { server: &server, key: &key }.authorize(json!({"value": value})).0, "DISABLED");
}

#[test]
fn a_killed_move_goes_on_where_it_was() {
    const ROWS: &str = "20000";
    let (place, database) = (Place::new(), Database::new());
    let environment = database.environment();
    let allow = &borrowed(&environment)[1..];
    place.serve(&[]).terminate();
    let fill = "import sqlite3, sys\n\
        with sqlite3.connect(sys.argv[1]) as db:\n    \
            db.executemany(\"INSERT INTO audit_log (at, action, members) VALUES (?, 'token.issue', '[]')\", \
            ((i,) for i in range(int(sys.argv[2]))))";
    let filled =
        Command::new("python3").args(["-c", fill]).arg(place.data("countermark.db")).arg(ROWS).status();
    assert!(filled.unwrap().success());
    let url = database.url();
    let to = ["migrate", "--to", url.as_str()];
    let copied = || {
        let count = "SELECT CASE WHEN to_regclass('audit_log') IS NULL THEN 0 ELSE (SELECT count(*) FROM audit_log) END";
        if database.query("SELECT to_regclass('audit_log') IS NULL") == "t" {
            return 0;
        }
        database.query(count).parse::<u64>().unwrap()
    };
    let (mut kills, mut before) = (0, 0);
    for least in [1, 4_000, 9_000] {
        let mut command = place.command(&to, allow);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begin = Instant::now();
        while copied() < least && child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(60), "the move does not get on");
        }
        child.kill().unwrap();
        kills += u32::from(!child.wait().unwrap().success());
        let now = copied();
        assert!(now >= before, "nothing is copied twice or begun anew");
        before = now;
        let refused = place.run(&["serve", "--listen", "127.0.0.1:0"], &borrowed(&environment));
        assert!(refused.err.contains("the beginning of a copy"), "{}", refused.err);
        let refused = place.run(&["serve", "--listen", "127.0.0.1:0"], &[]);
        assert!(refused.err.contains("is being moved to"), "{}", refused.err);
    }
    assert!(kills >= 2, "most kills come before the end");
    let moved = place.run(&[&to[..], &["--json"]].concat(), allow);
    assert_eq!(moved.code, 0, "{}", moved.err);
    assert!(copied() > 20_000);
    assert!(place.serve(&borrowed(&environment)).admits(&place.key()));
}

#[test]
fn an_old_backup_comes_back_without_granting_a_use_twice() {
    let (place, database) = (Place::new(), Database::new());
    let postgres = database.environment();
    let server = place.serve(&[]);
    let key = place.key();
    let asked = Asked { server: &server, key: &key };
    let value = json!({"value": asked.issue(&json!({"type": "upload", "limit": 3}))["value"]});
    assert_eq!(asked.authorize(value.clone()), allowed(2));
    assert_eq!(place.run(&["backup", "old.db"], &[]).code, 0);
    for remaining in [1, 0] {
        assert_eq!(asked.authorize(value.clone()), allowed(remaining));
    }
    assert!(place.run(&["restore", "old.db", "--replace"], &[]).err.contains("in use"));
    server.terminate();
    let refused = place.run(&["restore", "old.db"], &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--replace"), "{}", refused.err);

    let restored = place.run(&["restore", "old.db", "--replace", "--json"], &[]).json();
    assert_eq!((&restored["disabled"], &restored["epoch"]), (&1.into(), &2.into()));
    assert!(place.data("countermark.db.replaced-1").exists());
    let into_postgres = place.run(&["restore", "old.db", "--disable", "all"], &borrowed(&postgres));
    assert_eq!(is_silent(&into_postgres).code, 0, "{}", into_postgres.err);
    assert!(into_postgres.out.contains("admin create"), "{}", into_postgres.out);
    let refused = place.run(&["restore", "old.db", "--replace"], &borrowed(&postgres));
    assert!(refused.code == 1 && is_silent(&refused).err.contains("empty schema"), "{}", refused.err);
    let made = place.run(&["admin", "create", "--json"], &borrowed(&postgres));
    let new_key = made.json()["value"].as_str().unwrap().to_owned();

    for (environment, key) in [(vec![], key), (borrowed(&postgres), new_key)] {
        let server = place.serve(&environment);
        assert_eq!(Asked { server: &server, key: &key }.authorize(value.clone()).0, "DISABLED");
        let client = [("COUNTERMARK_URL", server.url.as_str()), ("COUNTERMARK_KEY", key.as_str())];
        let list = place
            .run(&["token", "list", "--status", "disabled", "--type", "upload", "--json"], &client)
            .json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_backup_of_postgres_is_taken_while_it_serves_and_opens_as_sqlite() {
    let (place, database) = (Place::new(), Database::new());
    let environment = database.environment();
    let server = place.serve(&borrowed(&environment));
    let key = place.key();
    let asked = Asked { server: &server, key: &key };
    let value = json!({"value": asked.issue(&json!({"type": "upload", "limit": 3}))["value"]});
    assert_eq!(asked.authorize(value.clone()), allowed(2));
    let done = place.run(&["backup", "copy.db"], &borrowed(&environment));
    assert_eq!(is_silent(&done).code, 0, "{}", done.err);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&place.path("copy.db").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(server);
    let restored = place.run(&["restore", "copy.db", "--disable", "none", "--json"], &[]);
    assert_eq!(restored.json()["disabled"], 0);
    let server = place.serve(&[]);
    assert_eq!(Asked { server: &server, key: &key }.authorize(value), allowed(1));
}
