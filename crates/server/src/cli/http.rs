//! Calls to a running service. They block, so no command makes them on an actix thread.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use zeroize::Zeroizing;

use super::failure::{Exit, Failure};
use super::secret;

/// A service and the key that is presented to it.
pub struct Client {
    base: String,
    key: Option<Zeroizing<String>>,
    agent: Agent,
}

/// Where the service is if nothing else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// How URLs of this machine itself begin.
const LOCAL: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest answer that is read.
const ANSWER_BYTES: u64 = 64 << 20;

impl Client {
    /// A client for `COUNTERMARK_URL` with the key of `COUNTERMARK_KEY` or `COUNTERMARK_KEY_FILE`.
    ///
    /// # Errors
    /// There is no key, or one of the variables is unusable.
    pub fn from_environment() -> Result<Self, Failure> {
        let url = std::env::var("COUNTERMARK_URL").unwrap_or_else(|_| DEFAULT_URL.to_owned());
        let key = secret::from_environment("COUNTERMARK_KEY")?.ok_or_else(|| {
            Failure::usage("set COUNTERMARK_KEY, or COUNTERMARK_KEY_FILE to a file that holds the key")
        })?;
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::usage("COUNTERMARK_KEY: expected visible ASCII characters"));
        }
        Self::new(&url, Some(key), PATIENCE)
    }

    /// A client for this service.
    ///
    /// # Errors
    /// The URL is none of HTTP.
    pub fn new(url: &str, key: Option<Zeroizing<String>>, patience: Duration) -> Result<Self, Failure> {
        let base = url.trim_end_matches('/').to_owned();
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(Failure::usage("COUNTERMARK_URL: expected http:// or https:// and a host"));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // The key must not follow to wherever an answer points.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(patience));
        if LOCAL.iter().any(|local| base.starts_with(local)) {
            // A proxy of the environment cannot reach this machine's own addresses.
            config = config.proxy(None);
        }
        let agent = config.build().into();
        Ok(Self { base, key, agent })
    }

    /// Status and body of one call; a body that is no JSON is null.
    ///
    /// # Errors
    /// The service cannot be reached.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", &**key));
        }
        let answer = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string())
                .map(|request| self.agent.run(request)),
            None => request.body(()).map(|request| self.agent.run(request)),
        };
        let answer =
            answer.map_err(|_| Failure::usage("COUNTERMARK_URL: expected http:// or https:// and a host"))?;
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = Zeroizing::new(text.map_err(|error| self.unreachable(&error))?);
        Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The body of an answer that says yes.
    ///
    /// # Errors
    /// The service cannot be reached, is not ready, or refuses.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        match self.ask(method, path, body)? {
            (200..=299, answer) => Ok(answer),
            (status, problem) => Err(refusal(status, problem)),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::unreachable(format!(
            "{}: {error}; is the service running, and COUNTERMARK_URL right?",
            self.base
        ))
    }
}

fn refusal(status: u16, problem: Value) -> Failure {
    let text = |value: &Value, member: &str| value[member].as_str().map(super::output::cell_text);
    let code = text(&problem, "code").unwrap_or_else(|| "no problem description".to_owned());
    let detail = text(&problem, "detail").unwrap_or_default();
    let mut message = format!("{status} {code}: {detail}");
    for member in problem["errors"].as_array().into_iter().flatten() {
        let pointer = text(member, "pointer").unwrap_or_default();
        message += &format!("\n  {pointer}: {}", text(member, "detail").unwrap_or_default());
    }
    let exit = if status >= 500 { Exit::Unreachable } else { Exit::Refused };
    Failure { exit, message, problem: Some(problem) }
}

/// A query with these parameters, `?` included; empty without any.
pub fn query(parameters: &[(&str, Option<String>)]) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        if let Some(value) = value {
            query.push(if query.is_empty() { '?' } else { '&' });
            query += name;
            query.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    query.push(char::from(byte));
                } else {
                    query += &format!("%{byte:02X}");
                }
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_any_text() {
        let parameters = [("a", None), ("b", Some("x y&ü".to_owned())), ("c", Some("1".to_owned()))];
        assert_eq!(query(&parameters), "?b=x%20y%26%C3%BC&c=1");
        assert_eq!(query(&[("a", None)]), "");
    }

    #[test]
    fn a_refusal_names_the_members_at_fault() {
        let problem = serde_json::json!({"code": "INVALID_MEMBER", "detail": "wrong",
            "errors": [{"pointer": "/limit", "detail": "expected a number"}]});
        let failure = refusal(400, problem);
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.message, "400 INVALID_MEMBER: wrong\n  /limit: expected a number");
        assert_eq!(refusal(503, Value::Null).exit, Exit::Unreachable);
    }
}
