//! From a request to the key of what it asks for, by its route's policy, and what follows for those who ask an origin
//! under that key.
//!
//! Both ways of a request come through here, and so does what changes stored responses: they must mean the same entry.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_http::RequestHeader;
use tidegate_config::model::{CachePolicy, CountryCode, KeyRules};

use super::debug_field::DEBUG;
use super::match_route::{Asked, query};
use crate::cache::key::{COUNTRY, CacheKey, DEVICE, PartSources, Target, has_parts, keep_cookies, told};
use crate::cache::rules::hop_by_hop;
use crate::origin::{FillRequest, origin_form};
use crate::request_context::{MatchedRoute, RequestContext};

/// The key of what is asked for.
pub(super) fn cache_key(request: &Asked<'_>, context: &RequestContext, matched: &MatchedRoute) -> CacheKey {
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
    let sources = PartSources { fields: &fields_of_fill(request.fields), country: country(&policy.key, context) };
    key.with_parts(&policy.key, &sources)
}

/// Fields that `Vary` selects from: those that a fill for this request would send. Of cookies only those of the key.
pub(super) fn selecting_fields<'f>(rules: &KeyRules, fields: &'f HeaderMap) -> Cow<'f, HeaderMap> {
    of_key(rules, fields_of_fill(fields))
}

/// The same of a request whose Connection takes no field away.
pub(super) fn selecting_fields_of_all<'f>(rules: &KeyRules, fields: &'f HeaderMap) -> Cow<'f, HeaderMap> {
    of_key(rules, Cow::Borrowed(fields))
}

fn of_key<'f>(rules: &KeyRules, mut fields: Cow<'f, HeaderMap>) -> Cow<'f, HeaderMap> {
    if !rules.cookies.is_empty() {
        keep_cookies(rules, fields.to_mut());
    }
    fields
}

/// A request's fields as one of this node's own in its stead sends them: without those that end at this hop, and without
/// what a client cannot say of itself.
pub(super) fn sent_fields(fields: &HeaderMap) -> HeaderMap {
    let mut sent = fields.clone();
    hop_by_hop::strip_from_request(&mut sent);
    sent.remove(header::CONTENT_LENGTH);
    for claim in [&DEVICE, &COUNTRY, &DEBUG] {
        sent.remove(claim);
    }
    sent
}

/// The fields that may make a key or select a variant, as a fill sends them: what a client has end at this hop the origin
/// does not answer by, and whoever does not must not get its answer. No field that always ends here is ever part of a key,
/// so that hardly a request needs a copy.
fn fields_of_fill(fields: &HeaderMap) -> Cow<'_, HeaderMap> {
    if hop_by_hop::takes_away(fields) { Cow::Owned(sent_fields(fields)) } else { Cow::Borrowed(fields) }
}

/// Takes from a fill what is no part of its key and would be nobody's but this client's: an origin could answer by it,
/// and everybody would get the answer. What it says in other fields the origin names in `Vary`.
pub(super) fn reduce_to_key(fill: &mut FillRequest, context: &RequestContext, matched: &MatchedRoute) {
    let policy = &matched.route.cache_policy;
    if let Cow::Owned(target) = CacheKey::sent_target(policy, &matched.path, &fill.target) {
        fill.target = Bytes::from(target);
    }
    keep_cookies(&policy.key, &mut fill.fields);
    if let Some(host) = policy.key.host.as_deref().and_then(|host| HeaderValue::from_str(host).ok()) {
        fill.fields.insert(header::HOST, host);
    }
    let told = told_of_client(&fill.fields, context, matched);
    fill.fields.extend(told);
}

/// Whether a request that passes is sent as a fill for its key would be: its answer is then about what is stored.
pub(super) fn is_sent_as_a_fill(policy: &CachePolicy, path: &str, request: &RequestHeader) -> bool {
    let cookies = |fields: &HeaderMap| fields.get_all(header::COOKIE).iter().cloned().collect::<Vec<_>>();
    let has_own_target = matches!(CacheKey::sent_target(policy, path, origin_form(request)), Cow::Borrowed(_));
    let host = request.headers.get(header::HOST).map(HeaderValue::as_bytes);
    let has_own_host = policy.key.host.as_deref().is_none_or(|own| host == Some(own.as_bytes()));
    has_own_target
        && has_own_host
        && cookies(&selecting_fields(&policy.key, &request.headers)) == cookies(&request.headers)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::key::Scheme;

    const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0";
    /// Fields as Connection may name them and as it may not, and what it may not stand for.
    const NAMES: [&str; 9] = [
        "x-tier",
        "save-data",
        "sec-ch-ua-mobile",
        "sec-ch-ua-form-factors",
        "user-agent",
        "cookie",
        "accept",
        "keep-alive",
        "tidegate-debug",
    ];
    const VALUES: [&str; 7] = ["gold", "?1", "\"Tablet\"", DESKTOP, "id=1; x=2", "", "x-tier, SEC-CH-UA-MOBILE"];

    fn rules() -> KeyRules {
        let mut rules = KeyRules::default();
        rules.headers = ["x-tier", "save-data", "accept"].map(HeaderName::from_static).to_vec();
        rules.cookies = vec!["id".to_owned()];
        rules.device = true;
        rules
    }

    fn key(rules: &KeyRules, fields: &HeaderMap) -> CacheKey {
        let sources = PartSources { fields, country: None };
        CacheKey::new(Scheme::Https, "a.test", "/a", None).with_parts(rules, &sources)
    }

    proptest! {
        #[test]
        fn key_of_a_request_is_that_of_what_its_fill_sends(
            lines in prop::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..6),
            named in prop::collection::vec((0..NAMES.len(), any::<bool>()), 0..4),
        ) {
            let mut request = HeaderMap::new();
            for (name, value) in lines {
                request.append(HeaderName::from_static(NAMES[name]), HeaderValue::from_static(VALUES[value]));
            }
            for (name, upper) in named {
                let option = if upper { NAMES[name].to_ascii_uppercase() } else { format!("close,{} ", NAMES[name]) };
                request.append(header::CONNECTION, HeaderValue::from_str(&option).unwrap());
            }
            let rules = rules();
            let mut fill = sent_fields(&request);
            keep_cookies(&rules, &mut fill);
            prop_assert_eq!(key(&rules, &fields_of_fill(&request)), key(&rules, &fill));
            let told: HeaderMap = told(&rules, None, &fill).collect();
            let device = told.get(&DEVICE).unwrap().to_str().unwrap();
            let device_line = format!("\ndevice {device}\n");
            let parts = format!("{}\n", key(&rules, &fields_of_fill(&request)).parts());
            prop_assert!(parts.contains(&device_line), "{} is told, the key is {}", device, parts);
            let selecting = selecting_fields(&rules, &request);
            for name in NAMES.iter().filter(|name| **name != "tidegate-debug" && **name != "keep-alive") {
                let values = |fields: &HeaderMap| fields.get_all(*name).iter().cloned().collect::<Vec<_>>();
                prop_assert_eq!(values(&selecting), values(&fill), "{}", name);
            }
        }
    }

    #[test]
    fn request_for_an_alias_is_not_sent_as_a_fill_for_the_host_of_the_key() {
        let mut policy = CachePolicy::plain(tidegate_config::ids::CachePolicyName::parse("p").unwrap());
        let is_like_a_fill = |policy: &CachePolicy, host: &str| {
            let mut request = RequestHeader::build("HEAD", b"/a", None).unwrap();
            request.insert_header(header::HOST, host).unwrap();
            is_sent_as_a_fill(policy, "/a", &request)
        };
        assert!(is_like_a_fill(&policy, "b.test"));
        policy.key.host = Some("a.test".to_owned());
        assert!(is_like_a_fill(&policy, "a.test"));
        assert!(!is_like_a_fill(&policy, "b.test") && !is_like_a_fill(&policy, "a.test:8443"));
    }

    #[test]
    fn requests_that_hide_nothing_cost_no_copy() {
        let check = |connection: &'static str, copies: bool| {
            let request = HeaderMap::from_iter([
                (HeaderName::from_static("x-tier"), HeaderValue::from_static("gold")),
                (header::CONNECTION, HeaderValue::from_static(connection)),
            ]);
            assert_eq!(matches!(fields_of_fill(&request), Cow::Owned(_)), copies, "{connection}");
        };
        check("keep-alive", false);
        check("close, x-other", false);
        check("close, X-Tier", true);
    }
}
