//! A run: one fetch that fills slice after slice of one version.
//!
//! Owns how far a run goes and how fast: to the end that its readers want, at most a bounded way ahead of them, and no
//! further than to a slice that is here already. What is fetched for it is `fetching`'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::super::body::Body;
use super::super::budget::Parking;
use super::super::fetch::FetchError;
use super::super::fill_task::Arrival;
use super::Sliced;
use super::flights::{Demand, Flights};
use crate::cache::rules::range::ByteRange;

/// How long a run waits for its first reader. Readers come within microseconds of the head; this bounds the case that
/// all of them left just then, and that of a run that nobody waits for.
const OPENING_GRACE: Duration = Duration::from_secs(5);

/// How long a run waits for readers who do not come near enough, before it ends and gives its fill and its connection to
/// others. They get a run of their own when they go on. As long as a viewer of 8 Mbit/s needs for a slice of 2 MiB: who reads
/// more slowly, or not at all, as anybody may on purpose, must hold no place among the fills that all others need; much
/// shorter, and every hiccup of a client's network would cost the origin a request. Few runs wait at the same time, for a
/// burst of seeks would else have all places for so long; those beyond end at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long a run waits for memory before it ends.
const MEMORY_GRACE: Duration = Duration::from_secs(5);

/// How often it looks for some.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

/// How long the end of a response is waited for whose bytes are all here, so that its connection can be used again.
const GOODBYE: Duration = Duration::from_secs(1);

/// Leave and duty to fill slices. Dropped, it fails those that it announced and did not complete, so that nobody waits for
/// them; who reads there asks for them again.
pub(in crate::cache::engine) struct Run {
    pub(super) sliced: Arc<Sliced>,
    pub(super) number: u64,
    /// The slice that is filled next.
    pub(super) next: u64,
    /// Byte behind the last one that is fetched.
    pub(super) goal: u64,
}

impl Drop for Run {
    fn drop(&mut self) {
        // Out of reach first: who hears of the failure and looks again must not find it.
        let left = self.sliced.flights.lock().abandon(self.number);
        for body in left {
            body.fail();
        }
    }
}

/// Where a slice came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Origin,
    Disk,
}

/// What a run finds of its next slice.
enum Verdict {
    /// It is to be filled.
    Fill(Arc<Body>),
    /// Nobody needs it from here.
    End,
    /// Nobody needs it yet.
    Wait(Duration),
    /// There is no memory for it.
    NoMemory,
}

/// What a run does about its next slice.
pub(super) enum Next {
    Fill(Arc<Body>),
    End,
}

impl Run {
    pub(in crate::cache::engine) fn sliced(&self) -> &Arc<Sliced> {
        &self.sliced
    }

    /// First byte of the slice that is filled next.
    pub(super) fn position(&self) -> u64 {
        self.sliced.layout.start(self.next)
    }

    /// The body of the next slice: one that is announced, or one that somebody is near enough to read.
    pub(super) async fn next(&self) -> Next {
        let sliced = &self.sliced;
        let began = Instant::now();
        let mut memory = began + MEMORY_GRACE;
        let mut parking = None;
        loop {
            let moved = sliced.moved.notified();
            tokio::pin!(moved);
            // Listens before it looks: a reader that moves in between is not missed.
            moved.as_mut().enable();
            let verdict = self.look(began.elapsed(), &mut parking);
            match verdict {
                Verdict::Fill(body) => return Next::Fill(body),
                Verdict::End => return Next::End,
                Verdict::Wait(at_most) => {
                    memory = Instant::now() + MEMORY_GRACE;
                    drop(timeout(at_most, moved).await); // looks again either way
                }
                Verdict::NoMemory if Instant::now() >= memory => return Next::End,
                Verdict::NoMemory => sleep(MEMORY_PAUSE).await,
            }
        }
    }

    /// What to do about the next slice after having waited so long. A run that fills one can be had for the one behind it
    /// from then on: readers come there with the last byte, before it is complete. One that ends is out of reach at once.
    fn look(&self, waited: Duration, parking: &mut Option<Parking>) -> Verdict {
        let sliced = &self.sliced;
        let mut flights = sliced.flights.lock();
        let verdict = self.decide(&mut flights, waited, parking);
        match verdict {
            Verdict::Fill(_) if sliced.layout.start(self.next + 1) < self.goal => {
                flights.come_to(self.next + 1, self.number);
            }
            Verdict::Fill(_) | Verdict::End => flights.withdraw(self.number),
            Verdict::Wait(_) | Verdict::NoMemory => {}
        }
        verdict
    }

    fn decide(&self, flights: &mut Flights, waited: Duration, parking: &mut Option<Parking>) -> Verdict {
        let sliced = &self.sliced;
        if let Some(body) = flights.body_for(self.next, self.number) {
            return Verdict::Fill(Arc::clone(body));
        }
        let here = flights.body(self.next).is_some() || sliced.shelf.contains(self.next);
        let over = here || self.position() >= self.goal || sliced.is_gone();
        let patience = match flights.demand(self.next, sliced.most_ahead(), sliced.layout) {
            _ if over => Duration::ZERO,
            Demand::Wanted => match sliced.announce(flights, self.next, self.number) {
                Some(body) => return Verdict::Fill(body),
                None if flights.is_read(self.next) => return Verdict::NoMemory,
                // Its readers come nearer, and take what they have read along.
                None => self.patience(parking),
            },
            Demand::Later => self.patience(parking),
            Demand::Nobody if !flights.is_opened() => OPENING_GRACE,
            Demand::Nobody => Duration::ZERO,
        };
        match patience.checked_sub(waited) {
            Some(left) if !left.is_zero() => Verdict::Wait(left),
            _ => Verdict::End,
        }
    }

    /// How long it waits for its readers.
    fn patience(&self, parking: &mut Option<Parking>) -> Duration {
        *parking = parking.take().or_else(|| self.sliced.budget.park());
        if parking.is_some() { PATIENCE } else { Duration::ZERO }
    }

    /// A slice has all its bytes.
    pub(super) fn complete(&mut self, body: &Arc<Body>, by: Provider) {
        match by {
            Provider::Origin => {
                body.finish();
                self.sliced.shelf.put(self.next, Arc::clone(body));
            }
            Provider::Disk => {
                body.finish_with_records();
                self.sliced.shelf.put_back(self.next, Arc::clone(body));
            }
        }
        self.sliced.flights.lock().complete(self.next, self.sliced.layout);
        self.next += 1;
    }
}

/// A part of the body on its way in.
pub(in crate::cache::engine) struct Part {
    pub(in crate::cache::engine) arrival: Arrival,
    /// The bytes that it brings.
    pub(in crate::cache::engine) range: ByteRange,
}

/// A part as it is read: what lies before the first slice is left out, and what is behind the slice that is filled waits.
pub(super) struct Source {
    arrival: Arrival,
    /// Bytes before the first slice.
    skipped: u64,
    /// Bytes that are still to come.
    left: u64,
    rest: Bytes,
}

impl Source {
    pub(super) fn new(part: Part, position: u64) -> Self {
        let skipped = position.saturating_sub(part.range.start);
        Self { arrival: part.arrival, skipped, left: part.range.length(), rest: Bytes::new() }
    }

    /// At most `limit` bytes, at least one; `None` at the end of the part.
    pub(super) async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, FetchError> {
        while self.rest.is_empty() {
            let Some(mut bytes) = self.arrival.next().await? else { return Ok(None) };
            let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
                return Err(FetchError::bad_gateway("the part is longer than the origin announced"));
            };
            self.left = left;
            let passed = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(bytes.len());
            self.skipped -= passed as u64;
            drop(bytes.split_to(passed));
            self.rest = bytes;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Some(self.rest.split_to(limit.min(self.rest.len()))))
    }

    /// Waits a moment for the end where only that is missing.
    pub(super) async fn end(&mut self) {
        if self.left == 0 && self.rest.is_empty() {
            drop(timeout(GOODBYE, self.arrival.next()).await);
        }
    }
}
