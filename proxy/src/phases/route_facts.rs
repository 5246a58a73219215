//! What templates and changes of a route are filled with, and where they meet the messages of this request.

use std::time::{Duration, Instant};

use http::header::CONTENT_LENGTH;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tidegate_config::model::RouteActions;

use crate::origin::{origin_form, set_target};
use crate::request_context::{MatchedRoute, RequestContext};
use crate::route_actions::{Facts, HeaderSection, MIRROR_FIELD, apply, is_empty, origin_target};
use crate::routing::PoolChoice;

/// How long a WebSocket may be silent in one direction, unless the route's `timeouts.read` says otherwise. Servers that
/// care for their connections ping every minute or less, which browsers answer.
const WEBSOCKET_IDLE: Duration = Duration::from_secs(600);

/// A body that comes at once, or its client is too slow to be waited for.
const SHORT_BODY: u64 = 64 << 10;

/// How long an upload over HTTP/2 may last in all, where the origin speaks nothing else. Clients that stall are found
/// before by the listener, and origins that take nothing by `timeouts.write`.
const LONGEST_UPLOAD: Duration = Duration::from_secs(1800);

/// Hands over the facts of a request with this target in origin form. What is about a client is absent in fills.
pub(super) fn with_facts<T>(context: &RequestContext, target: &[u8], use_them: impl FnOnce(&Facts<'_>) -> T) -> T {
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(query);
    let id = context.arrival.request_id.to_hex();
    let location = context.location();
    use_them(&Facts {
        host: context.arrival.host.as_deref().unwrap_or_default(),
        path,
        query,
        scheme: context.client.scheme.as_str(),
        request_id: std::str::from_utf8(&id).unwrap_or_default(),
        client_address: context.client.address,
        client_country: location.country,
        client_continent: location.continent,
        client_asn: location.asn,
        edge: context.snapshot.model().node.name.as_str(),
    })
}

fn actions(context: &RequestContext) -> Option<&RouteActions> {
    context.route.as_ref().map(|matched| &matched.route.route.actions)
}

/// Changes what an origin gets: its target and its fields.
pub(super) fn change_origin_request(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    let Some(matched) = &context.route else { return Ok(()) };
    let actions = &matched.route.route.actions;
    if actions.rewrite.is_some() || !is_empty(&actions.request_fields) {
        let sent = origin_form(request).to_vec();
        let rewritten = with_facts(context, &sent, |facts| {
            apply(&actions.request_fields, facts, request)?;
            let rewrite = actions.rewrite.as_ref();
            Ok::<_, Box<Error>>(rewrite.map(|it| origin_target(it, &matched.route.route.path, &matched.path, facts)))
        })?;
        if let Some(rewritten) = rewritten {
            set_target(request, &rewritten)?;
        }
    }
    if matched.pool == PoolChoice::Mirror {
        request.insert_header(MIRROR_FIELD, "1")?;
    }
    Ok(())
}

/// Changes what a client gets, at last.
pub(super) fn change_response(head: &mut dyn HeaderSection, context: &RequestContext) -> Result<()> {
    let Some(matched) = context.route.as_ref().filter(|matched| changes_responses(matched)) else { return Ok(()) };
    let target = matched.target.as_deref().unwrap_or_default();
    with_facts(context, target, |facts| apply(&matched.route.route.actions.response_fields, facts, head))
}

/// Whether a route changes what clients get.
pub(super) fn changes_responses(matched: &MatchedRoute) -> bool {
    !is_empty(&matched.route.route.actions.response_fields)
}

/// When a client is to have the head of its response, by its route. A fill has no client and no such time.
pub(super) fn response_deadline(context: &RequestContext) -> Option<Instant> {
    let bound = actions(context)?.timeouts.response.filter(|_| !context.is_fill())?;
    context.arrival.instant.checked_add(bound)
}

/// Bounds an attempt by what the route says of reading, and keeps the connection of a handshake to itself.
pub(super) fn bound_attempt(peer: &mut HttpPeer, session: &mut Session, context: &RequestContext) {
    let Some(matched) = &context.route else { return };
    let timeouts = &matched.route.route.actions.timeouts;
    let options = &mut peer.options;
    if timeouts.read.is_some() {
        options.read_timeout = timeouts.read;
    }
    if is_upload(session) {
        // Over HTTP/2 Pingora's time for reading a head runs from the request's own head on, whatever follows that. Over
        // HTTP/1.1 each piece that is sent begins it anew.
        match options.alpn {
            ALPN::H2 => options.read_timeout = options.read_timeout.map(|read| read.max(LONGEST_UPLOAD)),
            _ => options.alpn = ALPN::H1,
        }
    }
    if matched.websocket {
        options.read_timeout = Some(websocket_idle(matched));
        // RFC 6455 is about HTTP/1.1. Whatever became of the handshake, nobody else's request follows it.
        options.alpn = ALPN::H1;
        options.idle_timeout = Some(Duration::ZERO);
        peer.group_key ^= context.arrival.request_id.as_u128() as u64;
    }
}

/// Whether the body of a request may take longer to come than its origin may take to answer: what is short, or here
/// already, may not.
fn is_upload(session: &mut Session) -> bool {
    let fields = &session.req_header().headers;
    let length = fields.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_none_or(|length| length > SHORT_BODY) && !session.as_mut().is_body_done()
}

/// How long a WebSocket of this route may be silent in one direction.
pub(super) fn websocket_idle(matched: &MatchedRoute) -> Duration {
    matched.route.route.actions.timeouts.read.unwrap_or(WEBSOCKET_IDLE)
}

/// The largest body that this request may have.
pub(super) fn body_bound(context: &RequestContext) -> u64 {
    let limit = context.snapshot.limits().body_bytes.0;
    let route = actions(context).and_then(|actions| actions.body_bytes);
    route.map_or(limit, |route| limit.min(route.0))
}
