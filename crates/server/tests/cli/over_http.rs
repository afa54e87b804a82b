//! The commands that speak with a running service.

use serde_json::Value;

use crate::process::{Ended, Place, Server};

struct Caller {
    place: Place,
    server: Server,
    key: String,
}

impl Caller {
    fn new() -> Self {
        let place = Place::new();
        let server = place.serve(&[]);
        Self { key: place.key(), place, server }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let environment = [("COUNTERMARK_URL", self.server.url.as_str()), ("COUNTERMARK_KEY", &self.key)];
        self.place.run(arguments, &environment)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        done.json()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_token_is_created_listed_shown_and_revoked() {
    let caller = Caller::new();
    let create = ["token", "create", "--type", "upload", "--name", "press", "--limit", "5", "--ttl", "600"];
    let more = ["--label", "campaign=spring", "--extra", r#"{"maxBytes":1000}"#];
    let made = caller.json(&[&create[..], &more].concat());
    assert!(text(&made["value"]).starts_with("cmu_"));
    assert_eq!((&made["limit"], &made["labels"]["campaign"]), (&5.into(), &"spring".into()));
    let id = text(&made["id"]);

    let list = caller.json(&["token", "list", "--type", "upload", "--label", "campaign=spring"]);
    assert_eq!(list["items"][0]["id"], made["id"]);
    assert!(caller.run(&["token", "list"]).out.contains(id));
    assert_eq!(caller.json(&["token", "list", "--name", "none"])["items"], Value::Array(Vec::new()));

    assert_eq!(caller.json(&["token", "show", id])["extra"]["maxBytes"], 1000);
    assert!(caller.run(&["token", "revoke", id, "--cascade"]).out.contains("revoked"));
    assert_eq!(caller.json(&["token", "show", id])["status"], "revoked");
    assert_eq!(caller.json(&["token", "revoke", id, "--purge"])["purged"], true);
    let gone = caller.run(&["token", "show", id, "--json"]);
    assert_eq!((gone.code, gone.problem()["problem"]["code"].as_str()), (1, Some("NOT_FOUND")));
}

#[test]
fn an_api_key_carries_the_asked_permissions() {
    let caller = Caller::new();
    let create = [
        "token",
        "create",
        "--type",
        "apiKey",
        "--permission",
        "read",
        "--permission",
        "sign",
        "--base-path",
        "/a",
    ];
    let made = caller.json(&create);
    assert_eq!(
        (&made["permissions"], &made["basePath"]),
        (&serde_json::json!(["read", "sign"]), &"/a".into())
    );
    let narrow = Caller { key: text(&made["value"]).to_owned(), ..caller };
    let refused = narrow.run(&["token", "list", "--json"]);
    assert_eq!((refused.code, refused.problem()["error"].as_str()), (1, Some("refused")));
}

#[test]
fn a_wrong_key_and_a_wrong_member_are_refused() {
    let caller = Caller::new();
    let done = caller.run(&["token", "create", "--type", "imageUrl", "--permission", "read"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("/permissions"), "{}", done.err);
    let stranger = Caller { key: "cmk_stranger".to_owned(), ..caller };
    let done = stranger.run(&["token", "list"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("401") && !done.err.contains("stranger"));
}

#[test]
fn here_and_there_the_same_url_is_signed_and_explained() {
    let caller = Caller::new();
    std::fs::write(caller.place.path("extra"), r#"{"secret":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    let made = caller.json(&["token", "create", "--type", "imageUrl", "--extra", "@extra"]);
    std::fs::write(caller.place.path("secret"), text(&made["extra"]["secret"])).unwrap();
    let url = "https://img.example.com/mycloud/i/cat.jpg?w=1";
    let sign =
        ["sign", "--url", url, "--token", text(&made["id"]), "--expires", "1900000000", "--bucket", "600"];
    for placement in ["path", "query"] {
        let sign = [&sign[..], &["--placement", placement]].concat();
        let there = caller.json(&sign);
        let here = caller.json(&[&sign[..], &["--secret-file", "secret"]].concat());
        assert_eq!(there, here);
        let explained = caller.json(&["explain", "--url", text(&there["url"])]);
        assert_eq!(explained["code"], "ALLOWED");
        let table = caller.run(&["explain", "--url", text(&there["url"]), "--method", "POST"]);
        assert_eq!(table.code, 0);
        assert!(table.out.contains("METHOD_DENIED            refused"), "{}", table.out);
    }
}

#[test]
fn a_value_is_explained_from_its_file() {
    let caller = Caller::new();
    let made = caller.json(&["token", "create", "--type", "upload"]);
    std::fs::write(caller.place.path("value"), format!("{}\n", text(&made["value"]))).unwrap();
    let explained = caller.json(&["explain", "--value-file", "value", "--method", "POST", "--bytes", "7"]);
    assert_eq!(explained["code"], "ALLOWED");
}

#[test]
fn neither_log_nor_process_list_holds_a_secret() {
    let caller = Caller::new();
    let upload = caller.json(&["token", "create", "--type", "upload"]);
    let image = caller.json(&["token", "create", "--type", "imageUrl"]);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", caller.server.child.id())).unwrap();
    let secrets = [&caller.key, text(&upload["value"]), text(&image["extra"]["secret"])].map(str::to_owned);
    let Caller { place, server, .. } = caller;
    let (_, said) = server.terminate();
    let log = place.read(&place.path("log"));
    assert!(log.contains("listening"));
    for secret in secrets {
        let part = &secret[4..20];
        assert!(!log.contains(part) && !said.contains(part));
        assert!(!String::from_utf8_lossy(&arguments).contains(part));
    }
}
