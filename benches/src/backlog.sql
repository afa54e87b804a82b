-- :count notifications that wait, round-robin for :receivers receivers, as if
-- they were distinct, that are all the handler at :url.
BEGIN;
WITH RECURSIVE count_up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count_up WHERE n < :count)
INSERT INTO notifications (id, address, receiver, event, token, body, state, created_at, attempts, failures, round,
    next_attempt_at, ended_at)
  SELECT 'ntf_' || printf('%022d', n), :url || '?' || (n % :receivers), n % :receivers, 'upload.completed', NULL,
    '{"type":"upload.completed","timestamp":"2026-01-01T00:00:00Z","data":{}}', 'pending', 0, 0, 0, 0, 0, NULL
  FROM count_up;
COMMIT;
