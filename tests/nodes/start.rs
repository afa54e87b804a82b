//! Nodes that start: at once, on a database that does not fit, with another key.

use std::process::ExitStatus;

use countermark_tests::postgres::{Server, shared};
use countermark_tests::{Cluster, Database, Options, TestServer, upload_question};

use crate::{ON_FAST_DATABASE, alone, cluster};

#[test]
fn five_nodes_that_start_at_once_migrate_once_and_make_one_administrator() {
    let _alone = alone();
    for _ in 0..3 {
        let (cluster, database) = cluster(5);
        assert_eq!(database.query("SELECT count(*), max(migrations_run) > 0 FROM schema_version"), "1|t");
        let logs = cluster.nodes.iter().map(TestServer::log).collect::<String>();
        let migrations: u64 = database.query("SELECT migrations_run FROM schema_version").parse().unwrap();
        assert_eq!(logs.matches("migration done").count() as u64, migrations, "each has run once:\n{logs}");
        assert_eq!(database.query("SELECT count(*) FROM installation"), "1");
        assert_eq!(database.query("SELECT count(*) FROM access_tokens"), "1", "one administrator");
        let mut admins = cluster.admins();
        for issuer in 0..5 {
            let (_, value) = admins[issuer].issue_upload(Some(5));
            for admin in &mut admins {
                assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED");
            }
        }
    }
}

#[test]
fn a_node_with_another_master_key_is_refused_and_harms_nobody() {
    let _alone = alone();
    let (cluster, _) = cluster(1);
    let mut options = cluster.options();
    options.environment.push(("COUNTERMARK__MASTER_KEY".into(), "5a".repeat(32).into()));
    let log = refused(options);
    assert!(log.contains("the master key does not fit this database"), "{log}");
    let (_, value) = cluster.nodes[0].admin().issue_upload(Some(1));
    assert_eq!(cluster.nodes[0].admin().authorize(&upload_question(&value)), "ALLOWED");
}

#[test]
fn a_node_older_than_the_schema_is_refused() {
    let _alone = alone();
    let (mut cluster, database) = cluster(1);
    cluster.nodes[0].kill();
    database.query("UPDATE schema_version SET migrations_run = 999");
    let log = refused(cluster.options());
    assert!(log.contains("the database has schema 999"), "{log}");
    assert_eq!(database.query("SELECT migrations_run FROM schema_version"), "999", "it changes nothing");
}

#[test]
fn a_database_that_forgets_commits_is_used_on_request_only() {
    let _alone = alone();
    let forgetful = Server::start(&["synchronous_commit = off"]);
    for (server, setting) in [(shared(), "fsync"), (&forgetful, "synchronous_commit")] {
        let database = Database::on(server);
        let url = ("COUNTERMARK__DATA__DATABASE_URL".to_owned(), database.url().into());
        let log = refused(Options { environment: vec![url], ..Options::default() });
        assert!(log.contains(&format!("{setting} = off")), "{log}");
        assert_eq!(
            database.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
            "0",
            "nothing is made in it"
        );
        let cluster = Cluster::start(1, &database.url(), &ON_FAST_DATABASE);
        let (_, value) = cluster.nodes[0].admin().issue_upload(Some(1));
        assert_eq!(cluster.nodes[0].admin().authorize(&upload_question(&value)), "ALLOWED");
    }
}

/// The log of a server that ends by itself, with an error and without a panic.
fn refused(options: Options) -> String {
    let (ended, log): (ExitStatus, String) = TestServer::refused(options);
    assert!(matches!(ended.code(), Some(1..=3)), "{ended}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    log
}
