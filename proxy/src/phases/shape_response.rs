//! What every response gets from this node, whoever wrote it.

use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use http::{HeaderName, Version, header};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::cache_status::CACHE_STATUS;
use crate::cache::rules::invalidation::{further_targets, invalidates};
use crate::edge_proxy::EdgeProxy;
use crate::request_context::RequestContext;
use crate::routing::{CanonicalPath, split_target};

/// Names the node that answered, for players and for operators.
const EDGE: HeaderName = HeaderName::from_static("x-tidegate-edge");
/// Server Timing, W3C: the node again, where scripts see no other field.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Ties a response to its line in the access log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds the fields that every response carries.
pub(super) fn finish_head(head: &mut ResponseHeader, context: &RequestContext) -> Result<()> {
    head.insert_header(EDGE, context.snapshot.edge.clone())?;
    head.append_header(SERVER_TIMING, context.snapshot.server_timing.clone())?;
    let id = context.arrival.request_id.to_hex();
    head.insert_header(REQUEST_ID, &id[..])?;
    if !head.headers.contains_key(header::DATE) {
        head.insert_header(header::DATE, httpdate::fmt_http_date(SystemTime::now()))?;
    }
    let over_tls = context.connection.as_ref().is_some_and(|connection| connection.tls.is_some());
    if let (true, Some(alt_svc)) = (over_tls, &context.snapshot.alt_svc) {
        head.insert_header(header::ALT_SVC, alt_svc.clone())?;
    }
    Ok(())
}

/// Without a length, HTTP/1.1 frames the body in chunks; HTTP/1.0 knows none and ends with the connection.
pub(super) fn frame_body(session: &mut Session, head: &mut ResponseHeader) -> Result<()> {
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        return Ok(());
    }
    match session.req_header().version {
        Version::HTTP_11 if !session.is_http2() && !session.is_custom() => {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        Version::HTTP_10 | Version::HTTP_09 => session.set_keepalive(None),
        _ => {}
    }
    Ok(())
}

/// What only the connection to the origin tells about a response.
pub fn note_origin_response(head: &ResponseHeader, context: &RequestContext) {
    if let Some(origin) = &context.origin.current {
        origin.suspects.succeeded();
    }
    let Some(fill) = &context.fill else { return };
    *fill.notes.origin.lock() = context.origin_name();
    let framed = head.headers.contains_key(header::CONTENT_LENGTH)
        || head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.version == Version::HTTP_2;
    let bodiless = head.status.is_informational() || matches!(head.status.as_u16(), 204 | 304);
    fill.notes.close_delimited.store(!framed && !bodiless, Ordering::Relaxed);
}

/// Shapes a response that passes from an origin to a client.
pub fn shape_passed_response(
    proxy: &EdgeProxy,
    session: &Session,
    head: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Result<()> {
    if context.is_fill() || head.status.is_informational() {
        return Ok(());
    }
    context.response.first_byte = Some(Instant::now());
    invalidate_changed(proxy, session.req_header(), head, context);
    if let Some(member) = &context.cache.passage {
        head.append_header(CACHE_STATUS, member.to_value())?;
    }
    for name in ["keep-alive", "proxy-connection"] {
        head.remove_header(name);
    }
    finish_head(head, context)
}

/// An unsafe method that succeeded makes what is stored of its target invalid, and of what Location and
/// Content-Location name on the same origin (RFC 9111 section 4.4).
fn invalidate_changed(proxy: &EdgeProxy, request: &RequestHeader, head: &ResponseHeader, context: &RequestContext) {
    let (Some(key), Some(matched)) = (&context.cache.key, &context.route) else { return };
    if !invalidates(&request.method, head.status) {
        return;
    }
    proxy.cache.invalidate(key);
    let over_tls = context.connection.as_ref().is_some_and(|connection| connection.tls.is_some());
    let scheme = if over_tls { Scheme::Https } else { Scheme::Http };
    let host = context.arrival.host.as_deref().unwrap_or_default();
    let authority = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(host);
    for target in further_targets(scheme.as_str(), authority, &matched.path, &head.headers) {
        let (path, query) = split_target(&target);
        if let Ok(path) = CanonicalPath::parse(path) {
            proxy.cache.invalidate(&CacheKey::new(scheme, host, path.as_str(), query));
        }
    }
}
