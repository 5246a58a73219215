//! Sites: hosts and the routes below them.

use std::sync::Arc;

use http::Method;

use crate::ids::{CachePolicyName, PoolName, RouteName, SiteName};

/// A set of hosts with their routes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Hosts it answers.
    pub hosts: Vec<HostPattern>,
    /// Routes in the order written; the first whose path and method match wins.
    pub routes: Vec<Arc<Route>>,
}

/// A host, in canonical form: lower case, no port, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this host (a name, an IPv4 address, or an IPv6 address in brackets).
    Exact(String),
    /// `*.suffix`: one or more labels in front of this suffix (kept without the asterisk and dot).
    Wildcard(String),
    /// `*`: any host that no other pattern names.
    Any,
}

/// One way through a site.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// Its name, unique in the site.
    pub name: RouteName,
    /// Paths it takes.
    pub path: PathPattern,
    /// Methods it takes; all when empty.
    pub methods: Vec<Method>,
    /// Where it goes.
    pub origin_pool: PoolName,
    /// What may be stored.
    pub cache_policy: CachePolicyName,
}

/// A pattern over the canonical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// Exactly this path.
    Exact(String),
    /// Written `/a/*` (kept as `/a/`): this path and all below it. `/*` is every path.
    Prefix(String),
}
