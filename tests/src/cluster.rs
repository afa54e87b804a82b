//! Several nodes on one PostgreSQL database.

use std::ffi::OsString;
use std::thread;

use crate::client::Client;
use crate::random::Random;
use crate::server::{Options, TestServer};

/// Nodes with the same master key and the same administrator key, each with a data directory and a port of its own.
pub struct Cluster {
    /// The nodes; each can be killed, stopped, paused and started again by itself.
    pub nodes: Vec<TestServer>,
    options: Options,
}

impl Cluster {
    /// So many nodes that start at once, ready.
    pub fn start(nodes: usize, url: &str, environment: &[(&str, &str)]) -> Self {
        Self::with(nodes, url, environment, |_| Options::default())
    }

    /// The same, where each node has options of its own besides.
    pub fn with(
        nodes: usize,
        url: &str,
        environment: &[(&str, &str)],
        options: impl Fn(usize) -> Options + Sync,
    ) -> Self {
        let common = common(url, environment);
        let start = |number| TestServer::with(joined(&common, options(number)));
        let nodes = thread::scope(|scope| {
            let starting: Vec<_> = (0..nodes).map(|number| scope.spawn(move || start(number))).collect();
            let started = starting.into_iter().map(|node| node.join());
            started.map(|node| node.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        Self { nodes, options: common }
    }

    /// What every node of it is started with.
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// A caller of each node with the administrator key.
    pub fn admins(&self) -> Vec<Client> {
        self.nodes.iter().map(TestServer::admin).collect()
    }
}

fn common(url: &str, environment: &[(&str, &str)]) -> Options {
    let mut random = Random::fresh();
    let master_key: String = (0..4).map(|_| format!("{:016x}", random.bits())).collect();
    let keys = [("COUNTERMARK__MASTER_KEY", master_key.as_str()), ("COUNTERMARK__DATA__DATABASE_URL", url)];
    let all = keys.iter().chain(environment);
    Options {
        environment: all.map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect(),
        admin_key: Some(random.value('k')),
        ..Options::default()
    }
}

/// The later of two settings of one name wins.
fn joined(common: &Options, own: Options) -> Options {
    let mut environment = common.environment.clone();
    environment.extend(own.environment);
    Options { environment, admin_key: common.admin_key.clone(), ..own }
}
