//! What the documents show is run as it stands there.

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

/// The code blocks of one language between two marks, one after the other.
pub fn blocks(page: &str, language: &str, begin: &str, end: &str) -> String {
    let (_, marked) = page.split_once(begin).expect("the page has the opening mark");
    let (marked, _) = marked.split_once(end).expect("the page has the closing mark");
    let fence = format!("```{language}\n");
    let code: String = marked.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!code.is_empty(), "there is {language} between {begin} and {end}");
    code
}
