//! A budget of further requests: a share of all requests over a sliding window. Without one, a pool in trouble would get
//! a multiple of its load at the very moment it can bear it least.
//!
//! Without locks: several threads at once may overdraw it by as many as they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seconds that the share is taken of: long enough to smooth bursts, short enough that a quiet hour saves up nothing.
const WINDOW_SECONDS: u64 = 10;

/// Requests and spendings of one second, and which second, in one word that is replaced as a whole.
const COUNT_BITS: u32 = 22;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const SECOND_MAX: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// Requests, and what was spent on top of them.
#[derive(Debug)]
pub struct SlidingBudget {
    epoch: Instant,
    slots: [AtomicU64; WINDOW_SECONDS as usize],
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    second: u64,
    requests: u64,
    spent: u64,
}

impl Counts {
    fn unpack(word: u64) -> Self {
        let count = |shift: u32| (word >> shift) & COUNT_MAX;
        Self { second: word >> (2 * COUNT_BITS), requests: count(COUNT_BITS), spent: count(0) }
    }

    fn pack(self) -> u64 {
        let counts = (self.requests.min(COUNT_MAX) << COUNT_BITS) | self.spent.min(COUNT_MAX);
        (self.second << (2 * COUNT_BITS)) | counts
    }
}

impl SlidingBudget {
    /// An empty one.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { epoch: now, slots: [const { AtomicU64::new(0) }; WINDOW_SECONDS as usize] }
    }

    /// A request was made.
    pub fn request(&self, now: Instant) {
        self.change(now, |counts| counts.requests += 1);
    }

    /// Spends one, if `percent` of the requests in the window or `floor` a second allow it.
    #[must_use]
    pub fn spend(&self, now: Instant, percent: u8, floor: u32) -> bool {
        let second = self.second(now);
        let (mut requests, mut spent, mut spent_now) = (0, 0, 0);
        for slot in &self.slots {
            let counts = Counts::unpack(slot.load(Ordering::Relaxed));
            if second.wrapping_sub(counts.second) & SECOND_MAX < WINDOW_SECONDS {
                requests += counts.requests;
                spent += counts.spent;
                spent_now += if counts.second == second { counts.spent } else { 0 };
            }
        }
        let allowed = spent_now < u64::from(floor) || (spent + 1) * 100 <= requests * u64::from(percent);
        if allowed {
            self.change(now, |counts| counts.spent += 1);
        }
        allowed
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs() & SECOND_MAX
    }

    fn change(&self, now: Instant, change: impl Fn(&mut Counts)) {
        let second = self.second(now);
        let Some(slot) = self.slots.get((second % WINDOW_SECONDS) as usize) else { return };
        let update = |word: u64| {
            let mut counts = Counts::unpack(word);
            if counts.second != second {
                counts = Counts { second, ..Counts::default() };
            }
            change(&mut counts);
            Some(counts.pack())
        };
        // The closure never declines.
        let _previous = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spent(budget: &SlidingBudget, now: Instant, tries: u32, percent: u8, floor: u32) -> usize {
        (0..tries).filter(|_| budget.spend(now, percent, floor)).count()
    }

    #[test]
    fn budget_is_a_share_of_requests_or_the_floor() {
        let cases = [
            // requests, percent, floor, allowed of 100
            (0, 20, 10, 10),
            (0, 20, 0, 0),
            (100, 20, 0, 20),
            (100, 20, 10, 20),
            (20, 20, 10, 10),
            (100, 0, 0, 0),
            (50, 100, 0, 50),
        ];
        for (requests, percent, floor, expected) in cases {
            let now = Instant::now();
            let budget = SlidingBudget::new(now);
            (0..requests).for_each(|_| budget.request(now));
            assert_eq!(spent(&budget, now, 100, percent, floor), expected, "{requests} {percent} {floor}");
        }
    }

    #[test]
    fn window_slides() {
        let start = Instant::now();
        let budget = SlidingBudget::new(start);
        (0..100).for_each(|_| budget.request(start));
        let within = start + Duration::from_secs(9);
        assert_eq!(spent(&budget, within, 15, 20, 0), 15);
        assert_eq!(spent(&budget, start + Duration::from_secs(10), 100, 20, 0), 0, "the requests are forgotten");
        assert_eq!(spent(&budget, start + Duration::from_secs(12), 100, 20, 7), 7, "the floor is for each second");
        assert_eq!(spent(&budget, start + Duration::from_secs(13), 100, 20, 7), 7);
    }

    #[test]
    fn threads_share_it() {
        let now = Instant::now();
        let budget = SlidingBudget::new(now);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| budget.request(now)));
            }
        });
        assert_eq!(spent(&budget, now, 10_000, 10, 0), 400);
    }
}
