//! Who asks: a client over a connection, or the cache itself.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use pingora_proxy::Session;

use crate::listener::CONNECTION;
use crate::origin::FillContext;
use crate::request_context::{MatchedRoute, RequestContext};
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
    let path = String::new(); // a fill is matched already
    let (site, route) = (Arc::clone(&fill.site), Arc::clone(&fill.route));
    context.route = Some(MatchedRoute { site, route, path, path_as_sent: true });
    context.fill = Some(Box::new(fill.clone()));
    true
}

/// Notes the connection and the trace of a client's request, and bounds what it may hold back.
pub(super) fn identify_client(session: &mut Session, context: &mut RequestContext) {
    context.connection = CONNECTION.try_with(Arc::clone).ok();
    let request_id = context.arrival.request_id;
    let received = received_trace(&session.req_header().headers, request_id);
    context.arrival.trace = Some(received.unwrap_or_else(|| TraceContext::start(request_id)));
    let limits = context.snapshot.limits();
    let (body, write): (Duration, Duration) = (limits.body_timeout, limits.write_timeout);
    session.set_read_timeout(Some(body));
    session.set_write_timeout(Some(write));
}

/// The trace that the client sent, if it sent one.
pub(super) fn received_trace(fields: &HeaderMap, request_id: RequestId) -> Option<TraceContext> {
    if !fields.contains_key(TRACEPARENT) {
        return None;
    }
    let parents = fields.get_all(TRACEPARENT).iter().map(|value| value.as_bytes());
    let states = fields.get_all(TRACESTATE).iter().map(|value| value.as_bytes());
    Some(TraceContext::resume(parents, states, request_id))
}
