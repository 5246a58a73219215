//! From an operator's order to what is purged: names as clients have them become names as keys have them.
//!
//! A URL is purged wherever one of its site's routes may have stored it: for every client, of every pool. Nothing is
//! purged when one name of an order is wrong.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::admin::{OrderError, PurgeOrder, PurgeTarget, PurgesCache};
use crate::cache::key::{CacheKey, Scheme, Target, has_many_states};
use crate::cache::purge::{Mode, Order, Scope};
use crate::edge_proxy::EdgeProxy;
use crate::routing::{CanonicalHost, CanonicalPath, RouteTable, SiteEntry};

/// Longest name that is shown again.
const MOST_SHOWN: usize = 256;

/// Carries out operators' purges.
pub(crate) struct Purger(pub(crate) Arc<EdgeProxy>);

impl PurgesCache for Purger {
    fn purge(&self, order: &PurgeOrder) -> Result<BoxFuture<'static, (StatusCode, Value)>, OrderError> {
        let begun = Instant::now();
        let snapshot = self.0.snapshot.load();
        let scopes = scopes(&snapshot.routes, &order.target)?;
        let (names, first) = names(&order.target);
        let mode = if order.soft { Mode::Soft } else { Mode::Hard };
        let purges = Arc::clone(self.0.cache.purges());
        let kind = scopes.first().map_or("everything", |scope| scope.kind().as_str());
        let generation = purges.carry_out(&scopes, mode, first.clone(), names, SystemTime::now());
        self.0.cache.reclaim_purged();
        Ok(async move {
            let kept = purges.written().await;
            let took = begun.elapsed();
            log::info!(
                generation = generation.0, scope = kind, mode = mode.as_str(), names, first = first.as_str(),
                durable_on = kept.on, devices = kept.of, took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                "purged"
            );
            // In force all the same; but nobody may believe that it outlasts the process.
            let lost = kept.of > 0 && kept.on == 0;
            let status = if lost { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
            let mut value = json!({
                "generation": generation.0,
                "scope": kind,
                "mode": mode.as_str(),
                "names": names,
                "durable": { "on": kept.on, "devices": kept.of },
                "took_ms": took.as_secs_f64() * 1000.0,
            });
            if lost {
                let message = "purged until the node ends, but no device could write it down; purge again when one can";
                value["error"] = json!({ "code": "not_durable", "message": message });
            }
            (status, value)
        }
        .boxed())
    }

    fn list(&self) -> Value {
        let purges = self.0.cache.purges();
        let shown = |order: Order| {
            let Order { generation, kind, mode, names: (names, first), at } = order;
            let ago = at.elapsed().unwrap_or_default().as_secs();
            json!({
                "generation": generation.0, "scope": kind.as_str(), "mode": mode.as_str(), "names": names,
                "first": first, "ago": ago,
            })
        };
        let orders: Vec<Value> = purges.orders().into_iter().map(shown).collect();
        json!({ "generation": purges.latest().0, "names_told_apart": purges.names(), "purges": orders })
    }
}

fn names(target: &PurgeTarget) -> (usize, String) {
    let names = match target {
        PurgeTarget::Urls { names, .. }
        | PurgeTarget::Prefixes(names)
        | PurgeTarget::Hosts(names)
        | PurgeTarget::Tags(names) => names,
        PurgeTarget::Everything => return (1, String::new()),
    };
    // Queries carry access tokens.
    let first = names.first().map_or("", |first| first.split('?').next().unwrap_or_default());
    let shown = first.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).take(MOST_SHOWN).collect();
    (names.len(), shown)
}

fn scopes(routes: &RouteTable, target: &PurgeTarget) -> Result<Vec<Scope>, OrderError> {
    let mut scopes: Vec<Scope> = Vec::new();
    match target {
        PurgeTarget::Everything => scopes.push(Scope::Everything),
        PurgeTarget::Tags(tags) => scopes.extend(tags.iter().map(|tag| Scope::Tag(tag.trim_ascii().to_owned()))),
        PurgeTarget::Hosts(hosts) => {
            each("host", hosts, &mut scopes, |text| {
                let (site, host) = site(routes, text)?;
                Ok(hosts_of_keys(site, &host).into_iter().map(Scope::Host).collect())
            })?;
        }
        PurgeTarget::Prefixes(prefixes) => each("prefix", prefixes, &mut scopes, |text| of_prefix(routes, text))?,
        PurgeTarget::Urls { names, any_query } => {
            each("url", names, &mut scopes, |text| of_url(routes, text, *any_query))?;
        }
    }
    let mut told = std::collections::HashSet::new();
    scopes.retain(|scope| told.insert(scope.clone()));
    Ok(scopes)
}

/// What all of these name; an error says which of them is wrong.
fn each(
    field: &str,
    names: &[String],
    scopes: &mut Vec<Scope>,
    read: impl Fn(&str) -> Result<Vec<Scope>, OrderError>,
) -> Result<(), OrderError> {
    for (number, name) in names.iter().enumerate() {
        let located =
            |OrderError { code, message }| OrderError { code, message: format!("{field}[{number}]: {message}") };
        scopes.extend(read(name).map_err(located)?);
    }
    Ok(())
}

fn of_url(routes: &RouteTable, text: &str, any_query: bool) -> Result<Vec<Scope>, OrderError> {
    let not_a_url = || invalid(format!("{:?} is not a URL such as https://media.example/film.mp4", shown(text)));
    let uri: Uri = text.trim().parse().map_err(|_| not_a_url())?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(not_a_url()),
    };
    let authority = uri.authority().ok_or_else(not_a_url)?;
    let (site, host) = site(routes, authority.as_str())?;
    let path = CanonicalPath::parse(uri.path().as_bytes()).map_err(|_| not_a_url())?;
    let (path, query) = (path.as_str(), uri.query().map(str::as_bytes));
    let resource = |(partition, policy)| {
        let key = CacheKey::by(policy, &Target { partition, scheme, host: &host, path, query });
        // Who purges a playlist means what was said to those who waited for it as well.
        Scope::resource(&key, any_query || query.is_none() && has_many_states(policy, path))
    };
    let scopes: Vec<Scope> = site.stored_under(path).flat_map(resource).collect();
    if scopes.is_empty() {
        let message = format!("no route of site {} takes {:?}", site.site.name, shown(path));
        return Err(OrderError { code: "unknown_path", message });
    }
    Ok(scopes)
}

fn of_prefix(routes: &RouteTable, text: &str) -> Result<Vec<Scope>, OrderError> {
    let wrong =
        |why: &str| invalid(format!("{:?} {why}; a prefix is one such as https://media.example/vod/", shown(text)));
    let text = text.trim();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let Some((authority, _)) = rest.split_once('/') else { return Err(wrong("has no path")) };
    let path = &rest[authority.len()..];
    if path.contains(['?', '#']) {
        return Err(wrong("has a query"));
    }
    let (site, host) = site(routes, authority)?;
    let path = CanonicalPath::parse(path.as_bytes()).map_err(|_| wrong("has no path that can be asked for"))?;
    let hosts = hosts_of_keys(site, &host).into_iter();
    Ok(hosts.map(|host| Scope::Prefix(host + path.as_str())).collect())
}

/// The site of a host, with or without port, and the host as keys have it.
fn site<'t>(routes: &'t RouteTable, text: &str) -> Result<(&'t Arc<SiteEntry>, String), OrderError> {
    let authority = text.trim().as_bytes();
    let parsed = CanonicalHost::parse(authority).map_err(|_| invalid(format!("{:?} has no host", shown(text))))?;
    let (host, _port) = parsed;
    match routes.find_site(&host) {
        Some(site) => Ok((site, host.as_str().to_owned())),
        None => {
            let message = format!("no site of this node has the host {:?}", host.as_str());
            Err(OrderError { code: "unknown_host", message })
        }
    }
}

/// The hosts under which responses for one host are stored: itself, and those of which it is an alias.
fn hosts_of_keys(site: &SiteEntry, host: &str) -> Vec<String> {
    let mut hosts = vec![host.to_owned()];
    for entry in &site.routes {
        if let Some(own) = &entry.cache_policy.key.host
            && !hosts.contains(own)
        {
            hosts.push(own.clone());
        }
    }
    hosts
}

fn invalid(message: String) -> OrderError {
    OrderError { code: "invalid_purge", message }
}

fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}
