//! From a request to the key of what it asks for, by its route's policy, and what follows for those who ask an origin
//! under that key.
//!
//! Both ways of a request come through here, and so does what changes stored responses: they must mean the same entry.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_http::RequestHeader;
use tidegate_config::model::{CachePolicy, CountryCode, KeyRules};

use super::match_route::{Asked, query};
use crate::cache::key::{CacheKey, PartSources, Target, has_parts, keep_cookies, told};
use crate::edge_proxy::EdgeProxy;
use crate::origin::{FillRequest, origin_form};
use crate::request_context::{MatchedRoute, RequestContext};

/// The key of what is asked for.
pub(super) fn cache_key(
    proxy: &EdgeProxy,
    request: &Asked<'_>,
    context: &RequestContext,
    matched: &MatchedRoute,
) -> CacheKey {
    let policy = &matched.route.cache_policy;
    let host = context.arrival.host.as_deref().unwrap_or_default();
    let key = CacheKey::by(
        policy,
        &Target {
            partition: matched.route.partition(matched.pool),
            scheme: context.client.scheme,
            host,
            path: &matched.path,
            query: query(request.target),
        },
    );
    if !has_parts(&policy.key) {
        return key;
    }
    let sources = PartSources { fields: request.fields, country: country(&policy.key, context) };
    key.with_parts(&policy.key, &sources, proxy.cache.epoch(&key))
}

/// Fields that `Vary` selects from: those that a fill for this request would send. Of cookies only those of the key.
pub(super) fn selecting_fields<'f>(rules: &KeyRules, fields: &'f HeaderMap) -> Cow<'f, HeaderMap> {
    if rules.cookies.is_empty() {
        return Cow::Borrowed(fields);
    }
    let mut fields = fields.clone();
    keep_cookies(rules, &mut fields);
    Cow::Owned(fields)
}

/// Takes from a fill what is no part of its key and would be nobody's but this client's: an origin could answer by it,
/// and everybody would get the answer. What it says in other fields the origin names in `Vary`.
pub(super) fn reduce_to_key(fill: &mut FillRequest, context: &RequestContext, matched: &MatchedRoute) {
    let policy = &matched.route.cache_policy;
    if let Cow::Owned(target) = CacheKey::sent_target(policy, &matched.path, &fill.target) {
        fill.target = Bytes::from(target);
    }
    keep_cookies(&policy.key, &mut fill.fields);
    let told = told_of_client(&fill.fields, context, matched);
    fill.fields.extend(told);
}

/// Whether a request that passes is sent as a fill for its key would be: its answer is then about what is stored.
pub(super) fn is_sent_as_a_fill(policy: &CachePolicy, path: &str, request: &RequestHeader) -> bool {
    let cookies = |fields: &HeaderMap| fields.get_all(header::COOKIE).iter().cloned().collect::<Vec<_>>();
    let has_own_target = matches!(CacheKey::sent_target(policy, path, origin_form(request)), Cow::Borrowed(_));
    has_own_target && cookies(&selecting_fields(&policy.key, &request.headers)) == cookies(&request.headers)
}

/// What an origin is told of the client because it makes the key, in requests that pass as in fills.
pub(super) fn told_of_client(
    fields: &HeaderMap,
    context: &RequestContext,
    matched: &MatchedRoute,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let rules = &matched.route.cache_policy.key;
    told(rules, country(rules, context), fields)
}

fn country(rules: &KeyRules, context: &RequestContext) -> Option<CountryCode> {
    rules.country.then(|| context.location().country).flatten()
}
