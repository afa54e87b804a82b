//! The statements of the hot path find what they need by key.

use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::{attempt, change, files, migrate, take, token, upload};

#[tokio::test]
async fn counters_and_tokens_are_found_by_key_and_never_by_a_scan() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.db");
    files::create(&path).unwrap();
    let mut connection = files::writing(&path).connect().await.unwrap();
    migrate::migrate(&mut connection, &path, migrate::MIGRATIONS).await.unwrap();
    for (statement, expected) in [
        (take::TAKE, "SEARCH token_counters USING PRIMARY KEY (token=?)"),
        (take::COUNTERS, "SEARCH token_counters USING PRIMARY KEY (token=?)"),
        (take::TALLIES, "SEARCH token_counters USING PRIMARY KEY (token=?)"),
        (token::FIND_BY_ID, "SEARCH t USING INDEX sqlite_autoindex_access_tokens_1 (id=?)"),
        (
            attempt::CLAIM_LONGEST_DUE,
            "SEARCH notifications USING COVERING INDEX notifications_due (next_attempt_at<?)",
        ),
        (
            attempt::CLAIM_OF_EACH_RECEIVER,
            "SEARCH notifications USING COVERING INDEX notifications_by_receiver (receiver>?)",
        ),
        (
            attempt::CLAIM_OF_EACH_RECEIVER,
            "SEARCH notifications USING COVERING INDEX notifications_by_receiver (receiver=? AND next_attempt_at<?)",
        ),
        (token::FIND_BY_VALUE, "SEARCH token_values USING PRIMARY KEY (digest=?)"),
        (upload::FIND, "SEARCH uploads USING INDEX sqlite_autoindex_uploads_1 (id=?)"),
        (upload::FIND_BY_KEY, "SEARCH uploads USING INDEX uploads_by_key (idempotency_scope=?)"),
        (upload::COUNT_OPEN, "SEARCH uploads USING COVERING INDEX uploads_by_token (token=? AND state=?)"),
        (change::SWEEP, "SEARCH uploads USING COVERING INDEX uploads_by_token (token=? AND state=?)"),
        (change::SWEEP, "SEARCH t USING INDEX access_tokens_to_sweep (sweep_at<?)"),
        (upload::END_DUE, "SEARCH uploads USING INDEX uploads_by_deadline (deadline<?)"),
        (upload::FORGET, "SEARCH uploads USING INDEX uploads_by_end (ended_at<?)"),
    ] {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let rows = plan.fetch_all(&mut connection).await.unwrap();
        let lines: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{lines:#?}");
        let is_small = |line: &String| {
            // What a statement looks at of the outbox is limited before it is scanned: to the longest due, or to one of
            // each receiver.
            let few = [
                "SCAN i",
                "SCAN (subquery",
                "SCAN longest",
                "SCAN placed",
                "SCAN last",
                "SCAN of",
                "SCAN under_way",
            ];
            line.contains("json_each") || line == "SCAN wanted" || few.iter().any(|few| line.starts_with(few))
        };
        assert!(lines.iter().filter(|line| line.starts_with("SCAN")).all(is_small), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_half_done() {
    const BROKEN: &[&str] = &["CREATE TABLE one (a)", "CREATE TABLE two (a); CREATE TABLE one (a)"];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.db");
    files::create(&path).unwrap();
    let mut connection = files::writing(&path).connect().await.unwrap();
    assert!(migrate::migrate(&mut connection, &path, BROKEN).await.is_err());
    assert_eq!(migrate::schema(&mut connection, &path).await.unwrap(), 1, "the first one has run");
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await.unwrap();
    assert_eq!(tables, 1);
}
