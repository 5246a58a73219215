//! Records on their way to a device, and removals that it has yet to write down.
//!
//! Owns: their order, their bound, and what a reader finds of them meanwhile: a record can be read from here from the
//! moment it was accepted, and cannot from the moment it was removed, whatever the device is doing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::key::Key;
use crate::record::NewRecord;
use crate::volume::Place;

/// What a queued record takes beside its own bytes.
const OVERHEAD: usize = 512;
/// Removals to be written down; more are not, and may come back after a restart.
const MOST_SETTLEMENTS: usize = 1 << 16;

pub(crate) struct Writes {
    inner: Mutex<Inner>,
    changed: Condvar,
    bound: usize,
}

#[derive(Default)]
struct Inner {
    order: BTreeMap<u64, Key>,
    queued: HashMap<Key, Queued>,
    in_flight: Option<InFlight>,
    settlements: VecDeque<Place>,
    settlements_lost: u64,
    /// What was queued when writes stopped, until all that it was to replace is forgotten.
    dropped: Vec<Dropped>,
    bytes: usize,
    next: u64,
    wake: bool,
    ending: Option<Ending>,
}

/// Records that were queued, and will not be written.
pub(crate) type Dropped = Arc<HashMap<Key, Queued>>;

pub(crate) struct Queued {
    ticket: u64,
    record: Arc<NewRecord>,
    since: Instant,
}

struct InFlight {
    record: Arc<NewRecord>,
    wanted: Arc<AtomicBool>,
}

/// How the queue comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What is in it is written.
    Flush,
    /// What is in it is lost.
    Abandon,
}

/// What the writing thread is to do next.
pub(crate) enum Work {
    Write(Writing),
    /// Write down that what stood there was removed.
    Settle(Place),
    /// Nothing came until the time that was given.
    Nothing,
    /// Leave.
    End,
}

/// A record that is being written.
pub(crate) struct Writing {
    pub(crate) record: Arc<NewRecord>,
    /// Becomes false when it is removed or replaced meanwhile.
    pub(crate) wanted: Arc<AtomicBool>,
    pub(crate) waited: Duration,
}

/// What there is of a key before it is on the device.
pub(crate) enum Queue {
    /// Nothing: ask the device.
    Nothing,
    /// It is being written, and was removed meanwhile: it must not be found.
    Removed,
    /// This.
    Record(Arc<NewRecord>),
}

/// The queue is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

fn cost(record: &NewRecord) -> usize {
    record.body_length() + record.head.len() + record.key.as_bytes().len() + OVERHEAD
}

impl Writes {
    pub(crate) fn new(bound: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), bound }
    }

    /// Queues a record, in the stead of what was queued for its key. What does not fit leaves the queue as it was, but
    /// for what was queued for this key: that is not wanted any more.
    pub(crate) fn push(&self, record: NewRecord) -> Result<(), QueueFull> {
        let mut inner = self.inner.lock();
        inner.cancel(&record.key);
        let cost = cost(&record);
        if inner.ending.is_some() || inner.bytes + cost > self.bound {
            return Err(QueueFull);
        }
        let ticket = inner.next;
        inner.next += 1;
        inner.bytes += cost;
        inner.order.insert(ticket, record.key.clone());
        let key = record.key.clone();
        inner.queued.insert(key, Queued { ticket, record: Arc::new(record), since: Instant::now() });
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    /// What is queued or being written of this key is not wanted any more.
    pub(crate) fn cancel(&self, key: &Key) {
        self.inner.lock().cancel(key);
    }

    /// A removal to be written down.
    pub(crate) fn settle(&self, forgotten: Place) {
        self.inner.lock().settle(Some(forgotten));
        self.changed.notify_one();
    }

    /// One that cannot be written down.
    pub(crate) fn lose_settlement(&self) {
        self.inner.lock().settlements_lost += 1;
    }

    pub(crate) fn look(&self, key: &Key) -> Queue {
        let inner = self.inner.lock();
        if let Some(queued) = inner.queued.get(key) {
            return Queue::Record(queued.record.clone());
        }
        match inner.in_flight.as_ref().filter(|flight| flight.record.key == *key) {
            Some(flight) if flight.wanted.load(Ordering::Acquire) => Queue::Record(flight.record.clone()),
            Some(_) => Queue::Removed,
            None if inner.dropped.iter().any(|dropped| dropped.contains_key(key)) => Queue::Removed,
            None => Queue::Nothing,
        }
    }

    /// Blocks until there is work, or until that time. Removals come first: they are small, and others wait for none.
    pub(crate) fn take(&self, until: Option<Instant>) -> Work {
        let mut inner = self.inner.lock();
        loop {
            if inner.ending == Some(Ending::Abandon) {
                return Work::End;
            }
            if let Some(place) = inner.settlements.pop_front() {
                return Work::Settle(place);
            }
            if let Some(writing) = inner.begin() {
                return Work::Write(writing);
            }
            if inner.ending.is_some() {
                return Work::End;
            }
            if std::mem::take(&mut inner.wake) || !self.wait(&mut inner, until) {
                return Work::Nothing;
            }
        }
    }

    /// Blocks until that time, whatever work there is; `false` when the queue has come to its end.
    pub(crate) fn pause(&self, until: Instant) -> bool {
        let mut inner = self.inner.lock();
        while inner.ending.is_none() && !std::mem::take(&mut inner.wake) && self.wait(&mut inner, Some(until)) {}
        inner.ending.is_none()
    }

    /// `false` when the time has come.
    fn wait(&self, inner: &mut parking_lot::MutexGuard<'_, Inner>, until: Option<Instant>) -> bool {
        match until {
            Some(until) => !self.changed.wait_until(inner, until).timed_out(),
            None => {
                self.changed.wait(inner);
                true
            }
        }
    }

    /// Has the writing thread look around.
    pub(crate) fn wake(&self) {
        self.inner.lock().wake = true;
        self.changed.notify_all();
    }

    /// The record that was taken is written or is not: from now on the device says what there is of its key. Where it
    /// is not wanted any more, the device has to `forget` it before that.
    pub(crate) fn done(&self, forget: impl FnOnce(&Key) -> Option<Place>) {
        let mut inner = self.inner.lock();
        let Some(flight) = inner.in_flight.take() else { return };
        inner.bytes -= cost(&flight.record);
        if !flight.wanted.load(Ordering::Acquire) {
            let forgotten = forget(&flight.record.key);
            inner.settle(forgotten);
        }
    }

    /// Empties the queue but for removals. What the device has of each key is older and has to be forgotten; nobody
    /// finds it until that is said to be done.
    pub(crate) fn drop_records(&self) -> Dropped {
        let mut inner = self.inner.lock();
        let order = std::mem::take(&mut inner.order);
        let dropped = Arc::new(std::mem::take(&mut inner.queued));
        inner.bytes = inner.in_flight.as_ref().map_or(0, |flight| cost(&flight.record));
        if !dropped.is_empty() {
            inner.dropped.push(dropped.clone());
        }
        drop(inner);
        // Takes a while, for which nobody is to wait.
        drop(order);
        dropped
    }

    /// What the device had of what was dropped is forgotten.
    pub(crate) fn forgotten(&self, dropped: &Dropped) {
        self.inner.lock().dropped.retain(|other| !Arc::ptr_eq(other, dropped));
    }

    pub(crate) fn take_settlements(&self) -> VecDeque<Place> {
        std::mem::take(&mut self.inner.lock().settlements)
    }

    pub(crate) fn end(&self, ending: Ending) {
        let mut inner = self.inner.lock();
        if inner.ending != Some(Ending::Abandon) {
            inner.ending = Some(ending);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Whether the queue has come to its end, and how.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.inner.lock().ending
    }

    /// Records and bytes that wait or are being written.
    pub(crate) fn depth(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        ((inner.queued.len() + usize::from(inner.in_flight.is_some())) as u64, inner.bytes as u64)
    }

    /// Removals that wait to be written down.
    pub(crate) fn settlements(&self) -> usize {
        self.inner.lock().settlements.len()
    }

    /// Removals that were not written down since too many waited.
    pub(crate) fn settlements_lost(&self) -> u64 {
        self.inner.lock().settlements_lost
    }
}

impl Inner {
    fn settle(&mut self, forgotten: Option<Place>) {
        let Some(place) = forgotten else { return };
        match self.settlements.len() {
            MOST_SETTLEMENTS.. => self.settlements_lost += 1,
            _ => self.settlements.push_back(place),
        }
    }

    fn begin(&mut self) -> Option<Writing> {
        let (_, key) = self.order.pop_first()?;
        let queued = self.queued.remove(&key)?;
        let wanted = Arc::new(AtomicBool::new(true));
        self.in_flight = Some(InFlight { record: queued.record.clone(), wanted: wanted.clone() });
        Some(Writing { record: queued.record, wanted, waited: queued.since.elapsed() })
    }

    fn cancel(&mut self, key: &Key) {
        if let Some(queued) = self.queued.remove(key) {
            self.order.remove(&queued.ticket);
            self.bytes -= cost(&queued.record);
        }
        if let Some(flight) = self.in_flight.as_ref().filter(|flight| flight.record.key == *key) {
            flight.wanted.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
#[path = "writes_tests.rs"]
mod tests;
