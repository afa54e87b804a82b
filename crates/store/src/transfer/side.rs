//! One side of a copy: a connection to either engine, which reads and writes whole rows of any table.

use countermark_domain::store::StoreError;
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres, QueryBuilder, Sqlite, SqliteConnection};

use super::table::{INSTALLATION, Kind, Table};
use crate::OpenError;
use crate::marks::{Filling, Marks};
use crate::postgres::PostgresUrl;
use crate::row::{Reader, StoredRow};
use crate::sqlite::unavailable;

/// What a column of a row holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Flag(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

/// The columns of a row in the order of its table.
pub(super) type Row = Vec<Value>;

/// One side of a copy.
pub(super) enum Side {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// No time-out of the server may end a snapshot while the other side is written; a lock is not waited for for ever.
const PATIENT: &str =
    "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET lock_timeout = 10000";

/// Runs the same lines on whichever engine this is.
macro_rules! on_either {
    ($side:expr, $connection:ident, $engine:ident => $do:expr) => {
        match $side {
            Side::Sqlite($connection) => {
                type $engine = Sqlite;
                $do
            }
            Side::Postgres($connection) => {
                type $engine = Postgres;
                $do
            }
        }
    };
}

/// Binds a value as what it is; engines do not guess at NULL.
macro_rules! push_value {
    ($query:expr, $value:expr) => {
        match $value {
            Value::Text(text) => $query.push_bind(text.as_deref()),
            Value::Number(number) => $query.push_bind(*number),
            Value::Flag(flag) => $query.push_bind(*flag),
            Value::Bytes(bytes) => $query.push_bind(bytes.as_deref()),
        }
    };
}
impl Side {
    pub(super) async fn connect(url: &PostgresUrl) -> Result<Self, OpenError> {
        let mut connection = url.connect().await?;
        sqlx::raw_sql(PATIENT).execute(&mut connection).await.map_err(unavailable)?;
        Ok(Self::Postgres(connection))
    }

    /// A SQLite file that no service has open.
    pub(super) async fn open(file: sqlx::sqlite::SqliteConnectOptions) -> Result<Self, OpenError> {
        Ok(Self::Sqlite(file.connect().await.map_err(unavailable)?))
    }

    /// A transaction that sees one state of everything, whatever is written meanwhile.
    pub(super) async fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.run("BEGIN").await,
            Self::Postgres(_) => self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await,
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT").await
    }

    /// A statement without parameters.
    pub(super) async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        on_either!(self, connection, _Engine => {
            sqlx::raw_sql(statement).execute(connection).await.map(drop).map_err(unavailable)
        })
    }

    /// `None` before the first start, or in a schema without tables.
    pub(super) async fn marks(&mut self) -> Result<Option<Marks>, StoreError> {
        on_either!(self, connection, _Engine => {
            let row = sqlx::query(Marks::QUERY).fetch_optional(connection).await.map_err(unavailable)?;
            row.map(|row| Marks::read(&Reader::new(&row, "installation", "only_row"))).transpose()
        })
    }

    /// The first rows behind a key, or of all, in the order of their keys.
    pub(super) async fn page(
        &mut self,
        table: &'static Table,
        after: Option<&[Value]>,
    ) -> Result<Vec<Row>, StoreError> {
        let collation = self.collation();
        on_either!(self, connection, Engine => {
            let mut query = QueryBuilder::<Engine>::new(format!("SELECT {} FROM {}", table.column_list(), table.name));
            if let Some(after) = after {
                query.push(format!(" WHERE ({}) > (", key_list(table, collation, "")));
                for (place, value) in after.iter().enumerate() {
                    query.push(if place == 0 { "" } else { ", " });
                    push_value!(query, value);
                }
                query.push(")");
            }
            query.push(format!(" ORDER BY {} LIMIT {}", key_list(table, collation, ""), table.page));
            let rows = query.build().fetch_all(connection).await.map_err(unavailable)?;
            rows.iter().map(|row| read(table, table.columns.len(), row)).collect()
        })
    }

    /// The key of the last row.
    pub(super) async fn last_key(&mut self, table: &'static Table) -> Result<Option<Row>, StoreError> {
        let backwards = key_list(table, self.collation(), " DESC");
        on_either!(self, connection, Engine => {
            let text = format!("SELECT {} FROM {} ORDER BY {backwards} LIMIT 1", table.column_list(), table.name);
            let mut query = QueryBuilder::<Engine>::new(text);
            let row = query.build().fetch_optional(connection).await.map_err(unavailable)?;
            row.map(|row| read(table, table.key, &row)).transpose()
        })
    }

    /// Writes rows, at least one. Numbers that the database would give by itself are those of the rows.
    pub(super) async fn insert(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let numbers = if matches!(self, Self::Postgres(_)) { " OVERRIDING SYSTEM VALUE" } else { "" };
        on_either!(self, connection, Engine => {
            let text = format!("INSERT INTO {} ({}){numbers} VALUES ", table.name, table.column_list());
            let mut query = QueryBuilder::<Engine>::new(text);
            for (place, row) in rows.iter().enumerate() {
                query.push(if place == 0 { "(" } else { ", (" });
                for (place, value) in row.iter().enumerate() {
                    query.push(if place == 0 { "" } else { ", " });
                    push_value!(query, value);
                }
                query.push(")");
            }
            query.build().persistent(false).execute(connection).await.map(drop).map_err(unavailable)
        })
    }

    /// Marks the row of `installation` that has just been written as the beginning of a copy.
    pub(super) async fn begin_filling(
        &mut self,
        transfer: &[u8],
        filling: Filling,
    ) -> Result<(), StoreError> {
        on_either!(self, connection, _Engine => {
            sqlx::query("UPDATE installation SET transfer = $1, filling = $2")
                .bind(transfer)
                .bind(filling.name())
                .execute(connection)
                .await
                .map(drop)
                .map_err(unavailable)
        })
    }

    /// Makes sure, until the end of the transaction, that the database is still the target of this very copy.
    pub(super) async fn demand_filling(&mut self, transfer: &[u8]) -> Result<(), OpenError> {
        let lock = if matches!(self, Self::Postgres(_)) { " FOR UPDATE" } else { "" };
        let found = on_either!(self, connection, Engine => {
            let text = "SELECT only_row FROM installation WHERE filling IS NOT NULL AND transfer = ";
            let mut query = QueryBuilder::<Engine>::new(text);
            query.push_bind(transfer).push(lock);
            query.build().fetch_optional(connection).await.map_err(unavailable)?.is_some()
        });
        if found { Ok(()) } else { Err(OpenError::NotEmpty("the target of the copy".to_owned())) }
    }

    /// Lets PostgreSQL know how much there is now: it looks up each row that another one refers to, by a plan that was
    /// made when there was none.
    pub(super) async fn gather_statistics(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.run("ANALYZE access_tokens, notifications").await,
        }
    }

    /// Forgets the nodes of whatever was here before: those that show up from now on run.
    pub(super) async fn forget_nodes(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.run("DELETE FROM nodes").await,
        }
    }

    /// Lets the database be opened. Numbers that it gives from now on lie behind all that are taken.
    ///
    /// # Errors
    /// [`OpenError::NodesRun`] if a node that had the database open before writes to it.
    pub(super) async fn end_filling(&mut self) -> Result<(), OpenError> {
        if let Self::Postgres(connection) = self {
            let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM nodes)");
            if query.fetch_one(connection).await.map_err(unavailable)? {
                return Err(OpenError::NodesRun);
            }
            self.run(
                "SELECT setval(pg_get_serial_sequence('audit_log', 'number'), coalesce(max(number), 1), count(*) > 0)
                 FROM audit_log",
            )
            .await?;
        }
        Ok(self.run("UPDATE installation SET filling = NULL").await?)
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        on_either!(self, connection, _Engine => connection.close().await.map_err(unavailable))
    }

    /// What makes text sort by its bytes, as it does in SQLite unless told otherwise. Told, SQLite would not find the
    /// place in an index of several columns.
    fn collation(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " COLLATE \"C\"",
        }
    }
}

/// The columns of the key as a list in SQL.
fn key_list(table: &Table, collation: &str, direction: &str) -> String {
    let columns = table.columns[..table.key].iter().map(|(name, kind)| {
        let collation = if *kind == Kind::Text { collation } else { "" };
        format!("{name}{collation}{direction}")
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// The first columns of a row. Text with NUL is corrupt: nothing that is stored may hold it, and PostgreSQL cannot.
fn read(table: &'static Table, columns: usize, row: &dyn StoredRow) -> Result<Row, StoreError> {
    let reader = Reader::new(row, table.name, table.columns[0].0);
    let value = |(name, kind): &(&'static str, Kind)| {
        Ok(match kind {
            Kind::Text => {
                let text: Option<String> = reader.optional(name)?;
                if text.as_ref().is_some_and(|text| text.contains('\0')) {
                    return Err(reader.corrupt(name));
                }
                Value::Text(text)
            }
            Kind::Number => Value::Number(reader.optional(name)?),
            Kind::Flag => Value::Flag(reader.optional(name)?),
            Kind::Bytes => Value::Bytes(reader.optional(name)?),
        })
    };
    table.columns[..columns].iter().map(value).collect()
}

/// The row of `installation` as it is copied.
pub(super) async fn installation(side: &mut Side) -> Result<Option<Row>, StoreError> {
    Ok(side.page(&INSTALLATION, None).await?.pop())
}
