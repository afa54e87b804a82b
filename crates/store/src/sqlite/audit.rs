//! The audit log.

use countermark_domain::store::{AuditEntry, AuditFilter, AuditRecord, StoreError};
use sqlx::{QueryBuilder, SqliteConnection, SqlitePool};

use super::unavailable;
use crate::record;
use crate::row::signed;

pub(crate) async fn append(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    demand_actor(connection, entry).await?;
    sqlx::query(
        "INSERT INTO audit_log (at, actor, action, token, address, request_id, members)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(signed(entry.at.get()))
    .bind(entry.actor.map(|id| id.to_string()))
    .bind(entry.action)
    .bind(entry.token.map(|id| id.to_string()))
    .bind(entry.address.map(|address| address.to_string()))
    .bind(&entry.request_id)
    .bind(serde_json::to_string(&entry.members).expect("a list of strings serialises"))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// A call may wait between its permission and its transaction; a key that was ended meanwhile must change nothing.
async fn demand_actor(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    let (Some(actor), Some(revision)) = (entry.actor, entry.actor_revision) else { return Ok(()) };
    let unchanged: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM token_counters WHERE token = ?1 AND revision = ?2
                        AND enabled AND revoked_at IS NULL AND (expiry IS NULL OR ?3 < expiry))",
    )
    .bind(actor.to_string())
    .bind(signed(revision))
    .bind(signed(entry.at.get()))
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    if unchanged { Ok(()) } else { Err(StoreError::ActorChanged) }
}

pub(crate) async fn read(readers: &SqlitePool, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query = QueryBuilder::new(
        "SELECT number, at, actor, action, token, address, request_id, members FROM audit_log WHERE true",
    );
    if let Some(token) = filter.token {
        query.push(" AND token = ").push_bind(token.to_string());
    }
    if let Some(actor) = filter.actor {
        query.push(" AND actor = ").push_bind(actor.to_string());
    }
    if let Some(action) = &filter.action {
        query.push(" AND action = ").push_bind(action.clone());
    }
    if let Some(before) = filter.before {
        query.push(" AND number < ").push_bind(signed(before));
    }
    query.push(" ORDER BY number DESC LIMIT ").push_bind(filter.at_most);
    let rows = query.build().fetch_all(readers).await.map_err(unavailable)?;
    rows.iter().map(|row| record::audit(row)).collect()
}
