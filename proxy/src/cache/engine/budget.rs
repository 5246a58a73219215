//! What fills may take together: how many run at once, and the memory of bodies that grow.
//!
//! Both are handed out as tokens that give back what they hold when they are dropped, so that no way in which a
//! fill ends can leak them.

mod ahead;
mod places;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

pub(super) use ahead::AheadShare;
use places::Running;
pub(super) use places::{Admission, Parking};

/// What all fills share.
pub(super) struct Budget {
    running: Mutex<Running>,
    max_running: usize,
    /// Runs that wait for their readers.
    parked: AtomicUsize,
    /// Slices of all objects that somebody reads, in which how many there are for whom more is fetched ahead.
    being_read: AtomicU64,
    taken_ahead: Mutex<ahead::Taken>,
    held: AtomicU64,
    max_held: u64,
    /// Bytes of what is held that are kept for convenience.
    spare: AtomicU64,
    keepers: Mutex<Vec<Weak<dyn Keeper>>>,
}

/// Keeps reservations that it could do without.
pub(super) trait Keeper: Send + Sync {
    /// Gives them back. May be called while anything is locked: it must not wait.
    fn give_back(&self);
}

impl Budget {
    pub(super) fn new(max_running: usize, max_held: u64) -> Arc<Self> {
        Arc::new(Self {
            running: Mutex::default(),
            max_running,
            parked: AtomicUsize::new(0),
            being_read: AtomicU64::new(0),
            taken_ahead: Mutex::default(),
            held: AtomicU64::new(0),
            max_held,
            spare: AtomicU64::new(0),
            keepers: Mutex::default(),
        })
    }

    /// A reservation of nothing, to be grown.
    pub(super) fn reservation(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0, is_spare: false }
    }

    /// Bytes that may be fetched ahead of each reader of slices, where all of them do so: half of what fills may hold, for
    /// the other half is for what is being fetched.
    pub(super) fn bytes_ahead(&self) -> u64 {
        self.max_held / 2 / self.being_read.load(Ordering::Relaxed).max(1)
    }

    /// Bytes that may be held at all.
    pub(super) fn bound(&self) -> u64 {
        self.max_held
    }

    /// Bytes that fills may take beyond those that they hold.
    pub(super) fn free(&self) -> u64 {
        self.max_held.saturating_sub(self.held.load(Ordering::Acquire))
    }

    /// Notes that somebody begins to read a slice that nobody else reads.
    pub(super) fn one_more_is_read(&self) {
        self.being_read.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a slice has no readers any more.
    pub(super) fn one_less_is_read(&self) {
        self.being_read.fetch_sub(1, Ordering::Relaxed);
    }

    /// Enters one that may be asked for its spare reservations while it lives.
    pub(super) fn know(&self, keeper: Weak<dyn Keeper>) {
        let mut keepers = self.keepers.lock();
        if keepers.len() == keepers.capacity() {
            keepers.retain(|keeper| keeper.strong_count() > 0);
        }
        keepers.push(keeper);
    }

    /// Has spare reservations given back until there is room for so many bytes; whether it was worth the try.
    fn make_room(&self, bytes: u64) -> bool {
        let is_held = |spare: u64| self.held.load(Ordering::Acquire).saturating_sub(spare);
        let fits = |spare: u64| is_held(spare).checked_add(bytes).is_some_and(|sum| sum <= self.max_held);
        if !fits(self.spare.load(Ordering::Acquire)) {
            return false;
        }
        // Out of the lock first: the last of an object may go with what is dropped here.
        let keepers: Vec<_> = self.keepers.lock().iter().filter_map(Weak::upgrade).collect();
        for keeper in keepers {
            if fits(0) {
                break;
            }
            keeper.give_back();
        }
        true
    }

    /// Fills that run and bytes reserved.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> (usize, u64) {
        (self.running.lock().all, self.held.load(Ordering::Acquire))
    }
}

/// Memory that a growing body may take.
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
    is_spare: bool,
}

impl Reservation {
    /// Reserves so many bytes more, or none. What is kept for convenience makes room for it.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        self.grow_into_free(bytes) || self.budget.make_room(bytes) && self.grow_into_free(bytes)
    }

    /// Reserves so many bytes more of those that nobody holds, or none.
    pub(super) fn grow_into_free(&mut self, bytes: u64) -> bool {
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

    /// From now on it is kept for convenience, by one that the budget knows, and changed no more.
    pub(super) fn become_spare(&mut self) {
        if !std::mem::replace(&mut self.is_spare, true) {
            self.budget.spare.fetch_add(self.bytes, Ordering::AcqRel);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.is_spare {
            self.budget.spare.fetch_sub(self.bytes, Ordering::AcqRel);
        }
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
