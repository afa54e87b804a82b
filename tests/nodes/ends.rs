//! Every way in which a management call ends what a token was good for.

use std::time::{Duration, Instant};

use countermark_tests::{Answer, Client, TestServer, within};
use serde_json::{Value, json};

use crate::probe::Probe;

/// A token, what it is good for, how that ends, and what is answered then.
pub struct Case {
    pub probe: Probe,
    pub end: Call,
    pub code_after: &'static str,
}

/// A management call that any node may be asked to do.
#[derive(Clone)]
pub struct Call {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

impl Call {
    pub fn new(method: &'static str, path: &str, body: Option<Value>) -> Self {
        Self { method, path: path.to_owned(), body }
    }

    /// Asks for it once.
    pub fn on(&self, admin: &mut Client) -> Answer {
        admin.call(self.method, &self.path, self.body.as_ref())
    }

    /// Asks for it until it is done: a node that stops in the middle of a transaction keeps its locks for a moment. How
    /// long the last answer took.
    pub fn until_done(&self, admin: &mut Client) -> Duration {
        let mut took = Duration::ZERO;
        let done = within(Duration::from_secs(15), || {
            let asked = Instant::now();
            let answer = self.on(admin);
            took = asked.elapsed();
            // A purge that has been done without an answer finds nothing any more.
            assert!(matches!(answer.status, 200 | 204 | 404 | 503), "{}", answer.text());
            (answer.status != 503).then_some(())
        });
        assert!(done.is_some(), "{} {} is never done", self.method, self.path);
        took
    }
}

pub const KINDS: [Kind; 10] = [
    ("revoke", revoke),
    ("disable", disable),
    ("new value", new_value),
    ("new secret", new_secret),
    ("narrower permissions", narrower_permissions),
    ("narrower path", narrower_path),
    ("earlier expiry", earlier_expiry),
    ("purge", purge),
    ("caller's key", callers_key),
    ("cascade", cascade),
];

/// Makes a token with this limit on one node.
pub type Kind = (&'static str, fn(&TestServer, &mut Client, Option<u64>) -> Case);

fn path(id: &str) -> String {
    format!("/v1/access-tokens/{id}")
}

fn revoke(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, value) = admin.issue_upload(limit);
    Case {
        probe: Probe::value(node, &value),
        end: Call::new("DELETE", &path(&id), None),
        code_after: "REVOKED",
    }
}

fn disable(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, url) = admin.issue_link(limit);
    Case {
        probe: Probe::link(node, &url),
        end: Call::new("PATCH", &path(&id), Some(json!({"enabled": false}))),
        code_after: "DISABLED",
    }
}

fn new_value(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, value) = admin.issue_upload(limit);
    let end = format!("{}/regenerate", path(&id));
    Case {
        probe: Probe::value(node, &value),
        end: Call::new("POST", &end, Some(json!({"overlapSeconds": 0}))),
        code_after: "UNKNOWN_TOKEN",
    }
}

fn new_secret(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, url) = admin.issue_link(limit);
    let end = format!("{}/regenerate", path(&id));
    Case {
        probe: Probe::link(node, &url),
        end: Call::new("POST", &end, Some(json!({"overlapSeconds": 0}))),
        code_after: "BAD_SIGNATURE",
    }
}

fn narrower_permissions(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let key = json!({"type": "apiKey", "permissions": ["read", "write"], "limit": limit});
    let (id, value) = issue(admin, &key);
    Case {
        probe: Probe::question(
            node,
            &json!({"credential": {"value": value}, "request": {"permission": "write"}}),
        ),
        end: Call::new("PATCH", &path(&id), Some(json!({"permissions": ["read"]}))),
        code_after: "PERMISSION_DENIED",
    }
}

fn narrower_path(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let key = json!({"type": "apiKey", "permissions": ["read"], "basePath": "/a", "limit": limit});
    let (id, value) = issue(admin, &key);
    let request = json!({"permission": "read", "path": "/a/c/d"});
    Case {
        probe: Probe::question(node, &json!({"credential": {"value": value}, "request": request})),
        end: Call::new("PATCH", &path(&id), Some(json!({"basePath": "/a/b"}))),
        code_after: "PATH_DENIED",
    }
}

fn earlier_expiry(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let token = admin.issue(&json!({"type": "upload", "ttl": 3600, "limit": limit}));
    Case {
        probe: Probe::value(node, token["value"].as_str().unwrap()),
        end: Call::new(
            "PATCH",
            &path(token["id"].as_str().unwrap()),
            Some(json!({"expiry": token["createdAt"]})),
        ),
        code_after: "EXPIRED",
    }
}

fn purge(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, url) = admin.issue_link(limit);
    Case {
        probe: Probe::link(node, &url),
        end: Call::new("DELETE", &format!("{}?purge=true", path(&id)), None),
        code_after: "UNKNOWN_TOKEN",
    }
}

fn callers_key(_: &TestServer, admin: &mut Client, _: Option<u64>) -> Case {
    let (id, value) = admin.issue_key(&["tokens:read"]);
    Case {
        probe: Probe::caller(&value),
        end: Call::new("DELETE", &path(&id), None),
        code_after: "UNAUTHENTICATED",
    }
}

fn cascade(node: &TestServer, admin: &mut Client, limit: Option<u64>) -> Case {
    let (id, key) = admin.issue_key(&["tokens:write"]);
    let (_, value) = node.caller(&key).issue_upload(limit);
    Case {
        probe: Probe::value(node, &value),
        end: Call::new("DELETE", &format!("{}?cascade=true", path(&id)), None),
        code_after: "REVOKED",
    }
}

fn issue(admin: &mut Client, token: &Value) -> (String, String) {
    let issued = admin.issue(token);
    let text = |member: &str| issued[member].as_str().unwrap().to_owned();
    (text("id"), text("value"))
}
