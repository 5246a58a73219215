//! Ends a fill whatever happens to its task.

use std::sync::Arc;

use super::super::CacheEngine;
use super::super::body::Body;
use super::super::budget::{AheadShare, Reservation};
use super::super::fetch::{FetchError, FetchRequest};
use super::super::fills::{Entered, Fill};
use super::super::held_places::Place;
use super::super::memory::FullKey;
use crate::telemetry::{FillInFlight, FillOutcome};

/// All that a fill holds. Dropped, also by a panic or because its task never ran, it fails a body that is not
/// complete, removes the fill, tells those who still wait, and gives back what was reserved.
pub(in crate::cache::engine) struct Guard<R: FetchRequest> {
    pub(super) engine: Arc<CacheEngine<R>>,
    pub(super) fill: Arc<Fill>,
    /// The key it was started for.
    pub(super) key: FullKey,
    /// The key of the variant that its response turned out to be.
    variant: Option<FullKey>,
    pub(super) body: Option<Arc<Body>>,
    pub(super) reserved: Reservation,
    /// Its bytes among those of what nobody has asked for, as long as that is so.
    pub(super) ahead: Option<AheadShare>,
    pub(super) outcome: FillOutcome,
    in_flight: Option<FillInFlight>,
    /// Given back last.
    _admission: Place,
}

impl<R: FetchRequest> Guard<R> {
    pub(in crate::cache::engine) fn new(
        engine: Arc<CacheEngine<R>>,
        key: FullKey,
        fill: Arc<Fill>,
        admission: Place,
    ) -> Self {
        let in_flight = Some(engine.metrics.fills().start());
        let reserved = engine.budget.reservation();
        Self {
            engine,
            fill,
            key,
            variant: None,
            body: None,
            reserved,
            ahead: None,
            outcome: FillOutcome::Failed,
            in_flight,
            _admission: admission,
        }
    }

    /// Lets requests for this variant find the fill, too.
    pub(super) fn also_for(&mut self, variant: &FullKey) {
        if *variant == self.key || !self.engine.is_of_use(&self.fill) {
            return;
        }
        if let Entered::New = self.engine.fills.enter(variant, &self.fill, |_| true, || None::<()>) {
            self.variant = Some(variant.clone());
        }
    }

    /// Takes the fill out of reach of new requests.
    pub(super) fn withdraw(&self) {
        self.engine.fills.remove(&self.key, &self.fill);
        if let Some(variant) = &self.variant {
            self.engine.fills.remove(variant, &self.fill);
        }
    }
}

impl<R: FetchRequest> Drop for Guard<R> {
    fn drop(&mut self) {
        // First of all: who hears of a failure and asks again must not meet the fill that failed.
        self.withdraw();
        if let Some(body) = &self.body {
            body.fail(); // no effect on a finished one
        }
        self.fill.fail_pending(FetchError::bad_gateway("the fill ended without a response"));
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.finish(self.outcome);
        }
    }
}
