//! The grammar of a request target: the raw path and query, never decoded before they are signed.

use std::ops::Range;

use crate::escape::escape_at;
use crate::reason::Malformed;

/// Longest request target in bytes.
pub(crate) const MAX_TARGET_BYTES: usize = 8192;

const SIGNATURE_SEGMENTS: [&[u8]; 2] = [b"s-cm1:", b"s-token2:"];
const RESERVED_PREFIX: &[u8] = b"cm-";
const SIGNATURE_PARAMETERS: [&[u8]; 3] = [b"cm-token", b"cm-expires", b"cm-signature"];

const BAD_ESCAPE: Malformed = Malformed("a % is not followed by two hex digits");
const NUL: Malformed = Malformed("the target contains %00");
const NOT_PRINTABLE: Malformed =
    Malformed("the target contains a character outside printable ASCII, a backslash or a #");
const NOT_UTF8: Malformed = Malformed("the path does not decode to UTF-8");

/// A request target that obeys the grammar, and where a signature may stand in it.
pub(crate) struct Target<'a> {
    pub text: &'a str,
    /// Length of the part before the first `?`.
    pub path_length: usize,
    /// Where the only `s-cm1:` or `s-token2:` segment stands, from the `/` before it to its end.
    ///
    /// Segments are told apart by the raw bytes, not decoded: the path may carry another server's whole signed URL in
    /// escaped form.
    pub signature_segment: Option<Range<usize>>,
    /// Position of the first parameter whose decoded name begins with `cm-`.
    pub reserved_parameter: Option<usize>,
}

impl<'a> Target<'a> {
    /// Reads the target in one pass without allocating.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        if bytes.len() > MAX_TARGET_BYTES {
            return Err(Malformed("the target is longer than 8192 bytes"));
        }
        if bytes.first() != Some(&b'/') {
            return Err(Malformed("the target does not begin with /"));
        }
        let (path_length, signature_segment) = scan_path(bytes)?;
        let reserved_parameter = scan_query(bytes, path_length)?;
        Ok(Self { text, path_length, signature_segment, reserved_parameter })
    }

    pub fn path(&self) -> &'a str {
        &self.text[..self.path_length]
    }
}

/// What breaks the grammar of signed targets in this one, signed or not; `None` if servers agree on what it means.
pub fn find_target_fault(target: &str) -> Option<Malformed> {
    Target::parse(target).err()
}

/// Whether a signature, good or bad, stands in the target: an `s-cm1:` or `s-token2:` segment, or a parameter of one of
/// the three names, also in escaped spelling. Says nothing about the rest of the grammar.
pub fn looks_signed(target: &str) -> bool {
    let bytes = target.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'/' if is_signature_segment(&bytes[at + 1..]) => return true,
            b'?' => return names_a_signature(&bytes[at + 1..]),
            _ => {}
        }
    }
    false
}

/// The length of the path and where its signature segment stands.
fn scan_path(bytes: &[u8]) -> Result<(usize, Option<Range<usize>>), Malformed> {
    let mut signature_segment: Option<Range<usize>> = None;
    let mut segment_at = 0;
    let mut segment = Segment::default();
    let mut at = 0;
    loop {
        let plain = plain_length(&bytes[at..], &ENDS_IN_PATH);
        segment.holds_other |= plain > 0;
        at += plain;
        let Some(&byte) = bytes.get(at) else { break };
        // In the order of frequency: a table of jumps would be guessed wrong more often.
        if byte == b'/' {
            segment.end()?;
            close(&mut signature_segment, segment_at, at);
            segment_at = at;
            let opened = at..bytes.len();
            if is_signature_segment(&bytes[at + 1..]) && signature_segment.replace(opened).is_some() {
                return Err(Malformed("a second signature stands in the path"));
            }
            at += 1;
        } else if byte == b'.' {
            segment.dots += 1;
            at += 1;
        } else if byte == b'?' {
            break;
        } else if byte == b'%' {
            at += scan_path_escape(bytes, at, &mut segment)?;
        } else {
            return Err(NOT_PRINTABLE);
        }
    }
    segment.end()?;
    close(&mut signature_segment, segment_at, at);
    Ok((at, signature_segment))
}

/// Notes where the signature segment ends, if it is the one that began at `segment_at`.
fn close(signature_segment: &mut Option<Range<usize>>, segment_at: usize, at: usize) {
    if let Some(segment) = signature_segment.as_mut().filter(|segment| segment.start == segment_at) {
        segment.end = at;
    }
}

/// The length of the escape, or of all escapes of one character, at `at`.
fn scan_path_escape(bytes: &[u8], at: usize, segment: &mut Segment) -> Result<usize, Malformed> {
    match escape_at(bytes, at).ok_or(BAD_ESCAPE)? {
        0 => Err(NUL),
        b'/' | b'\\' => segment.end().map(|()| 3),
        lead @ 0x80.. => {
            segment.push(lead);
            multibyte_length(bytes, at, lead)
        }
        byte => {
            segment.push(byte);
            Ok(3)
        }
    }
}

/// The length of the escapes at `at` that together spell one character beyond ASCII. Raw bytes are ASCII, so such a
/// character stands in escapes as a whole.
fn multibyte_length(bytes: &[u8], at: usize, lead: u8) -> Result<usize, Malformed> {
    let width = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(NOT_UTF8),
    };
    let mut character = [0u8; 4];
    for (index, byte) in character[..width].iter_mut().enumerate() {
        *byte = escape_at(bytes, at + 3 * index).ok_or(NOT_UTF8)?;
    }
    std::str::from_utf8(&character[..width]).map_err(|_| NOT_UTF8)?;
    Ok(3 * width)
}

/// The position of the first reserved parameter of the query that begins with the `?` at `at`, if one does.
fn scan_query(bytes: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
    let mut reserved = None;
    let mut begins_parameter = true;
    let mut at = (at + 1).min(bytes.len());
    while at < bytes.len() {
        if begins_parameter && reserved.is_none() && begins_with(&bytes[at..], RESERVED_PREFIX).is_some() {
            reserved = Some(at);
        }
        at += plain_length(&bytes[at..], &ENDS_IN_QUERY);
        begins_parameter = bytes.get(at) == Some(&b'&');
        at += match bytes.get(at) {
            None => break,
            Some(b'&') => 1,
            Some(b'%') => match escape_at(bytes, at).ok_or(BAD_ESCAPE)? {
                0 => return Err(NUL),
                _ => 3,
            },
            Some(_) => return Err(NOT_PRINTABLE),
        };
    }
    Ok(reserved)
}

/// The length of the run of plain characters that `bytes` begin with.
#[inline]
fn plain_length(bytes: &[u8], ends: &[u8; 256]) -> usize {
    // Eight characters at a time, of which each leaves a bit: one decision instead of eight.
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for chunk in chunks {
        let found = chunk.iter().rev().fold(0, |found, byte| found << 1 | ends[usize::from(*byte)]);
        if found != 0 {
            return length + found.trailing_zeros() as usize;
        }
        length += chunk.len();
    }
    length + rest.iter().position(|byte| ends[usize::from(*byte)] != 0).unwrap_or(rest.len())
}

/// 1 for each byte that does not stand for itself in a path: the dividers, what is not printable ASCII, and `\` and `#`, at
/// which some servers cut or which they turn into others. A table, since this is read for every byte.
static ENDS_IN_PATH: [u8; 256] = ends(b"/.?%\\#");
/// The same in a query.
static ENDS_IN_QUERY: [u8; 256] = ends(b"&%\\#");

const fn ends(special: &[u8]) -> [u8; 256] {
    let mut ends = [1; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        ends[byte] = 0;
        byte += 1;
    }
    let mut at = 0;
    while at < special.len() {
        ends[special[at] as usize] = 1;
        at += 1;
    }
    ends
}

fn is_signature_segment(segment: &[u8]) -> bool {
    segment.first() == Some(&b's') && SIGNATURE_SEGMENTS.iter().any(|prefix| segment.starts_with(prefix))
}

fn names_a_signature(query: &[u8]) -> bool {
    query
        .split(|byte| *byte == b'&')
        .any(|parameter| SIGNATURE_PARAMETERS.iter().any(|name| is_named(parameter, name)))
}

/// Whether the decoded name of a parameter is `name`.
fn is_named(parameter: &[u8], name: &[u8]) -> bool {
    begins_with(parameter, name).is_some_and(|rest| matches!(rest.first(), None | Some(b'=')))
}

/// What follows `prefix` if `text`, decoded, begins with it.
fn begins_with<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let mut at = 0;
    for expected in prefix {
        at += match text.get(at) {
            Some(byte) if byte == expected => 1,
            Some(b'%') if escape_at(text, at) == Some(*expected) => 3,
            _ => return None,
        };
    }
    Some(&text[at..])
}

/// What decides whether the segment read so far is `.` or `..`.
#[derive(Default)]
struct Segment {
    dots: usize,
    holds_other: bool,
}

impl Segment {
    const fn push(&mut self, byte: u8) -> usize {
        if byte == b'.' {
            self.dots += 1;
        } else {
            self.holds_other = true;
        }
        1
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if !self.holds_other && matches!(self.dots, 1 | 2) {
            return Err(Malformed("the path contains a . or .. segment"));
        }
        *self = Self::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_as_they_are_sent() {
        for text in [
            "/",
            "//",
            "/a//b",
            "/a%2Fb",
            "/a%5cb",
            "/...",
            "/.a",
            "/a.",
            "/..a/b..",
            "/%2e%2e%2e",
            "/a?..",
            "/a?/../x",
            "/a?",
            "/a?b?c",
            "/%E2%82%AC",
            "/%f0%9f%98%80",
            "/a?%ff",
            "/a%0Ab",
            "/a;b=c,d:e@f",
            "/a?x=s-cm1:",
            "/a%2Fs-cm1:x/s-cm1:y",
            "/s-cm1",
            "/S-CM1:x/s-cm1:y",
        ] {
            assert!(Target::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn targets_that_servers_read_differently_are_refused() {
        for text in [
            "",
            "a",
            "?a",
            "*",
            "http://a/b",
            "/.",
            "/..",
            "/a/.",
            "/a/..",
            "/a/./b",
            "/a/../b",
            "/%2e",
            "/.%2E/a",
            "/a%2f..%2Fb",
            "/a%5c.%5cb",
            "/..%5Ca",
            "/..?x",
            "/a b",
            "/a\tb",
            "/a\u{7f}",
            "/é",
            "/a?é",
            "/a\\b",
            "/a?\\",
            "/a#b",
            "/a?#",
            "/a%00",
            "/a?%00",
            "/%",
            "/%2",
            "/%zz",
            "/a?%",
            "/a?x=%2g",
            "/%ff",
            "/%80",
            "/%c0%ae",
            "/%ed%a0%80",
            "/%e2%82",
            "/%e2%82x",
            "/%f5%80%80%80",
            "/s-cm1:x/s-cm1:y",
            "/s-cm1:x/s-token2:y",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_has_at_most_8192_bytes() {
        let longest = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
        assert!(Target::parse(&longest).is_ok());
        assert!(Target::parse(&format!("{longest}a")).is_err());
    }

    #[test]
    fn reserved_parameters_are_found_by_their_decoded_names() {
        let found = |text| Target::parse(text).unwrap().reserved_parameter;
        assert_eq!(found("/a?x=1&cm-x"), Some(7));
        assert_eq!(found("/a?%63m%2d=1&cm-x"), Some(3));
        for text in
            ["/cm-x", "/a?x=cm-token", "/a?xcm-token=1", "/a?CM-token=1", "/a?cm", "/a?cm=-", "/a?x?cm-a"]
        {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_signature_is_seen_even_where_it_is_broken() {
        for text in [
            "/c/s-cm1:",
            "/s-token2:x/y",
            "/a/b/s-cm1:/..",
            "/a?cm-signature",
            "/a?x&cm%2Dtoken=",
            "?cm-expires=1",
            "/a\\?cm-token=1",
        ] {
            assert!(looks_signed(text), "{text}");
        }
        for text in ["", "/", "/a?cm-x=1", "/a?x=cm-token", "/xs-cm1:", "/a?x=/s-cm1:", "/a?cm-tokens=1"] {
            assert!(!looks_signed(text), "{text}");
        }
    }
}
