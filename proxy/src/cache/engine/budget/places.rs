//! Places for fills that run, and who gets the next one.
//!
//! Runs of slices wait for theirs in a queue, as their readers have got a part of a body already and can do nothing but wait;
//! whoever has got nothing yet is refused at once. Of all places some are never theirs, so that crowds that seek in films
//! leave room for playlists and segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Budget;

/// Of so many places one is never a run's.
const NOT_FOR_RUNS: usize = 4;

/// Of so many places one may be a run's that waits for its readers. Few, as whoever reads slowly on purpose makes runs wait;
/// runs beyond end, which costs a request where their readers go on.
const FOR_PARKED: usize = 8;

/// Readers that wait for a place. Each is a client in the midst of a body; beyond this the wait would be too long.
const MOST_WAITING: usize = 4096;

/// Who has places.
#[derive(Default)]
pub(super) struct Running {
    pub(super) all: usize,
    runs: usize,
    waiting: VecDeque<oneshot::Sender<Admission>>,
}

/// Whose place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// A fill's that answers a request.
    Fill,
    /// A run's, for further slices.
    Run,
}

/// Leave to run.
pub(in crate::cache::engine) struct Admission {
    budget: Arc<Budget>,
    whose: Whose,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut running = self.budget.running.lock();
        running.all -= 1;
        running.runs -= usize::from(self.whose == Whose::Run);
        if let Some((waiter, admission)) = self.budget.hand_over(&mut running) {
            drop(running);
            // One that has just left drops it, and so hands it on.
            drop(waiter.send(admission));
        }
    }
}

/// Leave to wait for readers while holding a place.
pub(in crate::cache::engine) struct Parking(Arc<Budget>);

impl Drop for Parking {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Budget {
    /// Admits one more fill, if there are not too many.
    pub(in crate::cache::engine) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let mut running = self.running.lock();
        (running.all < self.max_running).then(|| {
            running.all += 1;
            Admission { budget: Arc::clone(self), whose: Whose::Fill }
        })
    }

    /// Admits one more run, if there are not too many and none waits.
    pub(in crate::cache::engine) fn admit_run(self: &Arc<Self>) -> Option<Admission> {
        let mut running = self.running.lock();
        if running.waiting.iter().all(oneshot::Sender::is_closed) { self.enter_run(&mut running) } else { None }
    }

    /// Admits one more run once it is its turn, if that is soon enough.
    pub(in crate::cache::engine) async fn turn(self: &Arc<Self>, at_most: Duration) -> Option<Admission> {
        let turn = {
            let mut running = self.running.lock();
            running.waiting.retain(|waiter| !waiter.is_closed());
            if running.waiting.is_empty()
                && let Some(admission) = self.enter_run(&mut running)
            {
                return Some(admission);
            }
            if running.waiting.len() >= MOST_WAITING {
                return None;
            }
            let (waiter, turn) = oneshot::channel();
            running.waiting.push_back(waiter);
            turn
        };
        timeout(at_most, turn).await.ok()?.ok()
    }

    fn enter_run(self: &Arc<Self>, running: &mut Running) -> Option<Admission> {
        let for_runs = self.max_running - self.max_running / NOT_FOR_RUNS;
        (running.all < self.max_running && running.runs < for_runs).then(|| {
            running.all += 1;
            running.runs += 1;
            Admission { budget: Arc::clone(self), whose: Whose::Run }
        })
    }

    /// The first that waits, and its place.
    fn hand_over(self: &Arc<Self>, running: &mut Running) -> Option<(oneshot::Sender<Admission>, Admission)> {
        while running.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            running.waiting.pop_front();
        }
        let waiter = running.waiting.pop_front()?;
        match self.enter_run(running) {
            Some(admission) => Some((waiter, admission)),
            None => {
                running.waiting.push_front(waiter);
                None
            }
        }
    }

    /// Whether half of the fills that may run do.
    pub(in crate::cache::engine) fn is_half_taken(&self) -> bool {
        self.running.lock().all >= self.max_running.div_ceil(2)
    }

    /// Lets one more run wait for its readers, if there are not too many.
    pub(in crate::cache::engine) fn park(self: &Arc<Self>) -> Option<Parking> {
        let most = (self.max_running / FOR_PARKED).max(1);
        let next = |count: usize| (count < most).then_some(count + 1);
        let parked = self.parked.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok();
        parked.then(|| Parking(Arc::clone(self)))
    }

    /// Whether one more run could wait for its readers now.
    pub(in crate::cache::engine) fn has_parking(&self) -> bool {
        self.parked.load(Ordering::Acquire) < (self.max_running / FOR_PARKED).max(1)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

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
    fn runs_leave_a_quarter_to_other_fills() {
        let budget = Budget::new(8, 0);
        let runs: Vec<_> = std::iter::from_fn(|| budget.admit_run()).collect();
        assert_eq!(runs.len(), 6);
        let fills: Vec<_> = std::iter::from_fn(|| budget.admit()).collect();
        assert_eq!(fills.len(), 2);
        drop(fills);
        assert!(budget.admit_run().is_none());
        drop(runs);
        assert_eq!(budget.in_use(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn places_go_to_those_who_wait_in_their_order_and_past_those_who_left() {
        let budget = Budget::new(1, 0);
        let held = budget.admit();
        let mut turns: Vec<_> = (0..3).map(|_| Box::pin(budget.turn(SOON))).collect();
        assert!(turns.iter_mut().all(|turn| turn.now_or_never().is_none()));
        assert!(budget.turn(SOON).await.is_none(), "it gives up in the end");
        drop(turns);
        let mut turns: Vec<_> = (0..3).map(|_| Box::pin(budget.turn(SOON))).collect();
        assert!(turns.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop(turns.remove(0));
        drop(held);
        assert!(budget.admit().is_none(), "nobody goes in front");
        let first = turns[0].as_mut().now_or_never().flatten().expect("its turn");
        assert!(turns[1].as_mut().now_or_never().is_none());
        drop(first);
        drop(turns.remove(1));
        assert_eq!(budget.in_use().0, 0, "what nobody takes comes back");
    }

    #[test]
    fn few_runs_wait_for_readers() {
        let budget = Budget::new(16, 0);
        let parked = (budget.park(), budget.park());
        assert!(parked.0.is_some() && parked.1.is_some());
        assert!(budget.park().is_none() && !budget.has_parking());
        drop(parked);
        assert!(budget.has_parking());
        assert!(Budget::new(1, 0).park().is_some());
    }
}
