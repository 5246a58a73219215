//! Objects that are stored and filled in slices, so that a seek in a large object costs what it needs.
//!
//! Owns one version of such an object: which of its slices are stored, which are on their way, and who reads where. All
//! of it hangs on one strong entity tag; another version is another [`Sliced`], and nothing of two is ever mixed. How
//! offsets become slices is pure and stands in `rules::slicing`; what a fill's first response becomes is `first`'s.

mod answer;
mod fetching;
mod flights;
mod freshening;
mod moov;
mod raise;
mod reader;
mod run;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::body::{Body, Reader};
use super::budget::{Admission, Budget, Keeper};
use super::explanation::SliceCounts;
use super::memory::{FullKey, Shelf};
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::range::ByteRange;
use crate::cache::rules::slicing::Layout;
use crate::cache::rules::vary::VaryRule;

use super::disk::Laid;
pub(super) use answer::first_read;
pub(super) use fetching::Fetching;
use flights::{Flights, LEAST_AHEAD, MOST_AHEAD, Place, Wish};
use raise::Raise;
pub(super) use reader::SlicedReader;
pub(super) use run::{Part, Run};

/// Slices of a range that are looked at for whether they are stored. A range of more is one that will be waited for
/// anyhow.
const MOST_LOOKED_AT: u64 = 64;

/// What is written on disk of the request that an object was begun with, beside what selects its variant: what says which
/// object is meant and in which form, and nothing of who asked.
const KEPT_ON_DISK: [HeaderName; 5] =
    [header::HOST, header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::ACCEPT_CHARSET];

/// One version of an object in slices.
pub(super) struct Sliced {
    layout: Layout,
    etag: EntityTag,
    /// Its content coding; a range is one of the coded bytes (RFC 9110 section 8.4).
    coding: Option<HeaderValue>,
    /// What its first bytes were asked for with, but nobody's credentials: whether it is gone is asked with these, not with
    /// what whoever comes later sends.
    fields: HeaderMap,
    /// Where complete slices are kept.
    shelf: Shelf,
    flights: Mutex<Flights>,
    /// Told when a reader has moved or left.
    moved: Notify,
    /// Numbers of readers and runs.
    next_number: AtomicU64,
    /// The origin has another version, or gives no parts of this one: what is not stored will not come.
    gone: AtomicBool,
    budget: Arc<Budget>,
}

/// What there is of a slice.
enum Opened {
    /// It is stored.
    Stored(Reader),
    /// It is stored on disk, and comes into memory by this, which is now to be started.
    Deposited(Raise, Reader),
    /// It is on its way.
    Arriving(Reader),
    /// It will be fetched by this run, which is now to be started.
    Missing(Run, Reader),
    /// It will not come.
    Gone,
    /// No memory is left to fetch it.
    NoMemory,
}

/// How fast a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// A run for it has hardly ever to wait.
    Fast,
    /// A run for it would have to wait for longer than runs do.
    Slow,
}

impl Sliced {
    pub(super) fn new(
        layout: Layout,
        etag: EntityTag,
        coding: Option<HeaderValue>,
        mut fields: HeaderMap,
        shelf: Shelf,
        budget: Arc<Budget>,
    ) -> Arc<Self> {
        fields.remove(header::AUTHORIZATION);
        let sliced = Arc::new(Self {
            layout,
            etag,
            coding,
            fields,
            shelf,
            flights: Mutex::new(Flights::default()),
            moved: Notify::new(),
            next_number: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            budget,
        });
        let weak: Weak<Self> = Arc::downgrade(&sliced);
        sliced.budget.know(weak);
        sliced
    }

    pub(super) fn total(&self) -> u64 {
        self.layout.total()
    }

    /// The place of a slice.
    pub(super) fn slice_key(&self, index: u64) -> FullKey {
        self.shelf.key(index)
    }

    /// How many slices the whole has.
    pub(super) fn count(&self) -> u64 {
        self.layout.count()
    }

    /// The fields of the request that it was begun with.
    pub(super) fn request_fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// How many slices are stored, and how many there are.
    pub(super) fn present(&self) -> SliceCounts {
        let all = self.layout.count();
        SliceCounts { stored: self.shelf.count_of(0..all), all }
    }

    /// The same of those that a range is in.
    pub(super) fn present_of(&self, range: ByteRange) -> SliceCounts {
        let indices = self.layout.index_of(range.start)..self.layout.index_of(range.end.saturating_sub(1)) + 1;
        let stored = self.shelf.count_of(indices.clone());
        SliceCounts { stored, all: indices.end.saturating_sub(indices.start) }
    }

    /// How many slices are on their way.
    pub(super) fn arriving(&self) -> u64 {
        self.flights.lock().arriving()
    }

    /// Where its bytes are, for what is written of it on disk.
    pub(super) fn laid(&self, vary: &VaryRule) -> Laid {
        let (version, size) = (self.shelf.version(), self.layout.range(0).length());
        let selects = |name: &HeaderName| matches!(vary, VaryRule::Names(names) if names.contains(name));
        let is_kept = |name: &HeaderName| KEPT_ON_DISK.contains(name) || selects(name);
        let fields = self.fields.iter().filter(|(name, _)| is_kept(name));
        Laid::Slices { version, size, request: fields.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// Nothing leads to it any more: what is on disk of it goes with its last reader.
    pub(super) fn supersede(&self) {
        self.shelf.supersede(self.layout.count());
    }

    /// Whether both have the same slices: one of them came from disk when the other was in use.
    pub(super) fn is_same_version(&self, other: &Self) -> bool {
        self.shelf.version() == other.shelf.version()
    }

    /// Until when slices on disk are of use, whose they are, and what purges look at.
    pub(super) fn keep_until(&self, until: u64, site: u32, mark: Bytes) {
        self.shelf.keep_until(until, site, mark);
    }

    /// Until when they are.
    pub(super) fn kept_until(&self) -> u64 {
        self.shelf.kept_until()
    }

    /// Whether all slices are stored; not known of very large objects, which counts as no.
    pub(super) fn is_complete(&self) -> bool {
        self.has(ByteRange { start: 0, end: self.total() })
    }

    /// Whether all slices of a range are stored; not known of very long ranges, which counts as no.
    pub(super) fn has(&self, range: ByteRange) -> bool {
        let last = self.layout.index_of(range.end.saturating_sub(1));
        let mut indices = self.layout.index_of(range.start)..=last;
        last - indices.start() < MOST_LOOKED_AT && indices.all(|index| self.shelf.contains(index))
    }

    fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn forsake(&self) {
        self.gone.store(true, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// The slice that `position` is in, from there on. What is neither stored nor on its way is announced at once, under
    /// the same lock, so that two readers never start two runs for it.
    fn open(self: &Arc<Self>, position: u64, number: u64, until: u64, pace: Pace) -> Opened {
        let index = self.layout.index_of(position);
        let offset = position - self.layout.start(index);
        let mut flights = self.flights.lock();
        if let Some(reader) = flights.body(index).and_then(|body| body.reader(offset)) {
            return Opened::Arriving(reader);
        }
        if let Some(reader) = self.shelf.get(index).and_then(|body| body.reader(offset)) {
            return Opened::Stored(reader);
        }
        self.shelf.was_asked(index);
        if let Some((raise, body)) = self.raise(&mut flights, index) {
            return body.reader(offset).map_or(Opened::NoMemory, |reader| Opened::Deposited(raise, reader));
        }
        if self.is_gone() {
            return Opened::Gone;
        }
        if let Some(run) = flights.run_before(index) {
            // It has the next bytes of the origin at hand.
            let body = self.announce(&mut flights, index, run);
            drop(flights);
            self.moved.notify_waiters();
            return body.and_then(|body| body.reader(offset)).map_or(Opened::NoMemory, Opened::Arriving);
        }
        let until = self.reach(&flights, (index, number), until, pace);
        let run = self.run_for(&mut flights, index, until);
        drop(flights);
        match run.and_then(|(run, body)| Some((run, body.reader(offset)?))) {
            Some((run, reader)) => Opened::Missing(run, reader),
            None => Opened::NoMemory,
        }
    }

    /// The run that fetches what is behind the slice that a reader is in, before it comes there, with a place among the fills;
    /// none where that is here, on its way, or not to be had.
    fn prepare(self: &Arc<Self>, place: Place, until: u64, pace: Pace) -> Option<(Run, Admission)> {
        let (mut flights, next) = (self.flights.lock(), place.0 + 1);
        let here = flights.body(next).is_some() || flights.run_before(next).is_some() || self.shelf.contains(next);
        if here || self.is_gone() || self.layout.start(next) >= until {
            return None;
        }
        let admission = self.budget.admit_run()?;
        let until = self.reach(&flights, place, until, pace);
        self.run_for(&mut flights, next, until).map(|(run, _)| (run, admission))
    }

    /// How far is asked for in the stead of a reader. One that is slower than its run would leave it waiting, in a place that
    /// others need, and in the end broken off: it gets as much as may be ahead of it, to a border of slices.
    fn reach(&self, flights: &Flights, place: Place, until: u64, pace: Pace) -> u64 {
        if pace == Pace::Fast && self.budget.has_parking() {
            return until;
        }
        // No more than there is memory for, so that what was asked for is read to its end.
        let free = self.budget.free() / self.layout.range(0).length().max(1);
        let ahead = flights.ahead(place, self.most_ahead()).min(free.max(1));
        until.min(self.layout.start(place.0 + 1 + ahead))
    }

    /// Announces a slice and makes a run for it, up to the slice that `until` is in; none where there is no memory.
    fn run_for(self: &Arc<Self>, flights: &mut Flights, index: u64, until: u64) -> Option<(Run, Arc<Body>)> {
        let goal = self.goal(index, until, flights);
        let number = self.number();
        let body = self.announce(flights, index, number)?;
        Some((Run { sliced: Arc::clone(self), number, next: index, goal }, body))
    }

    /// How many slices may be fetched ahead of a reader, as far as there is memory for all who read.
    fn most_ahead(&self) -> u64 {
        let slice = self.layout.range(0).length().max(1);
        (self.budget.bytes_ahead() / slice).clamp(LEAST_AHEAD, MOST_AHEAD)
    }

    /// Where a run that begins at a slice ends: at the first slice that is here already, else with the slice that `until`
    /// is in.
    fn goal(&self, first: u64, until: u64, flights: &Flights) -> u64 {
        let wanted = self.layout.index_of(until.saturating_sub(1).max(self.layout.start(first))) + 1;
        let looked_at = first + 1..wanted.min(first + 1 + MOST_LOOKED_AT);
        let here = looked_at.into_iter().find(|index| flights.body(*index).is_some() || self.shelf.contains(*index));
        self.layout.start(here.unwrap_or(wanted))
    }

    /// Enters a slice that this run will fill, if there is memory for it. Where a reader is at it, or next to it, what is
    /// kept for others makes room; for what is further ahead nothing does, or viewers for whom there is little memory would
    /// have each other's slices fetched again and again.
    fn announce(&self, flights: &mut Flights, index: u64, run: u64) -> Option<Arc<Body>> {
        let fits = flights.is_near(index) || self.budget.free() >= self.layout.range(index).length();
        if fits { self.announce_at_any_cost(flights, index, run) } else { None }
    }

    /// The same, whoever reads where.
    fn announce_at_any_cost(&self, flights: &mut Flights, index: u64, run: u64) -> Option<Arc<Body>> {
        let mut reserved = self.budget.reservation();
        let length = self.layout.range(index).length();
        if !reserved.grow_into_free(length) {
            // Its own first, then those of other objects.
            flights.let_go_of_complete();
            if !reserved.grow(length) {
                return None;
            }
        }
        let body = Body::growing();
        flights.announce(index, run, Arc::clone(&body), reserved);
        Some(body)
    }

    /// The first run of an object, which has announced the slices from `first` up to `committed`: as many of them as
    /// there is memory for, none at all being no run.
    pub(super) fn begin(self: &Arc<Self>, first: u64, committed: u64, goal: u64) -> Option<Run> {
        let number = self.number();
        let mut flights = self.flights.lock();
        let mut next = first;
        while next < committed.max(first + 1) && next < self.layout.count() {
            if flights.body(next).is_some() || self.announce_at_any_cost(&mut flights, next, number).is_none() {
                break;
            }
            next += 1;
        }
        drop(flights);
        let run = Run { sliced: Arc::clone(self), number, next: first, goal };
        (next > first).then_some(run)
    }

    /// Nobody is about to read, so that no run waits for the first one who does.
    pub(super) fn expect_nobody(&self) {
        self.flights.lock().expect_nobody();
    }

    /// A run for a slice that nobody asked for yet, if it is neither here nor on its way.
    fn ahead(self: &Arc<Self>, index: u64) -> Option<Run> {
        {
            let flights = self.flights.lock();
            if flights.body(index).is_some() || self.shelf.contains(index) || self.is_gone() {
                return None;
            }
        }
        self.begin(index, index + 1, self.layout.range(index).end)
    }

    /// Notes where a reader is.
    fn arrive(&self, place: Place, wish: Wish) {
        if self.flights.lock().arrive(place, wish, self.layout) {
            self.budget.one_more_is_read();
        }
        self.moved.notify_waiters();
    }

    /// Notes that a reader is no longer there.
    fn leave(&self, place: Place) {
        if self.flights.lock().leave(place, self.layout) {
            self.budget.one_less_is_read();
        }
        self.moved.notify_waiters();
    }
}

impl Keeper for Sliced {
    /// Complete slices are stored already, or fetched again where the store has turned them away.
    fn give_back(&self) {
        // Where it is locked something is just being done with it, perhaps by who asks: others have some.
        if let Some(mut flights) = self.flights.try_lock() {
            flights.let_go_of_complete();
        }
    }
}
