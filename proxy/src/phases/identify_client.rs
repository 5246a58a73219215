//! Who asks: a client over a connection, or the cache itself.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};
use pingora_proxy::Session;

use super::match_route::Asked;
use crate::cache::key::Scheme;
use crate::cache::rules::hop_by_hop;
use crate::client_identity::Peer;
use crate::listener::{CONNECTION, ConnectionInfo};
use crate::origin::FillContext;
use crate::request_context::{MatchedRoute, RequestContext};
use crate::routing::{CanonicalHost, CanonicalPath, Grant};
use crate::telemetry::{RequestId, TraceContext};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Takes over what a fill carries: its snapshot and its route. `false` when a client asks.
pub(super) fn adopt_fill(session: &Session, context: &mut RequestContext) -> bool {
    let user = session.subrequest_ctx.as_ref().and_then(|subrequest| subrequest.user_ctx());
    let Some(fill) = user.and_then(|user| user.downcast_ref::<FillContext>()) else { return false };
    context.snapshot = Arc::clone(&fill.snapshot);
    context.arrival.request_id = fill.request_id;
    context.arrival.trace = fill.trace.clone();
    context.client.scheme = if fill.over_tls { Scheme::Https } else { Scheme::Http };
    // Matched already. Its target is in canonical form, unless it is a copy for another pool.
    let asked = Asked::of(session.req_header());
    let host = asked.authority.and_then(|authority| CanonicalHost::parse(authority).ok());
    context.arrival.host = host.map(|(host, _port)| host.as_str().into());
    let path = asked.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = CanonicalPath::parse(path).map(CanonicalPath::into_string).unwrap_or_default();
    let (site, route) = (Arc::clone(&fill.site), Arc::clone(&fill.route));
    context.route = Some(MatchedRoute {
        site,
        route,
        path,
        path_as_sent: true,
        pool: fill.pool,
        websocket: false,
        target: None,
        grant: Grant::Nobody,
        names_priority: false,
        cmcd: None,
    });
    context.origin.journal = Arc::clone(&fill.journal).into();
    context.fill = Some(Box::new(fill.clone()));
    true
}

/// Notes the connection and the trace of a client's request, and bounds what it may hold back.
pub(super) fn identify_client(session: &mut Session, context: &mut RequestContext) {
    if let Ok(connection) = CONNECTION.try_with(Arc::clone) {
        note_client(&session.req_header().headers, connection, context);
    }
    let request_id = context.arrival.request_id;
    let received = received_trace(&session.req_header().headers, request_id);
    context.arrival.trace = Some(received.unwrap_or_else(|| TraceContext::start(request_id)));
    session.set_read_timeout(Some(context.snapshot.limits().body_timeout));
    // What the client does not take is watched by the listener, which sees more of it than one write.
}

/// Finds out who asks with these fields over this connection. Shared by both ways of a request.
pub(super) fn note_client(fields: &HeaderMap, connection: Arc<ConnectionInfo>, context: &mut RequestContext) {
    let peer = Peer { address: connection.peer.ip(), scheme: connection_scheme(&connection) };
    let client = context.snapshot.identity.identify(peer, fields);
    context.client.address = Some(client.address);
    context.client.scheme = client.scheme;
    context.client.proxies = client.proxies;
    context.connection = Some(connection);
}

/// Why a request must not go further, whatever it asks for. Shared by both ways of a request.
pub(super) fn refusal(asked: &Asked<'_>, context: &mut RequestContext) -> Option<StatusCode> {
    if hop_by_hop::misleads(asked.fields) {
        return Some(StatusCode::BAD_REQUEST);
    }
    if is_misdirected(asked, context) {
        let host = asked.authority.and_then(|authority| CanonicalHost::parse(authority).ok());
        context.arrival.host = host.map(|(host, _port)| host.as_str().into());
        return Some(StatusCode::MISDIRECTED_REQUEST);
    }
    context.snapshot.identity.goes_round(asked.fields).then_some(StatusCode::LOOP_DETECTED)
}

/// Whether a request names another scheme than its connection has (RFC 9110 section 7.4, RFC 9113 section 8.3.1): who
/// reads only the one would take it for another resource than who reads the other. A trusted proxy may have been asked
/// in the scheme that it names.
fn is_misdirected(asked: &Asked<'_>, context: &RequestContext) -> bool {
    let (Some(scheme), Some(connection)) = (asked.scheme, &context.connection) else { return false };
    let own = connection_scheme(connection).as_str();
    !scheme.eq_ignore_ascii_case(own) && !context.snapshot.identity.trusts(connection.peer.ip())
}

/// Scheme of what is asked over this connection itself.
pub(super) fn connection_scheme(connection: &ConnectionInfo) -> Scheme {
    if connection.tls.is_some() { Scheme::Https } else { Scheme::Http }
}

/// Whether the client sent a trace.
pub(super) fn has_trace(fields: &HeaderMap) -> bool {
    // A look at the names there are costs less than hashing one that most requests have not.
    fields.keys().any(|name| *name == TRACEPARENT)
}

/// The trace that the client sent, if it sent one.
pub(super) fn received_trace(fields: &HeaderMap, request_id: RequestId) -> Option<TraceContext> {
    if !has_trace(fields) {
        return None;
    }
    let parents = fields.get_all(TRACEPARENT).iter().map(|value| value.as_bytes());
    let states = fields.get_all(TRACESTATE).iter().map(|value| value.as_bytes());
    Some(TraceContext::resume(parents, states, request_id))
}
