//! Answers that this node makes itself: refusals, redirects, failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};
use tidegate_config::model::ErrorPage;

use super::Flow;
use super::shape_response::finish_head;
use crate::error_page::{ErrorBody, Failure, OF_THE_BODY, error_body, page_for, replacement};
use crate::origin::{plainly, status_of};
use crate::request_context::{MatchedRoute, ReplacedError, RequestContext};
use crate::routing::{CanonicalHost, SiteEntry};

/// How an exchange ends whose response gets another body.
const REPLACED: ErrorType = ErrorType::Custom("ReplacedErrorBody");

/// How long clients are told to stay away from what is under maintenance, at most: the end may come early.
const MAINTENANCE_PAUSE: Duration = Duration::from_secs(300);

/// Answers with a status and a short body: an operator's page, or a form that the client prefers.
pub(super) async fn answer(session: &mut Session, context: &mut RequestContext, status: StatusCode) -> Result<Flow> {
    let body = body_of(status, &session.req_header().headers, context);
    answer_with(session, context, status, body).await
}

/// Answers with the page of maintenance, for this much longer if that is known.
pub(super) async fn answer_maintenance(
    session: &mut Session,
    context: &mut RequestContext,
    remaining: Option<Duration>,
) -> Result<Flow> {
    let pause = remaining.unwrap_or(MAINTENANCE_PAUSE).min(MAINTENANCE_PAUSE).as_secs().max(1);
    context.response.fields.insert(header::RETRY_AFTER, HeaderValue::from(pause));
    let site = site_of(context);
    let Some(page) = site.as_ref().and_then(|site| site.site.maintenance_page.as_ref()) else {
        return answer(session, context, StatusCode::SERVICE_UNAVAILABLE).await;
    };
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = with_failure(status, context, |failure| error_body(failure, &session.req_header().headers, Some(page)));
    answer_with(session, context, status, body).await
}

async fn answer_with(
    session: &mut Session,
    context: &mut RequestContext,
    status: StatusCode,
    body: ErrorBody,
) -> Result<Flow> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    for (name, value) in &context.response.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    write(session, context, head, body).await
}

/// The body of an answer with this status: an operator's page, or a form that the client prefers.
pub(super) fn body_of(status: StatusCode, request: &HeaderMap, context: &RequestContext) -> ErrorBody {
    let site = site_of(context);
    let route = context.route.as_ref().map(|matched| matched.route.route.as_ref());
    let page = page_for(status, route, site.as_ref().map(|site| site.site.as_ref()));
    with_failure(status, context, |failure| error_body(failure, request, page))
}

/// The site of the request, also where none of its routes took it.
fn site_of(context: &RequestContext) -> Option<Arc<SiteEntry>> {
    if let Some(matched) = &context.route {
        return Some(Arc::clone(&matched.site));
    }
    let (host, _port) = CanonicalHost::parse(context.arrival.host.as_deref()?.as_bytes()).ok()?;
    context.snapshot.routes.find_site(&host).cloned()
}

fn with_failure<T>(status: StatusCode, context: &RequestContext, make: impl FnOnce(Failure<'_>) -> T) -> T {
    let request_id = context.arrival.request_id.to_string();
    make(Failure { status, request_id: &request_id })
}

/// Takes an origin's error back if the operator has a page in place of its body and the client accepts that. A response
/// that is under way cannot get another body, so it ends as a failed exchange, and [`respond_error`] writes it anew.
/// What is stored stays the origin's: this is decided for each delivery.
pub(crate) fn replace_error(session: &Session, head: &mut ResponseHeader, context: &mut RequestContext) -> Result<()> {
    if context.is_fill() || !(head.status.is_client_error() || head.status.is_server_error()) {
        return Ok(());
    }
    if may_be_replaced(head.status, context) {
        vary_by_accept(head)?;
    }
    let Some(body) = replacement_of(head.status, &session.req_header().headers, context) else { return Ok(()) };
    let mut head = head.clone();
    describe_page(&mut head, &body)?;
    context.response.replaced = Some(Box::new(ReplacedError { head, body: body.content }));
    Err(Error::explain(REPLACED, "a page takes the place of the origin's").into_in())
}

/// Whether this ended an exchange with an origin only to replace what it answered, which is no failure.
pub(super) fn is_replacement(error: &Error) -> bool {
    *error.etype() == REPLACED
}

/// The page that some clients get in place of an origin's body.
fn replacing_page(status: StatusCode, matched: &MatchedRoute) -> Option<&ErrorPage> {
    let page = page_for(status, Some(&matched.route.route), Some(&matched.site.site))?;
    page.replace_origin.then_some(page)
}

/// Whether it is for the client's `Accept` to say which body this error has.
pub(super) fn may_be_replaced(status: StatusCode, context: &RequestContext) -> bool {
    context.route.as_ref().is_some_and(|matched| replacing_page(status, matched).is_some())
}

/// Tells caches on the way that others may get another body (RFC 9110 section 12.5.5).
pub(super) fn vary_by_accept(head: &mut ResponseHeader) -> Result<()> {
    head.append_header(header::VARY, "Accept").map(drop)
}

/// The page in place of an origin's body, for this client.
pub(super) fn replacement_of(status: StatusCode, request: &HeaderMap, context: &RequestContext) -> Option<ErrorBody> {
    let page = replacing_page(status, context.route.as_ref()?)?;
    with_failure(status, context, |failure| replacement(failure, request, Some(page)))
}

/// Makes a head describe this page. The range of a 416 is that of what was asked for (RFC 9110 section 15.5.17).
pub(super) fn describe_page(head: &mut ResponseHeader, body: &ErrorBody) -> Result<()> {
    for name in OF_THE_BODY {
        if name != header::CONTENT_RANGE || head.status != StatusCode::RANGE_NOT_SATISFIABLE {
            head.remove_header(&name);
        }
    }
    head.insert_header(header::CONTENT_TYPE, body.content_type.clone())?;
    head.insert_header(header::CONTENT_LENGTH, body.content.len())
}

/// Writes an origin's error with the operator's page. Over HTTP/1 the connection ends with it: what is left of the
/// origin's own exchange has been given up.
async fn write_replaced(session: &mut Session, context: &mut RequestContext, replaced: ReplacedError) -> FailToProxy {
    let status = replaced.head.status;
    session.set_keepalive(None);
    if let Err(error) = write_whole(session, context, replaced.head, replaced.body).await {
        log::debug!("request {}: the page could not be sent: {error}", context.arrival.request_id);
    }
    FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false }
}

/// Who gets the same answer to the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever asks.
    Everyone,
    /// One client, or some of them.
    Some,
}

/// Redirects to another URL (RFC 9110 section 15.4).
pub(super) async fn redirect(
    session: &mut Session,
    context: &mut RequestContext,
    status: StatusCode,
    location: HeaderValue,
    audience: Audience,
) -> Result<Flow> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    if audience == Audience::Some {
        // A permanent one would be kept by caches on the way, for others too (RFC 9110 section 15.4.2).
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
    }
    head.insert_header(header::LOCATION, location)?;
    let body = with_failure(status, context, |failure| error_body(failure, &HeaderMap::new(), None));
    write(session, context, head, body).await
}

async fn write(
    session: &mut Session,
    context: &mut RequestContext,
    mut head: ResponseHeader,
    body: ErrorBody,
) -> Result<Flow> {
    head.insert_header(header::CONTENT_TYPE, body.content_type)?;
    head.insert_header(header::CONTENT_LENGTH, body.content.len())?;
    finish_head(&mut head, context)?;
    write_whole(session, context, head, body.content).await?;
    Ok(Flow::Answered)
}

/// Writes a response whose body is at hand.
pub(super) async fn write_whole(
    session: &mut Session,
    context: &mut RequestContext,
    head: ResponseHeader,
    body: Bytes,
) -> Result<()> {
    if !session.is_body_done() {
        // Nobody will read the rest of the request; the next one cannot be told from it.
        session.set_keepalive(None);
    }
    let bodiless = session.req_header().method == Method::HEAD || body.is_empty();
    context.response.first_byte = Some(Instant::now());
    context.response.status = Some(head.status);
    session.write_response_header(Box::new(head), bodiless).await?;
    // Without a body too: Pingora tells the connection of an end only here.
    let body = if bodiless { Bytes::new() } else { body };
    session.write_response_body(Some(body), true).await
}

/// Answers a request that failed, if a response has not begun and the client is still there. A fill has no client:
/// its failure goes to the cache engine as it is.
pub(crate) async fn respond_error(session: &mut Session, error: &Error, context: &mut RequestContext) -> FailToProxy {
    if let Some(replaced) = context.response.replaced.take() {
        return write_replaced(session, context, *replaced).await;
    }
    context.response.error.get_or_insert_with(|| plainly(error));
    if is_framed_by_the_end(session)
        && let Some(connection) = &context.connection
    {
        connection.ending.break_off();
    }
    let status = if context.is_fill() || is_answered(session) { None } else { status_for(error) };
    let Some(status) = status else { return FailToProxy { error_code: 0, can_reuse_downstream: false } };
    session.set_keepalive(None);
    if let Some(member) = &context.cache.passage {
        member.append_to(&mut context.response.fields);
    }
    if let Err(error) = answer(session, context, status).await {
        log::debug!("request {}: the error could not be sent: {error}", context.arrival.request_id);
    }
    FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false }
}

/// Whether only the end of the connection tells the client where the body of this response ends.
fn is_framed_by_the_end(session: &Session) -> bool {
    let unframed = |head: &ResponseHeader| !head.headers.contains_key(header::CONTENT_LENGTH);
    session.req_header().version == Version::HTTP_10 && session.response_written().is_some_and(unframed)
}

/// Whether the final response has begun. Interim ones leave it still to come, but for the one that ends HTTP
/// (RFC 9110 section 15.2).
pub(super) fn is_answered(session: &Session) -> bool {
    let is_final =
        |head: &ResponseHeader| !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS;
    session.response_written().is_some_and(is_final)
}

/// The status that tells whose fault it is; `None` when the client is gone.
fn status_for(error: &Error) -> Option<StatusCode> {
    if let ErrorType::HTTPStatus(code) = error.etype() {
        return StatusCode::from_u16(*code).ok();
    }
    match error.esource() {
        ErrorSource::Upstream => Some(status_of(error)),
        ErrorSource::Downstream => match error.etype() {
            ErrorType::ReadError if is_malformed_body(error) => Some(StatusCode::BAD_REQUEST),
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed => None,
            ErrorType::ReadTimedout => Some(StatusCode::REQUEST_TIMEOUT),
            ErrorType::WriteTimedout => None,
            _ => Some(StatusCode::BAD_REQUEST),
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Whether the listener found a body that is not framed as it should: its client is there and may be told.
fn is_malformed_body(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}
