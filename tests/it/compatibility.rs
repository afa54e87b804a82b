//! The list of what foreign dialects demand: complete, and each row backed by tests that cite its number.

use std::collections::BTreeMap;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How many requirements each of the five documents has.
const DOCUMENTS: [u32; 5] = [31, 12, 29, 40, 32];

/// Each row's number with its last cell, in the order of the page.
fn rows() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/compatibility.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, .., proof] = cells[..] else { return None };
        let is_number = number.len() > 3 && number.starts_with('S') && number.as_bytes()[2] == b'-';
        is_number.then(|| (number.to_owned(), proof.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_requirement_stands_in_the_list_once() {
    let expected: Vec<String> = DOCUMENTS
        .into_iter()
        .enumerate()
        .flat_map(|(document, count)| (1..=count).map(move |number| format!("S{document}-{number}")))
        .collect();
    let listed: Vec<String> = rows().into_iter().map(|(number, _)| number).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_row_names_tests_that_cite_its_number_or_says_why_it_is_not_met() {
    let mut faults = Vec::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (number, proof) in rows() {
        let tests: Vec<&str> = proof.split('`').skip(1).step_by(2).filter(|it| it.contains("::")).collect();
        if tests.is_empty() && !proof.starts_with("not met: ") {
            faults.push(format!("{number}: neither a test nor a reason"));
        }
        for test in tests {
            let (path, name) = test.split_once("::").unwrap();
            let text = texts
                .entry(path.to_owned())
                .or_insert_with(|| std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_default());
            match function(text, name) {
                None => faults.push(format!("{number}: there is no {test}")),
                Some(function) if !cites(&function, &number) => {
                    faults.push(format!("{number}: {test} does not cite it"));
                }
                Some(_) => {}
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}

/// A test with the comments and attributes that stand before it, up to the next function of its file.
fn function(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let begins =
        |line: &&str| line.contains(&format!("fn {name}(")) || line.contains(&format!("def {name}("));
    let at = lines.iter().position(begins)?;
    let before = lines[..at].iter().rev().take_while(|line| !line.trim().is_empty()).count();
    let is_function = |line: &&&str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("async ");
        line.starts_with("fn ") || line.starts_with("def ") || line.starts_with("#[test]")
    };
    let after = lines[at + 1..].iter().take_while(|line| !is_function(line)).count();
    Some(lines[at - before..=at + after].join("\n"))
}

/// Whether the number stands there as `S3-28`, or as `s3_28` in a name.
fn cites(text: &str, number: &str) -> bool {
    let in_name = number.to_lowercase().replace('-', "_");
    [number, &in_name].iter().any(|spelling| {
        text.match_indices(spelling)
            .any(|(at, _)| !text[at + spelling.len()..].starts_with(|next: char| next.is_ascii_digit()))
    })
}

#[test]
fn a_number_is_cited_only_as_a_whole() {
    assert!(cites("// S3-28: x", "S3-28") && cites("fn s3_28_holds() {", "S3-28"));
    assert!(!cites("// S3-281", "S3-28") && !cites("// S3-2", "S3-28"));
}

#[test]
fn a_test_is_taken_with_what_stands_before_it_and_no_further_than_the_next() {
    let text = "/// S0-1\n#[test]\nfn one() {\n    a();\n}\n\n/// S0-2\n#[test]\nfn two() {}\n";
    let one = function(text, "one").unwrap();
    assert!(cites(&one, "S0-1") && one.contains("a();") && !one.contains("fn two"));
    assert_eq!(function(text, "three"), None);
}
