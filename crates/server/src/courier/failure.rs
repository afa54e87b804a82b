//! Why an attempt has no answer, in a few stable words.

use std::error::Error;
use std::io;
use std::iter::successors;

/// The word that the record of an attempt keeps; it names neither the receiver nor what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(pub(super) &'static str);

impl Failure {
    /// No URL with `http` or `https`, or one with user info.
    pub(super) const ADDRESS_MALFORMED: Self = Self("address malformed");
    /// The guard does not admit it, or one of several addresses of its name.
    pub(super) const ADDRESS_REFUSED: Self = Self("address refused");
    pub(super) const NAME_NOT_RESOLVED: Self = Self("name not resolved");
    /// Refused, unreachable, or cut before the answer.
    pub(super) const CONNECTION_FAILED: Self = Self("connection failed");
    /// No TLS, or a certificate that is not trusted for this name.
    pub(super) const TLS_FAILED: Self = Self("tls failed");
    pub(super) const TIMED_OUT: Self = Self("timed out");
    /// Not HTTP/1.1, or ended within its head.
    pub(super) const ANSWER_UNREADABLE: Self = Self("answer unreadable");

    /// Reads the causes of an error of the HTTP client.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let top: &(dyn Error + 'static) = error;
        let mut was_cut = error.is_connect();
        for cause in successors(Some(top), |&cause| cause.source()) {
            if let Some(own) = cause.downcast_ref::<Self>() {
                return *own;
            }
            if is_tls(cause) {
                return Self::TLS_FAILED;
            }
            was_cut |= cause.is::<io::Error>();
        }
        if was_cut { Self::CONNECTION_FAILED } else { Self::ANSWER_UNREADABLE }
    }
}

fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    // An io::Error shows not its content as its source, but that content's source; and one may hold another.
    let content = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || content.is_some_and(|content| is_tls(content))
}
