//! Tells prefetching of a client's answered request, and asks for what comes next in its stead.

use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use tidegate_config::ids::{RouteName, SiteName};
use tidegate_config::model::{KeyRules, PrefetchRules};

use super::own_request::{OwnRequest, Stead};
use super::record_outcome::Exchange;
use crate::cache::engine::{Ahead, Object};
use crate::cmcd::NextObject;
use crate::edge_proxy::EdgeProxy;
use crate::media::{Location, MAX_PLAYLIST_BYTES, MediaClass, list, recognise};
use crate::prefetch::{NextTarget, Playlist, Sighting};
use crate::request_context::RequestContext;
use crate::telemetry::CacheOutcome;

/// Fields that a request for the next piece has in common with the one before: those that origins choose a
/// representation by. Nothing that says who asks.
const KEPT: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform"),
];

/// A client's request that was answered.
pub(crate) struct Seen {
    proxy: Weak<EdgeProxy>,
    at: Instant,
    site: SiteName,
    route: RouteName,
    rules: PrefetchRules,
    scope: String,
    place: Location,
    target: String,
    next: Option<NextObject>,
    stead: Stead,
}

/// Tells prefetching of it, where the route's policy has some.
pub(super) fn prefetch_next(proxy: &EdgeProxy, exchange: &Exchange<'_>, context: &RequestContext) {
    let Some(matched) = &context.route else { return };
    let policy = &matched.route.cache_policy;
    let Some(rules) = policy.prefetch.filter(|_| policy.enabled) else { return };
    let served =
        matches!(exchange.status, Some(StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED));
    let asked = &exchange.asked;
    let stored = !matches!(context.cache.outcome, CacheOutcome::Pass | CacheOutcome::None);
    if !served || !stored || *asked.method != Method::GET || asked.fields.contains_key(header::AUTHORIZATION) {
        return;
    }
    let host = context.arrival.host.as_deref().unwrap_or_default();
    let named = asked.authority.or_else(|| asked.fields.get(header::HOST).map(header::HeaderValue::as_bytes));
    let authority = named.unwrap_or(host.as_bytes());
    let Ok(target) = std::str::from_utf8(asked.target) else { return };
    let Some(place) = std::str::from_utf8(authority).ok().and_then(|authority| Location::new(authority, target)) else {
        return;
    };
    let partition = matched.route.partition(matched.pool).unwrap_or_default();
    let mut fields = kept_fields(asked.fields, &policy.key);
    if let Ok(authority) = header::HeaderValue::from_bytes(authority) {
        fields.insert(header::HOST, authority);
    }
    let scheme = context.client.scheme;
    proxy.prefetcher.note(Seen {
        proxy: proxy.this.clone(),
        at: Instant::now(),
        site: matched.site.site.name.clone(),
        route: matched.route.route.name.clone(),
        rules,
        scope: format!("{partition} {}://{host}", scheme.as_str()),
        place,
        target: target.to_owned(),
        next: matched.cmcd.as_ref().and_then(|cmcd| cmcd.next.clone()),
        stead: Stead { snapshot: Arc::clone(&context.snapshot), scheme, address: context.client.address, fields },
    });
}

fn kept_fields(fields: &HeaderMap, rules: &KeyRules) -> HeaderMap {
    let mut kept = HeaderMap::new();
    let cookies = (!rules.cookies.is_empty()).then_some(&header::COOKIE);
    for name in KEPT.iter().chain(&rules.headers).chain(cookies) {
        if !kept.contains_key(name) && *name != header::AUTHORIZATION {
            kept.extend(fields.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
    }
    kept
}

impl Sighting for Seen {
    fn at(&self) -> Instant {
        self.at
    }

    fn site(&self) -> &SiteName {
        &self.site
    }

    fn rules(&self) -> PrefetchRules {
        self.rules
    }

    fn scope(&self) -> &str {
        &self.scope
    }

    fn place(&self) -> &Location {
        &self.place
    }

    fn listing(&self, known: Option<u64>) -> Option<Playlist> {
        let proxy = self.proxy.upgrade()?;
        let object = OwnRequest::prepare(&proxy, &self.stead, &self.target, None).ok()?.stored(&proxy)?;
        let first = object.body.blocks().first()?;
        let class = recognise(object.meta.headers.get(header::CONTENT_TYPE), self.place.path(), Some(first))?;
        let MediaClass::Playlist(kind) = class else { return None };
        let version = version(&object);
        if known == Some(version) {
            return None;
        }
        let body = whole(&object);
        let listing = body.and_then(|body| list(kind, &body, &self.place, SystemTime::now()).ok());
        Some(Playlist { version, listing })
    }

    fn next_object(&self) -> Option<NextTarget> {
        let next = self.next.as_ref()?;
        let reference = next.reference.as_deref().unwrap_or_default();
        let target = self.place.join(reference).ok()?.into_target();
        // Without a reference it is another range of the same object, which is filled whole already.
        next.reference.as_ref()?;
        Some(NextTarget { target, range: next.range.map(crate::cmcd::NextRange::to_range) })
    }

    fn key(&self, next: Option<&NextTarget>) -> Option<Box<str>> {
        let proxy = self.proxy.upgrade()?;
        let target = next.map_or(self.target.as_str(), |next| &next.target);
        let request = OwnRequest::prepare(&proxy, &self.stead, target, None).ok()?;
        Some(request.key.as_str().into())
    }

    fn fetch(&self, next: &NextTarget) -> Ahead {
        let Some(proxy) = self.proxy.upgrade() else { return Ahead::Unwanted };
        match OwnRequest::prepare(&proxy, &self.stead, &next.target, next.range.as_deref()) {
            // Another route may have another policy, and other clients.
            Ok(request) if request.matched.route.route.name == self.route => request.fetch_ahead(&proxy),
            Ok(_) | Err(_) => Ahead::Unwanted,
        }
    }
}

fn version(object: &Object) -> u64 {
    let arrived = object.meta.times.response_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(arrived.as_nanos()).unwrap_or_default() ^ object.body.length().unwrap_or_default().rotate_left(48)
}

/// A stored body in one piece, unless it is too large for a playlist.
pub(super) fn whole(object: &Object) -> Option<Vec<u8>> {
    let length = object.body.length().filter(|length| *length <= MAX_PLAYLIST_BYTES as u64)?;
    let mut body = Vec::with_capacity(usize::try_from(length).ok()?);
    object.body.blocks().iter().for_each(|block| body.extend_from_slice(block));
    Some(body)
}
