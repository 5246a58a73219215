//! A run: one fetch that fills slice after slice of one version.
//!
//! Owns how far a run goes and how fast: to the end that its readers want, at most a bounded way ahead of them, and no
//! further than to a slice that is here already. It never writes a byte that an origin did not send as the very bytes
//! asked for, of the very version: whatever else an origin says ends the version, and nothing is stored of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use tidegate_config::model::CachePolicy;
use tokio::time::{Instant, sleep, timeout};

use super::super::CacheEngine;
use super::super::answer::Lookup;
use super::super::body::Body;
use super::super::fetch::{FetchError, FetchRequest};
use super::super::fill_task::{Arrival, Response, facts_of_fill};
use super::super::memory::FullKey;
use super::flights::{Demand, Flights};
use super::{Sliced, moov};
use crate::cache::rules::conditional::strip_preconditions;
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::range::ByteRange;
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::slicing::{range_field, received};
use crate::cache::rules::storability::{Assessment, assess};
use crate::media::{Presentation, recognise};
use crate::telemetry::FillOutcome;

/// How long a run waits for its first reader. Readers come within microseconds of the head; this bounds the case that
/// all of them left just then, and that of a run that nobody waits for.
const OPENING_GRACE: Duration = Duration::from_secs(5);

/// How long a run waits for a reader that does not move before it ends and gives its place to others. That reader gets a
/// run of its own when it goes on; players that pause for longer are about as likely to be gone.
const STANDSTILL: Duration = Duration::from_secs(60);

/// How long a run waits for memory before it ends.
const MEMORY_GRACE: Duration = Duration::from_secs(5);

/// How often it looks for some.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

/// How often in a row an origin may bring less than was asked for without completing a slice.
const MOST_SHORT_PARTS: u32 = 3;

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
enum Next {
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
    async fn next(&self) -> Next {
        let sliced = &self.sliced;
        let began = Instant::now();
        let mut memory = began + MEMORY_GRACE;
        loop {
            let moved = sliced.moved.notified();
            tokio::pin!(moved);
            // Listens before it looks: a reader that moves in between is not missed.
            moved.as_mut().enable();
            let verdict = self.look(began.elapsed());
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
    fn look(&self, waited: Duration) -> Verdict {
        let sliced = &self.sliced;
        let mut flights = sliced.flights.lock();
        let verdict = self.decide(&mut flights, waited);
        match verdict {
            Verdict::Fill(_) if sliced.layout.start(self.next + 1) < self.goal => {
                flights.come_to(self.next + 1, self.number);
            }
            Verdict::Fill(_) | Verdict::End => flights.withdraw(self.number),
            Verdict::Wait(_) | Verdict::NoMemory => {}
        }
        verdict
    }

    fn decide(&self, flights: &mut Flights, waited: Duration) -> Verdict {
        let sliced = &self.sliced;
        if let Some(body) = flights.body_for(self.next, self.number) {
            return Verdict::Fill(Arc::clone(body));
        }
        let here = flights.body(self.next).is_some() || sliced.shelf.contains(self.next);
        let over = here || self.position() >= self.goal || sliced.is_gone();
        let patience = match flights.demand(self.next, sliced.layout) {
            _ if over => Duration::ZERO,
            Demand::Wanted => {
                return match sliced.announce(flights, self.next, self.number) {
                    Some(body) => Verdict::Fill(body),
                    None => Verdict::NoMemory,
                };
            }
            Demand::Later => STANDSTILL,
            Demand::Nobody if !flights.is_opened() => OPENING_GRACE,
            Demand::Nobody => Duration::ZERO,
        };
        match patience.checked_sub(waited) {
            Some(left) if !left.is_zero() => Verdict::Wait(left),
            _ => Verdict::End,
        }
    }

    /// A slice has all its bytes.
    fn complete(&mut self, body: &Arc<Body>) {
        body.finish();
        self.sliced.shelf.put(self.next, Arc::clone(body));
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
struct Source {
    arrival: Arrival,
    /// Bytes before the first slice.
    skipped: u64,
    /// Bytes that are still to come.
    left: u64,
    rest: Bytes,
}

impl Source {
    fn new(part: Part, position: u64) -> Self {
        let skipped = position.saturating_sub(part.range.start);
        Self { arrival: part.arrival, skipped, left: part.range.length(), rest: Bytes::new() }
    }

    /// At most `limit` bytes, at least one; `None` at the end of the part.
    async fn next(&mut self, limit: u64) -> Result<Option<Bytes>, FetchError> {
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
    async fn end(&mut self) {
        if self.left == 0 && self.rest.is_empty() {
            drop(timeout(GOODBYE, self.arrival.next()).await);
        }
    }
}

/// Fetches slices in the name of one request, which every run for it repeats with another range.
pub(in crate::cache::engine) struct Fetching<R: FetchRequest> {
    pub(in crate::cache::engine) engine: Arc<CacheEngine<R>>,
    pub(in crate::cache::engine) request: R,
    pub(in crate::cache::engine) key: FullKey,
    pub(in crate::cache::engine) facts: RequestFacts,
    pub(in crate::cache::engine) policy: Arc<CachePolicy>,
    pub(in crate::cache::engine) path: Arc<str>,
}

/// Starts runs; without the type of requests.
pub(super) trait Launch: Send + Sync {
    /// Starts this one, if there are not too many fills.
    fn launch(self: Arc<Self>, run: Run) -> bool;
}

impl<R: FetchRequest> Launch for Fetching<R> {
    fn launch(self: Arc<Self>, run: Run) -> bool {
        let Some(admission) = self.engine.budget.admit() else {
            self.engine.metrics.fills().refused();
            return false;
        };
        let in_flight = self.engine.metrics.fills().start();
        let runtime = self.engine.runtime.clone();
        runtime.spawn(async move {
            in_flight.finish(self.fetch(run).await);
            drop(admission);
        });
        true
    }
}

/// What the head of an answer to a run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It brings these bytes of this version.
    Part(ByteRange),
    /// The origin has no parts of this version, although the version is the same.
    NoParts,
    /// There is another version, or none any more, or this one may no longer be kept.
    Gone,
    /// It says nothing of the object.
    Passing,
}

impl<R: FetchRequest> Fetching<R> {
    pub(in crate::cache::engine) fn new(
        engine: &Arc<CacheEngine<R>>,
        lookup: &Lookup<'_>,
        key: FullKey,
        request: R,
    ) -> Self {
        let (policy, path) = (Arc::clone(lookup.policy), Arc::from(lookup.path));
        Self { engine: Arc::clone(engine), request, key, facts: facts_of_fill(lookup.facts), policy, path }
    }

    /// Asks the origin for what the run is to fill, and fills it.
    async fn fetch(self: &Arc<Self>, run: Run) -> FillOutcome {
        let asked = ByteRange { start: run.position(), end: run.goal };
        match self.ask(&run.sliced, asked).await {
            Some(part) => self.fill(run, part).await,
            None => FillOutcome::Failed,
        }
    }

    /// Asks the origin for a part of this version. What says that there is none ends the version.
    async fn ask(&self, sliced: &Arc<Sliced>, asked: ByteRange) -> Option<Part> {
        let mut fields = self.request.fields().clone();
        strip_preconditions(&mut fields);
        fields.insert(header::RANGE, range_field(asked));
        fields.insert(header::IF_RANGE, sliced.etag.as_value().clone());
        let request = self.request.with_fields(fields);
        let (response, mut arrival) = match Response::receive(self.engine.fetch(request.clone())).await {
            Ok(received) => received,
            Err(error) => {
                log::debug!("slices of {} were not fetched: {error}", self.key.primary.without_query());
                return None;
            }
        };
        match self.judge(sliced, asked, &response) {
            Judgement::Part(range) => {
                let refetch = self.engine.refetch(&request);
                arrival.resume_by(response.status, &response.fields, response.origin.as_ref(), refetch);
                return Some(Part { arrival, range });
            }
            Judgement::NoParts => self.engine.recollection.note_no_parts(&self.key),
            Judgement::Gone => {}
            Judgement::Passing => return None,
        }
        self.engine.memory.forget_version(&self.key, sliced);
        sliced.forsake();
        None
    }

    fn judge(&self, sliced: &Sliced, asked: ByteRange, response: &Response) -> Judgement {
        let (status, fields) = (response.status, &response.fields);
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        if status.is_server_error() || passing.contains(&status) {
            return Judgement::Passing;
        }
        let same = EntityTag::from_headers(fields).is_some_and(|etag| etag.strong_eq(&sliced.etag));
        if !same || fields.get(header::CONTENT_ENCODING) != sliced.coding.as_ref() {
            return Judgement::Gone;
        }
        if status == StatusCode::OK {
            return Judgement::NoParts;
        }
        match received(status, fields) {
            Some((range, total)) if range.start == asked.start && range.end <= asked.end && total == sliced.total() => {
                if self.may_be_kept(response) {
                    Judgement::Part(range)
                } else {
                    Judgement::Gone
                }
            }
            // It has the version and not the part: its word about parts is worth nothing.
            _ => Judgement::NoParts,
        }
    }

    /// Whether the origin still allows to store: a part is a response of its own (RFC 9111 section 3.3).
    fn may_be_kept(&self, response: &Response) -> bool {
        assess(&Assessment {
            request: &self.facts,
            status: StatusCode::OK,
            headers: &response.fields,
            request_time: response.request_time,
            response_time: response.response_time,
            policy: &self.policy,
            media: recognise(response.fields.get(header::CONTENT_TYPE), &self.path, None),
            presentation: Presentation::Unknown,
        })
        .is_ok()
    }

    /// Fills slices from a part that begins at the run's position or before it, for as long as somebody wants them.
    pub(in crate::cache::engine) async fn fill(self: &Arc<Self>, mut run: Run, part: Part) -> FillOutcome {
        let mut source = Source::new(part, run.position());
        let mut short_parts = 0;
        while let Next::Fill(body) = run.next().await {
            let range = run.sliced.layout.range(run.next);
            let mut position = range.start;
            while position < range.end {
                let piece = match source.next(range.end - position).await {
                    Ok(piece) => piece,
                    Err(error) => {
                        log::debug!("slices of {} broke off: {error}", self.key.primary.without_query());
                        return FillOutcome::Broken;
                    }
                };
                let Some(bytes) = piece else {
                    // It brought less than was asked for, which origins may do (RFC 9110 section 15.3.7).
                    short_parts += 1;
                    let asked = ByteRange { start: position, end: run.goal };
                    match self.ask(&run.sliced, asked).await.filter(|_| short_parts <= MOST_SHORT_PARTS) {
                        Some(part) => source = Source::new(part, position),
                        None => return FillOutcome::Failed,
                    }
                    continue;
                };
                let length = bytes.len() as u64;
                self.engine.metrics.fills().fetched(length);
                position += length;
                if body.write(bytes).await.is_err() {
                    return FillOutcome::Abandoned;
                }
            }
            short_parts = 0;
            run.complete(&body);
            self.look_ahead(&run, &body);
        }
        source.end().await;
        if run.position() >= run.goal { FillOutcome::Stored } else { FillOutcome::Abandoned }
    }

    /// What players read next of an MP4 whose index is at its end.
    fn look_ahead(self: &Arc<Self>, run: &Run, body: &Arc<Body>) {
        let layout = run.sliced.layout;
        if run.next != 1 || layout.count() < 2 || !body.blocks().first().is_some_and(|block| moov::is_behind(block)) {
            return;
        }
        if let Some(ahead) = run.sliced.ahead(layout.count() - 1) {
            Arc::clone(self).launch(ahead);
        }
    }
}
