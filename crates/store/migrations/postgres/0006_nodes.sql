-- What each configuration change has touched, so that every node can take it out of its memory. Rows that all nodes have
-- read are removed.
CREATE TABLE changes (
    position  BIGINT PRIMARY KEY, -- the number that installation.change_position had after it
    tokens    TEXT,               -- the tokens that are no longer what they were, by spaces; NULL = too many to name
    digests   TEXT NOT NULL       -- the digests that find a token which they did not find before, in hexadecimal, by spaces
);

-- The nodes that may hold a read lease.
CREATE TABLE nodes (
    id            TEXT COLLATE "C" PRIMARY KEY, -- nod_ and 22 base62 digits, new with every start
    name          TEXT NOT NULL,    -- host name and process, for people
    started_at    BIGINT NOT NULL,  -- Unix seconds
    lease_millis  BIGINT NOT NULL,  -- how long after a renewal the node may trust what it remembers
    renewals      BIGINT NOT NULL,  -- renewals so far: whoever sees the same number for longer than the lease sees a lapsed one
    acknowledged  BIGINT NOT NULL,  -- the last change that it had taken in when it last renewed
    renewed_at    BIGINT NOT NULL   -- Unix seconds of the last renewal, for people
) WITH (fillfactor = 50);
