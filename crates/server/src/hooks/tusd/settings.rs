//! What the configuration says about tusd.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use crate::config::HookSettings;
use crate::hooks::tusd::secret::SecretDigest;

/// Section `hooks` as the handler needs it; holds no secret in the clear.
pub struct TusdSettings {
    /// Digest of the secret that tusd presents; `None` refuses every hook.
    pub(super) secret: Option<SecretDigest>,
    /// The header that names the client's request to tusd.
    pub(super) request_id_header: Option<String>,
    told: AtomicBool,
}

impl TusdSettings {
    /// The settings of this section.
    pub fn of(settings: &HookSettings) -> Self {
        Self {
            secret: settings.tusd_secret.as_ref().map(|secret| SecretDigest::of(secret.expose().as_bytes())),
            request_id_header: settings.tusd_request_id_header.clone(),
            told: AtomicBool::new(false),
        }
    }

    /// Strangers can call as often as they like; the log says it to the operator once.
    pub(super) fn tell_once_that_there_is_no_secret(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            warn!(
                "a hook of tusd was refused: configure hooks.tusd_secret and put it into tusd's -hooks-http URL"
            );
        }
    }
}
