//! Brakes on failed authentications, per client address. Random values are looked up whatever has failed before, so the hot
//! path pays nothing; values that people may have chosen are not, while their client is over its allowance.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use countermark_core::{Dialect, may_be_chosen};
use tracing::warn;

use crate::problem::Problem;

/// Most addresses remembered at once; beyond it, strangers share one allowance.
const MOST_ADDRESSES: usize = 65_536;
/// After how many failures the addresses that have recovered are forgotten.
const SWEEP_EVERY: u32 = 1_024;
/// Stands for all strangers once there are too many.
const STRANGERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// For how long nothing is logged of an address after a line about it.
const QUIET: Duration = Duration::from_secs(60);

/// Where an authentication has failed, for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// The API of a dialect; tusd's hooks are part of the native one.
    Api(Dialect),
    /// The gate, with a value that a person may have chosen.
    Gate,
}

impl Entrance {
    const ALL: [Self; 7] = [
        Self::Api(Dialect::Native),
        Self::Api(Dialect::Imgbed),
        Self::Api(Dialect::Query),
        Self::Api(Dialect::Shardimage),
        Self::Api(Dialect::Cloudpaste),
        Self::Api(Dialect::Contentive),
        Self::Gate,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Api(dialect) => dialect.name(),
            Self::Gate => "gate",
        }
    }
}

/// Since when an address is over its allowance, and what was told of it.
struct Spent<I> {
    until: I,
    quiet_until: I,
}

/// Counts failures by address: a burst is free, then so many a second.
pub struct FailureThrottle<C: Clock = DefaultClock> {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    failures: AtomicU32,
    spent: RwLock<HashMap<IpAddr, Spent<C::Instant>>>,
    totals: [[AtomicU64; 2]; Entrance::ALL.len()],
}

impl FailureThrottle {
    /// A throttle on the monotonic clock.
    pub fn new(burst: NonZeroU32, per_second: NonZeroU32) -> Self {
        Self::with_clock(burst, per_second, DefaultClock::default())
    }
}

impl<C: Clock + Clone> FailureThrottle<C> {
    /// As [`FailureThrottle::new`] on a given clock.
    pub fn with_clock(burst: NonZeroU32, per_second: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::dashmap_with_clock(quota, clock.clone());
        Self {
            limiter,
            clock,
            failures: AtomicU32::new(0),
            spent: RwLock::default(),
            totals: Default::default(),
        }
    }

    /// Records a failed authentication and gives the answer: `failure` itself, or 429 with `Retry-After` once the
    /// burst is spent. A client without an address (a Unix socket) is not braked.
    pub fn failed(&self, entrance: Entrance, client: Option<IpAddr>, failure: Problem) -> Problem {
        self.count(entrance, client).map_or(failure, Problem::throttled)
    }

    /// Counts a failed authentication: the seconds until the next one would be within the allowance, if this was not.
    pub fn count(&self, entrance: Entrance, client: Option<IpAddr>) -> Option<u64> {
        let wait = client.and_then(|client| self.spend(client));
        self.tally(entrance, wait.is_some());
        wait
    }

    /// Keeps a value that a person may have chosen from being looked up while its client is over its allowance: the right
    /// one would tell itself from the wrong ones.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub fn admit(&self, entrance: Entrance, client: Option<IpAddr>, value: &str) -> Result<(), Problem> {
        let wait = if may_be_chosen(value) { self.brake(entrance, client) } else { None };
        wait.map_or(Ok(()), |seconds| Err(Problem::throttled(seconds)))
    }

    /// As [`FailureThrottle::is_spent`], and counts that this client is refused for it.
    pub fn brake(&self, entrance: Entrance, client: Option<IpAddr>) -> Option<u64> {
        let wait = self.is_spent(client)?;
        self.tally(entrance, true);
        Some(wait)
    }

    /// Failed authentications since the start: by entrance, and `refused` or `throttled`.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        Entrance::ALL.iter().zip(&self.totals).flat_map(|(entrance, totals)| {
            let outcomes = ["refused", "throttled"].into_iter().zip(totals);
            outcomes.map(|(outcome, total)| (entrance.name(), outcome, total.load(Ordering::Relaxed)))
        })
    }

    /// For how many seconds this client is over its allowance: since a failure that was answered 429, until the next one
    /// would not be. Takes nothing of the allowance. `None` for a client without an address.
    pub fn is_spent(&self, client: Option<IpAddr>) -> Option<u64> {
        let allowance = self.allowance_of(client?);
        let spent = self.spent.read().unwrap_or_else(PoisonError::into_inner);
        let strangers = || spent.get(&STRANGERS).filter(|_| spent.len() >= MOST_ADDRESSES);
        let until = spent.get(&allowance).or_else(strangers)?.until;
        let wait: Duration = until.duration_since(self.clock.now()).into();
        (!wait.is_zero()).then(|| whole_seconds(wait))
    }

    /// How many addresses are remembered.
    pub fn remembered(&self) -> usize {
        self.limiter.len()
    }

    fn spend(&self, client: IpAddr) -> Option<u64> {
        if self.failures.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.sweep();
        }
        let allowance = self.allowance_of(client);
        let until = self.limiter.check_key(&allowance).err()?;
        if self.remember(allowance, until.earliest_possible()) {
            warn!(address = %client, "too many failed authentications: values that may be guesses are not looked up");
        }
        Some(whole_seconds(until.wait_time_from(self.clock.now())))
    }

    fn tally(&self, entrance: Entrance, is_throttled: bool) {
        let row =
            Entrance::ALL.iter().position(|one| *one == entrance).expect("the list holds every entrance");
        self.totals[row][usize::from(is_throttled)].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a line is due.
    fn remember(&self, allowance: IpAddr, until: C::Instant) -> bool {
        let mut spent = self.spent.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = spent.len() < MOST_ADDRESSES || spent.contains_key(&allowance);
        let now = self.clock.now();
        let key = if has_room { allowance } else { STRANGERS };
        let entry = spent.entry(key).or_insert(Spent { until, quiet_until: now });
        entry.until = until;
        let is_due = now >= entry.quiet_until;
        if is_due {
            entry.quiet_until = now + QUIET.into();
        }
        is_due
    }

    /// Forgets the addresses that have recovered.
    fn sweep(&self) {
        self.limiter.retain_recent();
        let now = self.clock.now();
        self.spent
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, entry| entry.until.max(entry.quiet_until) > now);
    }

    /// A whole /64 of IPv6 is one client, since it costs nothing to have one.
    fn allowance_of(&self, client: IpAddr) -> IpAddr {
        if self.limiter.len() >= MOST_ADDRESSES {
            return STRANGERS;
        }
        match client.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

/// Rounded up, and at least one.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use governor::clock::FakeRelativeClock;

    use super::*;

    const HERE: Entrance = Entrance::Api(Dialect::Native);

    fn throttle(burst: u32) -> (FailureThrottle<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let number = |n| NonZeroU32::new(n).unwrap();
        (FailureThrottle::with_clock(number(burst), number(1), clock.clone()), clock)
    }

    fn fail(throttle: &FailureThrottle<FakeRelativeClock>, client: &str) -> &'static str {
        throttle.failed(HERE, Some(client.parse().unwrap()), Problem::unauthenticated()).code().name
    }

    #[test]
    fn a_burst_of_failures_is_answered_429_and_recovers() {
        let (throttle, clock) = throttle(3);
        let codes: Vec<_> = (0..4).map(|_| fail(&throttle, "192.0.2.1")).collect();
        assert_eq!(codes, ["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", "THROTTLED"]);
        assert_eq!(fail(&throttle, "192.0.2.2"), "UNAUTHENTICATED", "another client is free");
        clock.advance(Duration::from_secs(1));
        assert_eq!(fail(&throttle, "192.0.2.1"), "UNAUTHENTICATED");
        assert_eq!(fail(&throttle, "192.0.2.1"), "THROTTLED");
    }

    #[test]
    fn the_answer_says_how_long_to_wait() {
        let (throttle, _clock) = throttle(1);
        fail(&throttle, "192.0.2.1");
        let answer = throttle.failed(HERE, Some("192.0.2.1".parse().unwrap()), Problem::unauthenticated());
        assert_eq!(answer.error_response().headers().get("retry-after").unwrap(), "1");
    }

    #[test]
    fn one_network_of_ipv6_is_one_client_and_mapped_addresses_are_ipv4() {
        let (throttle, _clock) = throttle(1);
        fail(&throttle, "2001:db8::1");
        assert_eq!(fail(&throttle, "2001:db8::ffff:2"), "THROTTLED");
        assert_eq!(fail(&throttle, "2001:db8:0:1::1"), "UNAUTHENTICATED");
        fail(&throttle, "::ffff:192.0.2.7");
        assert_eq!(fail(&throttle, "192.0.2.7"), "THROTTLED");
        assert_eq!(fail(&throttle, "192.0.2.8"), "UNAUTHENTICATED");
    }

    #[test]
    fn memory_is_bounded_and_recovered_addresses_are_forgotten() {
        let (throttle, clock) = throttle(1);
        for address in 0..80_000u32 {
            throttle.failed(HERE, Some(IpAddr::V4(address.into())), Problem::unauthenticated());
        }
        assert!(throttle.remembered() <= MOST_ADDRESSES + 1);
        clock.advance(Duration::from_secs(60));
        for _ in 0..SWEEP_EVERY {
            fail(&throttle, "192.0.2.1");
        }
        assert!(throttle.remembered() <= 2);
    }
    fn is_spent(throttle: &FailureThrottle<FakeRelativeClock>, client: &str) -> Option<u64> {
        throttle.is_spent(Some(client.parse().unwrap()))
    }

    #[test]
    fn an_address_is_spent_from_its_first_429_until_it_has_an_attempt_again() {
        let (throttle, clock) = throttle(2);
        for _ in 0..2 {
            fail(&throttle, "192.0.2.1");
            assert_eq!(is_spent(&throttle, "192.0.2.1"), None);
        }
        assert_eq!(fail(&throttle, "192.0.2.1"), "THROTTLED");
        for _ in 0..100 {
            assert_eq!(is_spent(&throttle, "192.0.2.1"), Some(1), "asking changes nothing");
        }
        assert_eq!(is_spent(&throttle, "192.0.2.2"), None, "another client is free");
        assert_eq!(throttle.is_spent(None), None);
        clock.advance(Duration::from_millis(999));
        assert_eq!(is_spent(&throttle, "192.0.2.1"), Some(1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(is_spent(&throttle, "192.0.2.1"), None);
        assert_eq!(fail(&throttle, "192.0.2.1"), "UNAUTHENTICATED", "asking took nothing");
    }

    #[test]
    fn a_network_of_ipv6_is_spent_as_a_whole() {
        let (throttle, _clock) = throttle(1);
        fail(&throttle, "2001:db8::1");
        fail(&throttle, "2001:db8::2");
        assert_eq!(is_spent(&throttle, "2001:db8::3"), Some(1));
        assert_eq!(is_spent(&throttle, "2001:db8:0:1::3"), None);
    }

    #[test]
    fn spent_addresses_are_bounded_and_forgotten_too() {
        let (throttle, clock) = throttle(1);
        for address in 0..80_000u32 {
            let client = Some(IpAddr::V4(address.into()));
            throttle.failed(HERE, client, Problem::unauthenticated());
            throttle.failed(HERE, client, Problem::unauthenticated());
        }
        let remembered = || throttle.spent.read().unwrap().len();
        assert!((2..=MOST_ADDRESSES + 1).contains(&remembered()), "{}", remembered());
        assert_eq!(is_spent(&throttle, "198.51.100.1"), Some(1), "strangers share one allowance");
        clock.advance(Duration::from_secs(60));
        for _ in 0..SWEEP_EVERY {
            fail(&throttle, "192.0.2.1");
        }
        assert!(remembered() <= 2);
        assert_eq!(is_spent(&throttle, "198.51.100.1"), None);
    }

    #[test]
    fn failures_are_counted_by_entrance_and_outcome() {
        let (throttle, _clock) = throttle(1);
        for _ in 0..3 {
            fail(&throttle, "192.0.2.1");
        }
        assert_eq!(throttle.count(Entrance::Gate, None), None);
        assert_eq!(throttle.brake(Entrance::Gate, Some("192.0.2.1".parse().unwrap())), Some(1));
        assert_eq!(throttle.brake(Entrance::Gate, Some("192.0.2.2".parse().unwrap())), None);
        let counted: Vec<_> = throttle.totals().filter(|(_, _, total)| *total > 0).collect();
        let expected = [("native", "refused", 1), ("native", "throttled", 2)];
        assert_eq!(counted, [expected[0], expected[1], ("gate", "refused", 1), ("gate", "throttled", 1)]);
    }

    #[test]
    fn a_line_about_an_address_is_due_once_a_minute() {
        let (throttle, clock) = throttle(1);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let due = (0..150).filter(|_| {
            clock.advance(Duration::from_secs(1));
            throttle.remember(address, clock.now())
        });
        assert_eq!(due.count(), 3);
    }
}
