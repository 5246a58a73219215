//! Copies of what goes to origins, for the pool that the route names.
//!
//! What the cache answers by itself is not copied: the other pool gets what this one gets, fills included.

use pingora_proxy::Session;

use super::consult_cache::copy_request;
use crate::cache::rules::request_facts::RequestFacts;
use crate::edge_proxy::EdgeProxy;
use crate::origin::FillContext;
use crate::request_context::RequestContext;
use crate::route_actions::is_chosen;
use crate::routing::PoolChoice;

/// Sends a copy if the route says so and the request is one of the chosen. Never waits and never fails.
pub(super) fn mirror_request(proxy: &EdgeProxy, session: &Session, context: &RequestContext) {
    let Some(matched) = &context.route else { return };
    let Some(mirror) = &matched.route.route.actions.mirror else { return };
    let request = session.req_header();
    // A hedge asks for the same once more, and so does who asks for the rest of what broke off.
    let is_again = |fill: &FillContext| fill.notes.hedged.is_some() || fill.notes.resumes.is_some();
    let is_repeated = context.fill.as_deref().is_some_and(is_again);
    let is_copy = matched.pool == PoolChoice::Mirror;
    if is_copy || is_repeated || matched.websocket || RequestFacts::new(&request.method, &request.headers).content {
        return;
    }
    if is_chosen(mirror, context.arrival.request_id.as_u128()) {
        proxy.mirror.send(copy_request(request, context, matched));
    }
}
