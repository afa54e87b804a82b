//! What the documents show is run as it stands there.

use std::path::{Path, PathBuf};
use std::process::Command;

use countermark_tests::TestServer;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn the_story_of_the_readme_happens_as_told() {
    let server = TestServer::start();
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let story = blocks(&readme, "sh", "<!-- story:begin -->", "<!-- story:end -->");
    let told = Command::new("sh")
        .args(["-eu", "-c", &story])
        .env("COUNTERMARK_URL", format!("http://{}", server.address()))
        .env("COUNTERMARK_KEY", server.admin_key())
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
    let answers: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let decisions: Vec<&Value> = answers.iter().filter(|answer| answer["allowed"].is_boolean()).collect();
    let codes: Vec<&str> = decisions.iter().map(|answer| answer["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["ALLOWED", "ALLOWED", "ALLOWED", "LIMIT_REACHED", "REVOKED"]);
    let left: Vec<u64> = decisions[..3].iter().map(|answer| answer["remaining"].as_u64().unwrap()).collect();
    assert_eq!(left, [2, 1, 0]);
    assert!(text.lines().any(|line| line == "204"), "{text}");
    let [.., completed, refused] = &answers[..] else { panic!("{text}") };
    assert_eq!((&completed["state"], &completed["remaining"]), (&json!("completed"), &json!(0)));
    assert_eq!(completed["effective"]["tags"], json!(["inbox"]));
    assert_eq!((&refused["status"], &refused["code"]), (&json!(403), &json!("LIMIT_REACHED")));
}

#[test]
fn the_python_signer_of_the_guide_reproduces_every_vector() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/guide/src/signed-urls.md")).unwrap();
    let signer = blocks(&page, "python", "<!-- signer:begin -->", "<!-- signer:end -->");
    let check = r#"
import json, sys
vectors = json.load(open(sys.argv[1]))
for v in vectors:
    unsigned = f"/{v['cloud']}/{v['rest']}" if v["placement"] == "path" else v["path_and_query"]
    url = sign(v["secret"], v["token_id"], v["key_version"], f"https://{v['host']}{unsigned}", v["expires"], v["placement"])
    assert url == f"https://{v['host']}{v['target']}", (url, v["target"])
print(len(vectors))
"#;
    let checked = Command::new("python3")
        .args(["-c", &format!("{signer}\n{check}"), &format!("{ROOT}/tests/vectors/signed_urls.json")])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(String::from_utf8(checked.stdout).unwrap().trim(), "36");
}

#[test]
fn every_link_between_the_documents_leads_to_a_heading_or_file() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| Path::new(ROOT).join(name)).into();
    let mut folders = vec![Path::new(ROOT).join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    let links: Vec<(PathBuf, String)> =
        pages.iter().flat_map(|page| links(page).map(|link| (page.clone(), link))).collect();
    assert!(links.len() > 100, "{}", links.len());
    let dead: Vec<_> = links.iter().filter(|(page, link)| !leads_somewhere(page, link)).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The targets of a page's links within the repository.
fn links(page: &Path) -> impl Iterator<Item = String> {
    let text = prose(&std::fs::read_to_string(page).unwrap());
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let ours = targets.filter(|target| !target.contains("://") && !target.starts_with('/'));
    ours.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The text without blocks of code and what stands between backticks.
fn prose(text: &str) -> String {
    let outside: String = text.split("```").step_by(2).collect();
    outside.split('`').step_by(2).collect()
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_owned() } else { page.with_file_name(file) };
    let has_heading = || {
        let text = std::fs::read_to_string(&target).unwrap_or_default();
        text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
    };
    target.exists() && (heading.is_empty() || has_heading())
}

/// By what a link names this heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The code blocks of one language between two marks, one after the other.
pub fn blocks(page: &str, language: &str, begin: &str, end: &str) -> String {
    let (_, marked) = page.split_once(begin).expect("the page has the opening mark");
    let (marked, _) = marked.split_once(end).expect("the page has the closing mark");
    let fence = format!("```{language}\n");
    let code: String = marked.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!code.is_empty(), "there is {language} between {begin} and {end}");
    code
}
