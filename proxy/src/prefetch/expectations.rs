//! What was fetched ahead and awaits its player.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Fetches that are remembered. What is beyond counts as wasted, though its player may yet come.
const MAX_EXPECTED: usize = 16_384;

/// How long a player may take to come: it asks for the next segment within a few of their durations or never.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Expectations {
    since: HashMap<Box<str>, Instant>,
    order: VecDeque<(Instant, Box<str>)>,
}

impl Expectations {
    /// Expects a player. Whether another one had to be given up for it.
    pub(super) fn expect(&mut self, name: Box<str>, now: Instant) -> bool {
        self.since.insert(name.clone(), now);
        self.order.push_back((now, name));
        self.order.len() > MAX_EXPECTED && self.give_up_first()
    }

    /// Whether anybody is expected.
    pub(super) fn is_any(&self) -> bool {
        !self.since.is_empty()
    }

    /// A player has come. Whether it was expected.
    pub(super) fn came(&mut self, name: &str) -> bool {
        self.since.remove(name).is_some()
    }

    /// Gives up those who are overdue, and says how many these were.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        while self.order.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= PATIENCE) {
            expired += usize::from(self.give_up_first());
        }
        expired
    }

    fn give_up_first(&mut self) -> bool {
        let Some((since, name)) = self.order.pop_front() else { return false };
        // Not if it came, or is expected anew.
        let overdue = self.since.get(&name) == Some(&since);
        if overdue {
            self.since.remove(&name);
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expectation_is_met_or_expires_once() {
        let mut expectations = Expectations::default();
        let start = Instant::now();
        for name in ["a", "b", "c"] {
            assert!(!expectations.expect(name.into(), start));
        }
        assert!(expectations.came("b"));
        assert!(!expectations.came("b"));
        assert!(!expectations.expect("c".into(), start + PATIENCE / 2));
        assert_eq!(expectations.expire(start + PATIENCE / 2), 0);
        assert_eq!(expectations.expire(start + PATIENCE), 1, "a; b came and c is expected anew");
        assert_eq!(expectations.expire(start + 2 * PATIENCE), 1);
        assert_eq!(expectations.expire(start + 2 * PATIENCE), 0);
    }

    #[test]
    fn expectations_are_bounded() {
        let mut expectations = Expectations::default();
        let now = Instant::now();
        let given_up = (0..MAX_EXPECTED + 5).filter(|n| expectations.expect(n.to_string().into(), now)).count();
        assert_eq!((given_up, expectations.since.len()), (5, MAX_EXPECTED));
    }
}
