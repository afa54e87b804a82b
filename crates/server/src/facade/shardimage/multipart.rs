//! Multipart bodies (RFC 2046): cut by bytes, without a copy.

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

use super::message::{fields_of, find, malformed};
use crate::problem::{Problem, codes};

/// One part.
pub struct Part {
    /// Its own header fields.
    pub headers: HeaderMap,
    /// What follows them.
    pub content: Bytes,
}

/// The boundary that a content type of `multipart/{subtype}` names.
///
/// # Errors
/// 415 for another type, 400 without a boundary of 1 to 70 visible characters.
pub fn boundary<'a>(content_type: Option<&'a str>, subtype: &str) -> Result<&'a str, Problem> {
    let mut pieces = content_type.unwrap_or_default().split(';').map(str::trim);
    let is_multipart =
        pieces.next().and_then(|essence| essence.split_once('/')).is_some_and(|(kind, sub)| {
            kind.eq_ignore_ascii_case("multipart") && sub.eq_ignore_ascii_case(subtype)
        });
    if !is_multipart {
        return Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("expected the content type multipart/{subtype}")));
    }
    let named = |piece: &'a str| {
        let (name, value) = piece.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    };
    let boundary = pieces.find_map(named).unwrap_or_default();
    let fits = (1..=70).contains(&boundary.len()) && boundary.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(boundary)
    } else {
        Err(malformed("the content type names a boundary of 1 to 70 visible characters"))
    }
}

/// The parts of a body, at most `most`; what stands before the first and after the last boundary is nobody's.
///
/// # Errors
/// 400 for what is no multipart body, for none and for too many parts.
pub fn parts(body: &Bytes, boundary: &str, most: usize) -> Result<Vec<Part>, Problem> {
    let mark = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    let mut at = match body.starts_with(&mark.as_bytes()[2..]) {
        true => mark.len() - 2,
        false => find(body, mark.as_bytes()).ok_or_else(|| malformed("the body has parts"))? + mark.len(),
    };
    while !body[at..].starts_with(b"--") {
        let begin = at + end_of_line(&body[at..])?;
        let length = length_of_part(&body[begin..], mark.as_bytes())?;
        if parts.len() == most {
            return Err(
                Problem::new(&codes::MALFORMED_BODY).member("", format!("expected at most {most} parts"))
            );
        }
        parts.push(part(&body.slice(begin..begin + length))?);
        at = begin + length + mark.len();
    }
    if parts.is_empty() { Err(malformed("the body has parts")) } else { Ok(parts) }
}

/// Bytes up to the next boundary: such a line may be continued by other text, and is none then.
fn length_of_part(text: &[u8], mark: &[u8]) -> Result<usize, Problem> {
    let mut from = 0;
    loop {
        let at =
            from + find(&text[from..], mark).ok_or_else(|| malformed("the body ends with its boundary"))?;
        let rest = &text[at + mark.len()..];
        if rest.starts_with(b"--") || end_of_line(rest).is_ok() {
            return Ok(at);
        }
        from = at + 1;
    }
}

/// Bytes of the blanks and the CRLF with which a boundary's line ends.
fn end_of_line(text: &[u8]) -> Result<usize, Problem> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if text[blanks..].starts_with(b"\r\n") {
        Ok(blanks + 2)
    } else {
        Err(malformed("each boundary stands in a line of its own"))
    }
}

fn part(text: &Bytes) -> Result<Part, Problem> {
    if text.starts_with(b"\r\n") {
        return Ok(Part { headers: HeaderMap::new(), content: text.slice(2..) });
    }
    let end = find(text, b"\r\n\r\n").ok_or_else(|| malformed("a part ends its head by an empty line"))?;
    let head = std::str::from_utf8(&text[..end]).map_err(|_| malformed("the head of a part is text"))?;
    Ok(Part { headers: fields_of(head)?, content: text.slice(end + 4..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(body: &str) -> Result<Vec<String>, String> {
        let parts = parts(&Bytes::copy_from_slice(body.as_bytes()), "b", 3).map_err(|it| it.to_string())?;
        Ok(parts.into_iter().map(|part| String::from_utf8(part.content.to_vec()).unwrap()).collect())
    }

    #[test]
    fn parts_are_cut_at_whole_boundaries_only() {
        assert_eq!(contents("--b\r\nA:1\r\n\r\none\r\n--b\r\n\r\n\r\n--b--").unwrap(), ["one", ""]);
        assert_eq!(contents("before\r\n--b \t\r\nA:1\r\n\r\none\r\n--b--\r\nafter").unwrap(), ["one"]);
        let tricky = "\r\n--bc\r\n--\r\n--b-\r\n --b\r\n--\n";
        assert_eq!(contents(&format!("--b\r\n\r\n{tricky}\r\n--b--")).unwrap(), [tricky]);
    }

    #[test]
    fn what_is_no_multipart_body_is_refused() {
        for bad in [
            "",
            "text",
            "--b",
            "--b--",
            "--b\r\n",
            "--b\r\n\r\none",
            "--b\r\nA:1\r\none\r\n--b--",
            "--b\r\nno field\r\n\r\none\r\n--b--",
            "--bx\r\n\r\none\r\n--b--",
            "--b\r\n\r\none\r\n--bx--",
            "--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b\r\n\r\n3\r\n--b\r\n\r\n4\r\n--b--",
        ] {
            assert!(contents(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        let of = |content_type| boundary(Some(content_type), "mixed").map_err(|it| it.code().status);
        assert_eq!(of("multipart/mixed; boundary=1.2.3"), Ok("1.2.3"));
        assert_eq!(of("Multipart/Mixed;charset=x;Boundary=\"a=b\""), Ok("a=b"));
        for bad in ["multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=a b"] {
            assert_eq!(of(bad), Err(400), "{bad}");
        }
        let long = format!("multipart/mixed; boundary={}", "b".repeat(71));
        assert_eq!(boundary(Some(&long), "mixed").unwrap_err().code().status, 400);
        assert_eq!(of("multipart/related; boundary=b"), Err(415));
        assert_eq!(boundary(None, "mixed").unwrap_err().code().status, 415);
    }
}
