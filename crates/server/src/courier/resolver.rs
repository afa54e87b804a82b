//! The only way by which the HTTP client learns addresses: it connects to what was checked here, at every attempt anew.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::failure::Failure;
use super::guard::Guard;

/// Finds the addresses of a name.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// All of them; the answer is not kept.
    ///
    /// # Errors
    /// The name has none, or nobody could be asked.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own way, with `/etc/hosts` and whatever else it is set up to ask.
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // Zones are dropped with the ports: what is only reachable through one named link is no receiver.
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Hands out the addresses of a name if the guard admits every one of them.
pub(super) struct GuardedResolver {
    pub(super) guard: Arc<Guard>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (Arc::clone(&self.guard), Arc::clone(&self.lookup));
        Box::pin(async move {
            let addresses = lookup.lookup(name.as_str()).await.unwrap_or_default();
            if addresses.is_empty() {
                return Err(Failure::NAME_NOT_RESOLVED.into());
            }
            // One refused address refuses the name: whoever mixes them in waits for the other to be unreachable.
            if !addresses.iter().all(|address| guard.admits(*address)) {
                return Err(Failure::ADDRESS_REFUSED.into());
            }
            // Port 0 is replaced by that of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
