//! Writes a stored or arriving object to a client: preconditions, ranges, head, body.

mod turns;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use self::turns::Turns;
use super::player_fields::pace;
use super::respond_error::{body_of, describe_page, may_be_replaced, replacement_of, vary_by_accept, write_whole};
use super::shape_response::{finish_head, frame_body};
use crate::cache::compression::Representation;
use crate::cache::engine::{Object, Outcome, Reader};
use crate::cache::rules::cache_status::{CACHE_STATUS, ForwardReason, Member, Outcome as StatusOutcome};
use crate::cache::rules::conditional::{Verdict, evaluate, not_modified_fields};
use crate::cache::rules::range::{ByteRange, Multipart, RangeRequest, Resolved, unsatisfied_content_range};
use crate::cache::rules::storability::NotStored;
use crate::cmcd::Pace;
use crate::error_page::ErrorBody;
use crate::request_context::RequestContext;
use crate::telemetry::CacheOutcome;

/// Bytes handed to a connection at once. Large enough that a hit of usual size is one write, small enough that a
/// slow client holds back little.
pub(super) const PIECE: usize = 256 * 1024;

/// What is served.
pub(super) struct Served {
    pub(super) object: Arc<Object>,
    pub(super) reader: Reader,
    pub(super) outcome: Outcome,
    /// What the reader reads.
    pub(super) representation: Representation,
}

/// What is written behind the head.
enum Payload {
    Nothing,
    Whole,
    Part(ByteRange),
    Parts(Multipart),
}

/// Serves the object as the request asks for it.
pub(super) async fn serve_object(session: &mut Session, context: &mut RequestContext, served: Served) -> Result<()> {
    let Served { object, mut reader, outcome, representation } = served;
    context.cache.outcome = outcome_label(outcome);
    context.cache.at_live_edge = object.meta.at_live_edge;
    context.cache.filled_by = match outcome {
        Outcome::Hit | Outcome::HitOnDisk | Outcome::Stale(_) => None, // no origin was asked for this request
        Outcome::Miss { .. } | Outcome::Revalidated { .. } | Outcome::Unshared(_) => object.origin.clone(),
    };
    let request = session.req_header();
    let is_head = request.method == Method::HEAD;
    let (mut head, payload) = match evaluate(&request.headers, object.meta.status, &object.meta.validators()) {
        Verdict::Full => {
            whole_or_part(&request.headers, is_head, &object, representation, &mut reader, context).await?
        }
        Verdict::NotModified => {
            let mut fields = not_modified_fields(&object.meta.headers);
            representation.describe_unchanged(&mut fields);
            (head_of(StatusCode::NOT_MODIFIED, fields)?, Payload::Nothing)
        }
    };
    let now = SystemTime::now();
    if object.not_stored.is_none() {
        head.insert_header(header::AGE, object.meta.times.age_seconds(now))?;
    }
    head.append_header(CACHE_STATUS, status_member(&object, outcome, now).to_value())?;
    finish_head(&mut head, context)?;
    if matches!(payload, Payload::Whole) && may_be_replaced(head.status, context) {
        vary_by_accept(&mut head)?;
    }
    if let Some(page) = page_of(&head, matches!(payload, Payload::Nothing), session, context) {
        describe_page(&mut head, &page)?;
        return write_whole(session, context, head, page.content).await;
    }
    let payload = if is_head { Payload::Nothing } else { payload };
    let source = Source { reader, turns: Turns::of(outcome, &object) };
    write(session, context, head, payload, source).await
}

/// The page in place of a stored error's body, if the operator has one; and the body of our own refusals (416).
fn page_of(head: &ResponseHeader, is_own: bool, session: &Session, context: &RequestContext) -> Option<ErrorBody> {
    let request = &session.req_header().headers;
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    match (is_error, is_own) {
        (false, _) => None,
        (true, false) => replacement_of(head.status, request, context),
        (true, true) => Some(body_of(head.status, request, context)),
    }
}

async fn whole_or_part(
    request: &HeaderMap,
    is_head: bool,
    object: &Object,
    representation: Representation,
    reader: &mut Reader,
    context: &RequestContext,
) -> Result<(ResponseHeader, Payload)> {
    let meta = &object.meta;
    let ranged = !is_head && meta.status == StatusCode::OK && request.contains_key(header::RANGE);
    if !ranged {
        return Ok((whole_head(object, representation, reader)?, Payload::Whole));
    }
    let range = RangeRequest::parse(request, meta.etag.as_ref());
    let mut length = length_of(object);
    let mut resolved = range.resolve(length);
    if resolved == Resolved::NeedsLength {
        // An object that is kept ends within the fill's bounds; a window must be read from the front.
        length = reader.length_when_complete().await.map_err(truncated)?;
        resolved = length.map_or(Resolved::Whole, |length| range.resolve(Some(length)));
    }
    let total = length.unwrap_or(0);
    match resolved {
        Resolved::Whole | Resolved::NeedsLength => Ok((whole_head(object, representation, reader)?, Payload::Whole)),
        Resolved::Multi(_) if object.body.is_windowed() => {
            Ok((whole_head(object, representation, reader)?, Payload::Whole))
        }
        Resolved::Single(part) => {
            let mut head = head_of(StatusCode::PARTIAL_CONTENT, described(object, representation))?;
            head.insert_header(header::CONTENT_RANGE, part.content_range(total))?;
            head.insert_header(header::CONTENT_LENGTH, part.length())?;
            Ok((head, Payload::Part(part)))
        }
        Resolved::Multi(parts) => {
            let seed = context.arrival.request_id.as_u128();
            let frame = Multipart::new(&parts, total, meta.headers.get(header::CONTENT_TYPE), seed);
            let mut head = head_of(StatusCode::PARTIAL_CONTENT, described(object, representation))?;
            head.insert_header(header::CONTENT_TYPE, frame.content_type.clone())?;
            head.insert_header(header::CONTENT_LENGTH, frame.content_length)?;
            Ok((head, Payload::Parts(frame)))
        }
        Resolved::Unsatisfiable => {
            let mut head = bodiless_head(StatusCode::RANGE_NOT_SATISFIABLE)?;
            head.insert_header(header::CONTENT_RANGE, unsatisfied_content_range(total))?;
            Ok((head, Payload::Nothing))
        }
    }
}

pub(super) fn length_of(object: &Object) -> Option<u64> {
    object.meta.body_length.or_else(|| object.body.length())
}

fn described(object: &Object, representation: Representation) -> HeaderMap {
    let mut fields = object.meta.headers.clone();
    representation.describe(&mut fields);
    fields
}

fn whole_head(object: &Object, representation: Representation, reader: &Reader) -> Result<ResponseHeader> {
    let mut head = head_of(object.meta.status, described(object, representation))?;
    let bodiless = object.meta.status == StatusCode::NO_CONTENT;
    let length = match representation {
        Representation::Only | Representation::Plain => length_of(object),
        Representation::Coded(_) => reader.complete_length(),
    };
    if let (Some(length), false) = (length, bodiless) {
        head.insert_header(header::CONTENT_LENGTH, length)?;
    }
    Ok(head)
}

fn bodiless_head(status: StatusCode) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.insert_header(header::CONTENT_LENGTH, 0)?;
    Ok(head)
}

pub(super) fn head_of(status: StatusCode, fields: HeaderMap) -> Result<ResponseHeader> {
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    let (parts, ()) = response.into_parts();
    Ok(ResponseHeader::from(parts))
}

async fn write(
    session: &mut Session,
    context: &mut RequestContext,
    mut head: ResponseHeader,
    payload: Payload,
    mut source: Source,
) -> Result<()> {
    let status = head.status;
    let bodiless = matches!(payload, Payload::Nothing) || status == StatusCode::NO_CONTENT;
    if !bodiless {
        frame_body(session, &mut head)?;
    }
    let declared = head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0");
    let ends = bodiless || declared;
    let mut pace = pace(status, &head.headers, context);
    context.response.first_byte = Some(Instant::now());
    session.write_response_header(Box::new(head), ends).await?;
    if ends {
        return Ok(());
    }
    match payload {
        Payload::Nothing => Ok(()),
        Payload::Whole => write_rest(session, &mut source, &mut pace).await,
        Payload::Part(part) => write_range(session, &mut source, &mut pace, part, true).await,
        Payload::Parts(frame) => {
            for (head, part) in frame.parts {
                session.write_response_body(Some(head), false).await?;
                write_range(session, &mut source, &mut pace, part, false).await?;
            }
            session.write_response_body(Some(frame.tail), true).await
        }
    }
}

/// The whole body. A body that ends short is an error: the client must see that it is cut, never a clean end.
///
/// Trailer fields go behind it over HTTP/2 and HTTP/3. Over HTTP/1.1 Pingora writes none, and they may be discarded (RFC
/// 9110 section 6.5.1).
async fn write_rest(session: &mut Session, source: &mut Source, pace: &mut Option<Pace>) -> Result<()> {
    let takes_trailers = session.is_http2() || session.is_custom();
    while let Some(bytes) = source.reader.next(source.turns.most(pace.as_ref())).await.map_err(truncated)? {
        let last = source.reader.at_end() && !(takes_trailers && source.reader.trailers().is_some());
        keep_pace(pace, bytes.len()).await;
        session.write_response_body(Some(bytes), last).await?;
        if last {
            return Ok(());
        }
        source.turns.let_others_begin().await;
    }
    match source.reader.trailers() {
        Some(fields) if takes_trailers => session.as_mut().write_response_trailers(fields.clone()).await,
        _ => session.write_response_body(Some(Bytes::new()), true).await,
    }
}

async fn write_range(
    session: &mut Session,
    source: &mut Source,
    pace: &mut Option<Pace>,
    part: ByteRange,
    last: bool,
) -> Result<()> {
    source.reader.move_to(part.start);
    source.reader.read_until(part.end);
    let mut left = part.length();
    while left > 0 {
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(source.turns.most(pace.as_ref()));
        let Some(bytes) = source.reader.next(limit).await.map_err(truncated)? else {
            return Err(Error::explain(ErrorType::ReadError, "the object is shorter than its length said"));
        };
        left -= bytes.len() as u64;
        keep_pace(pace, bytes.len()).await;
        session.write_response_body(Some(bytes), last && left == 0).await?;
        source.turns.let_others_begin().await;
    }
    Ok(())
}

/// Where a body is read from.
struct Source {
    reader: Reader,
    turns: Turns,
}

/// Waits until so many bytes may go. A client that leaves meanwhile is found at the next write.
async fn keep_pace(pace: &mut Option<Pace>, bytes: usize) {
    let Some(pace) = pace else { return };
    let wait = pace.wait(Instant::now(), bytes);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

pub(super) fn truncated(error: crate::cache::engine::BodyError) -> Box<Error> {
    Error::because(ErrorType::ReadError, "reading from the cache", error).into_up()
}

fn outcome_label(outcome: Outcome) -> CacheOutcome {
    match outcome {
        Outcome::Hit | Outcome::HitOnDisk => CacheOutcome::Hit,
        Outcome::Stale(_) => CacheOutcome::Stale,
        Outcome::Revalidated { .. } => CacheOutcome::Revalidated,
        Outcome::Miss { collapsed: true, .. } => CacheOutcome::Collapsed,
        Outcome::Miss { .. } | Outcome::Unshared(_) => CacheOutcome::Miss,
    }
}

pub(super) fn status_member(object: &Object, outcome: Outcome, now: SystemTime) -> Member {
    let ttl = Some(object.meta.times.ttl(now));
    let forward = |reason, status, stored, collapsed| StatusOutcome::Forward { reason, status, stored, collapsed };
    match outcome {
        Outcome::Hit => Member { outcome: StatusOutcome::Hit, ttl, detail: None },
        Outcome::HitOnDisk => Member { outcome: StatusOutcome::Hit, ttl, detail: Some("disk") },
        Outcome::Stale(why) => Member::stale(why, object.meta.times.ttl(now)),
        Outcome::Revalidated { collapsed } => {
            let status = Some(StatusCode::NOT_MODIFIED);
            Member { outcome: forward(ForwardReason::Stale, status, true, collapsed), ttl, detail: None }
        }
        Outcome::Miss { reason, collapsed, stored } => {
            // It may have outgrown the store since.
            let is_stored = stored.is_ok() && !object.body.is_windowed();
            let outcome = forward(ForwardReason::from(reason), None, is_stored, collapsed);
            Member { outcome, ttl, detail: stored.err().map(NotStored::label) }
        }
        Outcome::Unshared(why) => {
            let outcome = forward(ForwardReason::UriMiss, None, false, false);
            Member { outcome, ttl: None, detail: Some(why.label()) }
        }
    }
}
