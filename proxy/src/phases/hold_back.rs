//! Whether the origin may hold a request back until what it asks for exists (RFC 8216bis section 6.2.5.2).
//!
//! By the query of a playlist, or because a playlist has announced the part that is asked for. What comes of it stands
//! with the cache (`engine::live`) and where origins are chosen.

use std::time::{Duration, Instant};

use crate::cache::engine::{HeldBack, Hold, KnownPlaylist};
use crate::cache::key::{CacheKey, Directives};
use crate::edge_proxy::EdgeProxy;
use crate::media::Reload;
use crate::origin::FillRequest;
use crate::request_context::MatchedRoute;

/// How long after a fill has given up its clients may still be told so.
const TELLING: Duration = Duration::from_secs(1);

/// It asks for what no playlist can have soon, or contradicts the grammar: answered with 400, as the server itself would
/// (section 6.2.5.2), so that nobody can park requests at origins that are never answered.
pub(super) struct Unanswerable;

/// Whether the origin may hold this request back.
pub(super) fn hold_of(
    proxy: &EdgeProxy,
    matched: &MatchedRoute,
    key: &CacheKey,
    query: Option<&[u8]>,
) -> Result<Option<Hold>, Unanswerable> {
    let policy = &matched.route.cache_policy;
    let Some(rules) = policy.blocking_reload.filter(|_| policy.enabled) else { return Ok(None) };
    let timeout = rules.timeout;
    if Directives::of(true, &matched.path) != Directives::Count {
        let hinted = proxy.cache.hinted_part(key);
        return Ok(hinted.map(|target| Hold { why: HeldBack::HintedPart, timeout, target: Some(target) }));
    }
    let reload = Reload::of(query);
    match reload {
        Reload::Present => Ok(None),
        Reload::Malformed => Err(Unanswerable),
        Reload::Blocking { .. } => {
            let known = proxy.cache.known_playlist(key);
            let cannot_come = |known: &KnownPlaylist| {
                reload.is_too_far(known.position, known.at.elapsed(), known.target)
                    || reload.is_beyond_parts(known.position, known.target, known.part_target)
            };
            if known.as_ref().is_some_and(cannot_come) {
                return Err(Unanswerable);
            }
            Ok(Some(Hold { why: HeldBack::Reload, timeout, target: known.map(|known| known.target) }))
        }
    }
}

/// The fill's request, held back or not.
pub(super) fn held(request: FillRequest, hold: Option<Hold>) -> FillRequest {
    let mut request = request;
    request.context.hold = hold;
    request
}

/// When a client is to have the head of its response: what is held back is given its time.
pub(super) fn held_deadline(deadline: Option<Instant>, arrival: Instant, hold: Option<Hold>) -> Option<Instant> {
    match hold {
        Some(hold) => deadline.map(|deadline| deadline.max(arrival + hold.timeout + TELLING)),
        None => deadline,
    }
}
