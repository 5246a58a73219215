//! Origin pools: where content comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failover::{HedgingFields, OrderField, OriginLimitFields, RetryFields, StickyField};
use super::health::{HealthFields, OutlierFields};
use super::origin::OriginFields;
use super::units::DurationText;

/// Origins that hold the same content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginPoolDocument {
    /// Its name.
    pub name: String,
    /// Its origins, at least one.
    pub origins: Vec<OriginFields>,
    /// Which Host field origins get: `client` (what the client asked for), `origin` (the origin's own host), or
    /// `{fixed: name}`. Default: `client`, so that an origin with several sites can tell them apart.
    #[serde(default)]
    pub host: HostField,
    /// Bounds of time towards each origin.
    #[serde(default)]
    pub timeouts: TimeoutFields,
    /// Attempts for a request that may be sent again, over all origins together, 1 to 5. Default: 2: one failure is
    /// hidden, while a pool in trouble gets no more than twice its load.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 5))]
    pub attempts: u8,
    /// What comes before weight when origins are ordered: `nearest` (this node's region, then those it fails over to,
    /// then by distance) or `written` (the first in the document, while it is healthy). Default: `nearest`.
    #[serde(default)]
    pub order: OrderField,
    /// What ties requests to the same origin among those of equal rank: `path`, `client_address`, `{header: name}` or
    /// `{cookie: name}`. Default: chance, by weight.
    #[serde(default)]
    pub sticky: Option<StickyField>,
    /// Active probes.
    #[serde(default)]
    pub health: HealthFields,
    /// Passive ejection.
    #[serde(default)]
    pub outlier: OutlierFields,
    /// When a request that failed goes to the next origin.
    #[serde(default)]
    pub retry: RetryFields,
    /// Second requests for slow fills. Default: none, as they are load that nobody asked for.
    #[serde(default)]
    pub hedging: Option<HedgingFields>,
    /// The most that this node asks of each origin.
    #[serde(default)]
    pub limits: OriginLimitFields,
}

/// Which Host field an origin gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostField {
    /// The client's.
    #[default]
    Client,
    /// The origin's own host, with its port when that is not the scheme's.
    Origin,
    /// This one.
    Fixed(String),
}

/// Bounds of time towards an origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutFields {
    /// Connecting, TLS included. Default: `3s`: two lost packets, and still an answer in time from another origin.
    pub connect: DurationText,
    /// Waiting for the next bytes of a response. Default: `10s`: another origin is asked after one that hangs, within
    /// `retry.deadline`. Where a live origin lets playlists block for longer, their route says so in `timeouts.read`.
    pub read: DurationText,
    /// Writing a piece of a request. Default: `20s`.
    pub write: DurationText,
    /// Keeping an unused connection. Default: `60s`, below the 75 s after which common origins close it themselves.
    pub idle: DurationText,
}

impl Default for TimeoutFields {
    fn default() -> Self {
        Self {
            connect: DurationText::seconds(3),
            read: DurationText::seconds(10),
            write: DurationText::seconds(20),
            idle: DurationText::seconds(60),
        }
    }
}

fn attempts() -> u8 {
    2
}
