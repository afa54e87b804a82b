-- Uploads: each holds one use of its token, which is spent or goes back when it ends.
CREATE TABLE uploads (
    id                   TEXT COLLATE "C" PRIMARY KEY, -- upl_ and 22 base62 digits of a UUIDv7
    token                TEXT COLLATE "C" NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE, -- whose use it is
    owner                TEXT,                         -- on whose behalf the token acted when the upload began
    began_by             TEXT COLLATE "C",             -- API key that began it, which may be purged meanwhile; NULL = the holder alone
    state                TEXT NOT NULL CHECK (state IN ('reserved', 'completed', 'aborted')), -- the last two are final
    effective            TEXT NOT NULL,                -- JSON object of the parameters that it really gets
    extra                TEXT NOT NULL,                -- JSON object of what the token directed and demanded when it began
    began_at             BIGINT NOT NULL,              -- Unix seconds
    deadline             BIGINT NOT NULL,              -- Unix seconds of the first instant at which a reservation ends by itself
    ended_at             BIGINT,                       -- Unix seconds; NULL = reserved
    result               TEXT,                         -- JSON object that completed it; NULL also where the deadline did
    idempotency_scope    BYTEA CHECK (length(idempotency_scope) = 32), -- digest of asker, route, token and key; NULL = none
    idempotency_request  BYTEA CHECK (length(idempotency_request) = 32), -- digest of the whole request
    CHECK ((state = 'reserved') = (ended_at IS NULL)),
    CHECK (result IS NULL OR state = 'completed'),
    CHECK ((idempotency_scope IS NULL) = (idempotency_request IS NULL))
);

-- Uses that went back in the whole life. With it the counters order themselves: `used + 2 * given_back` grows with every
-- use taken and with every use given back, so that of two readings the later one can be told.
ALTER TABLE token_counters ADD COLUMN given_back BIGINT NOT NULL DEFAULT 0 CHECK (given_back >= 0);

CREATE UNIQUE INDEX uploads_by_key ON uploads (idempotency_scope) WHERE idempotency_scope IS NOT NULL;
-- For the cap on reservations, and for the removal of a token with all its uploads.
CREATE INDEX uploads_by_token ON uploads (token, state);
CREATE INDEX uploads_by_deadline ON uploads (deadline) WHERE state = 'reserved';
CREATE INDEX uploads_by_end ON uploads (ended_at) WHERE ended_at IS NOT NULL;
