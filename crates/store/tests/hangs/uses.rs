//! Uses while all this happens: none is granted twice, and none that is not counted.

use std::sync::atomic::{AtomicBool, Ordering};

use countermark_domain::store::UseOutcome::{Exhausted, Granted};

use super::*;

/// What is committed outlives a crash of the server, though not of the machine.
const DURABLE: [&str; 1] = ["fsync = off"];

/// What nodes have granted while something happened to the server.
struct Rush {
    granted: JoinSet<Vec<u64>>,
    has_ended: Arc<AtomicBool>,
}

impl Rush {
    fn begin(stores: &[Arc<dyn Store>], token: &Token) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut granted = JoinSet::new();
        for store in stores.iter().cycle().take(stores.len() * 3) {
            let (store, uses, has_ended) = (Arc::clone(store), [one_use(token, 1)], Arc::clone(&has_ended));
            granted.spawn(async move {
                let mut granted = Vec::new();
                while !has_ended.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    match store.take_uses(&uses, at(1000)).await.map(|booked| booked.outcome[0]) {
                        Ok(Granted { used }) => granted.push(used),
                        Ok(Exhausted { .. }) | Err(StoreError::Unavailable(_)) => {}
                        other => panic!("{other:?}"),
                    }
                    assert!(begin.elapsed() < ANSWERED, "{:?}", begin.elapsed());
                }
                granted
            });
        }
        Self { granted, has_ended }
    }

    /// Until somebody has been granted something.
    async fn end(self, store: &Arc<dyn Store>, token: &Token) {
        self.has_ended.store(true, Ordering::Relaxed);
        let mut granted: Vec<u64> = self.granted.join_all().await.into_iter().flatten().collect();
        granted.sort_unstable();
        assert!(granted.is_sorted_by(|one, next| one < next), "no use twice");
        let found = store.find(Lookup::Id(token.terms.id)).await.unwrap().found.unwrap();
        let used = found.usage.used;
        assert!(granted.len() as u64 <= used, "{} granted, {used} counted", granted.len());
        assert!(used <= token.terms.limit.unwrap());
        assert!(!granted.is_empty());
    }
}

async fn rest(token: &Token, stores: &[Arc<dyn Store>]) {
    for store in stores {
        heals(store, token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_in_the_middle_of_uses_none_is_granted_twice_or_uncounted() {
    let server = Server::start(&DURABLE);
    let url = server.new_schema().await;
    let proxy = Proxy::start(server.folder()).await;
    let stores = [node(&url).await, node(&proxy.url(&url)).await];
    let token = limited(1, 1_000_000);
    insert(&stores[0], &token).await;
    let rush = Rush::begin(&stores, &token);
    for _ in 0..2 {
        rest(&token, &stores).await;
        let frozen = Frozen::freeze(server.folder());
        stand_by().await;
        drop(frozen);
        rest(&token, &stores).await;
        server.crash();
        server.restart();
        rest(&token, &stores).await;
        proxy.cut();
        stand_by().await;
        proxy.heal();
        rest(&token, &stores).await;
        proxy.kill_silently();
        rest(&token, &stores).await;
    }
    rush.end(&stores[0], &token).await;
    stores[1].close().await;
    proxy.bury_the_dead();
    all_places_are_free(&url, &stores[0], &token).await;
}

/// As long as the server or the way to it hangs: longer than any call waits.
async fn stand_by() {
    tokio::time::sleep(ANSWERED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_limit_that_is_contended_for_over_crashes_nothing_is_granted_beyond() {
    let server = Server::start(&DURABLE);
    let url = server.new_schema().await;
    let stores = [node(&url).await, node(&url).await];
    let token = limited(1, 300);
    insert(&stores[0], &token).await;
    let rush = Rush::begin(&stores, &token);
    for _ in 0..3 {
        server.crash();
        server.restart();
        rest(&token, &stores).await;
    }
    while !matches!(
        stores[0].take_uses(&[one_use(&token, 1)], at(1000)).await.unwrap().outcome[0],
        Exhausted { used: 300 }
    ) {}
    rush.end(&stores[0], &token).await;
}
