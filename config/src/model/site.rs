//! Sites: hosts and the routes below them.

use std::sync::Arc;

use http::Method;

use super::route_actions::{ClientConditions, Destination, ErrorPage, KillSwitch, RouteActions};
use crate::ids::{CachePolicyName, RouteName, SiteName};

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
    /// Pages in place of the usual ones; the first that names a status wins.
    pub error_pages: Vec<ErrorPage>,
    /// Page of maintenance; a plain one when absent.
    pub maintenance_page: Option<ErrorPage>,
    /// What is switched on by hand.
    pub kill_switches: Vec<KillSwitch>,
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
    /// Whose requests it takes.
    pub clients: ClientConditions,
    /// What answers.
    pub destination: Destination,
    /// What may be stored.
    pub cache_policy: CachePolicyName,
    /// What else it does.
    pub actions: RouteActions,
    /// Pages before the site's.
    pub error_pages: Vec<ErrorPage>,
}

/// A pattern over the canonical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// Exactly this path.
    Exact(String),
    /// Written `/a/*` (kept as `/a/`): this path and all below it. `/*` is every path.
    Prefix(String),
}
