//! What the one row of `installation` knows of copies: whether it may be opened, and which life of the data it is.

use std::fmt;

use countermark_core::UnixSeconds;
use countermark_domain::store::StoreError;

use crate::OpenError;
use crate::row::Reader;

/// The first schema that has these columns.
pub(crate) const MARKED_SCHEMA: u32 = 5;

/// Where an installation is being or has been moved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The place, in words that hold no password.
    pub to: String,
    /// When all of it was there; `None` while the move is under way.
    pub at: Option<UnixSeconds>,
}

impl Departure {
    /// Whether everything is there.
    pub fn is_complete(&self) -> bool {
        self.at.is_some()
    }

    /// What has become of the installation, behind its name in a sentence.
    pub fn tale(&self) -> String {
        let tense = if self.is_complete() { "has been" } else { "is being" };
        format!("{tense} moved to {}", self.to)
    }

    pub(crate) fn advice(&self) -> &'static str {
        if self.is_complete() {
            "serve it there. To come back here without what has been done there, see `countermark migrate --cancel`"
        } else {
            "finish it with the same `countermark migrate --to`, or give it up with `countermark migrate --cancel`"
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to)
    }
}

/// Which copy is filling a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    Move,
    Backup,
    Restore,
}

impl Filling {
    /// As it stands in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Move, Self::Backup, Self::Restore].into_iter().find(|it| it.name() == text)
    }
}

/// The marks of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    pub epoch: u64,
    pub departure: Option<Departure>,
    /// By what the two sides of a copy know each other.
    pub transfer: Option<Vec<u8>>,
    /// `None` where the tables are whole.
    pub filling: Option<Filling>,
}

impl Marks {
    /// The columns that [`Marks::read`] reads.
    pub(crate) const QUERY: &str =
        "SELECT only_row, epoch, moved_to, moved_at, transfer, filling FROM installation";

    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, StoreError> {
        let to: Option<String> = reader.optional("moved_to")?;
        let at = reader.optional_instant("moved_at")?;
        let filling: Option<&str> = reader.optional("filling")?;
        let filling = filling.map(|text| Filling::parse(text).ok_or_else(|| reader.corrupt("filling")));
        Ok(Self {
            epoch: reader.unsigned("epoch")?,
            departure: to.map(|to| Departure { to, at }),
            transfer: reader.optional("transfer")?,
            filling: filling.transpose()?,
        })
    }

    /// Refuses what must not be opened; `place` names the database.
    ///
    /// # Errors
    /// [`OpenError::HalfFilled`], [`OpenError::Moved`].
    pub(crate) fn demand_open(&self, place: impl fmt::Display) -> Result<(), OpenError> {
        if self.filling.is_some() {
            return Err(OpenError::HalfFilled(place.to_string()));
        }
        match &self.departure {
            Some(departure) => Err(OpenError::Moved(departure.clone())),
            None => Ok(()),
        }
    }
}
