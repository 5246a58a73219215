//! The table from canonical host and path to site and route, built once per snapshot and never changed.
//!
//! It owns the order of matching. Names are resolved while it is built, so a request follows pointers only.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use tidegate_config::model::{CachePolicy, Destination, HostPattern, Model, OriginPool, PathPattern, Route, Site};

use super::CanonicalHost;

/// Position of a site in its snapshot; stable for as long as the snapshot lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteIndex(pub usize);

/// All sites of a snapshot by their hosts.
#[derive(Debug, Default)]
pub struct RouteTable {
    sites: Vec<Arc<SiteEntry>>,
    exact: HashMap<String, Arc<SiteEntry>, ahash::RandomState>,
    /// By suffix, without the asterisk and the dot behind it.
    wildcards: HashMap<String, Arc<SiteEntry>, ahash::RandomState>,
    any: Option<Arc<SiteEntry>>,
}

/// A site with its routes resolved.
#[derive(Debug)]
pub struct SiteEntry {
    /// The site as configured.
    pub site: Arc<Site>,
    /// Its position.
    pub index: SiteIndex,
    /// Its routes in the order written.
    pub routes: Vec<Arc<RouteEntry>>,
}

/// A route with what it names resolved.
#[derive(Debug)]
pub struct RouteEntry {
    /// The route as configured.
    pub route: Arc<Route>,
    /// Where it goes, unless this node answers itself.
    pub origin_pool: Option<Arc<OriginPool>>,
    /// What may be stored.
    pub cache_policy: Arc<CachePolicy>,
}

/// What a site has for a path and a method.
#[derive(Debug)]
pub enum RouteMatch<'a> {
    /// This route.
    Found(&'a Arc<RouteEntry>),
    /// Routes take the path, but with these methods only; for `Allow` (RFC 9110 section 10.2.1).
    MethodNotAllowed(Vec<Method>),
    /// No route takes the path.
    NotFound,
}

impl RouteTable {
    /// Builds the table of a model.
    #[must_use]
    pub fn build(model: &Model) -> Self {
        let mut table = Self::default();
        for (index, site) in model.sites.iter().enumerate() {
            let routes = site.routes.iter().filter_map(|route| resolve(model, site, route)).collect();
            table.insert(Arc::new(SiteEntry { site: Arc::clone(site), index: SiteIndex(index), routes }));
        }
        table
    }

    fn insert(&mut self, entry: Arc<SiteEntry>) {
        for pattern in &entry.site.hosts {
            let site = Arc::clone(&entry);
            match pattern {
                HostPattern::Exact(host) => drop(self.exact.insert(host.clone(), site)),
                HostPattern::Wildcard(suffix) => drop(self.wildcards.insert(suffix.clone(), site)),
                HostPattern::Any => self.any = Some(site),
            }
        }
        self.sites.push(entry);
    }

    /// The site of a host: the exact name, else the wildcard with the longest suffix, else the site for any host.
    #[must_use]
    pub fn find_site(&self, host: &CanonicalHost<'_>) -> Option<&Arc<SiteEntry>> {
        self.exact.get(host.as_str()).or_else(|| self.find_wildcard(host)).or(self.any.as_ref())
    }

    fn find_wildcard(&self, host: &CanonicalHost<'_>) -> Option<&Arc<SiteEntry>> {
        if self.wildcards.is_empty() || host.is_address() {
            return None;
        }
        // At most 126 steps: a name has no more labels (RFC 1035 section 2.3.4).
        let mut rest = host.as_str();
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(site) = self.wildcards.get(suffix) {
                return Some(site);
            }
            rest = suffix;
        }
        None
    }

    /// All sites in the order of their [`SiteIndex`].
    #[must_use]
    pub fn sites(&self) -> &[Arc<SiteEntry>] {
        &self.sites
    }
}

impl SiteEntry {
    /// The first route, in the order written, that takes this canonical path with this method.
    #[must_use]
    pub fn find_route(&self, path: &str, method: &Method) -> RouteMatch<'_> {
        let on_path = || self.routes.iter().filter(|entry| takes_path(&entry.route.path, path));
        if let Some(entry) = on_path().find(|entry| takes_method(&entry.route.methods, method)) {
            return RouteMatch::Found(entry);
        }
        let mut allowed = Vec::new();
        for method in on_path().flat_map(|entry| &entry.route.methods) {
            if !allowed.contains(method) {
                allowed.push(method.clone());
            }
        }
        if allowed.is_empty() { RouteMatch::NotFound } else { RouteMatch::MethodNotAllowed(allowed) }
    }
}

fn resolve(model: &Model, site: &Site, route: &Arc<Route>) -> Option<Arc<RouteEntry>> {
    let pool = match &route.destination {
        Destination::Pool { pool, .. } => Some(model.origin_pools.get(pool)),
        Destination::Redirect(_) | Destination::Maintenance => None,
    };
    let cache_policy = model.cache_policies.get(&route.cache_policy).cloned();
    let (false, Some(cache_policy)) = (pool == Some(None), cache_policy) else {
        // A validated model names nothing that it lacks.
        log::error!("site {} route {} names a pool or policy that is not there; left out", site.name, route.name);
        return None;
    };
    let origin_pool = pool.flatten().cloned();
    Some(Arc::new(RouteEntry { route: Arc::clone(route), origin_pool, cache_policy }))
}

fn takes_path(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => path == exact,
        // `/a/*` takes `/a/` and all below it, not `/a`.
        PathPattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
    }
}

/// As written: a route for GET takes no HEAD unless it says so.
fn takes_method(methods: &[Method], method: &Method) -> bool {
    methods.is_empty() || methods.contains(method)
}

#[cfg(test)]
mod tests;
