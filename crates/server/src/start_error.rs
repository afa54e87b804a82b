//! Why an installation does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use countermark_domain::DomainError;
use countermark_domain::store::StoreError;
use countermark_store::OpenError;

/// Why an installation does not start; the text is for the operator: what, where, what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StartError {
    #[error("{}: {source}; make it usable for this user, or choose another directory with --data", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{0}: expected a master key of 32 bytes in base64 or hexadecimal")]
    MasterKeyForm(String),
    #[error(
        "{} is missing, but the database is sealed under a master key; put the file back, or set COUNTERMARK__MASTER_KEY_FILE",
        .0.display()
    )]
    MasterKeyMissing(PathBuf),
    #[error("{} is there: a rotation of the master key was interrupted; finish it with `countermark keys rotate`", .0.display())]
    RotationUnfinished(PathBuf),
    #[error("data.database_url: expected sqlite:path or postgres://user@host/database")]
    DatabaseUrl,
    #[error(
        "admin_key is {0}; leave it out and one is made, or take a value from `countermark admin create`"
    )]
    AdminKey(&'static str),
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {address}: {source}; choose another address as metrics.listen")]
    ListenForMetrics { address: SocketAddr, source: io::Error },
    #[error("no threads for notifications: {0}")]
    Courier(io::Error),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Service(#[from] DomainError),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}
