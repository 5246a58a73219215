//! What operators have switched on by hand goes before everything that a route does.

use super::Flow;
use super::respond_error::{answer, answer_maintenance};
use crate::cache::rules::cache_status::{ForwardReason, Member, Outcome};
use crate::edge_proxy::EdgeProxy;
use crate::kill_switch::Refusal;
use crate::request_context::{MatchedRoute, RequestContext};
use pingora_error::Result;
use pingora_proxy::Session;

/// What `Cache-Status` says of a request that must not see the cache (RFC 9211 section 2.2).
const PASSAGE: Member = Member {
    outcome: Outcome::Forward { reason: ForwardReason::Bypass, status: None, stored: false, collapsed: false },
    ttl: None,
    detail: Some("kill-switch"),
};

/// Refuses what a kill switch refuses, and keeps from the cache what one keeps from it.
pub(super) async fn enforce_kill_switches(
    proxy: &EdgeProxy,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Flow> {
    let Some(matched) = &context.route else { return Ok(Flow::Continue) };
    let (site, route) = (&matched.site.site.name, &matched.route.route.name);
    let now = context.arrival.time;
    let verdict = proxy.kill_switches.verdict(site, route, now);
    if verdict.bypass_cache {
        context.cache.passage = Some(PASSAGE);
    }
    match verdict.refusal {
        None => Ok(Flow::Continue),
        Some(Refusal::Block(status)) => answer(session, context, status).await,
        Some(Refusal::Maintenance(until)) => {
            let remaining = until.duration_since(now).unwrap_or_default();
            answer_maintenance(session, context, Some(remaining)).await
        }
    }
}

/// Whether a request to this route must take the long way, where kill switches are enforced.
pub(super) fn is_touched(proxy: &EdgeProxy, matched: &MatchedRoute, context: &RequestContext) -> bool {
    let (site, route) = (&matched.site.site.name, &matched.route.route.name);
    proxy.kill_switches.touches(site, route, context.arrival.time)
}
