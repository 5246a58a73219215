//! The documents as operators write them: one type for each kind, unknown fields refused, every default in its place.
//!
//! Owns names, shapes and defaults of fields. What values make sense, and whether what is referred to exists, is for
//! `validate` to say. The documentation of each field becomes its description in the JSON Schema.

mod cache_key;
mod cache_policy;
mod certificate;
mod failover;
mod geo;
mod health;
mod media_delivery;
mod negative;
mod node;
mod origin;
mod origin_pool;
mod region;
mod route_actions;
mod shares;
mod site;
mod units;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cache_key::{KeyFields, QueryField};
pub use cache_policy::{CachePolicyDocument, MediaFields, SetCookieField, StaleFields, TagFields};
pub use certificate::CertificateDocument;
pub use failover::{HedgeDelayField, HedgingFields, OrderField, OriginLimitFields, RetryFields, StickyField};
pub use geo::{GeoDocument, GeoOverrideFields};
pub use health::{HealthFields, HttpProbeFields, OutlierFields, ProbeField};
pub use media_delivery::{
    BlockingReloadFields, CmcdFields, CodingField, CompressionFields, CorsFields, PrefetchFields, SliceFields,
};
pub use negative::StatusTimes;
pub use node::{
    AccessLogField, AdminFields, CacheFields, DeviceFields, DiskFields, LimitFields, ListenerFields, NodeDocument,
    PlaintextField, ProtocolField, ProxyProtocolFields, ShareFields,
};
pub use origin::{
    ClientCertificateFields, CredentialsField, DiscoveryField, HttpVersionField, NameSourceField, OriginFields,
    OriginTlsFields, ProxyProtocolVersionField, S3Fields, SecretFieldFields, ServerNameField,
};
pub use origin_pool::{HostField, OriginPoolDocument, TimeoutFields};
pub use region::{CoordinateFields, PopDocument, RegionDocument};
pub use route_actions::{
    BlockFields, ClientFields, ErrorPageFields, FieldActionFields, FieldValueFields, KillSwitchActionField,
    KillSwitchFields, MaintenancePageFields, MirrorFields, PinFields, RedirectFields, RewriteField, RouteTimeoutFields,
    SplitFields, SplitPartFields,
};
pub use shares::{PercentText, ShareText, StatusRange, TimeText};
pub use site::{RouteFields, SiteDocument};
pub use units::{ByteSizeText, DurationText};

/// One document of a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Document {
    /// This node.
    Node(NodeDocument),
    /// A part of the world.
    Region(RegionDocument),
    /// A place with nodes.
    Pop(PopDocument),
    /// Hosts and the routes below them.
    Site(SiteDocument),
    /// Where content comes from.
    OriginPool(OriginPoolDocument),
    /// A certificate chain and its key.
    Certificate(CertificateDocument),
    /// What may be stored and for how long.
    CachePolicy(CachePolicyDocument),
    /// How clients are located.
    Geo(GeoDocument),
}

/// Every kind, as `kind:` names it.
pub const KINDS: [&str; 8] = ["node", "region", "pop", "site", "origin_pool", "certificate", "cache_policy", "geo"];

impl Document {
    /// Its kind, as `kind:` names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Region(_) => "region",
            Self::Pop(_) => "pop",
            Self::Site(_) => "site",
            Self::OriginPool(_) => "origin_pool",
            Self::Certificate(_) => "certificate",
            Self::CachePolicy(_) => "cache_policy",
            Self::Geo(_) => "geo",
        }
    }

    /// Its name, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node(document) => &document.name,
            Self::Region(document) => &document.name,
            Self::Pop(document) => &document.name,
            Self::Site(document) => &document.name,
            Self::OriginPool(document) => &document.name,
            Self::Certificate(document) => &document.name,
            Self::CachePolicy(document) => &document.name,
            Self::Geo(document) => &document.name,
        }
    }
}
