//! One pass over the headers of an ask: what may stand once stands once, and nothing stands under a name that some server
//! takes for another.

use actix_web::http::header::{HeaderMap, HeaderValue};

/// The names under which a dialect tells of the original request; empty where it does not tell.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) target: &'static str,
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) client: Client,
    pub(super) bytes: &'static str,
    pub(super) content_type: &'static str,
}

/// Where a dialect names the client's address.
#[derive(Debug)]
pub(super) enum Client {
    /// The header holds the address.
    Address(&'static str),
    /// The header is a list; its last element was written by the proxy that asks.
    List(&'static str),
}

/// Headers that the gate reads, none of them repeated. An empty header that may be absent is absent.
#[derive(Default)]
pub(super) struct Heads<'a> {
    pub(super) target: Option<&'a HeaderValue>,
    pub(super) method: Option<&'a HeaderValue>,
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) client: Option<&'a HeaderValue>,
    pub(super) bytes: Option<&'a HeaderValue>,
    pub(super) content_type: Option<&'a HeaderValue>,
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) custom_key: Option<&'a HeaderValue>,
    pub(super) destination: Option<&'a HeaderValue>,
    pub(super) origin: Option<&'a HeaderValue>,
    pub(super) preflight_method: Option<&'a HeaderValue>,
}

/// A header stands twice, or beside its name in another spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated;

/// Presented by a proxy to be trusted.
pub(super) const GATE_SECRET: &str = "x-countermark-gate-secret";
const CUSTOM_KEY: &str = "x-custom-auth-key";
/// What begins so is ours, in requests and in answers.
const OUR_PREFIX: &str = "x-countermark-";

impl<'a> Heads<'a> {
    /// Reads the headers that `names` and every dialect have.
    ///
    /// # Errors
    /// [`Repeated`]; some servers take `X_Original_URI` for `X-Original-URI`, so such a twin counts as a repetition even
    /// without the original.
    pub(super) fn read(headers: &'a HeaderMap, names: &Names) -> Result<Self, Repeated> {
        let mut heads = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            if let Client::List(list) = names.client
                && name == list
            {
                heads.client = Some(value);
            } else if let Some(place) = heads.place(name, names) {
                if place.replace(value).is_some() {
                    return Err(Repeated);
                }
            } else if is_twin(name, names) {
                return Err(Repeated);
            }
        }
        Ok(heads.without_empty())
    }

    /// Some proxies send a header that they fill from one of the client's also where the client has sent none. An empty
    /// `Destination` stays, to be refused.
    fn without_empty(mut self) -> Self {
        for place in
            [&mut self.authorization, &mut self.custom_key, &mut self.origin, &mut self.preflight_method]
        {
            place.take_if(|value| value.is_empty());
        }
        self
    }

    fn place(&mut self, name: &str, names: &Names) -> Option<&mut Option<&'a HeaderValue>> {
        Some(match name {
            "authorization" => &mut self.authorization,
            CUSTOM_KEY => &mut self.custom_key,
            "destination" => &mut self.destination,
            "origin" => &mut self.origin,
            "access-control-request-method" => &mut self.preflight_method,
            _ if name == names.target => &mut self.target,
            _ if name == names.method => &mut self.method,
            _ if name == names.host => &mut self.host,
            _ if name == names.bytes => &mut self.bytes,
            _ if name == names.content_type => &mut self.content_type,
            _ if name == names.client.name() => &mut self.client,
            _ => return None,
        })
    }
}

impl Client {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Address(name) | Self::List(name) => name,
        }
    }
}

/// Whether `name`, with `_` or `.` in place of some `-`, is a header that decides something here.
fn is_twin(name: &str, names: &Names) -> bool {
    if !name.bytes().any(|byte| matches!(byte, b'_' | b'.')) {
        return false;
    }
    let told = [names.target, names.method, names.host, names.client.name(), names.bytes, names.content_type];
    let own = name.get(..OUR_PREFIX.len()).is_some_and(|begin| reads_as(begin, OUR_PREFIX));
    own || reads_as(name, CUSTOM_KEY) || told.iter().any(|known| reads_as(name, known))
}

fn reads_as(name: &str, known: &str) -> bool {
    let plain = |byte| if matches!(byte, b'_' | b'.') { b'-' } else { byte };
    name.len() == known.len() && name.bytes().map(plain).eq(known.bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;
    use crate::gate::{envoy, forwarded, nginx};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn read(names: &Names, lines: &[(&str, &str)]) -> Result<Option<String>, Repeated> {
        let headers = headers(lines);
        let heads = Heads::read(&headers, names)?;
        Ok(heads.target.map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn each_dialect_reads_its_own_header_and_no_other() {
        let all = [
            ("X-Original-URI", "/nginx"),
            ("X-Forwarded-Uri", "/forwarded"),
            ("X-Original-Url", "/x"),
            ("X-Rewrite-Url", "/x"),
            ("X-Envoy-Original-Path", "/x"),
        ];
        assert_eq!(read(&nginx::NAMES, &all), Ok(Some("/nginx".to_owned())));
        assert_eq!(read(&forwarded::NAMES, &all), Ok(Some("/forwarded".to_owned())));
        assert_eq!(read(&envoy::NAMES, &all), Ok(None));
    }

    #[test]
    fn what_stands_twice_is_refused_even_with_the_same_value() {
        for (names, name) in [
            (&nginx::NAMES, "X-Original-URI"),
            (&nginx::NAMES, "X-Original-Method"),
            (&nginx::NAMES, "X-Original-Host"),
            (&nginx::NAMES, "X-Real-IP"),
            (&nginx::NAMES, "X-Original-Content-Length"),
            (&nginx::NAMES, "X-Original-Content-Type"),
            (&forwarded::NAMES, "X-Forwarded-Uri"),
            (&forwarded::NAMES, "X-Forwarded-Method"),
            (&forwarded::NAMES, "X-Forwarded-Host"),
            (&forwarded::NAMES, "Content-Type"),
            (&envoy::NAMES, "Host"),
            (&envoy::NAMES, "Authorization"),
            (&nginx::NAMES, "Authorization"),
            (&nginx::NAMES, "X-Custom-Auth-Key"),
            (&nginx::NAMES, "Destination"),
            (&nginx::NAMES, "Origin"),
        ] {
            assert_eq!(read(names, &[(name, "x"), (name, "x")]), Err(Repeated), "{name}");
            assert!(read(names, &[(name, "x")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_name_in_another_spelling_is_refused_even_alone() {
        for (names, name) in [
            (&nginx::NAMES, "X_Original_URI"),
            (&nginx::NAMES, "X-Original_URI"),
            (&nginx::NAMES, "X.Original.Method"),
            (&nginx::NAMES, "X_Real-IP"),
            (&forwarded::NAMES, "X_Forwarded_Uri"),
            (&forwarded::NAMES, "X-Forwarded.For"),
            (&forwarded::NAMES, "Content_Type"),
            (&envoy::NAMES, "X_Forwarded-For"),
            (&envoy::NAMES, "X_Custom_Auth_Key"),
            (&envoy::NAMES, "X_Countermark_Owner"),
            (&envoy::NAMES, "x-countermark-token_id"),
            (&envoy::NAMES, "X.Countermark-Gate-Secret"),
        ] {
            assert_eq!(read(names, &[(name, "x")]), Err(Repeated), "{name}");
        }
    }

    #[test]
    fn other_names_with_underscores_are_nobodys_business() {
        for name in
            ["X_Original_URI", "X_Forwarded_Uri_", "my_header", "x_countermar_k", "_", "X-Countermark-Owner"]
        {
            assert!(read(&forwarded::NAMES, &[(name, "x")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_empty_header_that_may_be_absent_is_absent() {
        let names = ["Authorization", "X-Custom-Auth-Key", "Origin", "Access-Control-Request-Method"];
        for (value, is_there) in [("", false), ("x", true)] {
            let headers = headers(&names.map(|name| (name, value)));
            let heads = Heads::read(&headers, &nginx::NAMES).unwrap();
            for read in [heads.authorization, heads.custom_key, heads.origin, heads.preflight_method] {
                assert_eq!(read.is_some(), is_there);
            }
        }
        let twice = headers(&[("Authorization", ""), ("Authorization", "x")]);
        assert_eq!(Heads::read(&twice, &nginx::NAMES).err(), Some(Repeated));
    }

    #[test]
    fn the_last_line_of_a_list_holds_the_client() {
        let headers = headers(&[("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")]);
        let heads = Heads::read(&headers, &forwarded::NAMES).unwrap();
        assert_eq!(heads.client.unwrap(), "192.0.2.2");
    }
}
