//! What this node answers to OPTIONS by itself: `OPTIONS *`, a question to this server as a whole (RFC 9110 section
//! 9.3.7), which no origin could answer for it, and preflights of pages (WHATWG Fetch section 3.3) for routes that share.

use http::{HeaderValue, Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::Flow;
use super::match_route::Asked;
use super::respond_error::answer;
use super::shape_response::finish_head;
use crate::request_context::RequestContext;
use crate::routing::CanonicalHost;

/// What some route may take; which do is for each of them to say.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Answers `OPTIONS *` for the hosts of this node.
pub(super) async fn answer_options(session: &mut Session, context: &mut RequestContext) -> Result<Flow> {
    let request = session.req_header();
    if request.method != Method::OPTIONS || request.raw_path() != b"*" {
        return Ok(Flow::Continue);
    }
    let host = Asked::of(request).authority.and_then(|authority| CanonicalHost::parse(authority).ok());
    let Some((host, _port)) = host else { return answer(session, context, StatusCode::BAD_REQUEST).await };
    context.arrival.host = Some(host.as_str().into());
    if context.snapshot.routes.find_site(&host).is_none() {
        return answer(session, context, StatusCode::MISDIRECTED_REQUEST).await;
    }
    let mut head = ResponseHeader::build(StatusCode::NO_CONTENT, Some(6))?;
    head.insert_header(header::ALLOW, ALLOW)?;
    write(session, context, head).await
}

/// Answers a page that asks before it sends a request.
pub(super) async fn answer_preflight(session: &mut Session, context: &mut RequestContext) -> Result<Flow> {
    let mut head = ResponseHeader::build(StatusCode::NO_CONTENT, Some(12))?;
    if let Some(matched) = &context.route
        && let Some(sharing) = &matched.route.sharing
    {
        for (name, value) in sharing.preflight_fields(&matched.grant) {
            head.insert_header(name, value)?;
        }
    }
    write(session, context, head).await
}

async fn write(session: &mut Session, context: &mut RequestContext, mut head: ResponseHeader) -> Result<Flow> {
    finish_head(&mut head, context)?;
    if !session.is_body_done() {
        // Nobody will read the rest of the request; the next one cannot be told from it.
        session.set_keepalive(None);
    }
    context.response.first_byte = Some(std::time::Instant::now());
    context.response.status = Some(head.status);
    session.write_response_header(Box::new(head), true).await?;
    Ok(Flow::Answered)
}
