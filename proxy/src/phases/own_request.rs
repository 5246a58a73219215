//! Requests of this node's own for what clients will ask for: found, keyed and filled as if a client asked, but without
//! one. They go by the node's own routes and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_http::RequestHeader;

use super::cache_key::{cache_key, selecting_fields};
use super::consult_cache::fill_request;
use super::enforce_kill_switches::is_touched;
use super::match_route::{Asked, Verdict, find};
use crate::cache::engine::{Ahead, Answer, Lookup, Object, Presence};
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::request_facts::RequestFacts;
use crate::edge_proxy::EdgeProxy;
use crate::request_context::{MatchedRoute, RequestContext};
use crate::runtime_snapshot::RuntimeSnapshot;

/// In whose place is asked, as far as routes and keys may differ by it.
pub(super) struct Stead {
    pub(super) snapshot: Arc<RuntimeSnapshot>,
    pub(super) scheme: Scheme,
    /// Where the client is; nobody is told of it that would not be told in any fill.
    pub(super) address: Option<IpAddr>,
    /// Fields, `Host` included.
    pub(super) fields: HeaderMap,
}

/// A request that this node may make.
pub(super) struct OwnRequest {
    header: RequestHeader,
    context: RequestContext,
    pub(super) matched: MatchedRoute,
    pub(super) key: CacheKey,
    facts: RequestFacts,
}

/// Why it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAsked {
    #[error("it is no URL")]
    Malformed,
    #[error("this node would answer {0} by itself")]
    Refused(StatusCode),
    #[error("the route has no origins: it redirects, or is in maintenance")]
    NoPool,
    #[error("a kill switch is on for it")]
    KillSwitch,
    #[error("its path is not in canonical form, so that it cannot be filled")]
    NotCanonical,
}

impl OwnRequest {
    pub(super) fn prepare(
        proxy: &EdgeProxy,
        stead: &Stead,
        target: &str,
        range: Option<&str>,
    ) -> Result<Self, NotAsked> {
        let mut header = RequestHeader::build(Method::GET, target.as_bytes(), None).map_err(|_| NotAsked::Malformed)?;
        for (name, value) in &stead.fields {
            header.append_header(name, value).map_err(|_| NotAsked::Malformed)?;
        }
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(range).ok()) {
            header.insert_header(header::RANGE, range).map_err(|_| NotAsked::Malformed)?;
        }
        let mut context = RequestContext::new(Arc::clone(&stead.snapshot), proxy.request_ids.next_id());
        context.client.scheme = stead.scheme;
        context.client.address = stead.address;
        let asked = Asked::of(&header);
        let matched = match find(&asked, &mut context) {
            Verdict::Route(matched) => matched,
            Verdict::Refuse(status) => return Err(NotAsked::Refused(status)),
            Verdict::Redirect(_) => return Err(NotAsked::Refused(StatusCode::PERMANENT_REDIRECT)),
            Verdict::Preflight(_) => return Err(NotAsked::NoPool), // of OPTIONS only
        };
        if matched.route.pool(matched.pool).is_none() {
            return Err(NotAsked::NoPool);
        }
        if is_touched(proxy, &matched, &context) {
            return Err(NotAsked::KillSwitch);
        }
        if !matched.path_as_sent {
            return Err(NotAsked::NotCanonical);
        }
        let key = cache_key(&asked, &context, &matched);
        let facts = RequestFacts::new(&header.method, &header.headers);
        Ok(Self { header, context, matched, key, facts })
    }

    /// What is stored for it and fresh.
    pub(super) fn stored(&self, proxy: &EdgeProxy) -> Option<Arc<Object>> {
        let now = self.context.arrival.time;
        self.look_up(|lookup| proxy.cache.stored(lookup, now))
    }

    /// How much of what is stored for it is there.
    pub(super) fn presence(&self, proxy: &EdgeProxy) -> Presence {
        self.look_up(|lookup| proxy.cache.presence(lookup))
    }

    /// Has it fetched, without waiting.
    pub(super) fn fetch_ahead(&self, proxy: &EdgeProxy) -> Ahead {
        let make = || fill_request(&self.header, &self.context, &self.matched);
        self.look_up(|lookup| proxy.cache.fetch_ahead(lookup, make))
    }

    /// Answers it as the cache would answer a client.
    pub(super) async fn answer(&self, proxy: &EdgeProxy) -> Answer {
        let selecting = selecting_fields(&self.matched.route.cache_policy.key, &self.header.headers);
        let lookup = self.lookup(&selecting);
        proxy.cache.answer(&lookup, || fill_request(&self.header, &self.context, &self.matched)).await
    }

    fn look_up<T>(&self, use_it: impl FnOnce(&Lookup<'_>) -> T) -> T {
        let selecting = selecting_fields(&self.matched.route.cache_policy.key, &self.header.headers);
        use_it(&self.lookup(&selecting))
    }

    fn lookup<'a>(&'a self, fields: &'a HeaderMap) -> Lookup<'a> {
        Lookup {
            key: &self.key,
            facts: &self.facts,
            fields,
            policy: &self.matched.route.cache_policy,
            path: &self.matched.path,
            may_fill: true,
        }
    }
}
