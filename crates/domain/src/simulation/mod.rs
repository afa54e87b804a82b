//! Many nodes on one database, played through in millions of orders: lease, revocation and crash.
//!
//! The real [`Cache`](crate::cache::Cache), [`Lease`](crate::lease::Lease) and [`Roster`](crate::lease::Roster) of three
//! nodes run against a model of the database, whose statements are those of `store/src/postgres`. Whatever takes time is a
//! step: a statement on its way, its answer on its way back, the moment between two lines of a decision. Between two steps
//! anybody else may go on. Clocks run a tenth unequally fast, nodes stand still or crash and start anew, connections break
//! with the answer of a commit on them, the database crashes.
//!
//! `COUNTERMARK_SEED=17 cargo test -p countermark-domain simulation::the_promises -- --nocapture` shows one schedule.
//! `COUNTERMARK_SCHEDULES` sets how many are played.

mod change;
mod database;
mod decision;
mod fate;
mod guard;
mod node;
mod promise;
mod random;
mod session;
mod wait;
mod world;

use std::rc::Rc;

use self::change::{Kind, Open, call};
use self::decision::ask;
use self::guard::Guard;
use self::world::World;

/// Nodes of a schedule.
const NODES: usize = 3;

/// The length of a lease, in the units of the clocks.
const LEASE: u64 = 1_000;

/// What a schedule has broken, if anything.
fn play(world: &Rc<World>, seed: u64, removed: Option<Guard>, is_traced: bool) -> Option<String> {
    world.reset(seed, removed, is_traced);
    world.nodes.iter().for_each(|node| node.reset(world));
    for number in 0..NODES {
        let after = if world.random.one_in(4) { world.random.below(2_500) } else { world.random.below(100) };
        node::start(world, number, after);
    }
    if !world.random.one_in(4) {
        let misfortunes = 1 + world.random.below(4);
        world.spawn(None, world.random.below(1_200), fate::strike(Rc::clone(world), misfortunes));
    }
    for _ in 0..1 + world.random.below(3) {
        manage(world);
    }
    for _ in 0..4 {
        let after = world.random.below(2_200);
        ask(world, token(world), 100 + after);
    }
    world.play();
    world.promises.broken()
}

fn token(world: &World) -> usize {
    usize::from(world.random.one_in(5))
}

/// Lets a management call begin at some time on some node, and sometimes the same on another one soon after.
fn manage(world: &Rc<World>) {
    let kind = match world.random.below(8) {
        0..3 => Kind::Revoke,
        3 | 4 => Kind::Disable,
        5 => Kind::Enable,
        6 => Kind::Regenerate,
        _ => Kind::Issue,
    };
    let token = if kind == Kind::Issue { 1 } else { token(world) };
    let number = world.random.index(NODES);
    let after = 200 + world.random.below(1_600);
    world.spawn(Some(number), after, call(Rc::clone(world), number, token, kind, Open::new(world)));
    if world.random.one_in(4) {
        let other = world.random.index(NODES);
        let after = after + world.random.below(300);
        world.spawn(Some(other), after, call(Rc::clone(world), other, token, kind, Open::new(world)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    /// What a schedule does, for people.
    fn tell(world: &Rc<World>, seed: u64, removed: Option<Guard>) -> String {
        let broken = play(world, seed, removed, true);
        format!("{}\nCOUNTERMARK_SEED={seed}: {broken:?}", world.trace())
    }

    #[test]
    fn the_promises_hold_in_a_million_schedules() {
        let world = World::new();
        if let Some(seed) = set("COUNTERMARK_SEED") {
            println!("{}", tell(&world, seed, None));
            assert_eq!(play(&world, seed, None, false), None);
            return;
        }
        let schedules = set("COUNTERMARK_SCHEDULES").unwrap_or(1_000_000);
        let threads = std::thread::available_parallelism().unwrap().get();
        let play_share = |share: usize| {
            let world = World::new();
            for seed in (share as u64..schedules).step_by(threads) {
                if play(&world, seed, None, false).is_some() {
                    panic!("{}", tell(&world, seed, None));
                }
            }
        };
        std::thread::scope(|scope| {
            (0..threads).for_each(|share| drop(scope.spawn(move || play_share(share))));
        });
    }

    /// The promise that is broken first without the guard, within so many schedules.
    fn broken_without(guard: Guard, schedules: u64) -> String {
        let world = World::new();
        let found =
            (0..schedules).find_map(|seed| play(&world, seed, Some(guard), false).map(|text| (seed, text)));
        let (seed, text) =
            found.unwrap_or_else(|| panic!("{guard:?} is not missed in {schedules} schedules"));
        println!("without {guard:?}: schedule {seed}: {text}");
        if set("COUNTERMARK_TRACE").is_some() {
            println!("{}", tell(&world, seed, Some(guard)));
        }
        text
    }

    macro_rules! guards {
        ($($name:ident: $guard:ident, $schedules:expr, $promise:literal;)*) => {$(
            #[test]
            fn $name() {
                let broken = broken_without(Guard::$guard, $schedules);
                assert!(broken.starts_with($promise), "{broken}");
            }
        )*};
    }

    guards! {
        a_renewal_that_reads_the_log_before_it_locks_is_found_out: TakesInAll, 100_000, "promise";
        a_gap_in_the_log_that_is_passed_over_is_found_out: ForgetsAtGaps, 400_000, "promise";
        a_position_that_is_read_without_a_lock_is_found_out: LocksPosition, 100_000, "promise";
        a_lease_that_is_counted_from_the_answer_is_found_out: CountsFromSending, 100_000, "promise";
        a_fill_without_a_position_is_found_out: StampsFills, 100_000, "promise";
        an_older_record_kept_over_a_newer_one_is_found_out: KeepsNewer, 100_000, "promise 1";
        lapses_judged_by_wall_clocks_are_found_out: CountsItself, 100_000, "promise";
        renewals_that_repeat_after_a_restart_are_found_out: NewIdAtStart, 400_000, "promise";
        a_lease_without_a_margin_is_found_out: Margin, 400_000, "promise";
        an_answer_without_another_look_at_the_lease_is_found_out: LooksAgain, 100_000, "promise 2";
        an_acknowledgement_before_the_change_is_applied_is_found_out: AppliesFirst, 100_000, "promise";
        a_waiter_that_knows_only_earlier_nodes_is_found_out: ReadsNodesAfterCommit, 400_000, "promise";
        a_repeated_call_that_does_not_wait_for_its_own_node_is_found_out: AwaitsItself, 400_000, "promise 1";
        a_waiter_that_lets_no_lease_lapse_is_found_out: LetsLapse, 100_000, "promise 3";
    }
}
