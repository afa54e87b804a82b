//! When a link is to expire, as a caller says it.

use countermark_core::UnixSeconds;
use pyo3::prelude::*;

use crate::arguments;
use crate::exceptions::invalid_argument;

/// The arguments that together say when a link expires.
pub(crate) struct Expiry<'a, 'py> {
    /// Seconds from now.
    pub(crate) expires_in: Option<&'a Bound<'py, PyAny>>,
    /// The instant itself; not both.
    pub(crate) expires: Option<&'a Bound<'py, PyAny>>,
    /// To a multiple of which it is rounded up.
    pub(crate) bucket: Option<&'a Bound<'py, PyAny>>,
}

impl Expiry<'_, '_> {
    /// The expiry, `None` for never. The clock is asked only where it matters.
    ///
    /// # Errors
    /// `InvalidArgument` or `TypeError` for whatever cannot be meant.
    pub(crate) fn instant(
        &self,
        py: Python<'_>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<UnixSeconds>> {
        let expires = match (self.expires_in, self.expires) {
            (Some(_), Some(_)) => {
                return Err(invalid_argument(py, "expires_in", "expected expires_in or expires, got both"));
            }
            (Some(span), None) => {
                let span = arguments::span("expires_in", span)?;
                let sum = UnixSeconds::new(arguments::now(py, now)?.get() + span);
                let too_late =
                    || invalid_argument(py, "expires_in", "expected an expiry before the year 10000");
                Some(sum.ok_or_else(too_late)?)
            }
            (None, Some(expires)) => Some(arguments::instant("expires", expires)?),
            (None, None) => None,
        };
        match (self.bucket, expires) {
            (Some(bucket), Some(expires)) => Ok(Some(expires.round_up(arguments::span("bucket", bucket)?))),
            (Some(_), None) => {
                Err(invalid_argument(py, "bucket", "expected expires_in or expires beside it"))
            }
            (None, expires) => Ok(expires),
        }
    }
}
