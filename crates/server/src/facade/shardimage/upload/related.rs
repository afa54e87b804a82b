//! `multipart/related` as the SDK sends it: each part is an HTTP request of its own, the second one bears the file of the
//! first.

use actix_web::web::Bytes;

/// Longest head of a part or of the request in it, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;

/// Why a body is not what it says to be; each in words for the client.
type Fault = &'static str;

/// A request inside a part.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Inner {
    /// The only field of this name, in any case; `None` if there is none.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (found, None) => Ok(found.map(|(_, value)| value.as_str())),
            _ => Err("expected each header of a part once"),
        }
    }
}

/// The boundary that a content type names; `None` unless it is `multipart/related` with one.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let mut named = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    });
    let (only, None) = (named.next()?, named.next()) else { return None };
    let plain = only.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(only);
    let fits = (1..=70).contains(&plain.len()) && plain.bytes().all(|it| it.is_ascii_graphic() && it != b'"');
    fits.then_some(plain)
}

/// The two requests of an upload.
///
/// # Errors
/// Whatever is not exactly two parts, each with a whole request.
pub(super) fn read(body: &Bytes, boundary: &str) -> Result<(Inner, Inner), Fault> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let Some(mut at) = body.starts_with(&delimiter[2..]).then_some(delimiter.len() - 2) else {
        return Err("expected a body that begins with its boundary");
    };
    let mut parts = Vec::new();
    loop {
        at = match end_of_line(&body[at..]) {
            Line::Next(length) => at + length,
            Line::Last if parts.len() == 2 => break,
            Line::Last => return Err(TWO_PARTS),
            Line::Other => return Err("expected a line end after each boundary"),
        };
        let end =
            next_delimiter(body, at, &delimiter).ok_or("expected a body that ends with its boundary")?;
        if parts.len() == 2 {
            return Err(TWO_PARTS);
        }
        parts.push(inner(&body.slice(at..end))?);
        at = end + delimiter.len();
    }
    let file = parts.pop().ok_or(TWO_PARTS)?;
    let upload = parts.pop().ok_or(TWO_PARTS)?;
    Ok((upload, file))
}

const TWO_PARTS: Fault = "expected two parts: the upload and its file";

enum Line {
    /// The delimiter's line ends after so many bytes, and a part follows.
    Next(usize),
    /// It was the last delimiter, with nothing after it.
    Last,
    /// It is none.
    Other,
}

fn end_of_line(rest: &[u8]) -> Line {
    if let Some(after) = rest.strip_prefix(b"--") {
        return if after.trim_ascii().is_empty() { Line::Last } else { Line::Other };
    }
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if rest[blanks..].starts_with(b"\r\n") { Line::Next(blanks + 2) } else { Line::Other }
}

/// Where the next delimiter begins, its line end before it included. What only begins like one is part of the content.
fn next_delimiter(body: &[u8], from: usize, delimiter: &[u8]) -> Option<usize> {
    let mut at = from;
    loop {
        at += body[at..].iter().position(|byte| *byte == b'\r')?;
        if body[at..].starts_with(delimiter) {
            let rest = &body[at + delimiter.len()..];
            if rest.starts_with(b"--") || matches!(end_of_line(rest), Line::Next(_)) {
                return Some(at);
            }
        }
        at += 1;
    }
}

fn inner(part: &Bytes) -> Result<Inner, Fault> {
    let (lines, request) = head(part)?;
    let headers = fields(&lines)?;
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let essence = kind.and_then(|(_, value)| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/http") {
        return Err("expected parts of the type application/http");
    }
    let (lines, body) = head(&request)?;
    let (first, lines) = lines.split_once("\r\n").unwrap_or((&lines, ""));
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("expected a request line in each part");
    };
    let inner = Inner { method: method.to_owned(), target: target.to_owned(), headers: fields(lines)?, body };
    if let Some(length) = inner.header("content-length")?
        && length.parse() != Ok(inner.body.len())
    {
        return Err("expected parts of the length that they announce");
    }
    if inner.header("transfer-encoding")?.is_some() || inner.header("content-encoding")?.is_some() {
        return Err("expected parts without an encoding");
    }
    Ok(inner)
}

/// What stands before the first empty line, and what stands after it.
fn head(bytes: &Bytes) -> Result<(String, Bytes), Fault> {
    let searched = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let end =
        searched.windows(4).position(|four| four == b"\r\n\r\n").ok_or("expected a head in each part")?;
    let lines = std::str::from_utf8(&bytes[..end]).map_err(|_| "expected heads of visible characters")?;
    if lines.chars().any(|it| it.is_control() && !matches!(it, '\r' | '\n' | '\t')) {
        return Err("expected heads of visible characters");
    }
    Ok((lines.to_owned(), bytes.slice(end + 4..)))
}

fn fields(lines: &str) -> Result<Vec<(String, String)>, Fault> {
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_');
        let is_value = !value.contains(['\r', '\n']);
        (is_name && is_value).then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let lines = lines.split("\r\n").filter(|line| !line.is_empty());
    lines.map(|line| field(line).ok_or("expected headers as Name: value")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Content-Type: application/http\r\n\r\n";

    fn part(request: &str) -> String {
        format!("--b\r\n{HEAD}{request}\r\n")
    }

    fn text(body: &str) -> Result<(Inner, Inner), Fault> {
        read(&Bytes::copy_from_slice(body.as_bytes()), "b")
    }

    const UPLOAD: &str = "POST /upload/v1/c/c1 HTTP/1.1\r\nContent-ID:1\r\n\r\n{}";

    fn file(content: &str) -> Result<Bytes, Fault> {
        let second = format!("POST /file HTTP/1.1\r\nContent-Length: {}\r\n\r\n{content}", content.len());
        text(&format!("{}{}--b--\r\n", part(UPLOAD), part(&second))).map(|(_, file)| file.body)
    }

    #[test]
    fn two_requests_are_read_with_their_bodies_to_the_byte() {
        let (upload, _) =
            text(&format!("{}{}--b--", part(UPLOAD), part("POST /file HTTP/1.1\r\n\r\n"))).unwrap();
        assert_eq!((upload.method.as_str(), upload.target.as_str()), ("POST", "/upload/v1/c/c1"));
        assert_eq!(upload.header("content-id"), Ok(Some("1")));
        assert_eq!(&upload.body[..], b"{}");
        for content in [
            "",
            "x",
            "\r\n",
            "\r\n\r\n",
            "--b",
            "\r\n--bb\r\n",
            "\r\n--b-",
            "\n--b\n",
            "\r\r\n--",
            "x\r\n--b x",
        ] {
            assert_eq!(file(content).as_deref(), Ok(content.as_bytes()), "{content:?}");
        }
    }

    #[test]
    fn a_boundary_inside_the_file_is_no_way_to_end_it() {
        for content in [
            "\r\n--b--",
            "\r\n--b\r\n",
            "a\r\n--b--\r\nb",
            "\r\n--b \r\nContent-Type: application/http\r\n\r\n",
        ] {
            assert!(file(content).is_err(), "{content:?}");
        }
    }

    #[test]
    fn anything_but_two_whole_parts_is_refused() {
        let one = part(UPLOAD);
        let two = part("POST /file HTTP/1.1\r\n\r\nx");
        for body in [
            String::new(),
            "--b".to_owned(),
            "--b--".to_owned(),
            "--b--\r\n".to_owned(),
            "--b\r\n".to_owned(),
            "--b\r\n\r\n--b--".to_owned(),
            "--c\r\n".to_owned(),
            format!("{one}--b--"),
            format!("{one}{two}"),
            format!("{one}{two}--b"),
            format!("{one}{two}--b--\r\nmore"),
            format!("{one}{two}{two}--b--"),
            format!("preamble\r\n{one}{two}--b--"),
            format!("{one}--b\r\nContent-Type: text/plain\r\n\r\nPOST /file HTTP/1.1\r\n\r\nx\r\n--b--"),
            format!("{one}--b\r\nPOST /file HTTP/1.1\r\n\r\nx\r\n--b--"),
            format!("{one}{}--b--", part("POST /file\r\n\r\nx")),
            format!("{one}{}--b--", part("POST  /file HTTP/1.1\r\n\r\nx")),
            format!("{one}{}--b--", part("POST /file HTTP/2\r\n\r\nx")),
            format!("{one}{}--b--", part("POST /file HTTP/1.1\r\nContent-Length: 2\r\n\r\nx")),
            format!(
                "{one}{}--b--",
                part("POST /file HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")
            ),
            format!("{one}{}--b--", part("POST /file HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx")),
            format!("{one}{}--b--", part("POST /file HTTP/1.1\r\n folded: x\r\n\r\nx")),
            format!("{one}{}--b--", part("POST /file HTTP/1.1\r\nno colon\r\n\r\nx")),
            format!("{one}{}--b--", part("POST /file HTTP/1.1\r\nA: \0\r\n\r\nx")),
            format!(
                "{one}{}--b--",
                part(&format!("POST /file HTTP/1.1\r\nA: {}\r\n\r\nx", "a".repeat(9000)))
            ),
        ] {
            assert!(text(&body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn the_boundary_stands_in_the_content_type_once() {
        assert_eq!(boundary("multipart/related; boundary=1.2.3"), Some("1.2.3"));
        assert_eq!(boundary("Multipart/Related;type=x; Boundary=\"a b\""), None);
        assert_eq!(boundary("multipart/related; boundary=\"a=b\""), Some("a=b"));
        let long = format!("multipart/related; boundary={}", "x".repeat(71));
        for bad in [
            "",
            "multipart/related",
            "multipart/related; boundary=",
            "multipart/related; boundary=a; boundary=b",
            "multipart/mixed; boundary=a",
            "application/json; boundary=a",
            &long,
        ] {
            assert_eq!(boundary(bad), None, "{bad}");
        }
    }
}
