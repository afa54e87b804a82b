//! Moving an installation for good: from then on it is opened where it went, and nowhere else.

use std::fs::File;
use std::path::Path;

use countermark_core::UnixSeconds;
use countermark_domain::store::StoreError;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::side::Side;
use super::target::{State, Target};
use super::{CopyKeys, Disable, Progress, begin, disable, fill, finish, new_transfer};
use crate::marks::{Departure, Filling, Marks};
use crate::row::signed;
use crate::seal::FillRandom;
use crate::sqlite::{files, installation, migrate, unavailable};
use crate::vault::Vault;
use crate::{Location, OpenError};

/// What a move has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where the installation is now, in words that hold no password.
    pub to: String,
    /// Rows that both sides hold; 0 if the move had been complete before.
    pub rows: u64,
    /// Whether the move had been complete before.
    pub was_complete: bool,
}

/// Moves an installation from a SQLite file to an empty PostgreSQL database. Before the first row is copied the source is
/// marked, so that nobody opens it any more; the target can be opened once every table in it has been read and found the same.
/// Interrupted anywhere, the same call goes on; repeated after that, it does nothing.
///
/// # Errors
/// [`OpenError::WrongWay`], [`OpenError::InUse`], [`OpenError::WrongMasterKey`], [`OpenError::NotEmpty`] and
/// [`OpenError::HalfFilled`] for the target, [`OpenError::Moved`] if it is another target than before,
/// [`OpenError::CopyDiffers`], and what the databases say.
pub async fn move_to(
    source: &Location,
    target: &Location,
    keys: CopyKeys<'_>,
    now: UnixSeconds,
    progress: Progress<'_>,
) -> Result<Moved, OpenError> {
    let (Location::Sqlite(path), Location::Postgres(url)) = (source, target) else {
        return Err(OpenError::WrongWay);
    };
    let mut source = Source::open(path, &keys).await?;
    let mut target = Target::open(url).await?;
    let to = target.place.clone();
    let (transfer, is_new) = match source.plan(&target)? {
        Plan::Nothing => return Ok(Moved { to, rows: 0, was_complete: true }),
        Plan::GoOn { transfer } => (transfer, false),
        Plan::Begin { transfer: Some(transfer) } => (transfer, true),
        Plan::Begin { transfer: None } => {
            let transfer = new_transfer(&keys.fill_random).to_vec();
            source.mark(&to, &transfer).await?;
            (transfer, true)
        }
    };
    source.side.begin_snapshot().await?;
    if is_new {
        begin(&mut source.side, &mut target.side, &transfer, Filling::Move).await?;
    }
    fill(&mut source.side, &mut target.side, &transfer, progress).await?;
    let rows = super::compare(&mut source.side, &mut target.side).await?;
    source.side.commit().await?;
    // The source first: nobody takes a move back silently that may have let the target be opened.
    source.mark_complete(now).await?;
    finish(&mut target.side, &transfer).await?;
    source.side.close().await?;
    target.side.close().await?;
    Ok(Moved { to, rows, was_complete: false })
}

/// What the end of a move has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Where the installation was being or had been moved to.
    pub departure: Departure,
    /// Tokens that were disabled, since uses may have been taken at the target.
    pub disabled: u64,
}

/// Lets the source of a move be opened again. If the move is complete, the data here are as old as a backup of that
/// time: it is refused without `abandon`, which says that the target is given up and what becomes of the tokens.
///
/// # Errors
/// [`OpenError::NotMoved`], [`OpenError::MoveComplete`], [`OpenError::InUse`], [`OpenError::Missing`], and what the database says.
pub async fn cancel_move(
    source: &Location,
    abandon: Option<Disable>,
    now: UnixSeconds,
    fill_random: &FillRandom,
) -> Result<Cancelled, OpenError> {
    let Location::Sqlite(path) = source else { return Err(OpenError::NotMoved) };
    let (mut connection, _lock) = connect(path).await?;
    let marks = installation::marks(&mut connection).await?.ok_or(OpenError::NotMoved)?;
    let departure = marks.departure.ok_or(OpenError::NotMoved)?;
    let mut disabled = 0;
    run(&mut connection, "BEGIN IMMEDIATE").await?;
    if departure.is_complete() {
        let disable = abandon.ok_or_else(|| OpenError::MoveComplete(departure.clone()))?;
        let at = disable::instant(&mut connection, now).await?;
        disabled = disable::disable(&mut connection, disable, at).await?;
        disable::begin_life(&mut connection, marks.epoch + 1, fill_random).await?;
    }
    run(&mut connection, "UPDATE installation SET moved_to = NULL, moved_at = NULL, transfer = NULL").await?;
    run(&mut connection, "COMMIT").await?;
    connection.close().await.map_err(unavailable)?;
    Ok(Cancelled { departure, disabled })
}

/// The SQLite file that an installation leaves, under its lock.
struct Source {
    side: Side,
    marks: Marks,
    _lock: File,
}

/// What is left to do.
enum Plan {
    Nothing,
    GoOn {
        transfer: Vec<u8>,
    },
    /// With the name that the copy has already, if the source is marked.
    Begin {
        transfer: Option<Vec<u8>>,
    },
}

impl Source {
    async fn open(path: &Path, keys: &CopyKeys<'_>) -> Result<Self, OpenError> {
        let (mut connection, lock) = connect(path).await?;
        let marks = installation::marks(&mut connection).await?.ok_or(OpenError::NoInstallation)?;
        if marks.filling.is_some() {
            return Err(OpenError::HalfFilled(path.display().to_string()));
        }
        let seals = installation::seals(&mut connection).await?.ok_or(OpenError::NoInstallation)?;
        Vault::unlock(&seals, keys.master_key, keys.fill_random.clone())?;
        Ok(Self { side: Side::Sqlite(connection), marks, _lock: lock })
    }

    /// # Errors
    /// Why the target cannot take this installation.
    fn plan(&self, target: &Target) -> Result<Plan, OpenError> {
        let place = &target.place;
        let Some(departure) = &self.marks.departure else {
            return match target.state {
                State::Empty => Ok(Plan::Begin { transfer: None }),
                State::Begun(..) => Err(OpenError::HalfFilled(place.clone())),
                State::Whole(_) => Err(OpenError::NotEmpty(place.clone())),
            };
        };
        let transfer = self.marks.transfer.clone();
        match (&target.state, transfer) {
            (State::Begun(Filling::Move, theirs), Some(ours)) if theirs.as_ref() == Some(&ours) => {
                Ok(Plan::GoOn { transfer: ours })
            }
            (State::Whole(theirs), Some(ours)) if theirs.as_ref() == Some(&ours) => Ok(Plan::Nothing),
            (State::Empty, Some(ours)) if departure.to == *place && !departure.is_complete() => {
                Ok(Plan::Begin { transfer: Some(ours) })
            }
            _ => Err(OpenError::Moved(departure.clone())),
        }
    }

    async fn mark(&mut self, to: &str, transfer: &[u8]) -> Result<(), OpenError> {
        let query = sqlx::query("UPDATE installation SET moved_to = ?1, moved_at = NULL, transfer = ?2");
        query.bind(to).bind(transfer).execute(self.connection()?).await.map_err(unavailable)?;
        Ok(())
    }

    async fn mark_complete(&mut self, now: UnixSeconds) -> Result<(), OpenError> {
        let query = sqlx::query("UPDATE installation SET moved_at = ?1 WHERE moved_at IS NULL");
        query.bind(signed(now.get())).execute(self.connection()?).await.map_err(unavailable)?;
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, OpenError> {
        match &mut self.side {
            Side::Sqlite(connection) => Ok(connection),
            Side::Postgres(_) => Err(OpenError::WrongWay),
        }
    }
}

/// Opens the file for writing, under its lock, and brings its schema up to date.
async fn connect(path: &Path) -> Result<(SqliteConnection, File), OpenError> {
    files::demand(path)?;
    let path = &files::real(path)?;
    let lock = files::lock(path)?;
    let mut connection = files::writing(path).connect().await.map_err(unavailable)?;
    migrate::migrate(&mut connection, path, migrate::MIGRATIONS).await?;
    Ok((connection, lock))
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop).map_err(unavailable)
}
