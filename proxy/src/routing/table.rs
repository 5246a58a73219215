//! The table from canonical host and path to site and route, built once per snapshot and never changed.
//!
//! It owns the order of matching. Names are resolved while it is built, so a request follows pointers only.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use tidegate_config::ids::PoolName;
use tidegate_config::model::{CachePolicy, Destination, HostPattern, Model, OriginPool, PathPattern, Route, Site};

use super::CanonicalHost;
use super::client_place::{ClientPlace, is_conditional};
use super::sharing::Sharing;

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
    /// Whether any of them takes the requests of some clients only.
    pub asks_for_place: bool,
}

/// A route with what it names resolved.
#[derive(Debug)]
pub struct RouteEntry {
    /// The route as configured.
    pub route: Arc<Route>,
    /// Where it goes, unless this node answers itself.
    pub origin_pool: Option<Arc<OriginPool>>,
    /// Parts of the requests that go elsewhere.
    pub parts: Vec<PartEntry>,
    /// Where copies go.
    pub mirror_pool: Option<Arc<OriginPool>>,
    /// What may be stored.
    pub cache_policy: Arc<CachePolicy>,
    /// With which pages of other sites it is shared, where this node says so.
    pub sharing: Option<Sharing>,
    /// Where it is stored, when the route is not for every client.
    partition: Option<Box<str>>,
}

/// A part of a route's requests.
#[derive(Debug)]
pub struct PartEntry {
    /// How many of 10,000.
    pub share: u16,
    /// Where they go.
    pub origin_pool: Arc<OriginPool>,
    partition: Box<str>,
}

/// Which of a route's pools a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolChoice {
    /// The route's own.
    Own,
    /// That of a part of its split.
    Part(usize),
    /// The one for copies.
    Mirror,
}

impl RouteEntry {
    /// The pool of a choice; none when this node answers by itself.
    #[must_use]
    pub fn pool(&self, choice: PoolChoice) -> Option<&Arc<OriginPool>> {
        match choice {
            PoolChoice::Own => self.origin_pool.as_ref(),
            PoolChoice::Part(number) => self.parts.get(number).map(|part| &part.origin_pool),
            PoolChoice::Mirror => self.mirror_pool.as_ref(),
        }
    }

    /// Where responses of a choice are stored: apart from what other clients get of the same URL by another route or
    /// from another pool. The share that no part of a split takes is stored where it was without the split.
    #[must_use]
    pub fn partition(&self, choice: PoolChoice) -> Option<&str> {
        match choice {
            PoolChoice::Part(number) => self.parts.get(number).map(|part| &*part.partition),
            PoolChoice::Own | PoolChoice::Mirror => self.partition.as_deref(),
        }
    }

    /// Whether it takes the requests of some clients only.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.partition.is_some()
    }
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
            let routes: Vec<_> = site.routes.iter().filter_map(|route| resolve(model, site, route)).collect();
            let asks_for_place = routes.iter().any(|route| route.is_conditional());
            let site = Arc::clone(site);
            table.insert(Arc::new(SiteEntry { site, index: SiteIndex(index), routes, asks_for_place }));
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
    /// The first route, in the order written, that takes this canonical path with this method from a client of this
    /// place. Routes for other clients do not exist for this one.
    #[must_use]
    pub fn find_route(&self, path: &str, method: &Method, place: &ClientPlace) -> RouteMatch<'_> {
        let takes = |entry: &&Arc<RouteEntry>| takes_path(&entry.route.path, path) && place.fits(&entry.route.clients);
        let on_path = || self.routes.iter().filter(takes);
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

    /// The name of this site that takes a host: the host itself, a domain that it is below, or nothing where the site takes
    /// whichever host, or this one no more.
    #[must_use]
    pub fn name_of<'t>(&'t self, host: &'t str) -> &'t str {
        let names = self.site.hosts.iter().filter_map(|pattern| match pattern {
            HostPattern::Exact(own) => (own == host).then_some(host),
            HostPattern::Wildcard(suffix) => {
                let is_below = host.strip_suffix(suffix.as_str()).is_some_and(|label| label.ends_with('.'));
                is_below.then_some(suffix.as_str())
            }
            HostPattern::Any => Some(""),
        });
        names.max_by_key(|name| name.len()).unwrap_or_default()
    }

    /// Every place of the cache where something of this path may be stored, with the policy that makes its keys.
    pub fn stored_under(&self, path: &str) -> impl Iterator<Item = (Option<&str>, &CachePolicy)> {
        let on_path = self.routes.iter().filter(move |entry| takes_path(&entry.route.path, path));
        on_path.flat_map(|entry| {
            let parts = entry.parts.iter().map(|part| Some(&*part.partition));
            parts.chain([entry.partition.as_deref()]).map(|partition| (partition, &*entry.cache_policy))
        })
    }
}

/// Nothing when the route names what the model lacks, which a validated model never does.
fn resolve(model: &Model, site: &Site, route: &Arc<Route>) -> Option<Arc<RouteEntry>> {
    let resolved = try_resolve(model, route);
    if resolved.is_none() {
        log::error!("site {} route {} names a pool or policy that is not there; left out", site.name, route.name);
    }
    resolved.map(Arc::new)
}

fn try_resolve(model: &Model, route: &Arc<Route>) -> Option<RouteEntry> {
    let pool = |name: &PoolName| model.origin_pools.get(name).map(Arc::clone);
    let mut parts = Vec::new();
    let mut origin_pool = None;
    if let Destination::Pool { pool: own, split } = &route.destination {
        origin_pool = Some(pool(own)?);
        for (share, name) in split.iter().flat_map(|split| &split.parts) {
            let partition = format!("{}/{name}", route.name).into();
            parts.push(PartEntry { share: *share, origin_pool: pool(name)?, partition });
        }
    }
    let mirror_pool = match &route.actions.mirror {
        Some(mirror) => Some(pool(&mirror.pool)?),
        None => None,
    };
    let cache_policy = model.cache_policies.get(&route.cache_policy).map(Arc::clone)?;
    let partition = is_conditional(&route.clients).then(|| route.name.as_str().into());
    let sharing = route.actions.cors.as_ref().map(Sharing::new);
    Some(RouteEntry { route: Arc::clone(route), origin_pool, parts, mirror_pool, cache_policy, sharing, partition })
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
