//! The upload token that the client has sent to tusd.

use crate::hooks::tusd::event::ClientRequest;
use crate::problem::{Problem, codes};

/// The token value in the client's request: as `Authorization: Bearer` or `ApiKey`, or as `?token=`. Other schemes of
/// Authorization are for whoever stands before tusd and are passed over.
///
/// # Errors
/// 401 for none, 400 for more than one.
pub(super) fn token_value(request: &ClientRequest) -> Result<&str, Problem> {
    let headers = request.header_values("Authorization").filter_map(presented);
    let parameters = query(&request.uri).split('&').filter_map(|pair| pair.strip_prefix("token="));
    let mut values = headers.chain(parameters.filter(|value| !value.is_empty()));
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(
            Problem::new(&codes::INVALID_HEADER).detail("expected the upload token once and in one place")
        );
    }
    Ok(value)
}

fn presented(header: &str) -> Option<&str> {
    let (scheme, value) = header.split_once(' ')?;
    let known = ["bearer", "apikey"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    Some(value.trim_matches(' ')).filter(|value| known && !value.is_empty())
}

fn query(uri: &str) -> &str {
    uri.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default())
}

fn missing() -> Problem {
    Problem::new(&codes::UNKNOWN_TOKEN).detail("send an upload token as Authorization: Bearer cmu_…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(uri: &str, authorization: &[&str]) -> Result<String, &'static str> {
        let request = json!({"URI": uri, "Header": {"Authorization": authorization}});
        let request: ClientRequest = serde_json::from_value(request).unwrap();
        token_value(&request).map(str::to_owned).map_err(|problem| problem.code().name)
    }

    #[test]
    fn a_token_is_found_in_either_place() {
        for header in ["Bearer cmu_a", "bearer cmu_a", "ApiKey cmu_a", "APIKEY cmu_a"] {
            assert_eq!(read("/files/", &[header]).as_deref(), Ok("cmu_a"), "{header}");
        }
        assert_eq!(read("/files/?a=b&token=cmu_a&c", &[]).as_deref(), Ok("cmu_a"));
        assert_eq!(read("/files/?token=cmu_a", &["Basic Zm9v"]).as_deref(), Ok("cmu_a"));
    }

    #[test]
    fn no_token_is_answered_401_and_two_are_a_bad_request() {
        for (uri, header) in [("/files/", ""), ("/files/?token=", "Bearer "), ("/token=cmu_a", "cmu_a")] {
            assert_eq!(read(uri, &[header]), Err("UNKNOWN_TOKEN"), "{uri} {header}");
        }
        assert_eq!(read("/files/?token=cmu_a", &["Bearer cmu_a"]), Err("INVALID_HEADER"));
        assert_eq!(read("/files/?token=cmu_a&token=cmu_b", &[]), Err("INVALID_HEADER"));
        assert_eq!(read("/files/", &["Bearer cmu_a", "Bearer cmu_b"]), Err("INVALID_HEADER"));
    }
}
