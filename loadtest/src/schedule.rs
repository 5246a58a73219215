//! When a closed loop may start its next request: before the deadline, and while the budget lasts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The bounds of one run, shared by all its loops.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    deadline: Instant,
    /// Requests that may still start.
    budget: AtomicU64,
}

impl Schedule {
    /// A run from `start` on; without a number of requests only the time bounds it.
    pub(crate) fn new(start: Instant, duration: Duration, requests: Option<u64>) -> Self {
        Self { start, deadline: start + duration, budget: AtomicU64::new(requests.unwrap_or(u64::MAX)) }
    }

    /// When the run began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// When the last request may start.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes one request from the budget; the answer is whether it may start now.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let take_one = |left: u64| left.checked_sub(1);
        now < self.deadline && self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok()
    }

    /// Puts back one that was taken and not sent.
    pub(crate) fn give_back(&self) {
        self.budget.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether another request could be taken.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline || self.budget.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_ends_a_run() {
        let start = Instant::now();
        let schedule = Schedule::new(start, Duration::from_secs(1), Some(2));
        assert!(schedule.take(start) && schedule.take(start));
        assert!(!schedule.take(start) && !schedule.take(start));
        assert!(schedule.is_over(start));
    }

    #[test]
    fn the_deadline_ends_a_run() {
        let start = Instant::now();
        let schedule = Schedule::new(start, Duration::from_secs(1), None);
        assert!(schedule.take(start + Duration::from_millis(999)));
        assert!(!schedule.take(start + Duration::from_secs(1)));
        assert!(schedule.is_over(schedule.deadline()) && !schedule.is_over(start));
    }
}
