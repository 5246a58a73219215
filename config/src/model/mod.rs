//! The validated configuration. Types are read freely and built only by this crate (`#[non_exhaustive]`), so
//! later code cannot meet an invalid one.

mod cache_key;
mod cache_policy;
mod failover;
mod geo;
mod health;
mod media_delivery;
mod node;
mod origin_pool;
mod route_actions;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use cache_key::{KeyRules, QueryRule};
pub use cache_policy::{CachePolicy, MediaDefaults, SetCookieRule, StaleRules, TagRules};
pub use failover::{HedgeDelay, Hedging, OriginLimits, OriginOrder, RetryPolicy, StickyKey};
pub use geo::{Continent, CountryCode, Geo, GeoOverride};
pub use health::{HealthCheck, HttpProbe, OutlierEjection, Probe};
pub use media_delivery::{BlockingReload, CmcdRules, Coding, CompressionRules, CorsRules, PrefetchRules, SliceRules};
pub use node::{
    AccessLog, AdminListener, CacheDevice, CacheDisk, CacheMemory, DiskShare, Limits, Listener, ListenerProtocol, Node,
    PlaintextMode,
};
pub use origin_pool::{
    Credentials, Discovery, HostPolicy, HttpVersion, Origin, OriginDuty, OriginPool, OriginTls, ProxyProtocolVersion,
    ServerNamePolicy, Timeouts,
};
pub use route_actions::{
    ClientConditions, Destination, ErrorPage, FieldActions, KillSwitch, KillSwitchAction, Mirror, Redirect, Rewrite,
    RouteActions, RouteTimeouts, Split, Template, TemplatePart, Variable,
};
pub use site::{HostPattern, PathPattern, Route, Site};

use crate::ids::{CachePolicyName, CertificateName, PoolName, PopName, RegionName};

/// Everything one edge node needs to serve.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Model {
    /// This node.
    pub node: Node,
    /// All regions by name.
    pub regions: BTreeMap<RegionName, Region>,
    /// All points of presence by name.
    pub pops: BTreeMap<PopName, Pop>,
    /// Sites in the order of the files. Hosts are unique over all of them.
    pub sites: Vec<Arc<Site>>,
    /// Origin pools by name; every pool a route names is here.
    pub origin_pools: BTreeMap<PoolName, Arc<OriginPool>>,
    /// Certificates; at least one when a listener terminates TLS.
    pub certificates: Vec<Certificate>,
    /// Cache policies by name; every policy a route names is here.
    pub cache_policies: BTreeMap<CachePolicyName, Arc<CachePolicy>>,
    /// How clients are located.
    pub geo: Arc<Geo>,
}

/// A part of the world with origins and nodes of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Region {
    /// Its name.
    pub name: RegionName,
    /// Latitude and longitude in degrees, when known.
    pub coordinates: Option<(f64, f64)>,
    /// Other regions, nearest first, for fail-over; regions not named follow in alphabetical order.
    pub failover: Vec<RegionName>,
}

/// A point of presence: a place with nodes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pop {
    /// Its name.
    pub name: PopName,
    /// The region it lies in.
    pub region: RegionName,
}

/// A certificate chain and its key, as files.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// Its name, in messages.
    pub name: CertificateName,
    /// PEM file: the leaf first, then the intermediates.
    pub chain_file: PathBuf,
    /// PEM file: the private key (PKCS#8, SEC1 or PKCS#1).
    pub key_file: PathBuf,
    /// Whether it answers clients that send no SNI or one that no certificate covers. At most one does.
    pub default: bool,
}
