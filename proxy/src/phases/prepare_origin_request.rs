//! What an origin gets of a request.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, Method, Version, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::cache_key::told_of_client;
use super::debug_field::DEBUG;
use super::identify_client::connection_scheme;
use super::route_facts::{body_bound, change_origin_request};
use crate::cache::key::{COUNTRY, DEVICE};
use crate::cache::rules::hop_by_hop;
use crate::client_identity::{CLAIMS, ForwardingFields, OVERRIDES, Route};
use crate::cmcd;
use crate::listener::{Protocol, body_ended, body_goes_on};
use crate::origin::{authorise, host_field, origin_form, prefix_target, set_target};
use crate::request_context::RequestContext;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Sets the fields that this node owes an origin. The target stays as the client sent it, unless the route
/// rewrites it.
///
/// The order matters: what a client has named in `Connection` goes before anything of ours comes, routes may change
/// what is said of the client, and nothing can take away what ends loops.
pub(crate) fn prepare_origin_request(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    end_hop_by_hop(request, context);
    origin_target(request)?;
    without_cmcd(request)?;
    without_page(request, context);
    key_fields(request, context)?;
    forwarding_fields(request, context)?;
    own_fields(request, context)?;
    route_fields(request, context)?;
    host_policy(request, context)?;
    loop_fields(request, context)?;
    let Some(origin) = &context.origin.current else { return Ok(()) };
    prefix_target(origin, request)?;
    // Last: a signature covers target and host as they are sent. Each attempt comes through here anew.
    authorise(origin, request, SystemTime::now())
        .map_err(|error| Error::because(ErrorType::InternalError, "authorising a request", error))
}

/// Takes away what ends at this hop (RFC 9110 section 7.6.1). The handshake of a WebSocket stays where the route lets
/// it through.
fn end_hop_by_hop(request: &mut RequestHeader, context: &RequestContext) {
    let upgrade = context.route.as_ref().is_some_and(|matched| matched.websocket);
    for name in hop_by_hop::request_fields(&request.headers) {
        if !(upgrade && matches!(name, header::CONNECTION | header::UPGRADE)) {
            request.remove_header(&name);
        }
    }
}

/// Takes the authority off a target in absolute form: only proxies are asked so (RFC 9112 section 3.2.2), and the Host
/// field says the same.
fn origin_target(request: &mut RequestHeader) -> Result<()> {
    let target = origin_form(request);
    if target == request.raw_path() {
        return Ok(());
    }
    let target = target.to_vec();
    request.set_raw_path(&target)
}

/// What players say of themselves is for this node (CTA-5004); an origin that answered by it would answer one client.
fn without_cmcd(request: &mut RequestHeader) -> Result<()> {
    for name in &cmcd::FIELDS {
        request.remove_header(name);
    }
    match cmcd::without_argument(origin_form(request)) {
        Some(target) => set_target(request, &target),
        None => Ok(()),
    }
}

/// Says what of the client makes the key of what is asked for; a fill has been told already.
fn key_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    let Some(matched) = context.route.as_ref().filter(|_| !context.is_fill()) else { return Ok(()) };
    for name in [&DEVICE, &COUNTRY, &DEBUG] {
        request.remove_header(name);
    }
    for (name, value) in told_of_client(&request.headers, context, matched) {
        request.insert_header(name, value)?;
    }
    Ok(())
}

/// Which page asks matters to nobody behind a route whose sharing this node answers: an origin that answered by it would
/// be stored for all. What changes something keeps it, as origins protect themselves by it.
fn without_page(request: &mut RequestHeader, context: &RequestContext) {
    let shares = context.route.as_ref().is_some_and(|matched| matched.route.sharing.is_some());
    if shares && matches!(request.method, Method::GET | Method::HEAD) {
        request.remove_header(&header::ORIGIN);
    }
}

/// Says for whom the request is made. What a client claims of itself is not believed.
fn forwarding_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    for name in &CLAIMS {
        request.remove_header(name);
    }
    let scheme = context.client.scheme;
    let route = match context.client.address {
        Some(address) => {
            let connection = context.connection.as_deref().map_or(scheme, connection_scheme);
            Route::Client { address, scheme, proxies: &context.client.proxies, connection }
        }
        None => {
            for name in &OVERRIDES {
                request.remove_header(name);
            }
            Route::Fill(scheme)
        }
    };
    for (name, value) in ForwardingFields::new(route, request.headers.get(header::HOST)) {
        request.insert_header(name, value)?;
    }
    Ok(())
}

/// Ties the request to its line in the access log and to its trace.
fn own_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
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

/// What the route changes.
fn route_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    change_origin_request(request, context)
}

/// Names the host that the pool wants to be asked for.
fn host_policy(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    let (Some(pool), Some(origin)) = (&context.origin.pool, &context.origin.current) else { return Ok(()) };
    let Some(host) = host_field(&pool.pool.host, &origin.origin) else { return Ok(()) };
    request.insert_header(header::HOST, &*host)
}

/// Lets loops be found: `CDN-Loop` (RFC 8586) and `Via` (RFC 9110 section 7.6.3) grow by one member.
fn loop_fields(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    let identity = &context.snapshot.identity;
    let (name, member) = identity.cdn_loop();
    request.append_header(name, member)?;
    if context.is_fill() {
        // A request of the cache itself: what one client came through is not its way.
        request.remove_header(&header::VIA);
    }
    request.append_header(header::VIA, identity.via(received_version(request, context)))?;
    Ok(())
}

/// The version in which the client asked; what `request` has may already be the one that the origin is asked in.
fn received_version(request: &RequestHeader, context: &RequestContext) -> Version {
    match context.connection.as_ref().map(|connection| connection.protocol) {
        Some(Protocol::Http2) => Version::HTTP_2,
        Some(Protocol::Http3) => Version::HTTP_3,
        Some(Protocol::Http1) if request.version == Version::HTTP_10 => Version::HTTP_10,
        Some(Protocol::Http1) | None => Version::HTTP_11,
    }
}

/// The origin waits for what is left of the body from now on, and so does this node.
pub(crate) fn await_request_body(session: &mut Session, context: &RequestContext) {
    if !session.as_mut().is_body_done() {
        body_goes_on(taking(context));
    }
}

/// How long an origin may take over a piece of a body: for so long it may be its fault that no further one is read.
/// When it has not taken the piece in time, it may still have answered, and its answer is waited for.
fn taking(context: &RequestContext) -> Duration {
    let Some(pool) = &context.origin.pool else { return Duration::ZERO };
    let timeouts = &pool.pool.timeouts;
    let read = context.route.as_ref().and_then(|matched| matched.route.route.actions.timeouts.read);
    timeouts.write + read.unwrap_or(timeouts.read)
}

/// Counts the body of a request against its bound.
pub(crate) fn count_request_body(body: Option<&Bytes>, end: bool, context: &mut RequestContext) -> Result<()> {
    if end {
        body_ended()
    } else {
        body_goes_on(taking(context))
    }
    context.origin.request_bytes += body.map_or(0, |bytes| bytes.len() as u64);
    if context.route.as_ref().is_some_and(|matched| matched.websocket) {
        return Ok(()); // frames are no body
    }
    if context.origin.request_bytes > body_bound(context) {
        let why = "the request body is larger than limits.body_bytes or the route's body_bytes";
        return Err(Error::explain(ErrorType::HTTPStatus(413), why).into_down());
    }
    Ok(())
}
