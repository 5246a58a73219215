//! One fill: fetches a response, says what it is, writes its body, stores it.
//!
//! A fill belongs to no client: it runs on a runtime of its own and every client, the first included, only
//! reads. However it ends (also by a panic), nobody is left waiting and no short body ends cleanly.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tidegate_config::model::CachePolicy;

use super::CacheEngine;
use super::body::Body;
use super::fetch::{FetchError, FetchEvent, FetchRequest, FetchStream};
use super::fills::{Fill, Head};
use super::memory::{FullKey, Mark};
use super::object::Object;
use crate::cache::rules::conditional::{add_validation, confirms, freshen};
use crate::cache::rules::decide::{OriginFailure, StoredMeta, may_serve_stale_on_error};
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes, finalize_playlist};
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::storability::{Assessment, NotStored, assess};
use crate::cache::rules::{hop_by_hop, stored_fields};
use crate::media::{MediaClass, Presentation, inspect, recognise, recognise_error};
use crate::telemetry::{FillInFlight, FillOutcome};

/// What a fill is about.
pub(super) struct FillOrder<R> {
    pub(super) key: FullKey,
    pub(super) request: R,
    pub(super) facts: RequestFacts,
    pub(super) policy: Arc<CachePolicy>,
    pub(super) stale: Option<Arc<Object>>,
    pub(super) path: Arc<str>,
}

/// Ends a fill whatever happens to its task.
struct Guard<R: FetchRequest> {
    engine: Arc<CacheEngine<R>>,
    key: FullKey,
    fill: Arc<Fill>,
    body: Option<Arc<Body>>,
    reserved: u64,
    outcome: FillOutcome,
    in_flight: Option<FillInFlight>,
}

impl<R: FetchRequest> Drop for Guard<R> {
    fn drop(&mut self) {
        if let Some(body) = &self.body {
            body.fail(); // no effect on a finished one
        }
        self.engine.fills.remove(&self.key, &self.fill);
        self.fill.fail_pending(FetchError {
            status: StatusCode::BAD_GATEWAY,
            reason: "the fill ended without a response".to_owned(),
        });
        self.engine.release_memory(self.reserved);
        self.engine.leave();
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.finish(self.outcome);
        }
    }
}

/// The head of a response, with the first bytes of its body where recognising it took a look.
struct Response {
    status: StatusCode,
    fields: HeaderMap,
    request_time: SystemTime,
    response_time: SystemTime,
    first: Option<Bytes>,
    ended: bool,
    close_delimited: bool,
}

pub(super) async fn run<R: FetchRequest>(engine: Arc<CacheEngine<R>>, fill: Arc<Fill>, order: FillOrder<R>) {
    let mut guard = Guard {
        engine: Arc::clone(&engine),
        key: order.key.clone(),
        fill: Arc::clone(&fill),
        body: None,
        reserved: 0,
        outcome: FillOutcome::Failed,
        in_flight: Some(engine.metrics.fills().start()),
    };
    let mut task = FillTask { engine: &engine, fill: &fill, order: &order, guard: &mut guard };
    let (mut stream, conditional) = task.start();
    match first_response(&mut *stream).await {
        Ok(response) if conditional && response.status == StatusCode::NOT_MODIFIED => task.revalidated(response).await,
        Ok(response) => task.respond(response, stream).await,
        Err(error) => task.stale_or_fail(OriginFailure::Unreachable, error),
    }
}

async fn first_response(stream: &mut dyn FetchStream) -> Result<Response, FetchError> {
    let request_time = SystemTime::now();
    let mut response = loop {
        if let FetchEvent::Head { status, fields, end, close_delimited } = stream.next().await? {
            let response_time = SystemTime::now();
            break Response { status, fields, request_time, response_time, first: None, ended: end, close_delimited };
        }
    };
    if !response.ended && names_no_type(&response.fields) {
        match stream.next().await? {
            FetchEvent::Body(bytes) => response.first = Some(bytes),
            FetchEvent::End | FetchEvent::Trailers(_) => response.ended = true,
            FetchEvent::Head { .. } => {}
        }
    }
    Ok(response)
}

/// Whether the content type leaves open what the content is, so that its first bytes must tell.
fn names_no_type(fields: &HeaderMap) -> bool {
    const OPEN: [&str; 3] = ["application/octet-stream", "binary/octet-stream", "text/plain"];
    let Some(value) = fields.get(header::CONTENT_TYPE) else { return true };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    OPEN.iter().any(|open| essence.eq_ignore_ascii_case(open.as_bytes()))
}

struct FillTask<'a, R: FetchRequest> {
    engine: &'a Arc<CacheEngine<R>>,
    fill: &'a Arc<Fill>,
    order: &'a FillOrder<R>,
    guard: &'a mut Guard<R>,
}

impl<R: FetchRequest> FillTask<'_, R> {
    /// Starts the fetch, conditional when something stale is there to validate.
    fn start(&self) -> (Box<dyn FetchStream>, bool) {
        if let Some(stale) = &self.order.stale {
            let mut fields = self.order.request.fields().clone();
            if add_validation(&mut fields, &stale.meta.headers) {
                return (self.engine.fetch(self.order.request.with_fields(fields)), true);
            }
        }
        (self.engine.fetch(self.order.request.clone()), false)
    }

    /// Tells the waiters of a fetch that gave no usable response.
    fn stale_or_fail(&mut self, failure: OriginFailure, error: FetchError) {
        log::warn!("fill of {} failed: {error}", self.order.key.primary.as_str());
        match self.usable_stale(failure) {
            Some(stale) => self.fill.publish(Head::Stale(stale)),
            None => self.fill.publish(Head::Failed(error)),
        }
    }

    fn usable_stale(&self, failure: OriginFailure) -> Option<Arc<Object>> {
        let stale = self.order.stale.as_ref()?;
        let now = SystemTime::now();
        may_serve_stale_on_error(&self.order.facts, &stale.meta, failure, now, &self.order.policy)
            .then(|| Arc::clone(stale))
    }

    async fn respond(&mut self, response: Response, stream: Box<dyn FetchStream>) {
        if response.status.is_server_error() {
            if let Some(stale) = self.usable_stale(OriginFailure::Status(response.status)) {
                return self.fill.publish(Head::Stale(stale));
            }
        }
        if matches!(response.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
            let reason = format!("the origin answered {} to a plain GET", response.status.as_u16());
            let error = FetchError { status: StatusCode::BAD_GATEWAY, reason };
            return self.stale_or_fail(OriginFailure::Unreachable, error);
        }
        match self.assess(&response) {
            Ok(times) => self.share(response, times, stream).await,
            Err(why) => self.hand_over(response, why, stream).await,
        }
    }

    fn assess(&self, response: &Response) -> Result<StoredTimes, NotStored> {
        let media = if response.status.is_success() {
            recognise(response.fields.get(header::CONTENT_TYPE), &self.order.path, response.first.as_deref())
        } else {
            recognise_error(&self.order.path)
        };
        assess(&Assessment {
            request: &self.order.facts,
            status: response.status,
            headers: &response.fields,
            request_time: response.request_time,
            response_time: response.response_time,
            policy: &self.order.policy,
            media,
            presentation: Presentation::Unknown,
        })
    }

    /// A 304: the stored body with new metadata (RFC 9111 section 4.3.4).
    async fn revalidated(&mut self, response: Response) {
        let Some(stale) = &self.order.stale else { return };
        if !confirms(&stale.meta.headers, &response.fields) {
            // About another version than ours: fetch again, unconditionally.
            let mut stream = self.engine.fetch(self.order.request.clone());
            return match first_response(&mut *stream).await {
                Ok(response) => self.respond(response, stream).await,
                Err(error) => self.stale_or_fail(OriginFailure::Unreachable, error),
            };
        }
        let first = stale.body.blocks().first().cloned();
        let fields = freshen(&stale.meta.headers, &response.fields);
        let renewed = Response { status: stale.meta.status, fields, first, ..response };
        let assessed = self.assess(&renewed);
        let object = self.renewed(stale, renewed, assessed);
        self.guard.outcome = FillOutcome::Revalidated;
        self.fill.publish(Head::Ready { object, revalidated: true, stored: true });
    }

    fn renewed(
        &self,
        stale: &Arc<Object>,
        response: Response,
        assessed: Result<StoredTimes, NotStored>,
    ) -> Arc<Object> {
        let primary = &self.order.key.primary;
        let Ok(times) = assessed else {
            // The origin confirmed the body and forbade keeping it: it answers this request and is gone.
            self.engine.memory.invalidate(primary);
            return Arc::clone(stale);
        };
        let mut fields = response.fields;
        stored_fields::prepare(&mut fields, response.response_time);
        let meta = StoredMeta::new(response.status, fields, times, stale.meta.body_length);
        let object = Object { meta, body: Arc::clone(&stale.body), not_stored: None };
        let object = self.finalized(object);
        self.engine.memory.store(primary, &self.fill.request_fields, Arc::clone(&object));
        object
    }

    /// A response that may be stored: everyone reads it while it arrives.
    async fn share(&mut self, response: Response, times: StoredTimes, stream: Box<dyn FetchStream>) {
        let length = declared_length(&response);
        // A body that only the end of the connection ends may be short without anyone noticing.
        let keeps = !response.close_delimited && self.engine.fits(length) && self.reserve(length.unwrap_or(0));
        let body = if keeps { Body::growing() } else { Body::windowed(self.engine.settings.window) };
        self.guard.body = Some(Arc::clone(&body));
        if !keeps {
            self.engine.memory.mark(&self.order.key, Mark::Oversize);
        }
        let mut fields = response.fields;
        stored_fields::prepare(&mut fields, response.response_time);
        let meta = StoredMeta::new(response.status, fields, times, length);
        if keeps {
            self.engine.memory.learn(&self.order.key.primary, &meta.vary);
        }
        let object = Arc::new(Object { meta, body: Arc::clone(&body), not_stored: None });
        self.fill.publish(Head::Ready { object: Arc::clone(&object), revalidated: false, stored: keeps });
        let arrival = Arrival { first: response.first, ended: response.ended, stream, length, keeps };
        let written = self.write(&body, arrival).await;
        self.close(written, &object);
    }

    /// A response that may not be shared goes to one waiter, through a window.
    async fn hand_over(&mut self, response: Response, why: NotStored, stream: Box<dyn FetchStream>) {
        let body = Body::windowed(self.engine.settings.window);
        self.guard.body = Some(Arc::clone(&body));
        let length = declared_length(&response);
        let mut fields = response.fields;
        hop_by_hop::strip_from_response(&mut fields);
        let meta = StoredMeta::new(response.status, fields, no_times(response.response_time), length);
        let object = Arc::new(Object { meta, body: Arc::clone(&body), not_stored: Some(why) });
        self.engine.memory.mark(&self.order.key, Mark::Unshareable);
        self.engine.fills.remove(&self.order.key, self.fill);
        self.fill.publish_unshared(Arc::clone(&object));
        let arrival = Arrival { first: response.first, ended: response.ended, stream, length, keeps: false };
        let written = self.write(&body, arrival).await;
        self.close(written, &object);
    }

    fn close(&mut self, written: Written, object: &Arc<Object>) {
        match written {
            Written::Whole { kept } => {
                object.body.finish();
                if kept {
                    let meta = object.meta.clone();
                    let complete = Object { meta, body: Arc::clone(&object.body), not_stored: None };
                    let complete = self.finalized(complete);
                    self.engine.memory.store(&self.order.key.primary, &self.fill.request_fields, complete);
                }
                self.guard.outcome = match (kept, object.not_stored) {
                    (true, _) => FillOutcome::Stored,
                    (false, Some(_)) => FillOutcome::Uncacheable,
                    (false, None) => FillOutcome::Streamed,
                };
            }
            Written::Abandoned => self.guard.outcome = FillOutcome::Abandoned,
            Written::Broken => self.guard.outcome = FillOutcome::Failed,
        }
    }

    fn reserve(&mut self, bytes: u64) -> bool {
        let granted = self.engine.reserve_memory(bytes);
        if granted {
            self.guard.reserved += bytes;
        }
        granted
    }

    /// Writes the body as it arrives.
    async fn write(&mut self, body: &Body, mut arrival: Arrival) -> Written {
        let mut written = 0_u64;
        loop {
            let bytes = match arrival.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    let key = self.order.key.primary.as_str();
                    log::warn!("fill of {key} broke off after {written} bytes: {error}");
                    return Written::Broken;
                }
            };
            written += bytes.len() as u64;
            self.engine.metrics.fills().fetched(bytes.len() as u64);
            if arrival.keeps && !self.still_fits(&arrival, written, bytes.len()) {
                arrival.keeps = false;
                body.become_window(self.engine.settings.window);
                self.engine.memory.mark(&self.order.key, Mark::Oversize);
            }
            if body.write(bytes).await.is_err() {
                return Written::Abandoned;
            }
        }
        // A body that is not as long as the origin said is incomplete (RFC 9112 section 8).
        if arrival.length.is_some_and(|length| length != written) {
            return Written::Broken;
        }
        Written::Whole { kept: arrival.keeps }
    }

    /// A body of declared length has its memory reserved; any other reserves as it grows.
    fn still_fits(&mut self, arrival: &Arrival, written: u64, piece: usize) -> bool {
        match arrival.length {
            Some(length) => written <= length,
            None => self.engine.fits(Some(written)) && self.reserve(piece as u64),
        }
    }

    /// Looks into a complete playlist for how long it stays fresh.
    fn finalized(&self, mut object: Object) -> Arc<Object> {
        let content_type = object.meta.headers.get(header::CONTENT_TYPE);
        let blocks = object.body.blocks();
        let first = blocks.first().map(|block| &block[..]);
        let class = recognise(content_type, &self.order.path, first);
        let silent = matches!(object.meta.times.source, FreshnessSource::Media);
        if let (Some(defaults), Some(class @ MediaClass::Playlist(_)), true, Some(first)) =
            (&self.order.policy.media, class, silent, first)
        {
            if let Some(facts) = inspect(class, first) {
                object.meta.times = finalize_playlist(object.meta.times, &facts, defaults);
            }
        }
        Arc::new(object)
    }
}

/// A body on its way in.
struct Arrival {
    first: Option<Bytes>,
    ended: bool,
    stream: Box<dyn FetchStream>,
    length: Option<u64>,
    keeps: bool,
}

impl Arrival {
    /// The next piece; `None` at the clean end.
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        while !self.ended {
            match self.stream.next().await? {
                FetchEvent::Body(bytes) => return Ok(Some(bytes)),
                FetchEvent::End | FetchEvent::Trailers(_) => self.ended = true,
                FetchEvent::Head { .. } => {}
            }
        }
        Ok(None)
    }
}

enum Written {
    Whole { kept: bool },
    Abandoned,
    Broken,
}

/// Times of a response that is not stored: nobody asks for its freshness.
fn no_times(response_time: SystemTime) -> StoredTimes {
    StoredTimes {
        response_time,
        corrected_initial_age: Duration::ZERO,
        lifetime: Duration::ZERO,
        source: FreshnessSource::Absent,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: None,
        must_revalidate: true,
        no_cache: true,
        immutable: false,
        authorized_reuse: false,
    }
}

/// The length that the origin declared, or zero where there is no body.
fn declared_length(response: &Response) -> Option<u64> {
    if response.ended && response.first.is_none() {
        return Some(0);
    }
    response.fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
