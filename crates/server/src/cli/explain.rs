//! `countermark explain`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::http::Client;
use super::output::{Output, cell, members, table};
use super::secret;

/// The same question as authorize asks, taking nothing. Exit code 0 means explained, whatever the decision.
#[derive(Args, Debug)]
pub struct Explain {
    /// A signed URL
    #[arg(long, required_unless_present = "value_file", conflicts_with = "value_file")]
    url: Option<String>,
    /// A file that holds the value of an upload token or API key
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// HTTP method of the use; GET unless given
    #[arg(long)]
    method: Option<String>,
    /// Path of the use
    #[arg(long)]
    path: Option<String>,
    /// Cloud of the use
    #[arg(long, value_name = "ID")]
    cloud: Option<String>,
    /// Permission that the use needs
    #[arg(long)]
    permission: Option<String>,
    /// Storage of the use
    #[arg(long, value_name = "ID")]
    storage: Option<String>,
    /// Size of an upload
    #[arg(long)]
    bytes: Option<u64>,
    /// Media type of an upload
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<String>,
}

impl Explain {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let credential = match (&self.url, &self.value_file) {
            (Some(url), _) => json!({"url": url}),
            (None, Some(path)) => json!({"value": &**secret::from_file(path)?}),
            (None, None) => return Err(Failure::usage("give --url or --value-file")),
        };
        let question = json!({"credential": credential, "request": self.facts()});
        let answer = Client::from_environment()?.call("POST", "/v1/explain", Some(&question))?;
        output.result(&answer, readable);
        Ok(())
    }

    fn facts(self) -> Value {
        let facts = [
            ("method", self.method.map(Value::from)),
            ("path", self.path.map(Value::from)),
            ("cloudId", self.cloud.map(Value::from)),
            ("permission", self.permission.map(Value::from)),
            ("storage", self.storage.map(Value::from)),
            ("bytes", self.bytes.map(Value::from)),
            ("contentType", self.content_type.map(Value::from)),
            ("clientIp", self.client_ip.map(Value::from)),
        ];
        facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// The decision, its trace as a table, and what differs.
pub(super) fn readable(answer: &Value) -> String {
    let verdict = if answer["allowed"] == true { "allowed" } else { "refused" };
    let mut text = format!("{verdict}: {}\n", cell(&answer["code"]));
    let mut token = answer.clone();
    if let Value::Object(token) = &mut token {
        token.retain(|name, _| {
            matches!(name.as_str(), "tokenId" | "type" | "owner" | "limit" | "used" | "remaining" | "expiry")
        });
    }
    text += &members(&token);
    let mut rows = vec![vec!["RULE".to_owned(), "OUTCOME".to_owned()]];
    for step in answer["steps"].as_array().into_iter().flatten() {
        rows.push(vec![cell(&step["code"]), cell(&step["outcome"])]);
    }
    if rows.len() > 1 {
        text += &format!("\n{}", table(&rows));
    }
    if answer["form"] == "s-token2" {
        text += "\nThe URL is signed in the legacy form s-token2.\n";
    }
    if let Some(canonical) = answer["canonicalString"].as_str() {
        text += "\nThe signature must be over these lines:\n";
        for line in canonical.lines() {
            text += &format!("    {}\n", super::output::cell_text(line));
        }
    }
    for difference in answer["differs"].as_array().into_iter().flatten() {
        text += &format!("\nWhat differs: {}\n", cell(difference));
    }
    text
}
