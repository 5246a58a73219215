//! Says to operators how the cache sees a URL: route, key and its parts, what is stored, and what a request would come to.
//!
//! It asks what a request asks, by the same functions, and answers nobody but operators; nothing is fetched for it. What is
//! on disk alone is read, and comes into memory by that.

mod report;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};
use tidegate_config::model::CachePolicy;

use super::cache_key::{cache_key, selecting_fields};
use super::enforce_kill_switches::is_touched;
use super::match_route::{Asked, Verdict, find};
use crate::admin::{CacheQuestion, ExplainsCache};
use crate::cache::engine::Lookup;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::request_facts::RequestFacts;
use crate::edge_proxy::EdgeProxy;
use crate::request_context::{MatchedRoute, RequestContext};

/// Answers operators' questions about the cache.
pub(crate) struct Explainer(pub(crate) Arc<EdgeProxy>);

/// A question, understood.
pub(super) struct Understood {
    uri: Uri,
    scheme: Scheme,
    method: Method,
    fields: HeaderMap,
    client: Option<IpAddr>,
}

impl ExplainsCache for Explainer {
    fn explain(&self, question: &CacheQuestion) -> BoxFuture<'static, Result<Value, String>> {
        let (proxy, understood) = (Arc::clone(&self.0), understand(question));
        async move {
            let understood = understood?;
            let (mut context, asked) = (understood.context(&proxy), understood.asked());
            let verdict = find(&asked, &mut context);
            Ok(match verdict {
                Verdict::Route(matched) | Verdict::Preflight(matched) => {
                    explain(&proxy, &asked, &context, &matched).await
                }
                Verdict::Refuse(status) => json!({ "answered_by": "node", "status": status.as_u16() }),
                Verdict::Redirect(location) => json!({ "answered_by": "node", "status": 308, "location": location }),
            })
        }
        .boxed()
    }
}

impl Understood {
    fn context(&self, proxy: &EdgeProxy) -> RequestContext {
        let mut context = RequestContext::new(proxy.snapshot.load_full(), proxy.request_ids.next_id());
        context.client.scheme = self.scheme;
        context.client.address = self.client;
        context
    }

    fn asked(&self) -> Asked<'_> {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes();
        Asked {
            method: &self.method,
            raw_target: target,
            target,
            authority: self.uri.authority().map(|authority| authority.as_str().as_bytes()),
            scheme: Some(self.scheme.as_str()),
            fields: &self.fields,
        }
    }
}

/// What a request asks the cache.
pub(super) struct AskedOfCache {
    key: CacheKey,
    fields: HeaderMap,
    facts: RequestFacts,
    policy: Arc<CachePolicy>,
    path: String,
}

impl AskedOfCache {
    pub(super) fn lookup(&self) -> Lookup<'_> {
        let Self { key, fields, facts, policy, path } = self;
        Lookup { key, facts, fields, policy, path, may_fill: false }
    }
}

/// What such a request would ask the cache; nothing where it would not.
pub(super) fn ask(proxy: &EdgeProxy, understood: &Understood) -> Option<AskedOfCache> {
    let (mut context, asked) = (understood.context(proxy), understood.asked());
    let Verdict::Route(matched) = find(&asked, &mut context) else { return None };
    let policy = Arc::clone(&matched.route.cache_policy);
    Some(AskedOfCache {
        key: cache_key(&asked, &context, &matched),
        fields: selecting_fields(&policy.key, asked.fields).into_owned(),
        facts: RequestFacts::new(asked.method, asked.fields),
        policy,
        path: matched.path.to_string(),
    })
}

async fn explain(proxy: &EdgeProxy, asked: &Asked<'_>, context: &RequestContext, matched: &MatchedRoute) -> Value {
    let policy = &matched.route.cache_policy;
    let key = cache_key(asked, context, matched);
    let fields = selecting_fields(&policy.key, asked.fields);
    let facts = RequestFacts::new(asked.method, asked.fields);
    let may_fill = matched.path_as_sent;
    let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path: &matched.path, may_fill };
    let now = SystemTime::now();
    let found = proxy.cache.explain(&lookup, now).await;
    let pool = matched.route.pool(matched.pool).map(|pool| pool.name.to_string());
    let sent = CacheKey::sent_target(policy, &matched.path, asked.target);
    json!({
        "answered_by": if pool.is_some() { "cache_or_origin" } else { "node" },
        "site": matched.site.site.name.to_string(),
        "route": matched.route.route.name.to_string(),
        "origin_pool": pool,
        "cache_policy": policy.name.to_string(),
        "kill_switch": is_touched(proxy, matched, context),
        "canonical": matched.path_as_sent,
        "key": report::key(&key, &found),
        "fill_target": String::from_utf8_lossy(&sent),
        "stored": found.object.as_ref().map(|object| report::stored(object, &found, &fields, now)),
        "decision": report::decision(found.decision, &found),
        "on_disk": found.on_disk,
        "fill_in_flight": found.fill_in_flight,
        "purge_generation": found.generation.0,
        "purged": found.purged.map(|(purged, mode)| report::purged(purged, mode)),
        "not_stored": found.not_stored.map(|note| report::not_stored(&note, now)),
    })
}

pub(super) fn understand(question: &CacheQuestion) -> Result<Understood, String> {
    let not_a_url = || format!("{:?} is not a URL such as https://media.example/film.mp4", question.url);
    let uri: Uri = question.url.parse().map_err(|_| not_a_url())?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(not_a_url()),
    };
    let method = question.method.as_deref().unwrap_or("GET");
    let method = method.parse().map_err(|_| format!("{method:?} is no method"))?;
    let mut fields = HeaderMap::new();
    for line in &question.fields {
        let field = line.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = field.ok_or_else(|| format!("{line:?} is not a field such as Accept-Language: de"))?;
        fields.append(name, value);
    }
    Ok(Understood { uri, scheme, method, fields, client: question.client })
}
