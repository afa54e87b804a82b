-- :count copies of the first stored imageUrl token, without secrets: nobody asks for them, they only have to be there.
PRAGMA foreign_keys = OFF;
PRAGMA synchronous = OFF;
BEGIN;
CREATE TEMP TABLE numbers AS
  WITH RECURSIVE count_up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count_up WHERE n < :count) SELECT n FROM count_up;
INSERT INTO access_tokens (id, name, description, owner, labels, not_before, terms, auto_delete, sweep_at, recoverable,
    preview, dialect, created_at, updated_at, created_by)
  SELECT 'iu_' || printf('%022d', n), name, description, owner, labels, not_before, terms, auto_delete, sweep_at,
    recoverable, preview, dialect, created_at, updated_at, created_by
  FROM numbers, (SELECT * FROM access_tokens WHERE id LIKE 'iu\_%' ESCAPE '\' LIMIT 1);
INSERT INTO token_counters (token, revision, enabled, revoked_at, expiry, use_limit, used, last_used_at)
  SELECT 'iu_' || printf('%022d', n), 1, 1, NULL, NULL, 1000, 0, NULL FROM numbers;
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
