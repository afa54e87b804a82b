-- The same tables as under sqlite/, so that one description serves both. Ids compare by their bytes, whatever the language of
-- the database: lists and the order of locks rest on it.

-- One row: what the installation knows about itself.
CREATE TABLE installation (
    only_row            BIGINT PRIMARY KEY CHECK (only_row = 1), -- there is one installation in a database
    bootstrapped_at     BIGINT,                                  -- Unix seconds at which the first administrator was stored; NULL = not yet
    master_key_version  BIGINT NOT NULL,                         -- raised by one with each rotation of the master key; part of what is sealed
    master_key_check    BYTEA NOT NULL,                          -- a known text sealed under the master key: only that key opens it
    next_key_check      BYTEA,                                   -- the same under the key being rotated to; NULL = no rotation is under way
    sealed_digest_key   BYTEA NOT NULL,                          -- key of the digests by which values are found, sealed under the master key
    change_position     BIGINT NOT NULL,                         -- number of the last configuration change
    highest_time_seen   BIGINT NOT NULL                          -- Unix seconds; time never runs back behind it
) WITH (fillfactor = 50);

-- What is rarely read and never changes with a use.
CREATE TABLE access_tokens (
    id           TEXT COLLATE "C" PRIMARY KEY, -- iu_, up_ or ak_ (the kind) and 22 base62 digits of a UUIDv7
    name         TEXT,
    description  TEXT,
    owner        TEXT,                         -- on whose behalf the token acts
    labels       TEXT NOT NULL,                -- JSON object of short strings
    not_before   BIGINT,                       -- Unix seconds of the first instant at which the token works; NULL = from the beginning
    terms        TEXT NOT NULL,                -- JSON object of the terms that only this kind has; passwords in it are hashed
    auto_delete  BOOLEAN NOT NULL,             -- whether the expired record may be swept away
    sweep_at     BIGINT,                       -- the expiry of a token marked auto_delete, for the index of the sweep; else NULL
    recoverable  BOOLEAN NOT NULL,             -- whether the value or secret can be shown again
    preview      TEXT NOT NULL,                -- leading characters of the current value
    dialect      TEXT NOT NULL,                -- wire format in which the token was issued
    created_at   BIGINT NOT NULL,              -- Unix seconds
    updated_at   BIGINT NOT NULL,              -- Unix seconds of the last configuration change
    created_by   TEXT COLLATE "C"              -- API key that issued it, which may be purged meanwhile; NULL = the first administrator
);

-- The digits of an id sort by the time of issue whatever the kind.
CREATE INDEX access_tokens_by_age ON access_tokens (substr(id, 4), id);
CREATE INDEX access_tokens_by_owner ON access_tokens (owner) WHERE owner IS NOT NULL;
CREATE INDEX access_tokens_by_name ON access_tokens (name) WHERE name IS NOT NULL;
CREATE INDEX access_tokens_by_issuer ON access_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX access_tokens_to_sweep ON access_tokens (sweep_at) WHERE sweep_at IS NOT NULL;

-- Everything that the guarded statement reads and writes, and nothing else. Half of each page is left free,
-- so that the next version of a row finds room beside it and no index is touched.
CREATE TABLE token_counters (
    token         TEXT COLLATE "C" PRIMARY KEY REFERENCES access_tokens (id) ON DELETE CASCADE,
    revision      BIGINT NOT NULL CHECK (revision >= 1), -- counts configuration changes
    enabled       BOOLEAN NOT NULL,                      -- the reversible switch
    revoked_at    BIGINT,                                -- Unix seconds; set once, for ever
    expiry        BIGINT,                                -- Unix seconds of the first instant at which it no longer works
    use_limit     BIGINT CHECK (use_limit >= 0),         -- most uses in the whole life; NULL = unlimited
    used          BIGINT NOT NULL CHECK (used >= 0),     -- uses so far
    last_used_at  BIGINT,                                -- Unix seconds
    CHECK (used <= use_limit)                            -- the promise itself, held by the database too
) WITH (fillfactor = 50);

-- Values that holders present, each known by its keyed digest.
CREATE TABLE token_values (
    digest              BYTEA PRIMARY KEY CHECK (length(digest) = 32), -- HMAC-SHA256 under the digest key
    token               TEXT COLLATE "C" NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    number              BIGINT NOT NULL, -- 1 for the first value of a token, 2 for the next; the highest is the current one
    created_at          BIGINT NOT NULL, -- Unix seconds
    valid_until         BIGINT,          -- Unix seconds of the first instant at which it no longer works; NULL = current
    sealed              BYTEA,           -- the value, sealed, if it may be shown again
    master_key_version  BIGINT NOT NULL, -- under which it is sealed
    UNIQUE (token, number)
);

-- Signing secrets of imageUrl tokens.
CREATE TABLE signing_secrets (
    token               TEXT COLLATE "C" NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    version             BIGINT NOT NULL CHECK (version BETWEEN 1 AND 65535), -- the key version that URLs carry
    created_at          BIGINT NOT NULL, -- Unix seconds
    verify_until        BIGINT,          -- Unix seconds of the first instant at which it no longer verifies; NULL = it signs
    sealed              BYTEA NOT NULL,  -- the secret, sealed
    master_key_version  BIGINT NOT NULL, -- under which it is sealed
    PRIMARY KEY (token, version)
);

-- Idempotency keys of uses (without an answer) and of management calls (with one), remembered for 24 hours.
CREATE TABLE idempotency_keys (
    scope               BYTEA PRIMARY KEY CHECK (length(scope) = 32), -- digest of caller, route, token and key
    request             BYTEA NOT NULL CHECK (length(request) = 32), -- digest of the whole request
    created_at          BIGINT NOT NULL, -- Unix seconds
    answer              BYTEA,           -- the answer, sealed, which a repetition gets again
    master_key_version  BIGINT NOT NULL  -- under which it is sealed
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Figures of one token in one hour.
CREATE TABLE usage_hourly (
    token     TEXT COLLATE "C" NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    hour      BIGINT NOT NULL, -- Unix seconds of its beginning
    uses      BIGINT NOT NULL, -- granted uses
    refusals  BIGINT NOT NULL,
    PRIMARY KEY (token, hour)
);

-- Decisions of the whole installation in one hour.
CREATE TABLE decisions_hourly (
    hour       BIGINT NOT NULL,           -- Unix seconds of its beginning
    code       TEXT COLLATE "C" NOT NULL, -- ALLOWED or the code of a refusal
    decisions  BIGINT NOT NULL,           -- how many
    PRIMARY KEY (hour, code)
);

-- Who did what to which token. Entries outlive their tokens, so they refer to them by name only.
CREATE TABLE audit_log (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used twice; a call that is undone leaves a gap
    at          BIGINT NOT NULL,  -- Unix seconds
    actor       TEXT COLLATE "C", -- API key that acted; NULL = the installation itself or the command line
    action      TEXT NOT NULL,    -- such as token.issue
    token       TEXT COLLATE "C",
    address     TEXT,             -- IP address of the caller
    request_id  TEXT,
    members     TEXT NOT NULL     -- JSON array of the names of the members that changed, never their values
);

CREATE INDEX audit_log_by_token ON audit_log (token, number) WHERE token IS NOT NULL;
CREATE INDEX audit_log_by_actor ON audit_log (actor, number) WHERE actor IS NOT NULL;

CREATE FUNCTION refuse_to_change_audit_log() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_log_keeps_its_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit_log();
