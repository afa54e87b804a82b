//! The buckets of figures over time, made of whole hours.

use countermark_core::UnixSeconds;

use crate::problem::{Problem, codes};
use crate::query::Query;

/// The time that figures are asked for, in buckets of equal length that begin at multiples of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    from: u64,
    to: u64,
    step: u64,
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const MOST: u64 = 1000;

impl Buckets {
    /// The buckets that `from`, `to` and `step` ask for; without them the 24 hours that end with the current one.
    ///
    /// # Errors
    /// 400 unless `from` lies before `to`, `step` is a multiple of an hour and there are at most 1,000 buckets.
    pub fn of(query: &Query<'_>, now: UnixSeconds) -> Result<Self, Problem> {
        let last = UnixSeconds::MAX.get();
        let step = query.whole("step", HOUR..=last)?.unwrap_or(HOUR);
        if step % HOUR != 0 {
            return Err(invalid("?step", "expected a multiple of 3600"));
        }
        let to = query.whole("to", 0..=last)?.unwrap_or(now.get() + 1);
        let from = query.whole("from", 0..=last)?;
        let from =
            from.unwrap_or_else(|| to.next_multiple_of(HOUR).saturating_sub(DAY).min(to.saturating_sub(1)));
        if from >= to {
            return Err(invalid("?from", "expected an instant before to"));
        }
        let buckets = Self { from: from / step * step, to, step };
        if buckets.count() > MOST {
            return Err(invalid("?step", "expected a step that gives at most 1000 buckets"));
        }
        Ok(buckets)
    }

    /// The first instant, and the first one after.
    pub fn instants(self) -> (UnixSeconds, UnixSeconds) {
        let at = |seconds| UnixSeconds::new(seconds).unwrap_or(UnixSeconds::MAX);
        (at(self.from), at(self.to))
    }

    /// Where each bucket begins.
    pub fn begins(self) -> impl Iterator<Item = u64> {
        (0..self.count()).map(move |place| self.from + place * self.step)
    }

    /// The place of the bucket that an hour from [`Buckets::instants`] falls into.
    pub fn place(self, hour: UnixSeconds) -> usize {
        usize::try_from(hour.get().saturating_sub(self.from) / self.step).unwrap_or(usize::MAX)
    }

    fn count(self) -> u64 {
        (self.to - self.from).div_ceil(self.step)
    }
}

fn invalid(pointer: &str, expected: &str) -> Problem {
    Problem::new(&codes::INVALID_PARAMETER).member(pointer, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(query: &str, now: u64) -> Result<(u64, u64, usize), String> {
        let query = Query::parse(query, &["from", "to", "step"]).unwrap();
        Buckets::of(&query, UnixSeconds::new(now).unwrap())
            .map(|it| (it.from, it.to, it.begins().count()))
            .map_err(|problem| problem.errors()[0].pointer.clone())
    }

    #[test]
    fn without_parameters_they_are_the_24_hours_that_end_with_the_current_one() {
        assert_eq!(buckets("", 1_800_000_000), Ok((1_799_917_200, 1_800_000_001, 24)));
        assert_eq!(buckets("", 1_800_003_599), Ok((1_799_917_200, 1_800_003_600, 24)));
        assert_eq!(buckets("", 0), Ok((0, 1, 1)));
    }

    #[test]
    fn buckets_begin_at_multiples_of_their_step() {
        assert_eq!(buckets("from=3700&to=7201", 0), Ok((3600, 7201, 2)));
        assert_eq!(buckets("from=90000&to=172800&step=86400", 0), Ok((86_400, 172_800, 1)));
        assert_eq!(buckets("from=0&to=3600000", 0), Ok((0, 3_600_000, 1000)));
    }

    #[test]
    fn what_makes_no_buckets_is_refused_by_name() {
        for (query, pointer) in [
            ("step=1800", "?step"),
            ("step=5400", "?step"),
            ("from=5&to=5", "?from"),
            ("from=1800000001", "?from"),
            ("from=0&to=3600001", "?step"),
            ("to=1900000000000", "?to"),
            ("from=-1", "?from"),
            ("to=0", "?from"),
        ] {
            assert_eq!(buckets(query, 1_800_000_000), Err(pointer.to_owned()), "{query}");
        }
    }
}
