//! Slices of one object that are on their way, and who reads where.
//!
//! The state alone, without waiting, waking or fetching. A *run* is one fetch that fills slice after slice; the slices it
//! has announced are *cells*. A complete cell stays here while somebody near will read it, whatever the store made of it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::body::Body;
use super::super::budget::Reservation;
use crate::cache::rules::slicing::Layout;

/// How many slices a run may be ahead of a reader that has just come. One is being read and two wait: enough that a reader
/// at a usual rate never stops, little enough that a client which leaves has cost a few MiB.
pub(super) const LEAST_AHEAD: u64 = 2;

/// How many slices a run may be ahead of any reader: 32 MiB in slices of 2 MiB, a minute at 4 Mbit/s. Who reads more slowly
/// than the origin sends then costs a request a minute and not every few seconds.
pub(super) const MOST_AHEAD: u64 = 16;

/// Whether a run should go on with a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Somebody will read it soon.
    Wanted,
    /// Whoever reads towards it is not near enough yet.
    Later,
    /// Nobody reads towards it.
    Nobody,
}

/// A slice on its way, or complete and about to be read.
struct Cell {
    body: Arc<Body>,
    run: u64,
    complete: bool,
    /// Its memory, given back with it.
    reserved: Reservation,
}

/// Where a reader is: the slice, and its number.
pub(super) type Place = (u64, u64);

/// What a reader wants there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Byte behind the last one that it wants.
    pub(super) until: u64,
    /// Slices that it has read before this one without a gap. As many are fetched ahead of it: whoever seeks to and fro, or
    /// reads little of much, has not more fetched than it reads, but for the first few.
    pub(super) passed: u64,
}

impl Wish {
    fn ahead(self) -> u64 {
        self.passed.clamp(LEAST_AHEAD, MOST_AHEAD)
    }
}

#[derive(Default)]
pub(super) struct Flights {
    cells: BTreeMap<u64, Cell>,
    /// The slice behind the one that each run fills. A reader that comes there has the run go on: were it to start another
    /// one, every border of slices would be a race for who asks the origin.
    frontiers: BTreeMap<u64, u64>,
    readers: BTreeMap<Place, Wish>,
    /// Whether anyone has read yet, or nobody is to be waited for.
    opened: bool,
}

impl Flights {
    /// The body of a slice that is here.
    pub(super) fn body(&self, index: u64) -> Option<&Arc<Body>> {
        self.cells.get(&index).map(|cell| &cell.body)
    }

    /// How many slices are on their way.
    pub(super) fn arriving(&self) -> u64 {
        self.cells.values().filter(|cell| !cell.complete).count() as u64
    }

    /// The body of a slice that this run is to fill.
    pub(super) fn body_for(&self, index: u64, run: u64) -> Option<&Arc<Body>> {
        self.cells.get(&index).filter(|cell| cell.run == run && !cell.complete).map(|cell| &cell.body)
    }

    /// The run that comes to this slice next.
    pub(super) fn run_before(&self, index: u64) -> Option<u64> {
        self.frontiers.get(&index).copied()
    }

    /// A run comes to this slice next, unless another one does.
    pub(super) fn come_to(&mut self, index: u64, run: u64) {
        self.withdraw(run);
        self.frontiers.entry(index).or_insert(run);
    }

    /// A run comes to no further slice.
    pub(super) fn withdraw(&mut self, run: u64) {
        self.frontiers.retain(|_, known| *known != run);
    }

    /// Whether anyone has read yet, or nobody is to be waited for.
    pub(super) fn is_opened(&self) -> bool {
        self.opened
    }

    /// Nobody is about to read.
    pub(super) fn expect_nobody(&mut self) {
        self.opened = true;
    }

    /// Enters a slice that a run will fill. The caller has seen that it is not here.
    pub(super) fn announce(&mut self, index: u64, run: u64, body: Arc<Body>, reserved: Reservation) {
        self.cells.insert(index, Cell { body, run, complete: false, reserved });
    }

    /// A slice is complete and stored.
    pub(super) fn complete(&mut self, index: u64, layout: Layout) {
        if let Some(cell) = self.cells.get_mut(&index) {
            cell.complete = true;
            cell.reserved.become_spare();
        }
        self.sweep(index..=index, layout);
    }

    /// Takes out what a run has announced and not completed.
    pub(super) fn abandon(&mut self, run: u64) -> Vec<Arc<Body>> {
        self.withdraw(run);
        let left: Vec<u64> =
            self.cells.iter().filter(|(_, cell)| cell.run == run && !cell.complete).map(|(index, _)| *index).collect();
        left.into_iter().filter_map(|index| self.cells.remove(&index)).map(|cell| cell.body).collect()
    }

    /// A reader is at this slice now. Whether it is the only one there.
    pub(super) fn arrive(&mut self, place: Place, wish: Wish, layout: Layout) -> bool {
        self.opened = true;
        let is_first = !self.is_read(place.0);
        if self.readers.insert(place, wish).is_some_and(|before| before.until > wish.until) {
            self.sweep(within_reach(place.0), layout);
        }
        is_first
    }

    /// A reader is no longer there. Whether no other one is.
    pub(super) fn leave(&mut self, place: Place, layout: Layout) -> bool {
        let was_there = self.readers.remove(&place).is_some();
        self.sweep(within_reach(place.0), layout);
        was_there && !self.is_read(place.0)
    }

    /// Whether a reader is at this slice, or at the one before it.
    pub(super) fn is_near(&self, index: u64) -> bool {
        self.is_read(index) || index.checked_sub(1).is_some_and(|before| self.is_read(before))
    }

    /// Whether a reader is at this slice.
    pub(super) fn is_read(&self, index: u64) -> bool {
        self.readers.range((index, 0)..=(index, u64::MAX)).next().is_some()
    }

    /// Lets go of those complete slices that nobody near will read.
    fn sweep(&mut self, indices: RangeInclusive<u64>, layout: Layout) {
        let complete = self.cells.range(indices).filter(|(_, cell)| cell.complete).map(|(index, _)| *index);
        let passed: Vec<u64> =
            complete.filter(|index| self.demand(*index, MOST_AHEAD, layout) == Demand::Nobody).collect();
        for index in passed {
            self.cells.remove(&index);
        }
    }

    /// Lets go of all complete slices: their memory is needed.
    pub(super) fn let_go_of_complete(&mut self) {
        self.cells.retain(|_, cell| !cell.complete);
    }

    /// Whether a run should go on with this slice, where none may be further ahead of its readers than this.
    pub(super) fn demand(&self, index: u64, at_most: u64, layout: Layout) -> Demand {
        let start = layout.start(index);
        let near = (index.saturating_sub(MOST_AHEAD + 1), 0)..=(index, u64::MAX);
        let mut demand = Demand::Nobody;
        // The nearest first. A run that is further ahead than its reader may have it go by one slice more than it waits for.
        for ((at, _), wish) in self.readers.range(near).rev().filter(|(_, wish)| wish.until > start) {
            match index - at {
                distance if distance <= wish.ahead().min(at_most) => return Demand::Wanted,
                distance if distance <= wish.ahead() + 1 => demand = Demand::Later,
                _ => {}
            }
        }
        demand
    }

    /// How many slices may be fetched ahead of a reader, where not more may be than this.
    pub(super) fn ahead(&self, place: Place, at_most: u64) -> u64 {
        self.readers.get(&place).map_or(LEAST_AHEAD, |wish| wish.ahead()).min(at_most)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.cells.len(), self.readers.len())
    }
}

/// The slices that readers at this one may have use of.
fn within_reach(index: u64) -> RangeInclusive<u64> {
    index..=index.saturating_add(MOST_AHEAD + 1)
}

#[cfg(test)]
mod tests {
    use super::super::super::budget::Budget;
    use super::*;

    /// A hundred slices of ten bytes.
    fn layout() -> Layout {
        Layout::new(10, 1000)
    }

    fn wish(until: u64, passed: u64) -> Wish {
        Wish { until, passed }
    }

    fn announce(flights: &mut Flights, index: u64, run: u64) {
        flights.announce(index, run, Body::growing(), Budget::new(1, 0).reservation());
    }

    #[test]
    fn run_goes_on_a_bounded_way_ahead_of_its_furthest_reader() {
        let mut flights = Flights::default();
        assert_eq!(flights.demand(0, MOST_AHEAD, layout()), Demand::Nobody);
        flights.arrive((5, 1), wish(1000, 0), layout());
        flights.arrive((3, 2), wish(1000, 0), layout());
        let check = |flights: &Flights, index: u64, expected| {
            assert_eq!(flights.demand(index, MOST_AHEAD, layout()), expected, "{index}");
        };
        check(&flights, 5, Demand::Wanted);
        check(&flights, 7, Demand::Wanted);
        check(&flights, 8, Demand::Later);
        check(&flights, 9, Demand::Nobody); // a run that is there has lost the reader it worked for
        check(&flights, 2, Demand::Nobody);
        flights.leave((5, 1), layout());
        check(&flights, 6, Demand::Later);
        check(&flights, 8, Demand::Nobody);
    }

    #[test]
    fn nobody_wants_what_lies_behind_the_range_it_reads() {
        let mut flights = Flights::default();
        flights.arrive((5, 1), wish(60, 0), layout());
        assert_eq!(flights.demand(5, MOST_AHEAD, layout()), Demand::Wanted);
        assert_eq!(flights.demand(6, MOST_AHEAD, layout()), Demand::Nobody);
    }

    #[test]
    fn who_reads_on_has_more_fetched_ahead_as_far_as_there_is_memory() {
        let check = |passed: u64, at_most: u64, expected: u64| {
            let mut flights = Flights::default();
            flights.arrive((5, 1), wish(1000, passed), layout());
            let wanted = (5..90).take_while(|index| flights.demand(*index, at_most, layout()) == Demand::Wanted);
            assert_eq!(wanted.count() as u64, expected + 1, "{passed} {at_most}");
            assert_eq!(flights.ahead((5, 1), at_most), expected, "{passed} {at_most}");
            // What a run is ahead by already does not have it end at once when others come.
            assert_eq!(flights.demand(6 + expected, at_most, layout()), Demand::Later, "{passed} {at_most}");
        };
        check(0, 16, 2);
        check(3, 16, 3);
        check(9, 16, 9);
        check(500, 16, 16);
        check(500, 4, 4);
    }

    #[test]
    fn readers_of_one_slice_are_counted_once() {
        let mut flights = Flights::default();
        assert!(flights.arrive((5, 1), wish(1000, 0), layout()));
        assert!(!flights.arrive((5, 1), wish(900, 0), layout()), "it was there");
        assert!(!flights.arrive((5, 2), wish(1000, 0), layout()));
        assert!(!flights.leave((5, 1), layout()));
        assert!(!flights.leave((5, 1), layout()), "it was not there any more");
        assert!(flights.leave((5, 2), layout()));
    }

    #[test]
    fn complete_slice_stays_until_readers_near_it_have_passed() {
        let mut flights = Flights::default();
        flights.arrive((0, 1), wish(1000, 0), layout());
        for index in 0..3 {
            announce(&mut flights, index, 7);
            flights.complete(index, layout());
        }
        assert_eq!(flights.len(), (3, 1));
        flights.leave((0, 1), layout());
        assert_eq!(flights.len(), (0, 0), "nobody will read them");
        flights.arrive((1, 1), wish(1000, 0), layout());
        announce(&mut flights, 0, 7);
        flights.complete(0, layout());
        assert_eq!(flights.len(), (0, 1), "whoever is past it needs it no more");
    }

    #[test]
    fn run_is_found_at_the_slice_that_it_comes_to_next() {
        let mut flights = Flights::default();
        flights.come_to(3, 7);
        flights.come_to(3, 8);
        assert_eq!((flights.run_before(2), flights.run_before(3)), (None, Some(7)));
        flights.come_to(4, 7);
        assert_eq!((flights.run_before(3), flights.run_before(4)), (None, Some(7)));
        flights.abandon(7);
        assert_eq!(flights.run_before(4), None);
    }

    #[test]
    fn abandoned_run_takes_its_own_incomplete_slices_along() {
        let mut flights = Flights::default();
        flights.arrive((0, 1), wish(1000, 0), layout());
        for (index, run) in [(0, 7), (1, 7), (2, 8)] {
            announce(&mut flights, index, run);
        }
        flights.complete(0, layout());
        assert_eq!(flights.abandon(7).len(), 1);
        let here: Vec<u64> = (0..4).filter(|index| flights.body(*index).is_some()).collect();
        assert_eq!(here, [0, 2]);
    }
}
