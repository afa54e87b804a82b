//! What becomes of tokens when the data become older than what has happened.

use countermark_core::UnixSeconds;
use countermark_domain::store::StoreError;
use sqlx::SqliteConnection;

use crate::OpenError;
use crate::row::signed;
use crate::seal::FillRandom;
use crate::sqlite::unavailable;

/// Which tokens are disabled when data come back that are older than the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disable {
    /// Those under a limit whose stored uses would still let them be used, or come to do so when an open upload gives
    /// its use back: more may have been taken than is stored.
    #[default]
    Limited,
    /// All that could still be used: revocations may have been lost, too.
    All,
    /// None. Uses that were taken since can be taken once more.
    None,
}

impl Disable {
    /// The ids of the tokens that are to be disabled. Those that are ended or disabled already stay as they are.
    fn chosen(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::All => Some(
                "INSERT INTO temp.chosen SELECT token FROM token_counters, installation
                 WHERE enabled AND revoked_at IS NULL AND (expiry IS NULL OR expiry > highest_time_seen)",
            ),
            Self::Limited => Some(
                "INSERT INTO temp.chosen SELECT c.token FROM token_counters c, installation
                 WHERE c.enabled AND c.revoked_at IS NULL AND (c.expiry IS NULL OR c.expiry > highest_time_seen)
                   AND (c.used < c.use_limit
                        OR c.use_limit IS NOT NULL AND EXISTS (
                            SELECT 1 FROM uploads u WHERE u.token = c.token AND u.state = 'reserved'))",
            ),
        }
    }
}

/// Now, but never behind the highest time that the data have seen.
pub(super) async fn instant(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
) -> Result<UnixSeconds, StoreError> {
    let highest: i64 = sqlx::query_scalar("SELECT highest_time_seen FROM installation")
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    Ok(UnixSeconds::new(highest.unsigned_abs()).map_or(now, |highest| highest.max(now)))
}

/// Disables tokens within the transaction that is open, each with an entry in the audit log; how many.
pub(super) async fn disable(
    connection: &mut SqliteConnection,
    disable: Disable,
    at: UnixSeconds,
) -> Result<u64, StoreError> {
    let Some(choose) = disable.chosen() else { return Ok(0) };
    sqlx::raw_sql("DROP TABLE IF EXISTS temp.chosen; CREATE TEMP TABLE chosen (id TEXT PRIMARY KEY)")
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let chosen = sqlx::query(choose).execute(&mut *connection).await.map_err(unavailable)?.rows_affected();
    for statement in [
        "UPDATE token_counters SET enabled = 0, revision = revision + 1
         WHERE ?1 >= 0 AND token IN (SELECT id FROM temp.chosen)",
        "UPDATE access_tokens SET updated_at = max(updated_at, ?1) WHERE id IN (SELECT id FROM temp.chosen)",
        r#"INSERT INTO audit_log (at, actor, action, token, address, request_id, members)
           SELECT ?1, NULL, 'token.update', id, NULL, NULL, '["enabled"]' FROM temp.chosen ORDER BY id"#,
    ] {
        let query = sqlx::query(statement).bind(signed(at.get()));
        query.execute(&mut *connection).await.map_err(unavailable)?;
    }
    Ok(chosen)
}

/// Positions of one life have 40 bits: more than a trillion changes.
const POSITION_BITS: u32 = 40;

/// Lives that fit beside them into a signed number.
const LIVES: u64 = 1 << 22;

/// Begins another life of the data: its positions lie behind all of every former life. They begin somewhere in the first
/// 256th of its own, so that two lives with the same number, made from one backup, have no positions in common either.
pub(super) async fn begin_life(
    connection: &mut SqliteConnection,
    epoch: u64,
    fill_random: &FillRandom,
) -> Result<(), OpenError> {
    if epoch >= LIVES {
        let (table, column, row) = ("installation", "epoch", "1".to_owned());
        return Err(StoreError::Corrupt { table, column, row }.into());
    }
    let mut random = [0; 4];
    fill_random(&mut random);
    let position = (epoch << POSITION_BITS) + u64::from(u32::from_be_bytes(random));
    sqlx::query("UPDATE installation SET epoch = ?1, change_position = ?2")
        .bind(signed(epoch))
        .bind(signed(position))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}
