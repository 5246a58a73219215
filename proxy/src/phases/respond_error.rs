//! Answers that this node makes itself: refusals, redirects, failures.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};

use super::Flow;
use super::shape_response::finish_head;
use crate::origin::status_of;
use crate::request_context::RequestContext;

/// Answers with a status and a short body.
pub(super) async fn answer(session: &mut Session, context: &mut RequestContext, status: StatusCode) -> Result<Flow> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    for (name, value) in &context.response.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    write(session, context, head).await
}

/// Redirects to another URL (RFC 9110 section 15.4).
pub(super) async fn redirect(
    session: &mut Session,
    context: &mut RequestContext,
    status: StatusCode,
    location: HeaderValue,
) -> Result<Flow> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    if context.route.as_ref().is_some_and(|matched| matched.route.is_conditional()) {
        // Not everyone gets it, and a permanent one would be kept by caches on the way (RFC 9110 section 15.4.2).
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
    }
    head.insert_header(header::LOCATION, location)?;
    write(session, context, head).await
}

async fn write(session: &mut Session, context: &mut RequestContext, mut head: ResponseHeader) -> Result<Flow> {
    let reason = head.status.canonical_reason().unwrap_or("Error");
    let body = format!("{} {reason}\nrequest {}\n", head.status.as_u16(), context.arrival.request_id);
    head.insert_header(header::CONTENT_TYPE, "text/plain; charset=utf-8")?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    finish_head(&mut head, context)?;
    if !session.is_body_done() {
        // Nobody will read the rest of the request; the next one cannot be told from it.
        session.set_keepalive(None);
    }
    let bodiless = session.req_header().method == Method::HEAD;
    context.response.first_byte = Some(std::time::Instant::now());
    context.response.status = Some(head.status);
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    Ok(Flow::Answered)
}

/// Answers a request that failed, if a response has not begun and the client is still there. A fill has no client:
/// its failure goes to the cache engine as it is.
pub(crate) async fn respond_error(session: &mut Session, error: &Error, context: &mut RequestContext) -> FailToProxy {
    context.response.error.get_or_insert_with(|| error.to_string());
    // An interim response leaves the final one still to come.
    let answered = session.response_written().is_some_and(|head| !head.status.is_informational());
    let status = if context.is_fill() || answered { None } else { status_for(error) };
    let Some(status) = status else { return FailToProxy { error_code: 0, can_reuse_downstream: false } };
    session.set_keepalive(None);
    if let Err(error) = answer(session, context, status).await {
        log::debug!("request {}: the error could not be sent: {error}", context.arrival.request_id);
    }
    FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false }
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
