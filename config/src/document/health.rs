//! How the health of origins is found out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shares::{PercentText, StatusRange};
use super::units::DurationText;

/// Active probes of every origin of a pool, by every node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthFields {
    /// What a probe does: `off`, `tcp` (a connection), or `{http: {…}}` (a request, over TLS where the origin's URL says
    /// `https`). Default: `tcp`, which every origin understands.
    pub probe: ProbeField,
    /// From the start of one probe to the start of the next, `100ms` to `1h`, ± 10 % by chance. Default: `5s`: with
    /// `fall` 3 a silent origin is out after 15 s, and one answers 12 probes a minute of each node.
    pub interval: DurationText,
    /// The longest that a probe takes, from `10ms`; shorter than the interval. Default: `2s`, or half the interval when
    /// that is less.
    pub timeout: Option<DurationText>,
    /// Failures in a row after which an origin is down, 1 to 100; a refused connection counts as all of them.
    /// Default: 3, as single packets get lost.
    pub fall: u32,
    /// Successes in a row after which it is up again, 1 to 100. Default: 5: coming back may wait, falling again hurts.
    pub rise: u32,
    /// From coming up to its full share, up to `24h`; `0s` for at once. Default: `120s`, in which caches of an origin
    /// warm up.
    pub slow_start: DurationText,
    /// When less than this share of the pool's weight is healthy, all origins are used that no operator took out, as
    /// the few that are left would fall too. `0%` for never. Default: `50%`.
    pub panic_threshold: PercentText,
}

/// What a probe does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeField {
    /// Nothing is probed; only what requests meet counts.
    Off,
    /// A TCP connection.
    #[default]
    Tcp,
    /// An HTTP request.
    Http(HttpProbeFields),
}

/// An HTTP request and what it must be answered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpProbeFields {
    /// Path and query, behind the path of the origin's URL. Default: `/`.
    pub path: String,
    /// `GET` or `HEAD`. Default: `GET`.
    pub method: String,
    /// Host field. Default: as the pool's `host` says, and the origin's own where that says the client's.
    pub host: Option<String>,
    /// Statuses that mean health: numbers and ranges, such as `[200, 300-399]`. Default: `[200-299]`.
    pub statuses: Vec<StatusRange>,
    /// Text that the first 64 KiB of the body must hold, at most 1024 bytes; only with `GET`. Default: none.
    pub body_contains: Option<String>,
}

/// Passive ejection: what requests meet counts too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierFields {
    /// Gateway errors (no connection, a broken exchange, a time-out, 502, 503, 504) in a row that eject an origin, up to
    /// 1000; 0 for never. Default: 5.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts, `100ms` to `24h`; the n-th lasts n times as long. Default: `30s`.
    pub ejection: DurationText,
    /// The longest ejection, not below `ejection`, up to `24h`. Default: `300s`, or `ejection` when that is more.
    pub ejection_max: Option<DurationText>,
    /// Share of a pool's origins that may be ejected at once; one always may, the last never. Default: `10%`, so that a
    /// fault of our own does not empty a pool.
    pub max_ejected: PercentText,
}

impl Default for HealthFields {
    fn default() -> Self {
        Self {
            probe: ProbeField::Tcp,
            interval: DurationText::seconds(5),
            timeout: None,
            fall: 3,
            rise: 5,
            slow_start: DurationText::seconds(120),
            panic_threshold: PercentText(50),
        }
    }
}

impl Default for HttpProbeFields {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            method: "GET".to_owned(),
            host: None,
            statuses: vec![StatusRange { first: 200, last: 299 }],
            body_contains: None,
        }
    }
}

impl Default for OutlierFields {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            ejection: DurationText::seconds(30),
            ejection_max: None,
            max_ejected: PercentText(10),
        }
    }
}
