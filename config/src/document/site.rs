//! Sites and their routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::media_delivery::CorsFields;
use super::route_actions::{
    ClientFields, ErrorPageFields, FieldActionFields, KillSwitchFields, MaintenancePageFields, MirrorFields,
    RedirectFields, RewriteField, RouteTimeoutFields, SplitFields,
};
use super::units::ByteSizeText;

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
    /// Pages in place of the usual ones for failures and refusals; the first that names a status wins, at most 64.
    /// Default: none; clients get a small page, JSON or plain text, whichever they accept.
    #[serde(default)]
    pub error_pages: Vec<ErrorPageFields>,
    /// Page of maintenance. Default: a small one.
    #[serde(default)]
    pub maintenance_page: Option<MaintenancePageFields>,
    /// What is switched on by hand, for a time, at most 64. Default: nothing.
    #[serde(default)]
    pub kill_switches: Vec<KillSwitchFields>,
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
    /// Whose requests it takes. Default: everybody's.
    #[serde(default)]
    pub clients: ClientFields,
    /// The origin pool that answers. A route has one of `origin_pool`, `redirect` and `maintenance`.
    #[serde(default)]
    pub origin_pool: Option<String>,
    /// A redirect that answers, in place of an origin pool.
    #[serde(default)]
    pub redirect: Option<RedirectFields>,
    /// Whether the maintenance page answers, with 503, in place of an origin pool. Default: `false`.
    #[serde(default)]
    pub maintenance: bool,
    /// Parts of the requests that go to other pools. Default: none.
    #[serde(default)]
    pub split: Option<SplitFields>,
    /// The cache policy in force. Default: the built-in policy `default`, which stores what RFC 9111 allows and knows
    /// media; a document of that name replaces it.
    #[serde(default = "default_policy")]
    pub cache_policy: String,
    /// Another path for the origin. What is matched, stored under and logged stays the client's. Default: none.
    #[serde(default)]
    pub rewrite: Option<RewriteField>,
    /// Changes of the header section that origins get. Default: none.
    #[serde(default)]
    pub request_fields: FieldActionFields,
    /// Changes of the header section that clients get. Default: none.
    #[serde(default)]
    pub response_fields: FieldActionFields,
    /// Copies of requests for another pool. Default: none.
    #[serde(default)]
    pub mirror: Option<MirrorFields>,
    /// Bounds of time. Default: those of pool and node.
    #[serde(default)]
    pub timeouts: RouteTimeoutFields,
    /// Largest request body, up to the node's `limits.body_bytes`; `0B` refuses all bodies. Default: the node's.
    #[serde(default)]
    pub body_bytes: Option<ByteSizeText>,
    /// Whether WebSocket handshakes (RFC 6455) are passed through. Default: `false`: such a connection stays open for
    /// hours, and few sites want it.
    #[serde(default)]
    pub websocket: bool,
    /// Cross-origin sharing, answered by this node, preflights included; `{}` allows every origin without credentials.
    /// Default: none; what the origin says of it goes to clients as it is.
    #[serde(default)]
    pub cors: Option<CorsFields>,
    /// Pages in place of the usual ones, before those of the site, at most 64. Default: none.
    #[serde(default)]
    pub error_pages: Vec<ErrorPageFields>,
}

fn every_path() -> String {
    "/*".to_owned()
}

fn default_policy() -> String {
    crate::validate::DEFAULT_CACHE_POLICY.to_owned()
}
