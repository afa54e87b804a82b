//! What everybody would write first: an update of its own, committed, for each use. Once as a handler of the bare server, by
//! the same store but around the combining, with connections of its own; once by pgbench, without HTTP.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig, get};
use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::cache::Cache;
use countermark_domain::clock::{Clock, SystemClock};
use countermark_domain::rng::{Rng, SystemRng};
use countermark_domain::store::{Position, Store, UseOutcome, UseRequest};
use countermark_server::config::Config;
use countermark_server::{installation, master_key};
use countermark_store::{Location, Settings};

use crate::postgres::Postgres;
use crate::wrk::Run;

/// Connections of the handler; pgbench has no more clients either. More only wait for each other at a hot row.
const CONNECTIONS: u32 = 16;

/// Requests queue for them as long as it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The revision that a token has when nobody has changed it.
const REVISION: u64 = 1;

/// The handler that takes a use of the token in its path.
pub fn add_to(app: &mut ServiceConfig, store: Option<Arc<dyn Store>>) {
    if let Some(store) = store {
        app.app_data(Data::new(store)).route("/one-update/{token}", get().to(take_one));
    }
}

/// The store of the handler; without PostgreSQL there is none.
pub async fn open(config: &Config) -> Option<Arc<dyn Store>> {
    let Ok(Location::Postgres(url)) = installation::location(config) else { return None };
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let settings = Settings {
        master_key: master_key::find(config).expect("the key can be read").expect("the service has made one"),
        fill_random: installation::fill_random(&rng),
        listener: Arc::new(Cache::new(1, Position(0))),
    };
    let location = Location::Postgres(url.with_connections(CONNECTIONS).wait_at_most(PATIENCE));
    Some(
        countermark_store::open(&location, settings)
            .await
            .expect("what the service has opened can be opened"),
    )
}

async fn take_one(token: Path<String>, store: Data<Arc<dyn Store>>) -> HttpResponse {
    let Ok(token) = token.parse::<TokenId>() else { return HttpResponse::NotFound().finish() };
    let one = UseRequest { token, revision: REVISION, cost: 1, idempotency: None };
    let now = UnixSeconds::new(SystemClock.now_millis() / 1000).expect("the clock is right");
    match store.take_uses(&[one], now).await.map(|booked| booked.outcome) {
        Ok(outcome) if matches!(outcome[..], [UseOutcome::Granted { .. }]) => {
            HttpResponse::NoContent().finish()
        }
        Ok(_) => HttpResponse::Forbidden().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// One run of pgbench on the row of a token.
pub fn run_pgbench(postgres: &Postgres, database: &str, token: &str, connections: u32, seconds: u32) -> Run {
    let mut script = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let sql = include_str!("one_update.sql").replace(":token", token);
    std::io::Write::write_all(&mut script, sql.as_bytes()).expect("and written");
    let clients = connections.min(CONNECTIONS).to_string();
    let output = postgres
        .client("pgbench", database)
        .args(["-n", "-M", "prepared", "-j", "1", "-c", &clients, "-T", &seconds.to_string(), "-f"])
        .arg(script.path())
        .output()
        .expect("pgbench is installed (Debian package postgresql)");
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().find_map(|word| word.parse::<f64>().ok()));
        number.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let (per_second, millis) = (figure("tps"), figure("latency average"));
    let requests = figure("number of transactions actually processed:") as u64;
    let used = format!("SELECT used >= {requests} FROM token_counters WHERE token = '{token}'");
    assert_eq!(postgres.run(&["-c", &used], database), "t", "each transaction takes a use");
    // pgbench tells the mean only.
    Run { requests, per_second, p50_millis: millis, p99_millis: f64::NAN }
}
