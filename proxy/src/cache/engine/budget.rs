//! What fills may take together: how many run at once, and the memory of bodies that grow.
//!
//! Both are handed out as tokens that give back what they hold when they are dropped, so that no way in which a
//! fill ends can leak them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What all fills share.
pub(super) struct Budget {
    running: AtomicUsize,
    max_running: usize,
    held: AtomicU64,
    max_held: u64,
}

impl Budget {
    pub(super) fn new(max_running: usize, max_held: u64) -> Arc<Self> {
        Arc::new(Self { running: AtomicUsize::new(0), max_running, held: AtomicU64::new(0), max_held })
    }

    /// Admits one more fill, if there are not too many.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let next = |count: usize| (count < self.max_running).then_some(count + 1);
        let admitted = self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        admitted.then(|| Admission(Arc::clone(self)))
    }

    /// Whether half of the fills that may run do.
    pub(super) fn is_half_taken(&self) -> bool {
        self.running.load(Ordering::Acquire) >= self.max_running.div_ceil(2)
    }

    /// A reservation of nothing, to be grown.
    pub(super) fn reservation(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0 }
    }

    /// Fills that run and bytes reserved.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> (usize, u64) {
        (self.running.load(Ordering::Acquire), self.held.load(Ordering::Acquire))
    }
}

/// Leave to run.
pub(super) struct Admission(Arc<Budget>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Memory that a growing body may take.
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    /// Reserves so many bytes more, or none.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let grant = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.budget.max_held);
        let granted = self.budget.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, grant).is_ok();
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Makes it as many bytes as this, or as near to them as there are.
    pub(super) fn resize(&mut self, bytes: u64) {
        if let Some(surplus) = self.bytes.checked_sub(bytes) {
            self.budget.held.fetch_sub(surplus, Ordering::AcqRel);
            self.bytes = bytes;
        } else {
            self.grow(bytes - self.bytes);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admissions_are_bounded_and_come_back() {
        let budget = Budget::new(2, 0);
        let (first, second) = (budget.admit(), budget.admit());
        assert!(first.is_some() && second.is_some());
        assert!(budget.admit().is_none());
        drop(first);
        assert!(budget.admit().is_some());
        drop(second);
        assert_eq!(budget.in_use(), (0, 0));
    }

    #[test]
    fn reservations_are_bounded_and_come_back() {
        let budget = Budget::new(0, 100);
        let (mut left, mut right) = (budget.reservation(), budget.reservation());
        assert!(left.grow(60));
        assert!(!right.grow(50), "more than is left is refused as a whole");
        assert!(!right.grow(u64::MAX), "and does not overflow");
        assert!(right.grow(40));
        left.resize(10);
        assert_eq!((left.bytes(), budget.in_use().1), (10, 50));
        left.resize(90);
        assert_eq!(left.bytes(), 10, "what is not there is not granted");
        drop(left);
        drop(right);
        assert_eq!(budget.in_use(), (0, 0));
    }
}
