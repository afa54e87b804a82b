//! From rows to records, the same for both engines: their columns have the same names and hold the same.

mod audit;
mod notification;
mod terms;
mod token;
mod upload;

pub(crate) use audit::{audit, audit_of_sweep};
pub(crate) use notification::{attempts, due_notification, notification, notification_secret};
pub(crate) use token::{TokenColumns, token};
pub(crate) use upload::{upload, upload_state_name, upload_state_of};
