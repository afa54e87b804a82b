-- One row: what the installation knows about itself.
CREATE TABLE installation (
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1), -- there is one installation in a database
    bootstrapped_at     INTEGER,          -- Unix seconds at which the first administrator was stored; NULL = not yet
    master_key_version  INTEGER NOT NULL, -- raised by one with each rotation of the master key; part of what is sealed
    master_key_check    BLOB NOT NULL,    -- a known text sealed under the master key: only that key opens it
    next_key_check      BLOB,             -- the same under the key being rotated to; NULL = no rotation is under way
    sealed_digest_key   BLOB NOT NULL,    -- key of the digests by which values are found, sealed under the master key
    change_position     INTEGER NOT NULL, -- number of the last configuration change
    highest_time_seen   INTEGER NOT NULL  -- Unix seconds; time never runs back behind it
) STRICT;

-- What is rarely read and never changes with a use.
CREATE TABLE access_tokens (
    id           TEXT PRIMARY KEY NOT NULL, -- iu_, up_ or ak_ (the kind) and 22 base62 digits of a UUIDv7
    name         TEXT,
    description  TEXT,
    owner        TEXT,             -- on whose behalf the token acts
    labels       TEXT NOT NULL,    -- JSON object of short strings
    not_before   INTEGER,          -- Unix seconds of the first instant at which the token works; NULL = from the beginning
    terms        TEXT NOT NULL,    -- JSON object of the terms that only this kind has; passwords in it are hashed
    auto_delete  INTEGER NOT NULL CHECK (auto_delete IN (0, 1)), -- whether the expired record may be swept away
    sweep_at     INTEGER,          -- the expiry of a token marked auto_delete, for the index of the sweep; else NULL
    recoverable  INTEGER NOT NULL CHECK (recoverable IN (0, 1)), -- whether the value or secret can be shown again
    preview      TEXT NOT NULL,    -- leading characters of the current value
    dialect      TEXT NOT NULL,    -- wire format in which the token was issued
    created_at   INTEGER NOT NULL, -- Unix seconds
    updated_at   INTEGER NOT NULL, -- Unix seconds of the last configuration change
    created_by   TEXT              -- API key that issued it, which may be purged meanwhile; NULL = the first administrator
) STRICT;

-- The digits of an id sort by the time of issue whatever the kind.
CREATE INDEX access_tokens_by_age ON access_tokens (substr(id, 4), id);
CREATE INDEX access_tokens_by_owner ON access_tokens (owner) WHERE owner IS NOT NULL;
CREATE INDEX access_tokens_by_name ON access_tokens (name) WHERE name IS NOT NULL;
CREATE INDEX access_tokens_by_issuer ON access_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX access_tokens_to_sweep ON access_tokens (sweep_at) WHERE sweep_at IS NOT NULL;

-- Everything that the guarded statement reads and writes, and nothing else: rows of some 60 bytes keep the hot pages few.
CREATE TABLE token_counters (
    token         TEXT PRIMARY KEY NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    revision      INTEGER NOT NULL CHECK (revision >= 1),     -- counts configuration changes
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)), -- the reversible switch
    revoked_at    INTEGER,                                    -- Unix seconds; set once, for ever
    expiry        INTEGER,                                    -- Unix seconds of the first instant at which it no longer works
    use_limit     INTEGER CHECK (use_limit >= 0),             -- most uses in the whole life; NULL = unlimited
    used          INTEGER NOT NULL CHECK (used >= 0),         -- uses so far
    last_used_at  INTEGER,                                    -- Unix seconds
    CHECK (used <= use_limit)                                 -- the promise itself, held by the database too
) STRICT, WITHOUT ROWID;

-- Values that holders present, each known by its keyed digest.
CREATE TABLE token_values (
    digest              BLOB PRIMARY KEY NOT NULL CHECK (length(digest) = 32), -- HMAC-SHA256 under the digest key
    token               TEXT NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    number              INTEGER NOT NULL, -- 1 for the first value of a token, 2 for the next; the highest is the current one
    created_at          INTEGER NOT NULL, -- Unix seconds
    valid_until         INTEGER,          -- Unix seconds of the first instant at which it no longer works; NULL = current
    sealed              BLOB,             -- the value, sealed, if it may be shown again
    master_key_version  INTEGER NOT NULL, -- under which it is sealed
    UNIQUE (token, number)
) STRICT, WITHOUT ROWID;

-- Signing secrets of imageUrl tokens.
CREATE TABLE signing_secrets (
    token               TEXT NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    version             INTEGER NOT NULL CHECK (version BETWEEN 1 AND 65535), -- the key version that URLs carry
    created_at          INTEGER NOT NULL, -- Unix seconds
    verify_until        INTEGER,          -- Unix seconds of the first instant at which it no longer verifies; NULL = it signs
    sealed              BLOB NOT NULL,    -- the secret, sealed
    master_key_version  INTEGER NOT NULL, -- under which it is sealed
    PRIMARY KEY (token, version)
) STRICT, WITHOUT ROWID;

-- Idempotency keys of uses (without an answer) and of management calls (with one), remembered for 24 hours.
CREATE TABLE idempotency_keys (
    scope               BLOB PRIMARY KEY NOT NULL CHECK (length(scope) = 32), -- digest of caller, route, token and key
    request             BLOB NOT NULL CHECK (length(request) = 32),           -- digest of the whole request
    created_at          INTEGER NOT NULL, -- Unix seconds
    answer              BLOB,             -- the answer, sealed, which a repetition gets again
    master_key_version  INTEGER NOT NULL  -- under which it is sealed
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Figures of one token in one hour.
CREATE TABLE usage_hourly (
    token     TEXT NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    hour      INTEGER NOT NULL, -- Unix seconds of its beginning
    uses      INTEGER NOT NULL, -- granted uses
    refusals  INTEGER NOT NULL,
    PRIMARY KEY (token, hour)
) STRICT, WITHOUT ROWID;

-- Decisions of the whole installation in one hour.
CREATE TABLE decisions_hourly (
    hour       INTEGER NOT NULL, -- Unix seconds of its beginning
    code       TEXT NOT NULL,    -- ALLOWED or the code of a refusal
    decisions  INTEGER NOT NULL, -- how many
    PRIMARY KEY (hour, code)
) STRICT, WITHOUT ROWID;

-- Who did what to which token. Entries outlive their tokens, so they refer to them by name only.
CREATE TABLE audit_log (
    number      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    at          INTEGER NOT NULL, -- Unix seconds
    actor       TEXT,             -- API key that acted; NULL = the installation itself or the command line
    action      TEXT NOT NULL,    -- such as token.issue
    token       TEXT,
    address     TEXT,             -- IP address of the caller
    request_id  TEXT,
    members     TEXT NOT NULL     -- JSON array of the names of the members that changed, never their values
) STRICT;

CREATE INDEX audit_log_by_token ON audit_log (token, number) WHERE token IS NOT NULL;
CREATE INDEX audit_log_by_actor ON audit_log (actor, number) WHERE actor IS NOT NULL;

CREATE TRIGGER audit_log_keeps_its_text BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_keeps_its_rows BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
