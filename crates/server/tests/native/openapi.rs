//! The OpenAPI document: complete, unambiguous, true to the routes, and committed as it is generated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use countermark_server::api_docs::to_json;
use countermark_server::app::document as document_of;
use countermark_server::config::FacadeSettings;
use serde_json::Value;

use crate::installation::{Installation, request};

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

fn text() -> String {
    to_json(&document_of(&FacadeSettings::all_open()))
}

fn document() -> Value {
    serde_json::from_str(&text()).unwrap()
}

/// Path, method and operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                operations.push((path.clone(), method.to_uppercase(), operation.clone()));
            }
        }
    }
    operations
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// What stands between `before` and `after` wherever they occur in the sources of the server.
fn in_sources(before: &str, after: char) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for path in sources(&folder) {
        let source = std::fs::read_to_string(path).unwrap();
        let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let rests = program.split(before).skip(1);
        found.extend(rests.map(|rest| rest[..rest.find(after).unwrap()].to_owned()));
    }
    found
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    // No assert_eq: the difference of two such texts would fill the screen.
    assert!(
        committed == text(),
        "out of date: run `cargo run -- openapi > openapi/openapi.json` and commit it"
    );
}

#[test]
fn the_document_has_the_version_of_the_program() {
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn operation_ids_are_given_and_unique() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty(), "{method} {path}");
        assert!(ids.insert(id.clone()), "{id} stands twice");
    }
}

/// Two Rust types of one schema name would silently become one schema.
#[test]
fn every_schema_is_named_explicitly_and_by_one_type_only() {
    let mut names = BTreeSet::new();
    for name in in_sources("schema(as = ", ')') {
        let name = name.split(',').next().unwrap().to_owned();
        assert!(names.insert(name.clone()), "two types are named {name}");
    }
    let document = document();
    let written: BTreeSet<String> =
        document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    let unnamed: Vec<&String> = written.difference(&names).filter(|name| !is_bounded(name)).collect();
    assert!(unnamed.is_empty(), "without an explicit name: {unnamed:?}");
}

/// Number types whose bounds are their name.
fn is_bounded(name: &str) -> bool {
    name.starts_with("WholeFrom")
}

#[test]
fn every_reference_resolves() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|value| walk(value, document));
            }
            Value::Array(elements) => elements.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn every_schema_and_every_member_is_described() {
    let document = document();
    let is_described = |schema: &Value| {
        // A member that may be null and is a schema of its own has its description beside the reference.
        let choices = schema["oneOf"].as_array();
        schema["description"].is_string()
            || choices.is_some_and(|it| it.iter().any(|choice| choice["description"].is_string()))
    };
    let mut silent = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if !is_bounded(name) && !is_described(schema) {
            silent.push(name.clone());
        }
        let members = schema["properties"].as_object().into_iter().flatten();
        silent.extend(members.filter(|it| !is_described(it.1)).map(|it| format!("{name}.{}", it.0)));
    }
    assert_eq!(silent, [""; 0]);
}

/// Whether Swagger UI can put an example together: given as a whole, or for every part.
/// The wire is camelCase; where it is not, another document has fixed the names: a dialect's, RFC 7662, tusd's.
#[test]
fn native_members_are_written_as_the_wire_has_them() {
    const FOREIGN: [&str; 5] = ["Cloudpaste", "Contentive", "Query", "Introspection", "Tusd"];
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let members = schema["properties"].as_object().into_iter().flat_map(|it| it.keys());
        for member in members.filter(|_| !FOREIGN.iter().any(|foreign| name.starts_with(foreign))) {
            let is_camel = member.starts_with(|it: char| it.is_ascii_lowercase()) && !member.contains('_');
            assert!(is_camel, "{name}: {member}");
        }
    }
}

fn is_exemplified(schema: &Value, document: &Value) -> bool {
    if !schema["example"].is_null() {
        return true;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        return is_exemplified(document.pointer(&reference[1..]).unwrap(), document);
    }
    let members = schema["properties"].as_object();
    is_array_exemplified(schema, document)
        || members.is_some_and(|members| members.values().all(|member| is_exemplified(member, document)))
}

fn is_array_exemplified(schema: &Value, document: &Value) -> bool {
    schema["type"] == "array" && is_exemplified(&schema["items"], document)
}

#[test]
fn every_operation_is_summed_up_and_its_bodies_have_examples() {
    let document = document();
    let has_example = |content: &Value| {
        let own = [&content["example"], &content["examples"]];
        own.iter().any(|it| !it.is_null()) || is_exemplified(&content["schema"], &document)
    };
    let mut bare = Vec::new();
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{what}");
        for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            if !has_example(content) {
                bare.push(format!("{what}: request {kind}"));
            }
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(answer["description"].is_string(), "{what} {status}");
            for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                if !has_example(content) {
                    bare.push(format!("{what}: answer {status} {kind}"));
                }
            }
        }
    }
    assert_eq!(bare, [""; 0]);
}

fn is_gate(path: &str) -> bool {
    path.starts_with("/v1/forward-auth/")
}

#[actix_web::test]
async fn the_document_names_exactly_the_routes_that_there_are() {
    let it = Installation::new().await;
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&document()) {
        if is_gate(&path) {
            // Any method is an ask.
            let answer = it.send(request(&it.admin, "TRACE", &path, Value::Null)).await;
            assert_eq!(answer.header("x-countermark-code"), "UNTRUSTED_PROXY", "{path}");
            continue;
        }
        documented.entry(path).or_default().insert(method);
    }
    let undocumented = ["/openapi.json", "/docs", "/docs/errors", "/docs/errors/{code}"];
    let registered: BTreeSet<String> =
        in_sources("at(\"/", '"').into_iter().map(|it| format!("/{it}")).collect();
    let expected = documented.keys().cloned().chain(undocumented.map(str::to_owned)).collect();
    assert_eq!(registered, expected);
    for (path, methods) in documented {
        let answer = it.send(request(&it.admin, "TRACE", &path, Value::Null)).await;
        let allowed: BTreeSet<String> = answer.header("allow").split(", ").map(str::to_owned).collect();
        // HEAD is GET without the body; only where it is an operation of its own is it documented.
        let hidden = |it: &String| it == "HEAD" && methods.contains("GET") && !methods.contains(it);
        assert_eq!(allowed.into_iter().filter(|it| !hidden(it)).collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[actix_web::test]
async fn the_examples_of_issuing_and_updating_are_accepted() {
    let it = Installation::new().await;
    let document = document();
    let content = "/paths/~1v1~1access-tokens/post/requestBody/content/application~1json/examples";
    for (name, example) in document.pointer(content).unwrap().as_object().unwrap() {
        let issued = it.issue(&it.admin, example["value"].clone()).await;
        assert_eq!(issued["type"], name.as_str());
    }
    let example =
        |schema| document.pointer(&format!("/components/schemas/{schema}/example")).unwrap().clone();
    let issued = it.issue(&it.admin, example("IssueAccessTokenRequest")).await;
    let path = format!("/v1/access-tokens/{}", issued["id"].as_str().unwrap());
    let answer = it.call(&it.admin, "PATCH", &path, example("UpdateAccessTokenRequest")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown: BTreeSet<&String> = answer.body.as_object().unwrap().keys().collect();
    let record = example("AccessToken");
    assert_eq!(
        shown,
        record.as_object().unwrap().keys().collect(),
        "the example has the members of a real record"
    );
}

/// Operations for everybody; at the logins of dialects the key is the password.
const OPEN: [&str; 6] =
    ["/healthz", "/readyz", "/metrics", "/admin/auth/login", "/api/admin/login", "/api/public/guest-config"];

#[test]
fn every_operation_but_the_open_ones_names_its_security_scheme() {
    for (path, method, operation) in operations(&document()) {
        let is_open = OPEN.contains(&path.as_str()) || is_gate(&path) || method == "OPTIONS";
        assert_eq!(operation["security"].is_null(), is_open, "{method} {path}");
    }
}
