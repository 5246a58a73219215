//! Slices of one object that are on their way, and who reads where.
//!
//! The state alone, without waiting, waking or fetching. A *run* is one fetch that fills slice after slice; the slices it
//! has announced are *cells*. A complete cell stays here while somebody near will read it, whatever the store made of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::body::Body;
use super::super::budget::Reservation;
use crate::cache::rules::slicing::Layout;

/// How many slices a run may be ahead of the reader it works for. One is being read and two wait: enough that a reader at a
/// usual rate never stops, little enough that a client which leaves has cost a few MiB.
pub(super) const AHEAD: u64 = 2;

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
type Place = (u64, u64);

#[derive(Default)]
pub(super) struct Flights {
    cells: BTreeMap<u64, Cell>,
    /// The slice behind the one that each run fills. A reader that comes there has the run go on: were it to start another
    /// one, every border of slices would be a race for who asks the origin.
    frontiers: BTreeMap<u64, u64>,
    /// Byte behind the last one that each reader wants.
    readers: BTreeMap<Place, u64>,
    /// Whether anyone has read yet.
    opened: bool,
}

impl Flights {
    /// The body of a slice that is here.
    pub(super) fn body(&self, index: u64) -> Option<&Arc<Body>> {
        self.cells.get(&index).map(|cell| &cell.body)
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

    /// Whether anyone has read yet.
    pub(super) fn is_opened(&self) -> bool {
        self.opened
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
        self.sweep(layout);
    }

    /// Takes out what a run has announced and not completed.
    pub(super) fn abandon(&mut self, run: u64) -> Vec<Arc<Body>> {
        self.withdraw(run);
        let left: Vec<u64> =
            self.cells.iter().filter(|(_, cell)| cell.run == run && !cell.complete).map(|(index, _)| *index).collect();
        left.into_iter().filter_map(|index| self.cells.remove(&index)).map(|cell| cell.body).collect()
    }

    /// A reader is at this slice now.
    pub(super) fn arrive(&mut self, place: Place, until: u64, layout: Layout) {
        self.opened = true;
        self.readers.insert(place, until);
        self.sweep(layout);
    }

    /// A reader is no longer there.
    pub(super) fn leave(&mut self, place: Place, layout: Layout) {
        self.readers.remove(&place);
        self.sweep(layout);
    }

    /// Lets go of complete slices that nobody near will read.
    fn sweep(&mut self, layout: Layout) {
        let passed: Vec<u64> = self
            .cells
            .iter()
            .filter(|(index, cell)| cell.complete && self.nearest(**index, layout).is_none())
            .map(|(index, _)| *index)
            .collect();
        for index in passed {
            self.cells.remove(&index);
        }
    }

    /// Lets go of all complete slices: their memory is needed.
    pub(super) fn let_go_of_complete(&mut self) {
        self.cells.retain(|_, cell| !cell.complete);
    }

    /// The furthest reader that is near a slice, at it or before it, and wants some of it.
    fn nearest(&self, index: u64, layout: Layout) -> Option<u64> {
        let start = layout.start(index);
        let near = (index.saturating_sub(AHEAD + 1), 0)..=(index, u64::MAX);
        self.readers.range(near).rev().find(|(_, until)| **until > start).map(|((at, _), _)| *at)
    }

    /// Whether a run should go on with this slice.
    pub(super) fn demand(&self, index: u64, layout: Layout) -> Demand {
        match self.nearest(index, layout) {
            Some(at) if index - at <= AHEAD => Demand::Wanted,
            Some(_) => Demand::Later,
            None => Demand::Nobody,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.cells.len(), self.readers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::budget::Budget;
    use super::*;

    /// A hundred slices of ten bytes.
    fn layout() -> Layout {
        Layout::new(10, 1000)
    }

    fn announce(flights: &mut Flights, index: u64, run: u64) {
        flights.announce(index, run, Body::growing(), Budget::new(1, 0).reservation());
    }

    #[test]
    fn run_goes_on_a_bounded_way_ahead_of_its_furthest_reader() {
        let mut flights = Flights::default();
        assert_eq!(flights.demand(0, layout()), Demand::Nobody);
        flights.arrive((5, 1), 1000, layout());
        flights.arrive((3, 2), 1000, layout());
        let check =
            |flights: &Flights, index: u64, expected| assert_eq!(flights.demand(index, layout()), expected, "{index}");
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
        flights.arrive((5, 1), 60, layout());
        assert_eq!(flights.demand(5, layout()), Demand::Wanted);
        assert_eq!(flights.demand(6, layout()), Demand::Nobody);
    }

    #[test]
    fn complete_slice_stays_until_readers_near_it_have_passed() {
        let mut flights = Flights::default();
        flights.arrive((0, 1), 1000, layout());
        for index in 0..3 {
            announce(&mut flights, index, 7);
            flights.complete(index, layout());
        }
        assert_eq!(flights.len(), (3, 1));
        flights.leave((0, 1), layout());
        assert_eq!(flights.len(), (0, 0), "nobody will read them");
        flights.arrive((1, 1), 1000, layout());
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
        flights.arrive((0, 1), 1000, layout());
        for (index, run) in [(0, 7), (1, 7), (2, 8)] {
            announce(&mut flights, index, run);
        }
        flights.complete(0, layout());
        assert_eq!(flights.abandon(7).len(), 1);
        let here: Vec<u64> = (0..4).filter(|index| flights.body(*index).is_some()).collect();
        assert_eq!(here, [0, 2]);
    }
}
