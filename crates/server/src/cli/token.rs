//! `countermark token`.

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use countermark_core::TokenId;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::http::{Client, query};
use super::output::{Output, cell, members, table};
use super::secret;

/// The commands under `token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Issue a token; its value or secret is shown only now
    Create(Box<Create>),
    /// List tokens, newest first
    List(List),
    /// Show a token
    Show {
        /// The token's id
        id: TokenId,
    },
    /// End a token for good; repeating it does no harm
    Revoke {
        /// The token's id
        id: TokenId,
        /// Also end everything that it has issued
        #[arg(long)]
        cascade: bool,
        /// Also remove the record
        #[arg(long)]
        purge: bool,
    },
}

/// What kind of token.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    #[value(name = "imageUrl", alias = "image-url")]
    ImageUrl,
    #[value(name = "upload")]
    Upload,
    #[value(name = "apiKey", alias = "api-key")]
    ApiKey,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::ImageUrl => "imageUrl",
            Self::Upload => "upload",
            Self::ApiKey => "apiKey",
        }
    }
}

/// The arguments of `token create`.
#[derive(Args, Debug)]
pub struct Create {
    /// What the token is for
    #[arg(long = "type", value_enum)]
    kind: Kind,
    /// What lists call it
    #[arg(long)]
    name: Option<String>,
    /// What it is for, in a sentence
    #[arg(long)]
    description: Option<String>,
    /// On whose behalf it acts
    #[arg(long)]
    owner: Option<String>,
    /// A label, repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Most uses in its whole life
    #[arg(long)]
    limit: Option<u64>,
    /// Seconds after which it expires
    #[arg(long, value_name = "SECONDS", conflicts_with = "expiry")]
    ttl: Option<u64>,
    /// Unix seconds at which it expires
    #[arg(long, value_name = "SECONDS")]
    expiry: Option<u64>,
    /// Unix seconds before which it does not work
    #[arg(long, value_name = "SECONDS")]
    not_before: Option<u64>,
    /// A permission of an apiKey, repeatable
    #[arg(long = "permission")]
    permissions: Vec<String>,
    /// Path prefix that an apiKey is bound to
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// A storage that an apiKey is bound to, repeatable
    #[arg(long = "storage", value_name = "ID")]
    storages: Vec<String>,
    /// A cloud that an apiKey is bound to, repeatable
    #[arg(long = "cloud", value_name = "ID")]
    clouds: Vec<String>,
    /// Sweep the record away when it has expired
    #[arg(long)]
    auto_delete: bool,
    /// Keep the value, sealed, so that it can be shown again
    #[arg(long)]
    recoverable: bool,
    /// The member `extra`: a JSON object, or @FILE, or - for standard input. Secrets only by file or standard input
    #[arg(long, value_name = "JSON")]
    extra: Option<String>,
}

/// The filters of `token list`.
#[derive(Args, Debug)]
pub struct List {
    /// Only this type
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Only this status: revoked, disabled, expired, exhausted, notYetValid or active
    #[arg(long)]
    status: Option<String>,
    /// Only this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only this name
    #[arg(long)]
    name: Option<String>,
    /// Only with this label, or this label and value
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Option<String>,
    /// Only with this text in name, description, owner, id or preview
    #[arg(long = "search", value_name = "TEXT")]
    text: Option<String>,
    /// Only of this dialect
    #[arg(long)]
    dialect: Option<String>,
    /// Most tokens in one answer
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Go on where an earlier answer ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Token {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(output),
            Self::List(list) => list.run(output),
            Self::Show { id } => {
                let token = Client::from_environment()?.call("GET", &path(id), None)?;
                output.result(&token, members);
                Ok(())
            }
            Self::Revoke { id, cascade, purge } => {
                let yes = |flag: bool| flag.then(|| "true".to_owned());
                let options = query(&[("cascade", yes(cascade)), ("purge", yes(purge))]);
                Client::from_environment()?.call("DELETE", &(path(id) + &options), None)?;
                output.result(&json!({"id": id.to_string(), "revoked": true, "purged": purge}), |_| {
                    format!("{id} is {}.", if purge { "revoked and removed" } else { "revoked" })
                });
                Ok(())
            }
        }
    }
}

impl Create {
    fn run(self, output: Output) -> Result<(), Failure> {
        let body = self.body()?;
        let token = Client::from_environment()?.call("POST", "/v1/access-tokens", Some(&body))?;
        output.result(&token, |token| {
            let secret = if token["value"].is_string() { "value" } else { "signing secret" };
            format!("{}\nThe {secret} is shown only now.", members(token))
        });
        Ok(())
    }

    fn body(self) -> Result<Value, Failure> {
        let extra = self.extra.as_deref().map(extra).transpose()?;
        let list = |items: Vec<String>| (!items.is_empty()).then(|| json!(items));
        let labels: Map<_, _> = self.labels.into_iter().map(|(name, value)| (name, value.into())).collect();
        let body = [
            ("type", Some(json!(self.kind.name()))),
            ("name", self.name.map(Value::from)),
            ("description", self.description.map(Value::from)),
            ("owner", self.owner.map(Value::from)),
            ("labels", (!labels.is_empty()).then(|| labels.into())),
            ("limit", self.limit.map(Value::from)),
            ("ttl", self.ttl.map(Value::from)),
            ("expiry", self.expiry.map(Value::from)),
            ("notBefore", self.not_before.map(Value::from)),
            ("permissions", list(self.permissions)),
            ("basePath", self.base_path.map(Value::from)),
            ("storages", list(self.storages)),
            ("clouds", list(self.clouds)),
            ("autoDelete", self.auto_delete.then(|| true.into())),
            ("recoverable", self.recoverable.then(|| true.into())),
            ("extra", extra),
        ];
        Ok(body
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect::<Map<_, _>>()
            .into())
    }
}

impl List {
    fn run(self, output: Output) -> Result<(), Failure> {
        let query = query(&[
            ("type", self.kind.map(|kind| kind.name().to_owned())),
            ("status", self.status),
            ("owner", self.owner),
            ("name", self.name),
            ("label", self.label),
            ("q", self.text),
            ("dialect", self.dialect),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor),
        ]);
        let answer = Client::from_environment()?.call("GET", &format!("/v1/access-tokens{query}"), None)?;
        output.result(&answer, |answer| {
            let head =
                ["ID", "TYPE", "STATUS", "USED", "LIMIT", "EXPIRY", "NAME"].map(str::to_owned).to_vec();
            let row = |token: &Value| {
                ["id", "type", "status", "used", "limit", "expiry", "name"]
                    .map(|it| cell(&token[it]))
                    .to_vec()
            };
            let rows = answer["items"].as_array().into_iter().flatten().map(row);
            let mut text = table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
            if let Some(cursor) = answer["nextCursor"].as_str() {
                text += &format!("\nThere are more: --cursor {cursor}\n");
            }
            text
        });
        Ok(())
    }
}

fn path(id: TokenId) -> String {
    format!("/v1/access-tokens/{id}")
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The object of `--extra`. Errors never show it: it may hold a secret.
fn extra(argument: &str) -> Result<Value, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(path) => secret::from_file(path.as_ref())?,
        None if argument == "-" => {
            let mut text = zeroize::Zeroizing::new(String::new());
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::unreachable(format!("standard input: {error}")))?;
            text
        }
        None => zeroize::Zeroizing::new(argument.to_owned()),
    };
    let is_visible = !argument.starts_with('@') && argument != "-";
    match serde_json::from_str(&text) {
        Ok(Value::Object(members))
            if is_visible && ["secret", "authentication"].iter().any(|it| members.contains_key(*it)) =>
        {
            let message = "--extra: arguments are visible to every user of this machine; give secret and authentication by @FILE or -";
            Err(Failure::usage(message))
        }
        Ok(Value::Object(members)) => Ok(members.into()),
        _ => Err(Failure::usage("--extra: expected a JSON object, @FILE or -")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_taken_from_the_arguments() {
        let message = extra(r#"{"secret":"canary-canary"}"#).unwrap_err().message;
        assert!(message.contains("@FILE") && !message.contains("canary"));
        assert!(extra(r#"{"authentication":{}}"#).is_err());
        assert!(extra(r#"{"cloudId":"c"}"#).is_ok());
        assert!(extra("[1]").is_err());
    }
}
