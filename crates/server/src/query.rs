//! Query strings read strictly: each parameter known, once, well escaped and in range.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use actix_web::HttpRequest;

use crate::problem::{Problem, codes};

/// The parameters of one request. Reading a name that was not declared is a fault of the program.
#[derive(Debug)]
pub struct Query<'a> {
    given: Vec<(&'static str, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    /// Reads the query of a route that knows these parameters.
    ///
    /// # Errors
    /// 400 `INVALID_PARAMETER` for an unknown or repeated parameter or a bad escape.
    pub fn of(request: &'a HttpRequest, known: &[&'static str]) -> Result<Self, Problem> {
        Self::parse(request.query_string(), known)
    }

    /// The one parameter of a route that ignores all others, as some dialects do.
    ///
    /// # Errors
    /// 400 `INVALID_PARAMETER` if it is repeated or badly escaped.
    pub fn only(request: &'a HttpRequest, known: &'static str) -> Result<Self, Problem> {
        Self::only_of(request.query_string(), known)
    }

    fn only_of(query: &'a str, known: &'static str) -> Result<Self, Problem> {
        let mut values = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            decoded(name).is_some_and(|name| name == known).then_some(value)
        });
        let Some(value) = values.next() else { return Ok(Self { given: Vec::new() }) };
        if values.next().is_some() {
            return Err(invalid(known, "expected this parameter at most once"));
        }
        let value = decoded(value).ok_or_else(|| bad_escape(&format!("?{known}")))?;
        Ok(Self { given: vec![(known, value)] })
    }

    /// As [`Query::of`], from the text behind the question mark.
    ///
    /// # Errors
    /// As [`Query::of`].
    pub fn parse(query: &'a str, known: &[&'static str]) -> Result<Self, Problem> {
        let mut given: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| bad_escape("?"))?;
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                return Err(unknown(&name, known));
            };
            if given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(invalid(name, "expected this parameter at most once"));
            }
            given.push((name, decoded(value).ok_or_else(|| bad_escape(&format!("?{name}")))?));
        }
        Ok(Self { given })
    }

    /// A text of at most `longest` characters without control characters; absent and empty differ.
    ///
    /// # Errors
    /// 400 for any other text.
    pub fn text(&self, name: &str, longest: usize) -> Result<Option<&str>, Problem> {
        let Some(text) = self.find(name) else { return Ok(None) };
        if text.chars().count() > longest || text.chars().any(char::is_control) {
            let expected = format!("expected at most {longest} characters without control characters");
            return Err(invalid(name, expected));
        }
        Ok(Some(text))
    }

    /// A whole number in decimal digits without sign or leading zeros.
    ///
    /// # Errors
    /// 400 for anything else or out of range.
    pub fn whole(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.find(name) else { return Ok(None) };
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let number = text.parse().ok().filter(|number| plain && range.contains(number));
        let expected = || format!("expected a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| invalid(name, expected()))
    }

    /// `true` or `false`; absent is `false`.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.find(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(invalid(name, "expected true or false")),
        }
    }

    /// A value that `parse` understands; `expected` says in words what that is.
    ///
    /// # Errors
    /// 400 where `parse` gives `None`.
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.find(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| invalid(name, format!("expected {expected}")))
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_ref())
    }
}

fn invalid(name: &str, expected: impl Into<String>) -> Problem {
    Problem::new(&codes::INVALID_PARAMETER).member(format!("?{name}"), expected)
}

fn bad_escape(pointer: &str) -> Problem {
    Problem::new(&codes::INVALID_PARAMETER).member(pointer, "expected percent-encoded UTF-8")
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let expected = match known {
        [] => "expected no parameters here".to_owned(),
        known => format!("expected no such parameter, but one of {}", known.join(", ")),
    };
    invalid(&name, expected)
}

/// `None` for a bad escape or what is no UTF-8 afterwards; `+` is a space.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? * 16 + hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["limit", "q", "purge", "status"];

    fn pointer(problem: Problem) -> String {
        assert_eq!(problem.code().name, "INVALID_PARAMETER");
        assert!(!format!("{problem:?}").contains("canary"));
        problem.errors()[0].pointer.clone()
    }

    #[test]
    fn known_parameters_are_read() {
        let query = Query::parse("limit=200&q=a+b%2Bc%C3%A9&purge=true&&", &KNOWN).unwrap();
        assert_eq!(query.whole("limit", 1..=200).unwrap(), Some(200));
        assert_eq!(query.text("q", 10).unwrap(), Some("a b+cé"));
        assert!(query.flag("purge").unwrap());
        assert_eq!(query.text("status", 10).unwrap(), None);
    }

    #[test]
    fn unknown_repeated_and_badly_escaped_parameters_are_named() {
        assert_eq!(pointer(Query::parse("limt=canary", &KNOWN).unwrap_err()), "?limt");
        assert_eq!(pointer(Query::parse("q=canary&q=1", &KNOWN).unwrap_err()), "?q");
        assert_eq!(pointer(Query::parse("q=canary&%71=1", &KNOWN).unwrap_err()), "?q");
        for bad in ["q=canary%", "q=canary%4", "q=canary%zz", "q=canary%ff", "q=%+1"] {
            assert_eq!(pointer(Query::parse(bad, &KNOWN).unwrap_err()), "?q", "{bad}");
        }
    }

    #[test]
    fn one_parameter_is_read_among_any_others() {
        let only = |query| Query::only_of(query, "name");
        assert_eq!(only("a=%zz&n%61me=x%20y&b").unwrap().text("name", 10).unwrap(), Some("x y"));
        assert_eq!(only("names=x&a").unwrap().text("name", 10).unwrap(), None);
        assert_eq!(only("name").unwrap().text("name", 10).unwrap(), Some(""));
        for bad in ["name=canary&name=1", "name=canary%"] {
            assert_eq!(pointer(only(bad).unwrap_err()), "?name", "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_or_oddly_written_are_refused() {
        for bad in ["0", "201", "-1", "+1", "01", "1.0", "1e2", "", "18446744073709551617", "%D9%A1"] {
            let text = format!("limit={bad}");
            let query = Query::parse(&text, &KNOWN).unwrap();
            assert_eq!(pointer(query.whole("limit", 1..=200).unwrap_err()), "?limit", "{bad}");
        }
    }

    #[test]
    fn texts_flags_and_choices_are_checked() {
        let query = Query::parse("q=a%00b&purge=yes&status=canary", &KNOWN).unwrap();
        assert_eq!(pointer(query.text("q", 10).unwrap_err()), "?q");
        assert_eq!(pointer(query.flag("purge").unwrap_err()), "?purge");
        let status = query.parsed("status", "a status", |text| (text == "active").then_some(()));
        assert_eq!(pointer(status.unwrap_err()), "?status");
        let long = Query::parse("q=abcdefghijk", &KNOWN).unwrap();
        assert_eq!(pointer(long.text("q", 10).unwrap_err()), "?q");
    }
}
