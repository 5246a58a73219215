//! Going on with a body that broke off: the rest is asked for, at the same or another origin.
//!
//! Owns when that is allowed, how often it is tried, and which answers are believed. Only a body of known length with a
//! strong entity tag can go on: `Range` with `If-Range` (RFC 9110 sections 13.1.5 and 14.2) then brings the same bytes or
//! says that they are another version's. It reads no body: [`super::arrival::Arrival`] does.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tidegate_config::ids::OriginName;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::fetch::{FetchError, FetchEvent, FetchStream};
use crate::cache::rules::entity_tag::EntityTag;
use crate::cache::rules::range::{ByteRange, ContentRange};
use crate::telemetry::ResumeOutcome;

/// Pauses before one try after the other. The first one follows at once, for another origin may have the rest; the sum of
/// seven seconds lets an origin restart. Players give up on a segment that stalls for ten to twenty.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// So many bytes of progress make all tries available again: a long body over a bad path may break many times. An origin
/// that dies after every few bytes is soon done with, and the number of tries for a body is bounded by its length.
const PROGRESS: u64 = 1 << 20;

/// How long readers may be left without a byte while the rest is looked for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Answers that speak of another version before it is believed that this one is gone. Origins of one pool do not always
/// agree on entity tags, and the one that the body began at may be back.
const MOST_DENIALS: u32 = 2;

/// Preconditions and ranges of the request before; those of the rest take their place.
const SELECTING: [header::HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// What is still missing of a body, and what identifies its version.
#[derive(Debug, Clone)]
pub(in crate::cache::engine) struct Rest {
    /// The bytes, within the whole representation.
    pub(in crate::cache::engine) range: ByteRange,
    /// Length of the whole representation.
    pub(in crate::cache::engine) total: u64,
    /// Its strong entity tag.
    pub(in crate::cache::engine) etag: EntityTag,
    /// Its content coding as the origin named it; a range is one of the coded bytes (RFC 9110 section 8.4).
    coding: Option<HeaderValue>,
    /// The origin that broke off; others are asked first.
    pub(in crate::cache::engine) after: Option<OriginName>,
}

impl Rest {
    /// Makes the fields of the first request those of a request for the rest.
    pub(in crate::cache::engine) fn ask(&self, fields: &mut HeaderMap) {
        SELECTING.iter().for_each(|name| drop(fields.remove(name)));
        let ByteRange { start, end } = self.range;
        let range = if end == self.total { format!("bytes={start}-") } else { format!("bytes={start}-{}", end - 1) };
        if let Ok(range) = HeaderValue::try_from(range) {
            fields.insert(header::RANGE, range);
            fields.insert(header::IF_RANGE, self.etag.as_value().clone());
        }
    }

    /// Where what a head announces ends. It may be less than was asked for (RFC 9110 section 15.3.7), never anything else.
    fn judge(&self, status: StatusCode, fields: &HeaderMap) -> Result<u64, Setback> {
        if status.is_server_error() || PASSING.contains(&status) {
            return Err(Setback::Failed);
        }
        let part = ContentRange::from_headers(fields).filter(|_| status == StatusCode::PARTIAL_CONTENT);
        let Some(ContentRange { range, total: Some(total) }) = part else { return Err(Setback::Denied) };
        let placed = range.start == self.range.start && range.end <= self.range.end && total == self.total;
        let same = EntityTag::from_headers(fields).is_some_and(|etag| etag.strong_eq(&self.etag));
        let coded = fields.get(header::CONTENT_ENCODING) == self.coding.as_ref();
        let framed = super::arrival::declared_length(status, fields, false).is_none_or(|it| it == range.length());
        if placed && same && coded && framed { Ok(range.end) } else { Err(Setback::Denied) }
    }
}

/// Statuses below 500 that say nothing of the resource and may soon be over.
const PASSING: [StatusCode; 3] = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];

/// Why a try brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setback {
    /// No answer, or one that says nothing of the version.
    Failed,
    /// The origin has another version, or no parts of this one.
    Denied,
}

/// Sends requests for the rest of one body.
pub(in crate::cache::engine) trait Refetch: Send + Sync {
    /// Starts one.
    fn fetch(&self, rest: &Rest) -> Box<dyn FetchStream>;
    /// What came of one.
    fn tell(&self, outcome: ResumeOutcome);
}

/// The stream that goes on with a body.
pub(super) struct Continuation {
    pub(super) stream: Box<dyn FetchStream>,
    /// Where it will end, within the whole representation.
    pub(super) end: u64,
    /// Whether nothing follows its head.
    pub(super) ended: bool,
}

/// Leave to go on with one body.
pub(in crate::cache::engine) struct Resumption {
    refetch: Box<dyn Refetch>,
    rest: Rest,
    /// The origin that the body began at.
    first: Option<OriginName>,
    tries: Tries,
    denials: u32,
}

impl Resumption {
    /// For the body of a response with these fields, which is to bring `range` of a representation of `total` bytes;
    /// none without a strong entity tag.
    pub(super) fn of(
        fields: &HeaderMap,
        range: ByteRange,
        total: u64,
        origin: Option<&OriginName>,
        refetch: Box<dyn Refetch>,
    ) -> Option<Self> {
        let etag = EntityTag::from_headers(fields).filter(EntityTag::is_strong)?;
        let coding = fields.get(header::CONTENT_ENCODING).cloned();
        let rest = Rest { range, total, etag, coding, after: origin.cloned() };
        Some(Self { refetch, rest, first: origin.cloned(), tries: Tries::default(), denials: 0 })
    }

    /// What is missing.
    pub(super) fn missing(&self) -> ByteRange {
        self.rest.range
    }

    /// So many further bytes have come.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.rest.range.start = self.rest.range.start.saturating_add(bytes);
    }

    /// Looks for the rest until it is found, tries or patience end, or the version is gone. `why` is how it broke off.
    pub(super) async fn go_on(&mut self, why: FetchError) -> Result<Continuation, FetchError> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(pause) = self.tries.next(self.rest.range.start) {
            if Instant::now() + pause >= deadline {
                break;
            }
            sleep(pause).await;
            match timeout_at(deadline, self.attempt()).await {
                Ok(Ok(continuation)) => {
                    self.refetch.tell(ResumeOutcome::Resumed);
                    return Ok(continuation);
                }
                Ok(Err(Setback::Denied)) => {
                    self.refetch.tell(ResumeOutcome::Denied);
                    self.denials += 1;
                    if self.denials >= MOST_DENIALS || self.rest.after == self.first {
                        break;
                    }
                }
                Ok(Err(Setback::Failed)) | Err(_) => self.refetch.tell(ResumeOutcome::Failed),
            }
        }
        Err(why)
    }

    async fn attempt(&mut self) -> Result<Continuation, Setback> {
        let mut stream = self.refetch.fetch(&self.rest);
        let head = stream.next().await.map_err(|_| Setback::Failed)?;
        let FetchEvent::Head { status, fields, end: ended, origin, .. } = head else { return Err(Setback::Failed) };
        if origin.is_some() {
            self.rest.after = origin;
        }
        let end = self.rest.judge(status, &fields)?;
        Ok(Continuation { stream, end, ended })
    }
}

/// How often the rest of a body was asked for since it last came on.
#[derive(Debug, Default)]
struct Tries {
    made: usize,
    /// Where the body stood when the first of them was made.
    position: u64,
}

impl Tries {
    /// The pause before the next try; none when there were enough.
    fn next(&mut self, position: u64) -> Option<Duration> {
        if self.made == 0 || position - self.position >= PROGRESS {
            *self = Self { made: 0, position };
        }
        let pause = PAUSES.get(self.made).copied()?;
        self.made += 1;
        Some(pause)
    }
}

#[cfg(test)]
mod tests;
