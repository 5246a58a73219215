//! `/.well-known/tidegate/ready` and `/live`: for DNS health checkers, on every public listener, for any Host,
//! before every other rule.

use http::{Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::Flow;
use super::shape_response::finish_head;
use crate::edge_proxy::EdgeProxy;
use crate::request_context::RequestContext;

const PREFIX: &[u8] = b"/.well-known/tidegate/";
const READY: &[u8] = b"/.well-known/tidegate/ready";
const LIVE: &[u8] = b"/.well-known/tidegate/live";

/// Whether this target is one of a health check.
pub(super) fn is_health_check(target: &[u8]) -> bool {
    target.starts_with(PREFIX)
}

/// Answers a health check.
pub(super) async fn answer_health_check(
    proxy: &EdgeProxy,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Flow> {
    let request = session.req_header();
    let path = request.raw_path();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let node = &context.snapshot.model().node.name;
    let (status, body) = match path {
        READY if proxy.lifecycle.verdict().ready => (StatusCode::OK, proxy.lifecycle.verdict_json(node)),
        READY => (StatusCode::SERVICE_UNAVAILABLE, proxy.lifecycle.verdict_json(node)),
        LIVE => (StatusCode::OK, proxy.lifecycle.live_json(node)),
        _ => return Ok(Flow::Continue),
    };
    if !matches!(request.method, Method::GET | Method::HEAD) {
        context.response.fields.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return super::respond_error::answer(session, context, StatusCode::METHOD_NOT_ALLOWED).await;
    }
    let bodiless = request.method == Method::HEAD;
    let mut head = ResponseHeader::build(status, Some(6))?;
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    finish_head(&mut head, context)?;
    context.response.first_byte = Some(std::time::Instant::now());
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(Flow::Answered)
}
