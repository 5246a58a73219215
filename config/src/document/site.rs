//! Sites and their routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of hosts with their routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteDocument {
    /// Its name.
    pub name: String,
    /// Hosts it answers: a name (`media.example`), all names below one (`*.media.example`), an address, or `*` for every
    /// host that no other site names. Lower case, without port or trailing dot.
    pub hosts: Vec<String>,
    /// Routes; the first whose path and method match wins. A request that matches none gets 404.
    pub routes: Vec<RouteFields>,
}

/// One way through a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteFields {
    /// Its name, unique in the site.
    pub name: String,
    /// `/exact`, or `/below/*` for everything below. Compared with the path's canonical form.
    /// Default: `/*`, every path.
    #[serde(default = "every_path")]
    pub path: String,
    /// Methods it takes, such as `[GET, HEAD]`. Default: all, as the origin knows best which it allows.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The origin pool that answers.
    pub origin_pool: String,
    /// The cache policy in force. Default: the built-in policy `default`, which stores what RFC 9111 allows and knows
    /// media; a document of that name replaces it.
    #[serde(default = "default_policy")]
    pub cache_policy: String,
}

fn every_path() -> String {
    "/*".to_owned()
}

fn default_policy() -> String {
    crate::validate::DEFAULT_CACHE_POLICY.to_owned()
}
