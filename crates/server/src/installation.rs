//! An installation on this machine: its directory, master key and database, opened under the database's lock.

use std::sync::Arc;

use countermark_core::UnixSeconds;
use countermark_domain::Service;
use countermark_domain::cache::Cache;
use countermark_domain::clock::{Clock, Timekeeper};
use countermark_domain::follower::Follower;
use countermark_domain::rng::Rng;
use countermark_domain::store::Position;
use countermark_store::{FillRandom, Location, MasterKey, OpenError, Settings};

use crate::config::Config;
use crate::start_error::StartError;
use crate::{master_key, private_file};

/// Where the configuration says that the database is.
///
/// # Errors
/// [`StartError::DatabaseUrl`].
pub fn location(config: &Config) -> Result<Location, StartError> {
    match &config.data.database_url {
        Some(url) => location_of(config, url.expose()).ok_or(StartError::DatabaseUrl),
        None => Ok(Location::Sqlite(config.data.directory.join("countermark.db"))),
    }
}

/// The place of another database, opened as the configuration says; `None` if it is no URL of one.
pub fn location_of(config: &Config, url: &str) -> Option<Location> {
    match url.parse().ok()? {
        Location::Postgres(url) => {
            let url = url.with_connections(config.data.connections).with_lease(config.data.lease);
            Some(Location::Postgres(if config.data.allow_lost_commits {
                url.allow_lost_commits()
            } else {
                url
            }))
        }
        location => Some(location),
    }
}

/// Refuses where no installation has been made yet.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::NoInstallation`], and what the database says.
pub async fn demand(location: &Location) -> Result<(), OpenError> {
    match location {
        // Also a file without an installation: the first administrator may be made before the first start.
        Location::Sqlite(path) if path.exists() => Ok(()),
        Location::Sqlite(path) => Err(OpenError::Missing(path.clone())),
        location => match countermark_store::check(location).await?.master_key_version {
            Some(_) => Ok(()),
            None => Err(OpenError::NoInstallation),
        },
    }
}

/// Opens the installation, or makes one where there is nothing. It is this process's own until
/// [`Service::shut_down`].
///
/// # Errors
/// Any [`StartError`] but those of listening and of the administrator key.
pub async fn open(
    config: &Config,
    clock: Box<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Arc<Service>, StartError> {
    let location = location(config)?;
    let directory = &config.data.directory;
    private_file::create_folder(directory)
        .map_err(|source| StartError::Directory { path: directory.clone(), source })?;
    let master_key = key_for(config, &location, &*rng).await?;
    // Nothing has been read yet, so nothing can be outdated: every change from here on is told.
    let cache = Arc::new(Cache::new(config.limits.cached_tokens, Position(0)));
    // Nobody asks for the time before the store has been opened: beside other nodes it is the database's.
    let time = Arc::new(Timekeeper::new(clock, UnixSeconds::default()));
    let listener = Arc::new(Follower::new(cache.clone(), time.clone()));
    let settings = Settings { master_key, fill_random: fill_random(&rng), listener };
    let store = countermark_store::open(&location, settings).await?;
    match store.highest_time().await {
        Ok(highest) => time.raise(highest),
        Err(error) => {
            store.close().await;
            return Err(OpenError::from(error).into());
        }
    }
    let service = Service::new(store, cache, time, rng);
    let service = service
        .with_clouds_by_host(config.clouds.clone())
        .with_uploads(config.uploads)
        .with_expiring_before(config.notifications.expiring_before.as_secs());
    Ok(Arc::new(service))
}

/// The generator in the form that the store takes.
pub fn fill_random(rng: &Arc<dyn Rng>) -> FillRandom {
    let rng = Arc::clone(rng);
    Arc::new(move |bytes: &mut [u8]| rng.fill(bytes))
}

/// The key of the installation; a new one only where nothing is sealed yet.
async fn key_for(config: &Config, location: &Location, rng: &dyn Rng) -> Result<MasterKey, StartError> {
    let next = master_key::next_file(config);
    if config.master_key.is_none() && next.exists() {
        return Err(StartError::RotationUnfinished(next));
    }
    if let Some(key) = master_key::find(config)? {
        return Ok(key);
    }
    let path = master_key::file(config);
    let is_sealed = match countermark_store::check(location).await {
        Ok(facts) => facts.master_key_version.is_some(),
        // An empty file that is no database yet.
        Err(OpenError::Missing(_)) => false,
        Err(error) => return Err(error.into()),
    };
    if is_sealed { Err(StartError::MasterKeyMissing(path)) } else { master_key::make(&path, rng) }
}
