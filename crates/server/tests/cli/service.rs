//! Starting and stopping the service.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;

use countermark_domain::clock::FixedClock;
use countermark_domain::rng::SeededRng;
use countermark_server::config::Config;
use countermark_server::start::Background;

use crate::process::Place;

const REFUSING: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[test]
fn the_first_start_makes_one_key_in_a_private_file_and_prints_only_its_path() {
    let place = Place::new();
    let server = place.serve(&[]);
    let key = place.key();
    assert!(server.admits(&key));
    for name in ["admin.key", "master.key", "countermark.db"] {
        let mode = std::fs::metadata(place.data(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (code, said) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(said.contains("admin.key") && !said.contains(&key));
    std::fs::remove_file(place.data("admin.key")).unwrap();
    let server = place.serve(&[]);
    assert!(server.admits(&key));
    let (_, said) = server.terminate();
    assert!(!said.contains("admin.key") && !place.data("admin.key").exists(), "a second start makes no key");
    assert!(!place.read(&place.path("log")).contains(&key));
}

#[test]
fn a_terminal_is_shown_the_key_and_no_file_stays() {
    let place = Place::new();
    let script = format!("{} serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_countermark"));
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &script, "/dev/null"]).current_dir(place.path(""));
    let started = terminal.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    // Without util-linux there is no terminal to be had.
    let Ok(mut started) = started else { return };
    let mut out = BufReader::new(started.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains("/docs/") && out.read_line(&mut shown).unwrap() > 0 {}
    // The terminal goes away, and the service with it.
    started.kill().unwrap();
    started.wait().unwrap();
    assert!(shown.contains("cmk_") && shown.contains("/docs/"), "{shown}");
    assert!(!place.data("admin.key").exists());
}

#[test]
fn a_second_service_on_the_same_directory_is_refused() {
    let place = Place::new();
    let server = place.serve(&[]);
    let second = place.run(&REFUSING, &[]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("in use by another process"), "{}", second.err);
    assert!(server.admits(&place.key()));
}

#[test]
fn a_taken_port_is_named_and_costs_nothing() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = place.run(&["serve", "--listen", &address], &[]);
    assert_eq!(done.code, 3);
    assert!(done.err.contains(&address) && !place.data("admin.key").exists());
    let done = place.run(&REFUSING, &[("COUNTERMARK__METRICS__LISTEN", &address)]);
    assert_eq!(done.code, 3);
    assert!(done.err.contains(&address) && !place.data("admin.key").exists());
    assert!(!place.data("countermark.db").exists());
    let off =
        [("COUNTERMARK__METRICS__LISTEN", address.as_str()), ("COUNTERMARK__METRICS__ENABLED", "false")];
    assert!(place.serve(&off).admits(&place.key()), "an address that is not needed may be taken");
}

#[test]
fn a_wrong_or_missing_master_key_refuses_to_start() {
    let place = Place::new();
    place.serve(&[]).terminate();
    let wrong = "0d".repeat(32);
    let done = place.run(&REFUSING, &[("COUNTERMARK__MASTER_KEY", &wrong)]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("master key does not fit") && !done.err.contains(&wrong));
    assert_eq!(place.run(&REFUSING, &[("COUNTERMARK__MASTER_KEY", "canary")]).code, 2);
    std::fs::rename(place.data("master.key"), place.path("kept")).unwrap();
    let done = place.run(&REFUSING, &[]);
    assert_eq!(done.code, 1);
    assert!(!place.data("master.key").exists(), "no key is made for a database that has one");
    std::fs::rename(place.path("kept"), place.data("master.key")).unwrap();
    assert!(place.serve(&[]).admits(&place.key()));
}

#[test]
fn a_configured_first_key_counts_once_and_is_never_revived() {
    let first = "cmk_4kzB1jXcW7dQm9RtUvN2sLhYpA8eGfKo1t6pO7";
    let place = Place::new();
    let probe = place.run(&REFUSING, &[("COUNTERMARK__ADMIN_KEY", first)]);
    assert_eq!(probe.code, 2, "the checksum of this key does not fit");

    let other = Place::new();
    other.serve(&[]).terminate();
    let first = other.key();
    let environment = [("COUNTERMARK__ADMIN_KEY", first.as_str())];
    let server = place.serve(&environment);
    assert!(server.admits(&first) && !place.data("admin.key").exists());
    server.terminate();
    let second = place.run(&["admin", "create", "--json"], &[]).json()["value"].as_str().unwrap().to_owned();
    let third = other.run(&["admin", "create", "--json"], &[]).json()["value"].as_str().unwrap().to_owned();
    let server = place.serve(&[("COUNTERMARK__ADMIN_KEY", &third)]);
    assert!(!server.admits(&third), "a later key is no administrator's");
    let client = [("COUNTERMARK_URL", server.url.as_str()), ("COUNTERMARK_KEY", second.as_str())];
    let list = place.run(&["token", "list", "--json"], &client).json();
    let id = list["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(place.run(&["token", "revoke", &id], &client).code, 0);
    assert!(!server.admits(&first));
    server.terminate();
    assert!(!place.serve(&environment).admits(&first), "a revoked first key stays revoked");
}

#[test]
fn published_and_repetitive_first_keys_are_refused() {
    let published = "cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF";
    for key in [published, "cmk_short", "canary"] {
        let place = Place::new();
        let done = place.run(&REFUSING, &[("COUNTERMARK__ADMIN_KEY", key)]);
        assert_eq!(done.code, 2);
        assert!(done.err.contains("admin_key") && !done.err.contains(key), "{}", done.err);
        assert!(!place.data("").exists(), "nothing is made");
    }
}

#[test]
fn figures_can_have_an_address_of_their_own() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = place.serve(&[("COUNTERMARK__METRICS__LISTEN", &free.to_string())]);
    assert_eq!(server.status("x", "/metrics"), 404);
    server.url = format!("http://{free}");
    assert_eq!(server.status("x", "/metrics"), 200);
    assert_eq!(server.status("x", "/v1/access-tokens"), 404);
}

#[test]
fn a_host_is_for_the_cloud_that_it_is_configured_for() {
    let place = Place::new();
    let server = place.serve(&[("COUNTERMARK__CLOUDS", "IMG.example.com=mine")]);
    let key = place.key();
    let client = [("COUNTERMARK_URL", server.url.as_str()), ("COUNTERMARK_KEY", key.as_str())];
    let made = place.run(&["token", "create", "--type", "imageUrl", "--json"], &client).json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["extra"]["secret"].as_str().unwrap());
    for (cloud, code) in [("mine", "ALLOWED"), ("theirs", "WRONG_CLOUD")] {
        for placement in ["path", "query"] {
            let url = format!("https://img.example.com/{cloud}/x.jpg");
            let sign = ["sign", "--json", "--token", id, "--placement", placement, "--url", &url];
            let signed = place.run(&sign, &[("COUNTERMARK_SIGNING_SECRET", secret)]).json();
            let question = serde_json::json!({"credential": {"url": signed["url"]}});
            let decision = server.post(&key, "/v1/authorize", &question);
            assert_eq!(decision["code"], code, "{cloud} in the {placement}: {decision}");
            let done = place.run(&sign, &client);
            assert_eq!(done.code == 0, cloud == "mine", "the service's own signer: {}", done.err);
        }
    }
}

#[test]
fn malformed_requests_fill_no_log_unless_asked_for() {
    for (level, is_logged) in [("info", false), ("debug", false), ("info,actix_http=debug", true)] {
        let place = Place::new();
        let server = place.serve(&[("COUNTERMARK__LOG__LEVEL", level)]);
        let mut connection = std::net::TcpStream::connect(&server.url["http://".len()..]).unwrap();
        connection.write_all(b"GET / HTTP/9.9\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        server.terminate();
        let log = place.read(&place.path("log"));
        assert_eq!(log.contains("actix_http::h1::dispatcher"), is_logged, "{level}: {log}");
    }
}

#[test]
fn a_whole_server_runs_on_an_injected_clock() {
    let place = Place::new();
    let clock = FixedClock::at(1_000_000);
    let mut config = Config::default();
    config.data.directory = place.data("");
    config.server.listen.set_port(0);
    config.server.workers = 1;
    let server = Background::start(config, Box::new(clock.clone()), Arc::new(SeededRng::new(1))).unwrap();
    let url = server.url();
    let key = place.key();
    let environment = [("COUNTERMARK_URL", url.as_str()), ("COUNTERMARK_KEY", key.as_str())];
    let made =
        place.run(&["token", "create", "--type", "upload", "--ttl", "60", "--json"], &environment).json();
    let id = made["id"].as_str().unwrap();
    let status = || place.run(&["token", "show", id, "--json"], &environment).json()["status"].clone();
    assert_eq!((&made["expiry"], status()), (&1_000_060.into(), "active".into()));
    clock.advance(60);
    assert_eq!(status(), "expired");
    server.stop().unwrap();
}
