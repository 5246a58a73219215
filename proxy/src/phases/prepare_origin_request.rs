//! What an origin gets of a request.

use bytes::Bytes;
use http::{HeaderName, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use tidegate_config::model::{HostPolicy, Origin};

use crate::request_context::RequestContext;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Sets the fields that this node owes an origin. The target stays as the client sent it.
pub(crate) fn prepare_origin_request(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    forwarding_fields(request, context)?;
    if let (Some(pool), Some(origin)) = (&context.origin.pool, &context.origin.current) {
        match &pool.pool.host {
            HostPolicy::Client => {}
            HostPolicy::Origin => request.insert_header(header::HOST, origin_host(&origin.origin))?,
            HostPolicy::Fixed(host) => request.insert_header(header::HOST, host.as_str())?,
        }
    }
    let id = context.arrival.request_id.to_hex();
    request.insert_header(REQUEST_ID, &id[..])?;
    if let Some(trace) = &context.arrival.trace {
        request.insert_header(TRACEPARENT, trace.parent.to_string())?;
        request.remove_header(&TRACESTATE);
        if let Some(state) = &trace.state {
            request.insert_header(TRACESTATE, state.as_str())?;
        }
    }
    Ok(())
}

/// Says for whom the request is made. What a client claims of itself is not believed.
fn forwarding_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    for name in [&FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO] {
        request.remove_header(name);
    }
    if let Some(host) = request.headers.get(header::HOST).cloned() {
        request.insert_header(FORWARDED_HOST, host)?;
    }
    let over_tls = match (&context.fill, &context.connection) {
        (Some(fill), _) => fill.over_tls,
        (None, Some(connection)) => connection.tls.is_some(),
        (None, None) => false,
    };
    request.insert_header(FORWARDED_PROTO, if over_tls { "https" } else { "http" })?;
    // A fill is made for everyone, so it names nobody.
    if let Some(connection) = &context.connection {
        request.insert_header(FORWARDED_FOR, connection.peer.ip().to_canonical().to_string())?;
    }
    Ok(())
}

/// The origin's own host, its port added unless it is the scheme's.
fn origin_host(origin: &Origin) -> String {
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let usual = if origin.tls.is_some() { 443 } else { 80 };
    if origin.port == usual { host } else { format!("{host}:{}", origin.port) }
}

/// Counts the body of a request against its bound.
pub(crate) fn count_request_body(body: Option<&Bytes>, context: &mut RequestContext) -> Result<()> {
    context.origin.request_bytes += body.map_or(0, |bytes| bytes.len() as u64);
    if context.origin.request_bytes > context.snapshot.limits().body_bytes.0 {
        return Err(
            Error::explain(ErrorType::HTTPStatus(413), "the request body is larger than limits.body_bytes").into_down()
        );
    }
    Ok(())
}
