//! One request of the dialect, whether it came by itself or as a part of a batch.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::web::Payload;
use serde::Deserialize;

use super::error::CONTENT_ID;
use super::packed;
use crate::body::any_bytes;
use crate::json;
use crate::problem::{Problem, codes};

/// Most header fields of a request inside another.
const MOST_FIELDS: usize = 64;

/// A request as its sender signed it.
pub struct Asked {
    /// The method.
    pub method: Method,
    /// Path and query, byte by byte as they were sent: what the signature covers.
    pub target: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, whatever its type.
    pub body: Bytes,
}

impl Asked {
    /// Reads a request that came by itself, with a body of at most `LIMIT` bytes.
    ///
    /// # Errors
    /// 408, 413, or 415 for an encoded body.
    pub async fn read<const LIMIT: usize>(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let body = any_bytes::<LIMIT>(request, &mut payload.into_inner()).await?;
        let target = request.uri().path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Ok(Self { method: request.method().clone(), target, headers: request.headers().clone(), body })
    }

    /// Reads an HTTP request in the content of a part: its first line, header fields, an empty line, and its body.
    ///
    /// # Errors
    /// 400 for whatever is no request, and for a body of another length than it says.
    pub fn in_part(content: &Bytes) -> Result<Self, Problem> {
        let end = find(content, b"\r\n\r\n")
            .ok_or_else(|| malformed("a request ends its head by an empty line"))?;
        let head =
            std::str::from_utf8(&content[..end]).map_err(|_| malformed("the head of a request is text"))?;
        let body = content.slice(end + 4..);
        let (first, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let [method, target, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..] else {
            return Err(malformed("a request begins with method, path and HTTP/1.1"));
        };
        let method = method.parse().map_err(|_| malformed("a request begins with its method"))?;
        let is_target = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_target {
            return Err(malformed("a request names a path of visible ASCII characters"));
        }
        let asked = Self { method, target: target.to_owned(), headers: fields_of(fields)?, body };
        let announced = asked.only(&header::CONTENT_LENGTH)?;
        if announced.is_some_and(|length| length.parse() != Ok(asked.body.len())) {
            return Err(malformed("the body of a request is as long as its Content-Length says"));
        }
        Ok(asked)
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header field that may stand once; `None` if it is not there.
    ///
    /// # Errors
    /// 400 if it is there twice or is no visible ASCII.
    pub fn only(&self, name: &HeaderName) -> Result<Option<&str>, Problem> {
        let mut values = self.headers.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(only), None) => only.to_str().map(Some).map_err(|_| twice(name)),
            (Some(_), Some(_)) => Err(twice(name)),
        }
    }

    /// The id to be repeated with the answer, if it is short and plain enough for that.
    pub fn content_id(&self) -> Option<HeaderValue> {
        content_id(&self.headers)
    }

    /// Reads the body, JSON or MessagePack as its type says; without a type it is JSON.
    ///
    /// # Errors
    /// 400 for what is not well-formed or not as expected, with the member; 415 for another type.
    pub fn object<T: for<'a> Deserialize<'a>>(&self) -> Result<T, Problem> {
        let media_type = self.only(&header::CONTENT_TYPE)?.unwrap_or("application/json");
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => json::read(&self.body),
            "application/msgpack" | "application/x-msgpack" => json::read(&packed::to_json(&self.body)?),
            _ => Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE)
                .detail("expected the content type application/json or application/msgpack")),
        }
    }
}

/// The id in these header fields, if there is one that may be repeated.
pub fn content_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_plain = |id: &&HeaderValue| {
        (1..=200).contains(&id.len()) && id.as_bytes().iter().all(|byte| byte.is_ascii_graphic())
    };
    headers.get(CONTENT_ID).filter(is_plain).cloned()
}

/// 400: the message as a whole is not acceptable.
pub fn malformed(what: &'static str) -> Problem {
    Problem::new(&codes::MALFORMED_BODY).member("", format!("expected that {what}"))
}

/// Where `needle` stands first, in time linear in both: a client chooses both.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Header fields, each ended by CRLF; a space after the colon may be missing.
pub fn fields_of(text: &str) -> Result<HeaderMap, Problem> {
    let mut fields = HeaderMap::new();
    for (index, line) in text.split("\r\n").filter(|line| !line.is_empty()).enumerate() {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("each header field has a name, a colon and a value"))?;
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value.trim_matches([' ', '\t']));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(malformed("header fields have plain names and values"));
        };
        if index == MOST_FIELDS {
            return Err(malformed("a request has at most 64 header fields"));
        }
        fields.append(name, value);
    }
    Ok(fields)
}

fn twice(name: &HeaderName) -> Problem {
    Problem::new(&codes::INVALID_HEADER)
        .detail(format!("expected one header {name} of visible ASCII characters"))
}
