-- What of a token's life is told, and to whom.
ALTER TABLE access_tokens ADD COLUMN notify TEXT;          -- JSON object of urls and events; NULL = nothing is told
ALTER TABLE access_tokens ADD COLUMN expiring_at BIGINT;   -- the expiry whose approach is still to be told, for the index; else NULL
ALTER TABLE access_tokens ADD COLUMN expiring_told BIGINT; -- the expiry whose approach was told last

CREATE INDEX access_tokens_expiring ON access_tokens (expiring_at) WHERE expiring_at IS NOT NULL;

ALTER TABLE token_counters ADD COLUMN notice_at BIGINT;    -- the uses at which something is to be told next; NULL = nothing is
ALTER TABLE token_counters ADD COLUMN near_told BOOLEAN NOT NULL DEFAULT false;    -- whether this limit has been told to be near: uses go back, this does not
ALTER TABLE token_counters ADD COLUMN reached_told BOOLEAN NOT NULL DEFAULT false; -- whether it has been told to be reached

-- The outbox. Rows outlive their tokens, so they refer to them by name only.
CREATE TABLE notifications (
    id               TEXT COLLATE "C" PRIMARY KEY, -- ntf_ and 22 base62 digits of a UUIDv7; sent as webhook-id
    address          TEXT NOT NULL,                -- URL of the receiver; its query may hold a secret of the receiver
    receiver         TEXT COLLATE "C" NOT NULL,    -- its host and port, by which attempts under way are counted
    event            TEXT NOT NULL,                -- such as token.revoked
    token            TEXT COLLATE "C",             -- the token that it is about
    body             TEXT NOT NULL,                -- what is sent, byte for byte
    state            TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'disabled')),
    created_at       BIGINT NOT NULL,              -- Unix seconds
    attempts         BIGINT NOT NULL,              -- attempts that have ended
    failures         BIGINT NOT NULL,              -- those that failed since it was made or last replayed: its place in the schedule
    round            BIGINT NOT NULL,              -- replays so far; an attempt that began before the last one ends nothing
    next_attempt_at  BIGINT,                       -- Unix seconds; while an attempt runs, when it counts as lost; NULL = none will be made
    ended_at         BIGINT,                       -- Unix seconds at which it was delivered or given up
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((state = 'pending') = (ended_at IS NULL))
);

-- With the receiver, so that those of busy receivers are passed over without reading the rows.
CREATE INDEX notifications_due ON notifications (next_attempt_at, receiver) WHERE state = 'pending';
CREATE INDEX notifications_by_receiver ON notifications (receiver, next_attempt_at) WHERE state = 'pending';
CREATE INDEX notifications_by_state ON notifications (state, id);
CREATE INDEX notifications_by_token ON notifications (token, id) WHERE token IS NOT NULL;
CREATE INDEX notifications_to_forget ON notifications (ended_at) WHERE ended_at IS NOT NULL;

-- What the attempts came to. Answers of receivers are never kept.
CREATE TABLE notification_attempts (
    notification  TEXT COLLATE "C" NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    number        BIGINT NOT NULL, -- from 1
    at            BIGINT NOT NULL, -- Unix seconds of its beginning
    status        BIGINT,          -- HTTP status; NULL = there was no answer
    reason        TEXT,            -- why there was none
    millis        BIGINT NOT NULL, -- how long it took
    PRIMARY KEY (notification, number),
    CHECK ((status IS NULL) <> (reason IS NULL))
);

-- Receivers that have answered 410: they get nothing more about this token.
CREATE TABLE disabled_addresses (
    token        TEXT COLLATE "C" NOT NULL REFERENCES access_tokens (id) ON DELETE CASCADE,
    address      TEXT NOT NULL,   -- as in notifications
    disabled_at  BIGINT NOT NULL, -- Unix seconds of the last such answer
    PRIMARY KEY (token, address)
);

-- Secrets by which receivers check signatures: one for the installation, several while they overlap.
CREATE TABLE notification_secrets (
    version             BIGINT PRIMARY KEY, -- 1 for the first, 2 for the next
    created_at          BIGINT NOT NULL,    -- Unix seconds
    valid_until         BIGINT,             -- Unix seconds of the first instant at which it no longer signs; NULL = current
    sealed              BYTEA NOT NULL,     -- whsec_ and base64, sealed
    master_key_version  BIGINT NOT NULL     -- under which it is sealed
);
