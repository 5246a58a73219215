//! What a response that passes to a client says of what is stored: that it has changed (RFC 9111 section 4.4), or, in
//! answer to a HEAD, which version the origin has (section 4.3.5); and of what could not be stored, that it can now.

use http::{Method, header};
use pingora_http::{RequestHeader, ResponseHeader};
use tidegate_config::model::CachePolicy;

use super::cache_key::{is_sent_as_a_fill, selecting_fields};
use super::consult_cache::NOT_SHAREABLE;
use super::match_route::query;
use crate::cache::engine::{Change, Lookup};
use crate::cache::key::{CacheKey, Target, has_many_states};
use crate::cache::rules::cache_status::{ForwardReason, Outcome};
use crate::cache::rules::invalidation::{further_targets, invalidates};
use crate::cache::rules::request_facts::RequestFacts;
use crate::edge_proxy::EdgeProxy;
use crate::origin::origin_form;
use crate::request_context::RequestContext;
use crate::routing::{CanonicalPath, split_target};

/// Takes note of it. The fields are still those of the origin.
pub(super) fn take_note(proxy: &EdgeProxy, request: &RequestHeader, head: &ResponseHeader, context: &RequestContext) {
    if request.method == Method::HEAD {
        tell_cache(request, context, |lookup| {
            proxy.cache.note_head(lookup, head.status, &head.headers, context.arrival.time);
        });
    } else if request.method == Method::GET {
        if context.cache.passage.as_ref().is_some_and(|member| member.detail == Some(NOT_SHAREABLE)) {
            tell_cache(request, context, |lookup| {
                proxy.cache.note_passed(lookup, head.status, &head.headers, context.arrival.time);
            });
        }
    } else {
        invalidate_changed(proxy, request, head, context);
    }
}

/// Only where a fill would have been sent the same: not for another spelling of the target, and not where a kill switch
/// keeps the request from the cache, as the answer may be another origin's.
fn tell_cache(request: &RequestHeader, context: &RequestContext, tell: impl FnOnce(&Lookup<'_>)) {
    let (Some(key), Some(matched)) = (&context.cache.key, &context.route) else { return };
    let is_bypass = context
        .cache
        .passage
        .as_ref()
        .is_some_and(|member| matches!(member.outcome, Outcome::Forward { reason: ForwardReason::Bypass, .. }));
    if is_bypass || !matched.path_as_sent {
        return;
    }
    let policy = &matched.route.cache_policy;
    if !is_sent_as_a_fill(policy, &matched.path, request) {
        return;
    }
    let facts = RequestFacts::new(&request.method, &request.headers);
    let fields = selecting_fields(&policy.key, &request.headers);
    let lookup = Lookup { key, facts: &facts, fields: &fields, policy, path: &matched.path, may_fill: false };
    tell(&lookup);
}

/// An unsafe method that succeeded makes what is stored of its target invalid, and of what Location and
/// Content-Location name on the same origin (RFC 9111 section 4.4).
fn invalidate_changed(proxy: &EdgeProxy, request: &RequestHeader, head: &ResponseHeader, context: &RequestContext) {
    let (Some(_), Some(matched)) = (&context.cache.key, &context.route) else { return };
    if !invalidates(&request.method, head.status) {
        return;
    }
    let scheme = context.client.scheme;
    let host = context.arrival.host.as_deref().unwrap_or_default();
    let authority = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(host);
    // Whichever route or pool others have it from.
    let forget = |path: &str, query: Option<&[u8]>| {
        let change = |(partition, policy): (_, &CachePolicy)| Change {
            key: CacheKey::by(policy, &Target { partition, scheme, host, path, query }),
            any_query: has_many_states(policy, path),
            site: policy.key.host.as_deref().unwrap_or_else(|| matched.site.name_of(host)).to_owned(),
        };
        proxy.cache.invalidate_all(&matched.site.stored_under(path).map(change).collect::<Vec<_>>());
    };
    forget(&matched.path, query(origin_form(request)));
    for target in further_targets(scheme.as_str(), authority, &matched.path, &head.headers) {
        let (path, query) = split_target(&target);
        if let Ok(path) = CanonicalPath::parse(path) {
            forget(path.as_str(), query.map(str::as_bytes));
        }
    }
}
