//! A slice comes from disk into memory.
//!
//! For those who read it that is as a run of one slice: it is announced, grows, and is complete or fails; who finds that it
//! has failed has it fetched.

use std::sync::Arc;

use super::super::body::Body;
use super::super::disk::Fault;
use super::super::memory::Deposited;
use super::Sliced;
use super::flights::Flights;
use super::run::{Provider, Run};

/// Leave and duty to bring one slice. Dropped, it fails the slice.
pub(super) struct Raise {
    run: Run,
    deposited: Deposited,
}

impl Sliced {
    /// Announces a slice that is on disk; nothing where it is not, or where there is no memory for it.
    pub(super) fn raise(self: &Arc<Self>, flights: &mut Flights, index: u64) -> Option<(Raise, Arc<Body>)> {
        let deposited = self.shelf.deposited(index)?;
        let number = self.number();
        let body = self.announce(flights, index, number)?;
        let run = Run { sliced: Arc::clone(self), number, next: index, goal: self.layout.start(index + 1) };
        Some((Raise { run, deposited }, body))
    }

    /// The same for one that a reader comes to next, if it is not here.
    pub(super) fn raise_ahead(self: &Arc<Self>, index: u64, until: u64) -> Option<Raise> {
        let mut flights = self.flights.lock();
        let wanted = self.layout.start(index) < until && index < self.layout.count();
        if !wanted || flights.body(index).is_some() || self.shelf.is_in_memory(index) {
            return None;
        }
        self.raise(&mut flights, index).map(|(raise, _)| raise)
    }
}

impl Raise {
    /// Brings it, on a runtime of its own.
    pub(super) fn start(self) {
        let runtime = self.deposited.runtime();
        runtime.spawn(self.bring());
    }

    async fn bring(mut self) {
        let (index, sliced) = (self.run.next, Arc::clone(&self.run.sliced));
        let announced = sliced.flights.lock().body_for(index, self.run.number).cloned();
        let Some(body) = announced else { return };
        match self.deposited.read(sliced.layout.range(index).length()).await {
            Ok(pieces) => {
                pieces.into_iter().for_each(|piece| body.put(piece));
                self.run.complete(&body, Provider::Disk);
            }
            // It may be there: the device is slow, or not ready. Whoever reads has it fetched this once.
            Err(Fault::NotNow) => sliced.shelf.give_up(index),
            Err(Fault::Useless) => {}
        }
    }
}
