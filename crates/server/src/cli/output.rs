//! What the commands print: text for people, or JSON.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use super::failure::{Exit, Failure};

/// The one way to standard output and standard error.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Prints a result: the JSON, or the text that is made of it.
    pub fn result(self, value: &Value, text: impl FnOnce(&Value) -> String) {
        if self.json { self.raw(&value.to_string()) } else { self.raw(&text(value)) }
    }

    /// Prints a line for people only, while a command is at work.
    pub fn progress(self, line: &str) {
        if !self.json {
            self.raw(line);
        }
    }

    /// Prints text as it is, with a line feed at its end.
    pub fn raw(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        // A reader that has gone away (`| head`) is no failure of the command.
        let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
    }

    /// Prints why a command failed, on standard error.
    pub fn failure(self, failure: &Failure) {
        let line = if self.json {
            let name = match failure.exit {
                Exit::Refused => "refused",
                Exit::Usage => "usage",
                Exit::Unreachable => "unreachable",
            };
            json!({"error": name, "message": failure.message, "problem": failure.problem}).to_string()
        } else {
            format!("countermark: {}", failure.message)
        };
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Whether a person reads standard output.
    pub fn is_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }
}

/// Lines of `name  value` for the members of an object that are not null, the names in one column.
pub fn members(value: &Value) -> String {
    let mut rows = Vec::new();
    collect("", value, &mut rows);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Columns as wide as their widest cell, the first row being the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A string without its quotes, `-` for null, everything else as JSON.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => cell_text(text),
        other => other.to_string(),
    }
}

/// Text whose control characters cannot reach the terminal.
pub fn cell_text(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

fn collect(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let name = format!("{prefix}{name}");
        match value {
            Value::Null => {}
            Value::Object(_) => collect(&format!("{name}."), value, rows),
            value => rows.push((name, cell(value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_one_column_without_nulls() {
        let text = members(&json!({"id": "iu", "limit": null, "extra": {"cloudId": "c"}}));
        assert_eq!(text, "extra.cloudId  c\nid             iu\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[31m")), "a\u{fffd}[31m");
    }
}
