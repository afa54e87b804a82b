//! The statements of the hot path find what they need by key.

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use super::{at_once, change, migrate, server, take, token, upload};

/// Many rows, so that a scan of them would cost more than their index.
const ROWS: &str = "
    INSERT INTO installation VALUES (1, NULL, 1, '', NULL, '', 0, 0);
    INSERT INTO access_tokens (id, labels, terms, auto_delete, recoverable, preview, dialect, created_at, updated_at)
    SELECT 'up_' || n, '{}', '{}', false, false, '', 'native', 0, 0 FROM generate_series(1, 5000) n;
    INSERT INTO token_counters (token, revision, enabled, used)
    SELECT 'up_' || n, 1, true, 0 FROM generate_series(1, 5000) n;
    INSERT INTO token_values (digest, token, number, created_at, master_key_version)
    SELECT sha256(n::text::bytea), 'up_' || n, 1, 0, 0 FROM generate_series(1, 5000) n;
    INSERT INTO signing_secrets (token, version, created_at, sealed, master_key_version)
    SELECT 'up_' || n, 1, 0, '', 0 FROM generate_series(1, 5000) n;
    INSERT INTO uploads (id, token, state, effective, extra, began_at, deadline, idempotency_scope, idempotency_request)
    SELECT 'upl_' || n, 'up_' || n, 'reserved', '{}', '{}', 0, n, sha256(n::text::bytea), sha256('')
    FROM generate_series(1, 5000) n;
    ANALYZE";

async fn plan(connection: &mut PgConnection, statement: &str, arguments: &str) -> Vec<String> {
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE it AS {statement}")))
        .execute(&mut *connection)
        .await
        .unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE it ({arguments})"));
    let lines = sqlx::query_scalar(explain).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE it").execute(connection).await.unwrap();
    lines
}

#[tokio::test]
async fn counters_and_tokens_are_found_by_key_and_never_by_a_scan() {
    let url = server::shared().new_schema().await;
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    migrate::migrate(&mut connection, migrate::MIGRATIONS).await.unwrap();
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    for (statement, arguments) in [
        (take::TAKE, "'{up_1,up_7}', '{1,1}', '{1,1}', 9"),
        (at_once::TAKE_ONE, "'up_7', 1, 1, 9"),
        (at_once::TAKE_MANY, "'{up_1,up_7}', '{1,1}', '{1,1}', '{1,1}', 9"),
        (take::COUNTERS, "'{up_1,up_7}', 9"),
        (take::TALLIES, "'{up_1,up_7}'"),
        (token::FIND_BY_ID, "'up_7'"),
        (token::FIND_BY_VALUE, "sha256('7')"),
        (upload::FIND, "'upl_7'"),
        (upload::FIND_BY_KEY, "sha256('7')"),
        (upload::COUNT_OPEN, "'up_7'"),
        (upload::TOKENS_DUE, "9, 10"),
        (change::TO_SWEEP, "9, 10"),
    ] {
        let lines = plan(&mut connection, statement, arguments).await;
        let is_scan = |line: &&String| line.contains("Seq Scan") && !line.contains(" on installation ");
        assert!(lines.iter().find(is_scan).is_none(), "{statement}\n{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("Index")), "{statement}\n{lines:#?}");
    }
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_half_done() {
    const BROKEN: &[&str] =
        &["CREATE TABLE one (a INT)", "CREATE TABLE two (a INT); CREATE TABLE one (a INT)"];
    let url = server::shared().new_schema().await;
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    assert!(migrate::migrate(&mut connection, BROKEN).await.is_err());
    assert_eq!(migrate::schema(&mut connection).await.unwrap(), 1, "the first one has run");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.unwrap();
    assert_eq!(tables, 2, "with the one that counts");
}
