//! The commands on the data directory itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::process::Place;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn migrate_reports_both_versions() {
    let place = Place::new();
    let first = place.run(&["migrate", "--json"], &[]).json();
    assert_eq!(first["from"], 0);
    let second = place.run(&["migrate", "--json"], &[]).json();
    assert_eq!((&second["from"], &second["to"]), (&first["to"], &first["to"]));
    assert!(place.run(&["migrate"], &[]).out.contains("already"));
    assert!(place.serve(&[]).admits(&place.key()), "a migrated database is no installation yet");
}

#[test]
fn admin_create_makes_an_administrator_only_while_the_service_is_stopped() {
    let place = Place::new();
    assert_eq!(place.run(&["admin", "create"], &[]).code, 3, "nothing is there yet");
    let server = place.serve(&[]);
    let refused = place.run(&["admin", "create", "--name", "second"], &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("in use"), "{}", refused.err);
    server.terminate();
    let made = place.run(&["admin", "create", "--name", "second", "--json"], &[]).json();
    assert_eq!(made["name"], "second");
    assert!(place.serve(&[]).admits(made["value"].as_str().unwrap()));
}

#[test]
fn an_administrator_made_before_the_first_start_is_the_first() {
    let place = Place::new();
    place.run(&["migrate"], &[]);
    let made = place.run(&["admin", "create", "--name", "mine", "--json"], &[]).json();
    assert_eq!(made["name"], "mine");
    let server = place.serve(&[]);
    assert!(!place.data("admin.key").exists(), "the start makes no second one");
    let key = made["value"].as_str().unwrap();
    let client = [("COUNTERMARK_URL", server.url.as_str()), ("COUNTERMARK_KEY", key)];
    let list = place.run(&["token", "list", "--json"], &client).json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["mine"]);
}

#[test]
fn a_backup_is_private_overwrites_nothing_and_opens_with_the_key() {
    let place = Place::new();
    let server = place.serve(&[]);
    let done = place.run(&["backup", "copy.db"], &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("master.key"));
    assert_eq!(mode(&place.path("copy.db")), 0o600);
    let again = place.run(&["backup", "copy.db", "--json"], &[]);
    assert_eq!((again.code, again.problem()["error"].as_str()), (1, Some("refused")));
    drop(server);

    let other = Place::new();
    std::fs::create_dir(other.data("")).unwrap();
    std::fs::copy(place.path("copy.db"), other.data("countermark.db")).unwrap();
    let refused = other.run(&["serve", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("master.key is missing"), "{}", refused.err);
    std::fs::copy(place.data("master.key"), other.data("master.key")).unwrap();
    assert!(other.serve(&[]).admits(&place.key()));
}

#[test]
fn a_rotation_replaces_the_master_key_and_nothing_else() {
    let place = Place::new();
    let server = place.serve(&[]);
    let refused = place.run(&["keys", "rotate"], &[]);
    assert_eq!(refused.code, 1);
    assert!(!place.data("master.key.next").exists(), "a refused rotation leaves the service able to start");
    server.terminate();
    let old = place.read(&place.data("master.key"));
    assert_eq!(place.run(&["keys", "rotate", "--json"], &[]).code, 0);
    assert_ne!(place.read(&place.data("master.key")), old);
    assert_eq!(mode(&place.data("master.key")), 0o600);
    assert!(!place.data("master.key.next").exists());
    assert!(place.serve(&[]).admits(&place.key()));
}

#[test]
fn an_interrupted_rotation_is_finished_by_the_same_command() {
    let place = Place::new();
    place.serve(&[]).terminate();
    let old = place.read(&place.data("master.key"));
    place.run(&["keys", "rotate"], &[]);
    // As a crash leaves it between the last row and the swap of the files.
    std::fs::rename(place.data("master.key"), place.data("master.key.next")).unwrap();
    std::fs::write(place.data("master.key"), old).unwrap();
    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("keys rotate"), "{}", refused.err);
    assert_eq!(place.run(&["doctor"], &[]).code, 1);
    assert_eq!(place.run(&["keys", "rotate"], &[]).code, 0);
    assert!(place.serve(&[]).admits(&place.key()));
}

#[test]
fn a_configured_master_key_is_rotated_to_that_of_a_file() {
    let place = Place::new();
    let (old, new) = ("0a".repeat(32), "0b".repeat(32));
    let environment = [("COUNTERMARK__MASTER_KEY", old.as_str())];
    place.serve(&environment).terminate();
    assert!(!place.data("master.key").exists());
    assert_eq!(place.run(&["keys", "rotate"], &environment).code, 2);
    std::fs::write(place.path("new"), &new).unwrap();
    for _ in 0..2 {
        assert_eq!(place.run(&["keys", "rotate", "--new-key-file", "new"], &environment).code, 0);
    }
    assert!(place.serve(&[("COUNTERMARK__MASTER_KEY_FILE", "new")]).admits(&place.key()));
    assert_eq!(place.run(&["serve", "--listen", "127.0.0.1:0"], &environment).code, 1);
}

#[test]
fn doctor_finds_a_sound_installation_sound() {
    let place = Place::new();
    assert_eq!(place.run(&["doctor", "--listen", "127.0.0.1:1"], &[]).code, 0, "before the first start");
    let server = place.serve(&[]);
    let listen = server.url.trim_start_matches("http://").to_owned();
    let running = place.run(&["doctor", "--json", "--listen", &listen], &[]);
    assert_eq!((running.code, &running.json()["ok"]), (0, &true.into()), "{}", running.out);
    assert!(running.out.contains("is ready"));
    let elsewhere = place.run(&["doctor", "--listen", "127.0.0.1:1"], &[]);
    assert_eq!(elsewhere.code, 1, "the database is held, but nothing answers");
    server.terminate();
    let stopped = place.run(&["doctor", "--listen", "127.0.0.1:1"], &[]);
    assert_eq!(stopped.code, 0);
    assert!(stopped.out.contains("the master key fits") && !stopped.out.contains("warn"), "{}", stopped.out);
}

#[test]
fn doctor_names_what_is_wrong() {
    let place = Place::new();
    place.serve(&[]).terminate();
    let states = |environment: &[(&str, &str)]| {
        let done = place.run(&["doctor", "--json", "--listen", "127.0.0.1:1"], environment);
        let checks = done.json()["checks"].as_array().unwrap().clone();
        let failed = checks
            .iter()
            .filter(|it| it["state"] == "fail")
            .map(|it| it["check"].as_str().unwrap().to_owned());
        (done.code, failed.collect::<Vec<_>>())
    };
    assert_eq!(states(&[]), (0, vec![]));
    assert_eq!(states(&[("COUNTERMARK__SERVER__DOCS", "yes")]), (1, vec!["configuration".to_owned()]));
    assert_eq!(states(&[("COUNTERMARK__SERVER__PUBLIC_URL", "ftp://x")]), (1, vec!["public URL".to_owned()]));
    let wrong = "0c".repeat(32);
    assert_eq!(states(&[("COUNTERMARK__MASTER_KEY", &wrong)]), (1, vec!["seals".to_owned()]));
    std::fs::set_permissions(place.data("master.key"), PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(states(&[]), (1, vec!["master key".to_owned()]));
    std::fs::write(
        place.data("countermark.db"),
        "no database, but long enough to be read as a header of one",
    )
    .unwrap();
    let (code, failed) = states(&[]);
    assert!(code == 1 && failed.contains(&"database".to_owned()), "{failed:?}");
}

#[test]
fn shardimage_keys_are_made_listed_and_ended_only_while_the_service_is_stopped() {
    let place = Place::new();
    assert_eq!(place.run(&["shardimage-key", "create"], &[]).code, 3, "nothing is there yet");
    let server = place.serve(&[]);
    for command in [&["create"][..], &["list"], &["revoke", "123456789012"]] {
        let refused = place.run(&[&["shardimage-key"], command].concat(), &[]);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("in use"), "{}", refused.err);
    }
    server.terminate();
    let create = ["shardimage-key", "create", "--json", "--name", "the shop's CMS", "--read-only"];
    let networks = ["--network", "192.0.2.7", "--network", "2001:db8::/32"];
    let made = place.run(&[&create[..], &networks].concat(), &[]).json();
    assert_eq!(
        (&made["readOnly"], &made["networks"]),
        (&true.into(), &serde_json::json!(["192.0.2.7/32", "2001:db8::/32"]))
    );
    let (key, secret) = (made["key"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(key.len() == 12 && key.bytes().all(|it| it.is_ascii_digit()) && !key.starts_with('0'), "{key}");
    assert!(secret.len() == 40 && secret.bytes().all(|it| it.is_ascii_alphanumeric()));
    assert_eq!(made.as_object().unwrap().len(), 5);
    let listed = place.run(&["shardimage-key", "list", "--json"], &[]).json();
    assert_eq!(
        listed,
        serde_json::json!({"keys": [{"id": made["id"], "key": key, "name": "the shop's CMS", "readOnly": true,
            "networks": ["192.0.2.7/32", "2001:db8::/32"], "revoked": false}]})
    );
    assert_eq!(place.run(&["shardimage-key", "revoke", "999999999999"], &[]).code, 1);
    for _ in 0..2 {
        assert_eq!(place.run(&["shardimage-key", "revoke", key], &[]).code, 0);
    }
    assert_eq!(place.run(&["shardimage-key", "list", "--json"], &[]).json()["keys"][0]["revoked"], true);
    let server = place.serve(&[]);
    let natively = place.key();
    let path = format!("/v1/access-tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(server.status(&natively, &path), 200);
}

#[test]
fn whoever_makes_a_shardimage_key_is_told_how_weak_its_signature_is() {
    let place = Place::new();
    place.serve(&[]).terminate();
    let help = place.run(&["shardimage-key", "create", "--help"], &[]).out;
    let made = place.run(&["shardimage-key", "create"], &[]).out;
    for said in [help, made] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("covers neither method nor body") && said.contains("--network"), "{said}");
    }
    for bad in ["nonsense", "192.0.2.7/24", "192.0.2.0/33"] {
        assert_eq!(place.run(&["shardimage-key", "create", "--network", bad], &[]).code, 2, "{bad}");
    }
    assert_eq!(place.run(&["shardimage-key", "create", "--name", ""], &[]).code, 2);
}
