//! What is fetched for runs: in whose name, and which answers are believed.
//!
//! It never writes a byte that an origin did not send as the very bytes asked for, of the very version. What an origin makes
//! of one client's own fields is that client's alone: a version ends for all only by what comes of a second request, with the
//! fields of the one that the version was begun with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, StatusCode, header};
use tidegate_config::ids::OriginName;
use tidegate_config::model::CachePolicy;

use super::super::CacheEngine;
use super::super::answer::Lookup;
use super::super::body::Body;
use super::super::budget::Admission;
use super::super::fetch::FetchRequest;
use super::super::fill_task::{Response, facts_of_fill};
use super::super::memory::FullKey;
use super::run::{Next, Part, Provider, Run, Source};
use super::{Sliced, moov};
use crate::cache::rules::conditional::strip_preconditions;
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::range::ByteRange;
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::slicing::{range_field, received};
use crate::cache::rules::storability::{Assessment, assess};
use crate::media::{Presentation, recognise};
use crate::telemetry::FillOutcome;

/// How often in a row an origin may bring less than was asked for without completing a slice.
const MOST_SHORT_PARTS: u32 = 3;

/// Fetches slices in the name of one request, which every run for it repeats with another range.
pub(in crate::cache::engine) struct Fetching<R: FetchRequest> {
    pub(in crate::cache::engine) engine: Arc<CacheEngine<R>>,
    pub(in crate::cache::engine) request: R,
    pub(in crate::cache::engine) key: FullKey,
    pub(in crate::cache::engine) facts: RequestFacts,
    pub(in crate::cache::engine) policy: Arc<CachePolicy>,
    pub(in crate::cache::engine) path: Arc<str>,
    /// The origin had no word about the object for this request.
    pub(in crate::cache::engine) refused: AtomicBool,
}

/// Starts runs; without the type of requests.
pub(super) trait Launch: Send + Sync {
    /// Starts this one, with a place that its reader waited for, or if there are not too many fills.
    fn launch(self: Arc<Self>, run: Run, turn: Option<Admission>) -> bool;
    /// Whether the origin refused one in a way that asking again does not mend.
    fn is_refused(&self) -> bool;
}

impl<R: FetchRequest> Launch for Fetching<R> {
    fn launch(self: Arc<Self>, run: Run, turn: Option<Admission>) -> bool {
        let Some(admission) = turn.or_else(|| self.engine.budget.admit_run()) else {
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

    fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
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
    /// It says nothing of the object, but something of who asks: a challenge, a redirection, a page in place of it.
    Refused,
    /// It says nothing of the object, and may be over soon.
    Passing,
}

/// Statuses below 500 that say nothing of the resource and may soon be over.
const PASSING: [StatusCode; 3] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];

/// Statuses that deny the object, or the part of it, whoever asks.
const DENYING: [StatusCode; 4] =
    [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::PRECONDITION_FAILED, StatusCode::RANGE_NOT_SATISFIABLE];

/// Makes the fields of a request those of a request for a part of this version.
fn for_part(fields: &HeaderMap, sliced: &Sliced, asked: ByteRange) -> HeaderMap {
    let mut fields = fields.clone();
    strip_preconditions(&mut fields);
    fields.insert(header::RANGE, range_field(asked));
    fields.insert(header::IF_RANGE, sliced.etag.as_value().clone());
    fields
}

impl<R: FetchRequest> Fetching<R> {
    pub(in crate::cache::engine) fn new(
        engine: &Arc<CacheEngine<R>>,
        lookup: &Lookup<'_>,
        key: FullKey,
        request: R,
    ) -> Self {
        let (policy, path) = (Arc::clone(lookup.policy), Arc::from(lookup.path));
        let (engine, facts) = (Arc::clone(engine), facts_of_fill(lookup.facts));
        Self { engine, request, key, facts, policy, path, refused: AtomicBool::default() }
    }

    /// Asks the origin for what the run is to fill, and fills it.
    async fn fetch(self: &Arc<Self>, run: Run) -> FillOutcome {
        let asked = ByteRange { start: run.position(), end: run.goal };
        match self.ask(&run.sliced, asked).await {
            Some(part) => self.fill(run, part).await,
            None => FillOutcome::Failed,
        }
    }

    /// Asks the origin for a part of this version. Only what is said twice ends it: the second time to the fields of the
    /// request that it was begun with, and by another origin where there is one, for those of a pool do not always agree on
    /// entity tags, nor firewalls on who may ask.
    async fn ask(&self, sliced: &Arc<Sliced>, asked: ByteRange) -> Option<Part> {
        let own = self.request.with_fields(for_part(self.request.fields(), sliced, asked));
        let after = match self.attempt(own, sliced, asked).await {
            Ok(part) => return Some(part),
            Err((Judgement::Passing, _)) => return None,
            Err((_, origin)) => origin,
        };
        let again = self.request.resuming(for_part(&sliced.fields, sliced, asked), after);
        match self.attempt(again, sliced, asked).await {
            Ok(part) => return Some(part),
            Err((Judgement::Refused, _)) => {
                self.refused.store(true, Ordering::Release);
                return None;
            }
            Err((Judgement::Passing, _)) => return None,
            Err((Judgement::NoParts, _)) => self.engine.recollection.note_no_parts(&self.key),
            Err(_) => {}
        }
        self.engine.memory.forget_version(&self.key, sliced);
        sliced.forsake();
        None
    }

    /// Sends one request for a part. What else came of it than the part, and of which origin, is the error.
    async fn attempt(
        &self,
        request: R,
        sliced: &Arc<Sliced>,
        asked: ByteRange,
    ) -> Result<Part, (Judgement, Option<OriginName>)> {
        let received = Response::receive(self.engine.fetch(request.clone())).await;
        let (response, mut arrival) = received.map_err(|error| {
            log::debug!("slices of {} were not fetched: {error}", self.key.primary.without_query());
            (Judgement::Passing, None)
        })?;
        match self.judge(sliced, asked, &response) {
            Judgement::Part(range) => {
                self.note_part(sliced, &request, &response);
                let refetch = self.engine.refetch(&request);
                arrival.resume_by(response.status, &response.fields, response.origin.as_ref(), refetch);
                Ok(Part { arrival, range })
            }
            other => Err((other, response.origin)),
        }
    }

    fn judge(&self, sliced: &Sliced, asked: ByteRange, response: &Response) -> Judgement {
        let (status, fields) = (response.status, &response.fields);
        if status.is_server_error() || PASSING.contains(&status) {
            return Judgement::Passing;
        }
        if DENYING.contains(&status) {
            return Judgement::Gone;
        }
        let etag = EntityTag::from_headers(fields).filter(EntityTag::is_strong);
        let Some(etag) = etag.filter(|_| matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)) else {
            return Judgement::Refused;
        };
        if !etag.strong_eq(&sliced.etag) || fields.get(header::CONTENT_ENCODING) != sliced.coding.as_ref() {
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
            run.complete(&body, Provider::Origin);
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
            Arc::clone(self).launch(ahead, None);
        }
    }
}
