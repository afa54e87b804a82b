//! Why a command fails, and the exit code that says so to scripts.

use countermark_store::OpenError;
use serde_json::Value;

use crate::config::ConfigError;
use crate::start_error::StartError;

/// The exit codes of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The service or the installation says no.
    Refused = 1,
    /// The arguments or the configuration are wrong.
    Usage = 2,
    /// The service is not there, or a file or the database cannot be read or written.
    Unreachable = 3,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// Its exit code.
    pub exit: Exit,
    /// What is wrong and what to do; never a secret.
    pub message: String,
    /// The problem as the service told it.
    pub problem: Option<Value>,
}

impl Failure {
    /// Exit code 1.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, message: message.into(), problem: None }
    }

    /// Exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), problem: None }
    }

    /// Exit code 3.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, message: message.into(), problem: None }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = match error {
            ConfigError::Unreadable { .. } | ConfigError::File { .. } => Exit::Unreachable,
            _ => Exit::Usage,
        };
        Self { exit, message: error.to_string(), problem: None }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match &error {
            StartError::Database(error) => {
                return Self { message: error.to_string(), ..Self::of_open(error) };
            }
            StartError::MasterKeyForm(_) | StartError::DatabaseUrl | StartError::AdminKey(_) => Exit::Usage,
            StartError::MasterKeyMissing(_) | StartError::RotationUnfinished(_) => Exit::Refused,
            StartError::Directory { .. }
            | StartError::File { .. }
            | StartError::Listen { .. }
            | StartError::ListenForMetrics { .. }
            | StartError::Courier(_)
            | StartError::Service(_) => Exit::Unreachable,
        };
        Self { exit, message: error.to_string(), problem: None }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::of_open(&error)
    }
}

impl Failure {
    fn of_open(error: &OpenError) -> Self {
        let exit = match error {
            OpenError::InUse(_)
            | OpenError::WrongMasterKey
            | OpenError::RotationUnfinished
            | OpenError::NewerSchema { .. }
            | OpenError::ForeignDatabase(_)
            | OpenError::ForeignSchema(_)
            | OpenError::NotDurable { .. }
            | OpenError::Moved(_)
            | OpenError::HalfFilled(_)
            | OpenError::NotEmpty(_)
            | OpenError::NotABackup(..)
            | OpenError::CopyDiffers { .. }
            | OpenError::OlderSchema { .. }
            | OpenError::NotMoved
            | OpenError::MoveComplete(_)
            | OpenError::NodesRun
            | OpenError::WrongWay
            | OpenError::Linked(_) => Exit::Refused,
            OpenError::Missing(_)
            | OpenError::NoInstallation
            | OpenError::File { .. }
            | OpenError::Store(_) => Exit::Unreachable,
        };
        Self { exit, message: error.to_string(), problem: None }
    }
}
