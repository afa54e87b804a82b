//! What needs neither a service nor an installation.

use serde_json::Value;

use crate::process::Place;

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = Place::new().run(&["completions", shell], &[]);
        assert_eq!(done.code, 0);
        assert!(done.out.contains("countermark") && done.out.contains("revoke"), "{shell}");
    }
}

#[test]
fn the_printed_document_is_the_api() {
    let document = Place::new().run(&["openapi"], &[]).json();
    assert!(document["paths"]["/v1/access-tokens"]["post"].is_object());
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    let wrong: &[&[&str]] = &[
        &["no-such-command"],
        &["serve", "--no-such-flag"],
        &["token", "show", "not-an-id"],
        &["token", "list"],
        &["sign", "--token", "iu_034YCGMODo7rNXJe1rD0Im"],
        &["explain"],
        &["serve", "--listen", "nowhere"],
    ];
    for arguments in wrong {
        assert_eq!(place.run(arguments, &[]).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_key_as_an_argument_is_not_even_understood() {
    for flag in ["--key", "--secret", "--admin-key", "--master-key"] {
        for command in [&["token", "list"][..], &["serve"], &["sign"], &["explain"], &["keys", "rotate"]] {
            let done = Place::new().run(&[command, &[flag, "canary"]].concat(), &[]);
            assert_eq!(done.code, 2);
            assert!(done.err.contains("unexpected argument"), "{command:?} {flag}: {}", done.err);
        }
    }
}

#[test]
fn a_secret_in_the_arguments_of_create_is_refused_and_not_shown() {
    let arguments = [
        "token",
        "create",
        "--type",
        "imageUrl",
        "--extra",
        r#"{"secret":"canary-canary-canary-canary-canary"}"#,
    ];
    let done = Place::new().run(&arguments, &[("COUNTERMARK_KEY", "x")]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("@FILE") && !done.err.contains("canary"));
}

#[test]
fn an_unknown_configuration_key_names_the_nearest() {
    let place = Place::new();
    let done = place.run(&["serve"], &[("COUNTERMARK__SERVER__LISTN", "127.0.0.1:0")]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("COUNTERMARK__SERVER__LISTEN"), "{}", done.err);
    std::fs::write(place.path("c.toml"), "[log]\nlevle = \"info\"").unwrap();
    let done = place.run(&["serve", "--config", "c.toml", "--json"], &[]);
    assert_eq!((done.code, done.problem()["error"].as_str()), (2, Some("usage")));
    assert!(done.problem()["message"].as_str().unwrap().contains("log.level"));
    assert_eq!(place.run(&["serve", "--config", "absent.toml"], &[]).code, 3);
}

#[test]
fn a_service_that_is_not_there_ends_with_3() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let environment = [("COUNTERMARK_URL", url.as_str()), ("COUNTERMARK_KEY", "canary-key")];
    let done = Place::new().run(&["token", "list", "--json"], &environment);
    assert_eq!((done.code, done.problem()["error"].as_str()), (3, Some("unreachable")));
    assert!(!done.err.contains("canary"));
}

#[test]
fn offline_signing_gives_the_url_of_the_vectors() {
    let vectors = include_str!("../../../../tests/vectors/signed_urls.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    let place = Place::new();
    for vector in &vectors {
        let text = |member: &str| vector[member].as_str().unwrap();
        let url = match text("placement") {
            "path" => format!("https://{}/{}/{}", text("host"), text("cloud"), text("rest")),
            _ => format!("https://{}{}", text("host"), text("path_and_query")),
        };
        std::fs::write(place.path("secret"), text("secret")).unwrap();
        let version = vector["key_version"].to_string();
        let mut arguments =
            vec!["sign", "--url", &url, "--token", text("token_id"), "--key-version", &version];
        arguments.extend(["--secret-file", "secret", "--placement", text("placement")]);
        let expires = vector["expires"].to_string();
        if !vector["expires"].is_null() {
            arguments.extend(["--expires", &expires]);
        }
        let done = place.run(&arguments, &[]);
        let expected = format!("https://{}{}", text("host"), text("target"));
        assert_eq!((done.code, done.out.trim_end()), (0, expected.as_str()), "{}", done.err);
    }
    assert!(vectors.len() > 3);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let place = Place::new();
    let environment = [("COUNTERMARK_SIGNING_SECRET", "0123456789abcdef0123456789abcdef")];
    let id = "iu_034YCGMODo7rNXJe1rD0Im";
    let done = place.run(&["sign", "--url", "https://a/c/../i", "--token", id], &environment);
    assert_eq!(done.code, 1);
    let short = [("COUNTERMARK_SIGNING_SECRET", "canary")];
    let done = place.run(&["sign", "--url", "https://a/c/i", "--token", id], &short);
    assert_eq!(done.code, 2);
    assert!(!done.err.contains("canary"));
}

#[test]
fn the_demo_tells_its_story_and_ends() {
    let place = Place::new();
    let environment = [("TMPDIR", place.path("").to_str().unwrap().to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let story = place.run(&["demo", "--json"], &environment).json();
    let codes: Vec<_> = story["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["answer"]["code"].as_str())
        .collect();
    let told =
        ["ALLOWED", "ALLOWED", "ALLOWED", "LIMIT_REACHED", "BAD_SIGNATURE", "BAD_SIGNATURE", "REVOKED"];
    assert_eq!(codes, told);
    let text = place.run(&["demo"], &environment);
    assert_eq!(text.code, 0);
    assert_eq!(text.out.matches("$ curl").count(), 10);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "the demo leaves nothing behind");
}
