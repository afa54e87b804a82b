//! The laws of the house, read from the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::Table;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> Table {
    let path = root().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the packages' dependencies by directory; those for tests only on request.
fn dependencies(member: &str, with_tests: bool) -> BTreeSet<String> {
    let manifest = read(&format!("{member}/Cargo.toml"));
    let mut sections = vec![manifest.clone()];
    // Dependencies of one platform stand in tables of their own.
    let targets = manifest.get("target").and_then(|targets| targets.as_table()).cloned().unwrap_or_default();
    sections.extend(targets.into_iter().filter_map(|(_, target)| target.as_table().cloned()));
    let mut names = BTreeSet::new();
    for section in sections {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            if kind == "dev-dependencies" && !with_tests {
                continue;
            }
            let Some(table) = section.get(kind).and_then(|table| table.as_table()) else { continue };
            names.extend(table.iter().map(|(name, value)| {
                let renamed = value.get("package").and_then(|package| package.as_str());
                renamed.unwrap_or(name).to_owned()
            }));
        }
    }
    names
}

fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// No async, clock, randomness, database or HTTP is among them.
const CORE: [&str; 10] =
    ["base64", "crc32fast", "hmac", "ipnet", "serde", "sha1", "sha2", "subtle", "thiserror", "zeroize"];

const DOMAIN: [&str; 19] = [
    "argon2",
    "async-trait",
    "base64",
    "chrono",
    "countermark-core",
    "futures-util",
    "getrandom",
    "hmac",
    "ipnet",
    "quick_cache",
    "rustix",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "subtle",
    "thiserror",
    "tokio",
    "tracing",
];

#[test]
fn core_has_no_async_clock_randomness_database_or_http() {
    let more: Vec<_> = dependencies("crates/core", false).difference(&set(&CORE)).cloned().collect();
    assert!(more.is_empty(), "core may not depend on {more:?}");
}

#[test]
fn what_core_pulls_in_has_no_async_clock_database_or_http_either() {
    let lock = read("Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    let name = |package: &toml::Value| package["name"].as_str().unwrap().to_owned();
    let edges: BTreeMap<String, Vec<String>> = packages
        .iter()
        .map(|package| {
            let list =
                package.get("dependencies").and_then(|list| list.as_array()).cloned().unwrap_or_default();
            let first_word =
                |entry: &toml::Value| entry.as_str().unwrap().split(' ').next().unwrap().to_owned();
            (name(package), list.iter().map(first_word).collect())
        })
        .collect();
    let mut reached = dependencies("crates/core", false);
    let mut waiting: Vec<String> = reached.iter().cloned().collect();
    while let Some(next) = waiting.pop() {
        for dependency in edges.get(&next).into_iter().flatten() {
            if reached.insert(dependency.clone()) {
                waiting.push(dependency.clone());
            }
        }
    }
    for banned in
        ["tokio", "chrono", "time", "sqlx", "actix-web", "hyper", "reqwest", "ureq", "rand", "async-trait"]
    {
        assert!(!reached.contains(banned), "core pulls in {banned}");
    }
}

#[test]
fn domain_depends_on_core_and_nothing_of_the_edges() {
    let mut allowed = set(&DOMAIN);
    allowed.insert("zeroize".to_owned());
    let more: Vec<_> = dependencies("crates/domain", false).difference(&allowed).cloned().collect();
    assert!(more.is_empty(), "domain may not depend on {more:?}");
}

#[test]
fn only_store_has_the_database_and_only_server_has_http_and_openapi() {
    let home = |name: &str| match name {
        "sqlx" | "rusqlite" | "libsqlite3-sys" => Some("crates/store"),
        name if name == "actix-web" || name.starts_with("utoipa") => Some("crates/server"),
        _ => None,
    };
    for member in members() {
        // The bench measures a bare handler of the same framework: that is its purpose.
        let is_bench = member == "benches";
        for dependency in dependencies(&member, true) {
            let Some(home) = home(&dependency) else { continue };
            let allowed = home == member || (is_bench && dependency == "actix-web");
            assert!(allowed, "{member} may not depend on {dependency}");
        }
    }
}

#[test]
fn the_python_module_is_core_and_pyo3_and_nobody_else_has_pyo3() {
    assert_eq!(dependencies("bindings/python", true), set(&["countermark-core", "pyo3"]));
    for member in members() {
        let has_it = dependencies(&member, true).iter().any(|name| name.starts_with("pyo3"));
        assert_eq!(has_it, member == "bindings/python", "{member}");
    }
}

#[test]
fn no_crate_depends_on_one_nearer_to_the_edge() {
    let order = ["countermark-core", "countermark-domain", "countermark-store", "countermark-server"];
    for (place, member) in
        ["crates/core", "crates/domain", "crates/store", "crates/server"].iter().enumerate()
    {
        for later in &order[place..] {
            assert!(!dependencies(member, false).contains(*later), "{member} may not depend on {later}");
        }
    }
    assert!(
        !dependencies("tests", true).iter().any(|name| order.contains(&name.as_str())),
        "tests are black box"
    );
}

#[test]
fn every_crate_inherits_the_lints_and_the_versions_of_the_workspace() {
    for member in members() {
        let manifest = read(&format!("{member}/Cargo.toml"));
        let inherits = |section: &str, key: &str| {
            manifest[section].get(key).and_then(|value| value.get("workspace")).and_then(|on| on.as_bool())
                == Some(true)
        };
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member} must inherit the lints");
        for key in ["version", "edition", "rust-version", "license"] {
            assert!(inherits("package", key), "{member} must inherit {key}");
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in manifest.get(kind).and_then(|table| table.as_table()).into_iter().flatten() {
                let inherited = value.get("workspace").and_then(|on| on.as_bool()) == Some(true);
                assert!(inherited, "{member}: the version of {name} must stand in the workspace");
            }
        }
    }
}

#[test]
fn unsafe_code_and_unwrap_are_forbidden_in_the_workspace() {
    let manifest = read("Cargo.toml");
    let lints = &manifest["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"));
    assert_eq!(lints["clippy"]["unwrap_used"].as_str(), Some("deny"));
    assert_eq!(lints["clippy"]["print_stdout"].as_str(), Some("deny"));
}

/// The first versions without a known vulnerability; packages that we do not use do not matter.
const FLOORS: [(&str, [u64; 3]); 11] = [
    ("tracing-subscriber", [0, 3, 20]),
    ("bytes", [1, 11, 1]),
    ("h2", [0, 4, 16]),
    ("idna", [1, 0, 3]),
    ("time", [0, 3, 47]),
    ("sqlx", [0, 8, 1]),
    ("aes-gcm", [0, 10, 3]),
    ("pyo3", [0, 29, 0]),
    ("actix-http", [3, 0, 0]),
    ("nano-id", [0, 4, 0]),
    ("totp-rs", [1, 1, 0]),
];

#[test]
fn no_dependency_is_older_than_its_last_known_vulnerability() {
    for package in read("Cargo.lock")["package"].as_array().unwrap() {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let numbers: Vec<u64> =
            version.split(['.', '-', '+']).take(3).map(|number| number.parse().unwrap_or(0)).collect();
        if let Some((_, floor)) = FLOORS.iter().find(|(known, _)| *known == name) {
            assert!(numbers >= floor.to_vec(), "{name} {version} is older than {floor:?}");
        }
        // Two lines of this one are in use, each with a first good version of its own.
        if name == "rand" {
            let good = match numbers[..2] {
                [0, 8] => true,
                [0, 9] => numbers[2] >= 3,
                [0, 10] => numbers[2] >= 1,
                _ => numbers[0] >= 1,
            };
            assert!(good, "rand {version} has a known vulnerability");
        }
        assert_ne!(name, "actix-governor", "its licence is GPL-3.0");
    }
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let deny = read("deny.toml");
    let allowed: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let excepted: Vec<(&str, Vec<&str>)> = deny["licenses"]
        .get("exceptions")
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten()
        .map(|one| {
            let name = one.get("crate").or_else(|| one.get("name")).and_then(|name| name.as_str()).unwrap();
            (name, one["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect())
        })
        .collect();
    // Only what is built here has been downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "the whole tree is looked at");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        let own =
            excepted.iter().filter(|(known, _)| *known == name).flat_map(|(_, more)| more.iter().copied());
        let acceptable: BTreeSet<&str> = allowed.iter().copied().chain(own).collect();
        assert!(
            is_acceptable(licence, &acceptable),
            "{name}: the licence {licence:?} is not allowed by deny.toml"
        );
    }
}

/// SPDX expressions as they occur: alternatives of conjunctions, parentheses, `/` for OR; what cannot be read is refused.
fn is_acceptable(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    alternatives(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn alternatives(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut verdict = conjunction(words, allowed)?;
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        verdict |= conjunction(words, allowed)?;
    }
    Some(verdict)
}

fn conjunction(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut verdict = licence(words, allowed)?;
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        verdict &= licence(words, allowed)?;
    }
    Some(verdict)
}

fn licence(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let verdict = alternatives(words, allowed);
            *words = words.strip_prefix(&[")"])?;
            verdict
        }
        [name, "WITH", exception, rest @ ..] => {
            *words = rest;
            // An exception only ever allows more than its licence does.
            Some(allowed.contains(*name) || allowed.contains(format!("{name} WITH {exception}").as_str()))
        }
        [name, rest @ ..] => {
            *words = rest;
            Some(allowed.contains(*name))
        }
        [] => None,
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0"]);
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0 OR (MIT AND Apache-2.0)",
        "MIT/Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_acceptable(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MIT OR", "MIT)"] {
        assert!(!is_acceptable(bad, &allowed), "{bad}");
    }
}

const ROOMS: [&str; 5] = ["cloudpaste", "contentive", "imgbed", "query", "shardimage"];

/// Lines of the program text of all sources below a folder, tests left out, with the file that they stand in.
fn program_lines(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut lines = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                lines.extend(program.lines().map(|line| (path.clone(), line.to_owned())));
            }
        }
    }
    lines
}

#[test]
fn a_room_is_named_in_the_table_of_rooms_only() {
    for (path, line) in program_lines("crates/server/src") {
        let path = path.display().to_string();
        for room in ROOMS {
            let is_its_own = path.contains(&format!("/facade/{room}/")) || path.ends_with("/facade/mod.rs");
            let names = [format!("facade::{room}"), format!("super::{room}")];
            let names_it = names.iter().any(|name| line.contains(name));
            assert!(is_its_own || !names_it, "{path}: {line}");
        }
    }
}

#[test]
fn a_room_reads_no_time_draws_nothing_and_knows_no_rule() {
    for room in ROOMS {
        for (path, line) in program_lines(&format!("crates/server/src/facade/{room}")) {
            for banned in ["Utc::now", "SystemTime", "Instant::now", "getrandom", "rand::", "sqlx", "decide("]
            {
                assert!(!line.contains(banned), "{}: {line}", path.display());
            }
            let logs = ["tracing::", "info!(", "warn!(", "error!(", "debug!(", "trace!("];
            assert!(!logs.iter().any(|log| line.contains(log)), "{}: {line}", path.display());
        }
    }
}
