//! `countermark demo`: the whole story in one terminal.

use std::time::Duration;

use clap::Args;
use countermark_domain::clock::SystemClock;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::explain::readable;
use super::failure::Failure;
use super::http::Client;
use super::output::{Output, cell};
use super::system_rng;
use crate::config::Config;
use crate::start::Background;

/// The arguments of `demo`.
#[derive(Args, Debug)]
pub struct Demo {}

/// Longest wait for one answer of the private server.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is signed in the story.
const URL: &str = "https://img.example.com/mycloud/w:200/i/cat.jpg";

impl Demo {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let folder = tempfile::Builder::new().prefix("countermark-demo-").tempdir();
        let folder =
            folder.map_err(|error| Failure::unreachable(format!("a directory for the demo: {error}")))?;
        let mut config = Config::default();
        config.data.directory = folder.path().to_owned();
        config.server.listen.set_port(0);
        config.server.workers = 1;
        let server = Background::start(config, Box::new(SystemClock), system_rng())?;
        let key = server.first_key.as_ref().map(|key| Zeroizing::new(key.value.expose().to_owned()));
        let told = Client::new(&server.url(), key, PATIENCE).and_then(|client| {
            let mut story = Story { client, url: server.url(), output, steps: Vec::new() };
            story.intro();
            story.tell().map(|()| story.steps)
        });
        let stopped = server.stop();
        let steps = told?;
        stopped.map_err(|error| Failure::unreachable(format!("the private server ended: {error}")))?;
        output.result(&json!({"steps": steps}), |_| {
            "That is all. The private server and its data are gone; your own begins with `countermark serve`.".to_owned()
        });
        Ok(())
    }
}

struct Story {
    client: Client,
    url: String,
    output: Output,
    steps: Vec<Value>,
}

impl Story {
    fn intro(&self) {
        self.output.progress(&format!(
            "A private server runs at {} as long as this demo. In the commands, $KEY is its administrator key.\n",
            self.url
        ));
    }

    fn tell(&mut self) -> Result<(), Failure> {
        let order = json!({"type": "imageUrl", "name": "demo", "limit": 3});
        let token = self.step(
            "Issue a token that signs image URLs and allows 3 uses.",
            "POST",
            "/v1/access-tokens",
            &order,
            |it| it["id"].is_string(),
            |it| {
                format!(
                    "id {}, limit {}, signing secret {}",
                    cell(&it["id"]),
                    cell(&it["limit"]),
                    cell(&it["extra"]["secret"])
                )
            },
        )?;
        let id = cell(&token["id"]);
        let order = json!({"tokenId": id, "url": URL, "ttl": 3600});
        let signed = self.step(
            "Sign an image URL with it, valid for an hour.",
            "POST",
            "/v1/signed-urls",
            &order,
            |it| it["url"].is_string(),
            |it| cell(&it["url"]),
        )?;
        let signed = cell(&signed["url"]);
        for remaining in [2, 1, 0] {
            self.authorize("Use it.", &signed, "ALLOWED", Some(remaining))?;
        }
        self.authorize("Use it once too often.", &signed, "LIMIT_REACHED", Some(0))?;
        let tampered = signed.replace("w:200", "w:900");
        self.authorize("Ask for another width than was signed.", &tampered, "BAD_SIGNATURE", None)?;
        let question = json!({"credential": {"url": tampered}});
        self.step(
            "Ask why.",
            "POST",
            "/v1/explain",
            &question,
            |it| it["code"] == "BAD_SIGNATURE",
            readable,
        )?;
        self.step(
            "Revoke the token.",
            "DELETE",
            &format!("/v1/access-tokens/{id}"),
            &Value::Null,
            |_| true,
            |_| "revoked".to_owned(),
        )?;
        self.authorize("Use it again: a revocation holds from its answer on.", &signed, "REVOKED", None)
            .map(drop)
    }

    fn authorize(
        &mut self,
        title: &str,
        url: &str,
        code: &str,
        remaining: Option<u64>,
    ) -> Result<Value, Failure> {
        let question = json!({"credential": {"url": url}});
        let as_told =
            |it: &Value| it["code"] == code && remaining.is_none_or(|remaining| it["remaining"] == remaining);
        self.step(title, "POST", "/v1/authorize", &question, as_told, |it| match it["remaining"].as_u64() {
            Some(remaining) => format!("{}, remaining {remaining}", cell(&it["code"])),
            None => cell(&it["code"]),
        })
    }

    fn step(
        &mut self,
        title: &str,
        method: &str,
        path: &str,
        body: &Value,
        as_told: impl Fn(&Value) -> bool,
        text: impl Fn(&Value) -> String,
    ) -> Result<Value, Failure> {
        let curl = curl(&self.url, method, path, body);
        let number = self.steps.len() + 1;
        self.output.progress(&format!("{number}. {title}\n   $ {curl}"));
        let answer = self.client.call(method, path, Some(body).filter(|body| !body.is_null()))?;
        for line in text(&answer).lines() {
            self.output.progress(&format!("   {line}"));
        }
        self.output.progress("");
        if !as_told(&answer) {
            return Err(Failure::refused(format!(
                "step {number} of the demo was not answered as told: {title}"
            )));
        }
        self.steps.push(json!({"title": title, "curl": curl, "answer": answer}));
        Ok(answer)
    }
}

fn curl(url: &str, method: &str, path: &str, body: &Value) -> String {
    let key = "-H \"Authorization: Bearer $KEY\"";
    match body {
        Value::Null => format!("curl -X {method} {key} {url}{path}"),
        body => format!("curl -X {method} {key} -H 'Content-Type: application/json' {url}{path} -d '{body}'"),
    }
}
