//! The tables that make up an installation, as a copy sees them.

/// What a column holds. Both engines have these four kinds, though SQLite keeps a flag as 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Bytes,
}

/// A table; its first columns are the key, by which its rows are ordered and the copying goes on where it stopped.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// How many of the columns are the key.
    pub key: usize,
    /// Rows that are held in memory at once; few where a row may be large.
    pub page: u32,
}

impl Table {
    /// The columns as a list in SQL.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// Every table but `changes` and `nodes`, which belong to running nodes, in an order in which each row comes after those that it
/// refers to. The columns of `installation` that mark a copy are not copied themselves.
pub(super) const TABLES: &[Table] = &[
    INSTALLATION,
    ACCESS_TOKENS,
    TOKEN_COUNTERS,
    TOKEN_VALUES,
    SIGNING_SECRETS,
    IDEMPOTENCY_KEYS,
    USAGE_HOURLY,
    DECISIONS_HOURLY,
    AUDIT_LOG,
    UPLOADS,
    NOTIFICATIONS,
    NOTIFICATION_ATTEMPTS,
    DISABLED_ADDRESSES,
    NOTIFICATION_SECRETS,
];

use Kind::{Bytes, Flag, Number, Text};

/// Rows of most tables that are held at once.
const PAGE: u32 = 1_000;

/// Columns that are named, so that a test can hold them against the schema, but not copied.
#[cfg(test)]
pub(super) const MARKS: [&str; 4] = ["moved_to", "moved_at", "transfer", "filling"];

pub(super) const INSTALLATION: Table = Table {
    name: "installation",
    columns: &[
        ("only_row", Number),
        ("bootstrapped_at", Number),
        ("master_key_version", Number),
        ("master_key_check", Bytes),
        ("next_key_check", Bytes),
        ("sealed_digest_key", Bytes),
        ("change_position", Number),
        ("highest_time_seen", Number),
        ("epoch", Number),
    ],
    key: 1,
    page: PAGE,
};

const ACCESS_TOKENS: Table = Table {
    name: "access_tokens",
    columns: &[
        ("id", Text),
        ("name", Text),
        ("description", Text),
        ("owner", Text),
        ("labels", Text),
        ("not_before", Number),
        ("terms", Text),
        ("auto_delete", Flag),
        ("sweep_at", Number),
        ("recoverable", Flag),
        ("preview", Text),
        ("dialect", Text),
        ("created_at", Number),
        ("updated_at", Number),
        ("created_by", Text),
        ("notify", Text),
        ("expiring_at", Number),
        ("expiring_told", Number),
    ],
    key: 1,
    page: PAGE,
};

const TOKEN_COUNTERS: Table = Table {
    name: "token_counters",
    columns: &[
        ("token", Text),
        ("revision", Number),
        ("enabled", Flag),
        ("revoked_at", Number),
        ("expiry", Number),
        ("use_limit", Number),
        ("used", Number),
        ("last_used_at", Number),
        ("given_back", Number),
        ("notice_at", Number),
        ("near_told", Flag),
        ("reached_told", Flag),
    ],
    key: 1,
    page: PAGE,
};

const TOKEN_VALUES: Table = Table {
    name: "token_values",
    columns: &[
        ("digest", Bytes),
        ("token", Text),
        ("number", Number),
        ("created_at", Number),
        ("valid_until", Number),
        ("sealed", Bytes),
        ("master_key_version", Number),
    ],
    key: 1,
    page: PAGE,
};

const SIGNING_SECRETS: Table = Table {
    name: "signing_secrets",
    columns: &[
        ("token", Text),
        ("version", Number),
        ("created_at", Number),
        ("verify_until", Number),
        ("sealed", Bytes),
        ("master_key_version", Number),
    ],
    key: 2,
    page: PAGE,
};

const IDEMPOTENCY_KEYS: Table = Table {
    name: "idempotency_keys",
    columns: &[
        ("scope", Bytes),
        ("request", Bytes),
        ("created_at", Number),
        ("answer", Bytes),
        ("master_key_version", Number),
    ],
    key: 1,
    page: 100,
};

const USAGE_HOURLY: Table = Table {
    name: "usage_hourly",
    columns: &[("token", Text), ("hour", Number), ("uses", Number), ("refusals", Number)],
    key: 2,
    page: PAGE,
};

const DECISIONS_HOURLY: Table = Table {
    name: "decisions_hourly",
    columns: &[("hour", Number), ("code", Text), ("decisions", Number)],
    key: 2,
    page: PAGE,
};

const AUDIT_LOG: Table = Table {
    name: "audit_log",
    columns: &[
        ("number", Number),
        ("at", Number),
        ("actor", Text),
        ("action", Text),
        ("token", Text),
        ("address", Text),
        ("request_id", Text),
        ("members", Text),
    ],
    key: 1,
    page: PAGE,
};

const UPLOADS: Table = Table {
    name: "uploads",
    columns: &[
        ("id", Text),
        ("token", Text),
        ("owner", Text),
        ("began_by", Text),
        ("state", Text),
        ("effective", Text),
        ("extra", Text),
        ("began_at", Number),
        ("deadline", Number),
        ("ended_at", Number),
        ("result", Text),
        ("idempotency_scope", Bytes),
        ("idempotency_request", Bytes),
    ],
    key: 1,
    page: PAGE,
};

const NOTIFICATIONS: Table = Table {
    name: "notifications",
    columns: &[
        ("id", Text),
        ("address", Text),
        ("receiver", Text),
        ("event", Text),
        ("token", Text),
        ("body", Text),
        ("state", Text),
        ("created_at", Number),
        ("attempts", Number),
        ("failures", Number),
        ("round", Number),
        ("next_attempt_at", Number),
        ("ended_at", Number),
    ],
    key: 1,
    page: PAGE,
};

const NOTIFICATION_ATTEMPTS: Table = Table {
    name: "notification_attempts",
    columns: &[
        ("notification", Text),
        ("number", Number),
        ("at", Number),
        ("status", Number),
        ("reason", Text),
        ("millis", Number),
    ],
    key: 2,
    page: PAGE,
};

const DISABLED_ADDRESSES: Table = Table {
    name: "disabled_addresses",
    columns: &[("token", Text), ("address", Text), ("disabled_at", Number)],
    key: 2,
    page: PAGE,
};

const NOTIFICATION_SECRETS: Table = Table {
    name: "notification_secrets",
    columns: &[
        ("version", Number),
        ("created_at", Number),
        ("valid_until", Number),
        ("sealed", Bytes),
        ("master_key_version", Number),
    ],
    key: 1,
    page: PAGE,
};
