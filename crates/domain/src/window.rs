//! Counting windows: further GETs of one target by one client within some seconds are the same use.

use std::sync::Arc;

use countermark_core::{TokenId, UnixSeconds};
use quick_cache::sync;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

/// Windows that are remembered; a forgotten one only makes a request count again.
const WINDOWS: usize = 100_000;

/// The first counted instant of a window, `None` until a use is durable. Held while a use is being taken, so that
/// parallel range requests for one image wait for the first of them instead of counting beside it.
pub(crate) type Window = Arc<Mutex<Option<UnixSeconds>>>;

/// The windows that are open now.
pub(crate) struct Windows(sync::Cache<(TokenId, [u8; 16]), Window>);

impl Windows {
    pub(crate) fn new() -> Self {
        Self(sync::Cache::new(WINDOWS))
    }

    pub(crate) fn of(&self, token: TokenId, host: &str, target: &str, client: &str) -> Window {
        let mut digest = Sha256::new();
        for part in [host, target, client] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&digest.finalize()[..16]);
        let made =
            self.0.get_or_insert_with(&(token, key), || Ok::<_, std::convert::Infallible>(Window::default()));
        match made {
            Ok(window) => window,
            Err(never) => match never {},
        }
    }
}
