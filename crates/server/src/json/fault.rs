//! What is wrong with a body, said without repeating any value in it.

use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::Obj;
use crate::problem::{MemberError, Problem, codes};

/// Reads one object from the whole of `bytes`.
///
/// # Errors
/// 400 `MALFORMED_BODY` or `INVALID_MEMBER`; only then is the body read a second time, to find the pointer.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    match serde_json::from_slice::<Obj<T>>(bytes) {
        Ok(object) => Ok(object.0),
        Err(_) => Err(located::<T>(bytes)),
    }
}

fn located<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Problem {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, Obj<T>>(&mut json) {
        Err(error) if error.inner().classify() == Category::Data => {
            let fault = fault_of_member(error.path(), &error.inner().to_string());
            Problem::invalid_member(fault.pointer, fault.detail)
        }
        Err(error) => malformed(error.inner()),
        Ok(_) => match json.end() {
            Err(error) => malformed(&error),
            Ok(()) => Problem::new(&codes::MALFORMED_BODY),
        },
    }
}

fn malformed(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // The parser's own texts hold no input; they are still let through by name only.
    let what = KNOWN_SYNTAX_FAULTS.iter().find(|known| text.starts_with(**known)).unwrap_or(&"syntax error");
    let place = format!("{what} at line {} column {}", error.line(), error.column());
    Problem::new(&codes::MALFORMED_BODY).member("", place)
}

const KNOWN_SYNTAX_FAULTS: [&str; 12] = [
    "EOF while parsing",
    "control character",
    "expected `,` or `]`",
    "expected `,` or `}`",
    "expected `:`",
    "expected value",
    "invalid escape",
    "invalid number",
    "invalid unicode code point",
    "key must be a string",
    "number out of range",
    "recursion limit exceeded",
];

fn fault_of_member(path: &Path, message: &str) -> MemberError {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let mut pointer = pointer(path);
    let detail = if message.starts_with("unknown field ") {
        format!("expected no such member, but {}", expected(message).unwrap_or("none here"))
    } else if let Some(name) = quoted_name(message, "missing field ") {
        pointer.push_str(&escaped(name));
        "expected this member, which is missing".to_owned()
    } else if let Some(name) = quoted_name(message, "duplicate field ") {
        // The path may already end in the name, depending on when the derived code notices.
        if !pointer.ends_with(&escaped(name)) {
            pointer.push_str(&escaped(name));
        }
        "expected each member once".to_owned()
    } else if let Some(text) = message.strip_prefix("expected ") {
        format!("expected {text}")
    } else {
        format!("expected {}", plain(expected(message).unwrap_or("another value")))
    };
    MemberError { pointer, detail }
}

/// The part that the reading code wrote; whatever stands before it may repeat the client's value.
fn expected(message: &str) -> Option<&str> {
    message.rsplit_once(", expected ").map(|(_, expected)| expected)
}

fn quoted_name<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.strip_suffix('`')
}

/// serde's names of Rust types in words.
fn plain(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" => "null",
        text if text.starts_with("struct ") => "an object",
        text if text.starts_with("enum ") || text == "string or map" => "a string",
        text => text,
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&escaped(key)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The longest name that a pointer repeats, in characters; a name as long as a body would be an echo.
const LONGEST_NAME: usize = 64;

/// A name as a step of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    let mut step = String::from("/");
    for character in name.chars().take(LONGEST_NAME) {
        match character {
            '~' => step.push_str("~0"),
            '/' => step.push_str("~1"),
            other => step.push(other),
        }
    }
    step
}
