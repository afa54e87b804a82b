use countermark_core::BasePath;

use super::*;

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countermark.toml");
    std::fs::write(&path, file).unwrap();
    let variables = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Config::load(Some(&path), variables, flags).map_err(|error| error.to_string())
}

#[test]
fn the_manual_holds_exactly_the_defaults() {
    assert_eq!(load(MANUAL, &[], &[]), Ok(Config::default()));
    let only_manual = source::from_toml(MANUAL).unwrap();
    for key in keys::KEYS {
        assert_eq!(only_manual.find(key.name), key.default, "{}", key.name);
        let last = key.name.rsplit('.').next().unwrap();
        let shown = match key.name {
            clouds::SECTION => format!("[{last}]\n"),
            gate::RULES => format!("[[{}]]\n", key.name),
            _ => format!("{last} = "),
        };
        assert!(MANUAL.contains(&shown), "{} is not explained", key.name);
    }
}

#[test]
fn later_sources_win() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 1\n[log]\nlevel = \"warn\"\n";
    let environment = [
        ("COUNTERMARK__SERVER__LISTEN", "127.0.0.1:2"),
        ("COUNTERMARK__SERVER__WORKERS", "2"),
        ("COUNTERMARK_URL", "http://elsewhere"),
        ("COUNTERMARK_KEY", "cmk_x"),
        ("PATH", "/bin"),
    ];
    let config = load(file, &environment, &[("server.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.server.workers, 2);
    assert_eq!(config.log.level, "warn");
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let error = |file: &str| load(file, &[], &[]).unwrap_err();
    let expected = "unknown key server.listn; the nearest known one is server.listen";
    assert_eq!(error("[server]\nlistn = \"x\""), expected);
    assert!(error("listen = \"x\"").ends_with("server.listen"));
    assert!(error("[metrics]\nlevel = 7").ends_with("log.level"));
    assert!(error("[server.listen]\nx = 1").contains("server.listen: expected an address"));
    assert_eq!(
        load("", &[("COUNTERMARK__SEVER__PUBLIC_URL", "x")], &[]).unwrap_err(),
        "unknown variable COUNTERMARK__SEVER__PUBLIC_URL; the nearest known one is COUNTERMARK__SERVER__PUBLIC_URL"
    );
}

#[test]
fn a_wrong_value_is_named_by_its_key_and_never_shown() {
    let cases = [
        (
            "[server]\nlisten = \"canary\"",
            "server.listen: expected an address and a port, such as 127.0.0.1:8080",
        ),
        ("[server]\nworkers = \"canary\"", "server.workers: expected a whole number from 0 to 1024"),
        (
            "[facades]\nadmin_name = \"canary:x\"",
            "facades.admin_name: expected a name without : and control characters",
        ),
        (
            "[facades]\nadmin_name = \"canary\\u0007\"",
            "facades.admin_name: expected a name without : and control characters",
        ),
        ("[server]\nworkers = -1", "server.workers: expected a whole number from 0 to 1024"),
        ("[server]\ndocs = \"canary\"", "server.docs: expected true or false"),
        (
            "[server]\ntrusted_proxies = [\"canary\"]",
            "server.trusted_proxies: expected a list of IP addresses",
        ),
        (
            "[notifications]\nallowed_networks = [\"canary\"]",
            "notifications.allowed_networks: expected a list of IP addresses and networks, such as 10.20.0.0/16, without bits \
             behind the prefix",
        ),
        (
            "[notifications]\ntimeout_seconds = 31",
            "notifications.timeout_seconds: expected a whole number from 1 to 30",
        ),
        (
            "[cors]\nallowed_origins = [\"https://canary.example/\"]",
            "cors.allowed_origins: expected a list of origins in lower case and without a default port, such as https://app.example.com, or *",
        ),
        (
            "[uploads]\ndeadline_seconds = 0",
            "uploads.deadline_seconds: expected a whole number from 1 to 2592000",
        ),
        ("[log]\nformat = \"canary\"", "log.format: expected one of auto, human, json"),
        (
            "[facades]\nshardimage_upload_target = \"ftp://canary.example/\"",
            "facades.shardimage_upload_target: expected an http:// or https:// address without user name, query and \
             fragment, such as http://127.0.0.1:9000/shardimage",
        ),
        ("admin_key = 7", "admin_key: expected a string that is not empty"),
        ("admin_key = \"canary", "the configuration file is not well-formed TOML at line 1"),
    ];
    for (file, expected) in cases {
        assert_eq!(load(file, &[], &[]).unwrap_err(), expected);
    }
    assert_eq!(
        load("", &[("COUNTERMARK__SERVER__DOCS", "yes")], &[]).unwrap_err(),
        "COUNTERMARK__SERVER__DOCS: expected true or false"
    );
}

#[test]
fn every_secret_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "canary-value\n").unwrap();
    let path = path.to_str().unwrap();
    let config = load("", &[("COUNTERMARK__ADMIN_KEY_FILE", path)], &[]).unwrap();
    assert_eq!(config.admin_key.as_ref().unwrap().expose(), "canary-value");
    assert!(!format!("{config:?}").contains("canary"));
    let config = load(&format!("[data]\ndatabase_url_file = {path:?}"), &[], &[]).unwrap();
    assert_eq!(config.data.database_url.unwrap().expose(), "canary-value");
    std::fs::write(path, "canary-of-sixteen\n").unwrap();
    let config = load("", &[("COUNTERMARK__GATE__SHARED_SECRET_FILE", path)], &[]).unwrap();
    assert_eq!(config.gate.shared_secret.as_ref().unwrap().expose(), "canary-of-sixteen");
    assert!(!format!("{config:?}").contains("canary"));
    let config = load(&format!("[hooks]\ntusd_secret_file = {path:?}"), &[], &[]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    assert_eq!(config.hooks.tusd_secret.unwrap().expose(), "canary-of-sixteen");
    let both = [("COUNTERMARK__ADMIN_KEY_FILE", path), ("COUNTERMARK__ADMIN_KEY", "x")];
    assert!(load("", &both, &[]).unwrap_err().contains("both"));
    assert!(
        load("", &[("COUNTERMARK__ADMIN_KEY_FILE", "/no/such/file")], &[])
            .unwrap_err()
            .contains("cannot read")
    );
    assert!(load("", &[("COUNTERMARK__LOG__LEVEL_FILE", path)], &[]).is_err(), "only secrets have a file");
}

#[test]
fn bounds_of_uploads_and_origins_are_read_from_file_and_environment() {
    let file = "[uploads]\ndeadline_seconds = 60\n[cors]\nallowed_origins = [\"https://a.example\", \"http://[::1]:80\"]";
    assert!(load(file, &[], &[]).is_err(), "a browser leaves the default port out");
    let config =
        load(&file.replace(":80", ":81"), &[("COUNTERMARK__UPLOADS__OPEN_PER_TOKEN", "7")], &[]).unwrap();
    assert_eq!((config.uploads.deadline_seconds, config.uploads.open_per_token), (60, 7));
    assert_eq!(config.cors.allowed_origins, ["https://a.example", "http://[::1]:81"]);
    let every = load("", &[("COUNTERMARK__CORS__ALLOWED_ORIGINS", "*")], &[]).unwrap();
    assert_eq!(every.cors.allowed_origins, ["*"]);
}

#[test]
fn the_public_url_follows_the_listen_address_unless_set() {
    assert_eq!(Config::default().public_url(), "http://127.0.0.1:8080");
    let config = load("[server]\npublic_url = \"https://cm.example/\"", &[], &[]).unwrap();
    assert_eq!(config.public_url(), "https://cm.example");
}

#[test]
fn hosts_are_mapped_to_clouds_by_a_section_or_a_variable() {
    let clouds = |file: &str, environment: &[(&str, &str)]| {
        let clouds = load(file, environment, &[]).map(|config| config.clouds);
        clouds.map(|clouds| {
            clouds.into_iter().map(|(host, cloud)| format!("{host}={cloud}")).collect::<Vec<_>>()
        })
    };
    let file = "[clouds]\n\"Img.Example.com\" = \"c1\"\n\"[::1]\" = \"c2\"\n";
    assert_eq!(clouds(file, &[]).unwrap(), ["[::1]=c2", "img.example.com=c1"]);
    let environment = [("COUNTERMARK__CLOUDS", "a.example=c1, B.example=c3")];
    assert_eq!(
        clouds(file, &environment).unwrap(),
        ["a.example=c1", "b.example=c3"],
        "the later one replaces it"
    );
    for (file, key) in [
        ("[clouds]\n\"a.example\" = \"canary/\"", "clouds.\"a.example\": expected"),
        ("[clouds]\n\"a.example\" = 7", "clouds.\"a.example\": expected"),
        ("[clouds]\na.example = \"canary\"", "clouds.\"a\": expected a host name in quotation marks"),
        ("[clouds]\n\"a b\" = \"canary\"", "clouds.\"a b\": expected the name of a host"),
        ("[clouds]\n\"a\" = \"c\"\n\"A\" = \"c\"", "clouds.\"a\": expected each host once"),
        ("clouds = \"a=b\"", "clouds: expected host names"),
        ("[server.clouds]\n\"a\" = \"b\"", "unknown key server.clouds"),
    ] {
        let error = clouds(file, &[]).unwrap_err();
        assert!(error.starts_with(key) && !error.contains("canary"), "{error}");
    }
    for value in ["a", "a=", "=c", "a=c/", "a=c,A=d"] {
        let error = clouds("", &[("COUNTERMARK__CLOUDS", value)]).unwrap_err();
        assert!(error.starts_with("COUNTERMARK__CLOUDS: expected"), "{value}: {error}");
    }
    assert!(load("", &[("COUNTERMARK__CLOUDS__A", "c")], &[]).is_err());
}

#[test]
fn the_gates_rules_come_from_a_file_or_a_variable() {
    let file = "[gate]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nshared_secret = \"sixteen-or-more!\"\n\
        [[gate.rules]]\nhost = \"A.Example\"\npath = \"/dav/\"\nmethods = [\"GET\", \"M-SEARCH\"]\n\
        permission = \"files:read\"\nstorage = \"s\"\nlinks = true\ncloud = \"c\"\nchallenge = \"basic\"\n\
        strip = \"/dav\"\n[[gate.rules]]\nfree = true\n";
    let gate = load(file, &[], &[]).unwrap().gate;
    assert_eq!(gate.trusted_proxies.len(), 2);
    assert!(gate.shared_secret.is_some());
    let [first, second] = &gate.rules[..] else { panic!("two rules") };
    assert_eq!(first.host.as_deref(), Some("a.example"));
    assert_eq!(first.path.as_ref().unwrap().as_str(), "/dav");
    assert_eq!(first.methods.as_ref().unwrap(), &["GET", "M-SEARCH"]);
    let demanded = ["files:read", "s", "c"].map(|it| Some(it.to_owned()));
    let [permission, storage, cloud] = demanded;
    let strip = BasePath::parse("/dav").ok();
    assert_eq!(first.demand, GateDemand { permission, storage, links: true, cloud, free: false, strip });
    assert_eq!((first.challenge, second.challenge), (GateChallenge::Basic, GateChallenge::Bearer));
    assert_eq!(
        *second,
        GateRule { demand: GateDemand { free: true, ..Default::default() }, ..Default::default() }
    );
    let variable =
        |value| load(file, &[("COUNTERMARK__GATE__RULES", value)], &[]).map(|it| it.gate.rules.len());
    assert_eq!(variable(r#"[{"path": "/x", "permission": "read"}]"#), Ok(1), "it replaces all");
    assert_eq!(variable("[]"), Ok(0));
    assert_eq!(variable(""), Ok(0));
}

#[test]
fn a_fault_in_a_rule_is_named_and_never_shown() {
    let unknown =
        load("[[gate.rules]]\nfree = true\n[[gate.rules]]\npth = \"canary\"", &[], &[]).unwrap_err();
    assert_eq!(unknown, "unknown member gate.rules[1].pth; the nearest known one is path");
    for (rule, expected) in [
        ("host = \"canary/\"", "gate.rules[0].host: expected the name of a host"),
        ("path = \"canary\"", "gate.rules[0].path: expected a decoded path"),
        ("path = \"/a/%63anary\"", "gate.rules[0].path: expected a decoded path"),
        ("methods = []", "gate.rules[0].methods: expected a list"),
        ("methods = [\"canary\"]", "gate.rules[0].methods: expected a list"),
        ("methods = \"GET\"", "gate.rules[0].methods: expected a list"),
        ("permission = \"Canary\"", "gate.rules[0].permission: expected a permission"),
        ("storage = \"\"", "gate.rules[0].storage: expected a storage id"),
        ("cloud = \"canary!\"", "gate.rules[0].cloud: expected a cloud id"),
        ("path = \"/a;canary\"", "gate.rules[0].path: expected a decoded path"),
        ("links = \"canary\"", "gate.rules[0].links: expected true or false"),
        ("challenge = \"canary\"", "gate.rules[0].challenge: expected bearer or basic"),
        ("challenge = true", "gate.rules[0].challenge: expected bearer or basic"),
        ("free = \"canary\"", "gate.rules[0].free: expected true or false"),
        ("strip = \"/canary\"", "gate.rules[0].strip: expected the rule's own path or a prefix of it"),
        ("path = \"/\"\nstrip = \"/canary\"", "gate.rules[0].strip: expected the rule's own path"),
        ("path = \"/canaries\"\nstrip = \"/canary\"", "gate.rules[0].strip: expected the rule's own path"),
        ("strip = \"/canary/x\"\npath = \"/canary\"", "gate.rules[0].strip: expected the rule's own path"),
        ("path = \"/canary\"\nstrip = \"canary\"", "gate.rules[0].strip: expected the rule's own path"),
        ("path = \"/canary\"\nstrip = [\"/canary\"]", "gate.rules[0].strip: expected the rule's own path"),
        ("", "gate.rules: expected a list of rules"),
    ] {
        let error = load(&format!("[[gate.rules]]\n{rule}\n"), &[], &[]).unwrap_err();
        assert!(error.starts_with(expected) && !error.to_lowercase().contains("canary"), "{rule}: {error}");
    }
    for value in ["canary", "{}", "[7]", "[[]]", "[{}]"] {
        let error = load("", &[("COUNTERMARK__GATE__RULES", value)], &[]).unwrap_err();
        assert!(error.starts_with("COUNTERMARK__GATE__RULES: expected a list of rules"), "{value}: {error}");
    }
    let twice =
        load("", &[("COUNTERMARK__GATE__RULES", r#"[{"free": true, "free": false}]"#)], &[]).unwrap_err();
    assert_eq!(twice, "COUNTERMARK__GATE__RULES[0].free: expected each member once");
    let unknown = load("", &[("COUNTERMARK__GATE__RULES", r#"[{"clod": "c"}]"#)], &[]).unwrap_err();
    assert!(
        unknown.ends_with("COUNTERMARK__GATE__RULES[0].clod; the nearest known one is cloud"),
        "{unknown}"
    );
    for (file, key) in [
        (
            "trusted_proxies = [\"canary\"]",
            "gate.trusted_proxies: expected a list of IP addresses and networks",
        ),
        ("shared_secret = \"canary\"", "gate.shared_secret: expected 16 to 1024 visible"),
        ("shared_secret = \"canary with spaces in it\"", "gate.shared_secret: expected 16 to 1024 visible"),
        ("max_age_seconds = 31536001", "gate.max_age_seconds: expected a whole number"),
    ] {
        let error = load(&format!("[gate]\n{file}\n"), &[], &[]).unwrap_err();
        assert!(error.starts_with(key) && !error.contains("canary"), "{error}");
    }
}

#[test]
fn networks_are_listed_by_prefix_and_a_slip_of_the_prefix_is_refused() {
    let networks = |file: &str, environment: &[(&str, &str)]| {
        load(file, environment, &[]).map(|config| config.notifications.allowed_networks)
    };
    let expected = ["10.20.0.0/16", "fd00::/8"].map(|network| network.parse().unwrap());
    let file = "[notifications]\nallowed_networks = [\"10.20.0.0/16\", \"fd00::/8\"]";
    assert_eq!(networks(file, &[]).unwrap(), expected);
    let variable = "COUNTERMARK__NOTIFICATIONS__ALLOWED_NETWORKS";
    assert_eq!(networks("", &[(variable, "10.20.0.0/16, fd00::/8")]).unwrap(), expected);
    for wrong in ["10.20.0.0/8", "10.20.0.0/33", "fd00::1/8", "localhost", "localhost/8", "10/8"] {
        let error = networks("", &[(variable, wrong)]).unwrap_err();
        assert!(
            error.starts_with("COUNTERMARK__NOTIFICATIONS__ALLOWED_NETWORKS: expected"),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn proxies_in_the_ipv6_spelling_of_ipv4_are_those_of_ipv4() {
    let file = "[gate]\ntrusted_proxies = [\"::ffff:10.0.0.0/104\", \"::ffff:192.0.2.1\", \"2001:db8::/32\"]\n\
        [server]\ntrusted_proxies = [\"::ffff:192.0.2.1\", \"::1\"]";
    let config = load(file, &[], &[]).unwrap();
    let plain = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"].map(|network| network.parse().unwrap());
    assert_eq!(config.gate.trusted_proxies, plain);
    let plain = ["192.0.2.1", "::1"].map(|address| address.parse::<std::net::IpAddr>().unwrap());
    assert_eq!(config.server.trusted_proxies, plain);
}
