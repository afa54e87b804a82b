//! `countermark sign`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countermark_core::{KeyVersion, Placement, SigningSecret, TokenId, UnixSeconds, sign};
use countermark_domain::clock::{Clock, SystemClock};
use serde_json::json;

use super::failure::Failure;
use super::http::Client;
use super::output::{Output, cell};
use super::secret;

/// Signs with a secret at hand, without the service; else the service signs.
#[derive(Args, Debug)]
#[command(
    after_help = "With --secret-file, COUNTERMARK_SIGNING_SECRET or COUNTERMARK_SIGNING_SECRET_FILE the URL is signed here; \
    otherwise by the service, whose key needs the permission sign."
)]
pub struct Sign {
    /// Full URL without a signature
    #[arg(long)]
    url: String,
    /// The imageUrl token that signs
    #[arg(long, value_name = "ID")]
    token: TokenId,
    /// Unix seconds at which the link ends
    #[arg(long, value_name = "SECONDS", conflicts_with = "ttl")]
    expires: Option<u64>,
    /// Seconds after which the link ends
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// Round the expiry up to a multiple of this, so that equal links can be cached
    #[arg(long, value_name = "SECONDS")]
    bucket: Option<u64>,
    /// Where the signature stands
    #[arg(long, value_enum, default_value_t = Where::Path)]
    placement: Where,
    /// A file that holds the signing secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The version of that secret; 1 unless it has been rotated
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    key_version: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Where {
    Path,
    Query,
}

impl Sign {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let secret = match &self.secret_file {
            Some(path) => Some(secret::from_file(path)?),
            None => secret::from_environment("COUNTERMARK_SIGNING_SECRET")?,
        };
        let url = match secret {
            Some(secret) => self.sign_here(&secret)?,
            None if self.key_version.is_some() => {
                return Err(Failure::usage(
                    "--key-version needs a signing secret; the service signs with its newest",
                ));
            }
            None => self.sign_there()?,
        };
        output.result(&json!({"url": url}), |answer| cell(&answer["url"]));
        Ok(())
    }

    fn sign_here(&self, secret: &str) -> Result<String, Failure> {
        let key = SigningSecret::new(secret.to_owned())
            .map_err(|error| Failure::usage(format!("signing secret: {error}")))?
            .key();
        let version = KeyVersion::new(self.key_version.unwrap_or(1)).expect("clap has refused 0");
        let expires = match (self.expires, self.ttl) {
            (Some(instant), _) => Some(
                UnixSeconds::new(instant)
                    .ok_or_else(|| Failure::usage("--expires: expected Unix seconds up to 253402300799"))?,
            ),
            (None, Some(seconds)) => {
                let now = UnixSeconds::new(SystemClock.now_millis() / 1000).unwrap_or_default();
                Some(now.plus(seconds))
            }
            (None, None) => None,
        };
        let expires = expires.map(|instant| instant.round_up(self.bucket.unwrap_or(0)));
        let placement = match self.placement {
            Where::Path => Placement::Path,
            Where::Query => Placement::Query,
        };
        sign(&self.url, placement, self.token, version, expires, &key)
            .map_err(|malformed| Failure::refused(format!("--url: {}", malformed.0)))
    }

    fn sign_there(&self) -> Result<String, Failure> {
        let placement = match self.placement {
            Where::Path => "path",
            Where::Query => "query",
        };
        let order = json!({
            "tokenId": self.token.to_string(), "url": self.url, "expires": self.expires, "ttl": self.ttl,
            "bucket": self.bucket, "placement": placement,
        });
        let answer = Client::from_environment()?.call("POST", "/v1/signed-urls", Some(&order))?;
        Ok(cell(&answer["url"]))
    }
}
