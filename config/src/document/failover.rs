//! What a pool does when an origin fails a request, and how it keeps load from origins.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::shares::PercentText;
use super::units::DurationText;

/// When a request that failed goes to the next origin. How often is said by `attempts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryFields {
    /// Further attempts as a share of requests. Default: `20%`: a pool in trouble gets no storm on top. From an origin that
    /// is avoided to one that is not, as new requests go, costs nothing; `attempts: 1` forbids all.
    pub budget: PercentText,
    /// Further attempts a second that are always allowed, up to 10000. Default: 10, so that a quiet pool fails over too.
    pub budget_floor: u32,
    /// No attempt begins later than this after the first, `10ms` to `5m`. Default: `15s`: past the `timeouts.read` of one
    /// origin that hangs. Where that is as long as this or longer, nobody is asked after an origin that hangs.
    pub deadline: DurationText,
    /// Statuses of an origin, 400 to 599, that are a failure while another attempt is allowed; else they are passed on.
    /// Default: `[502, 503, 504]`.
    pub statuses: Vec<u16>,
}

/// A second request for a fill while the first still waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HedgingFields {
    /// When it is sent: `p95` (once the origin is slower than 95 % of its latest answers) or a time from `1ms` to `5m`.
    /// Default: `p95`.
    pub after: HedgeDelayField,
    /// Second requests as a share of requests, from `1%`. Default: `5%`, which is what p95 comes to.
    pub budget: PercentText,
}

/// The most that this node asks of one origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OriginLimitFields {
    /// Requests at the same time, fills included, 1 to 1000000. Default: 1024.
    pub requests: u32,
    /// Fills at the same time, 1 to 65536. Default: 256: behind a cache that is many different objects at once.
    pub fills: u32,
    /// Requests a second, 1 to 1000000, of which a tenth of a second's may come together. Default: no such bound.
    pub rate: Option<u32>,
    /// Requests that wait for their turn, up to 65536. Default: 256.
    pub pending: u32,
    /// How long each waits, up to `1m`; then another origin, what is stale, or 503 with Retry-After. Default: `500ms`.
    pub pending_timeout: DurationText,
    /// Share of failures among the requests of the last 10 s that opens the circuit; `0%` for never. Default: `50%`.
    pub failures: PercentText,
    /// Requests within those 10 s below which it never opens, 1 to 1000000. Default: 20: a few say little.
    pub failures_floor: u32,
    /// How long an open circuit sends nothing but one trial at a time, `100ms` to `1h`. Default: `5s`.
    pub open: DurationText,
}

/// What ties a request to the same origin or variant every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickyField {
    /// Host and path.
    Path,
    /// The client's address. Requests of the cache are for everyone: there the path counts.
    ClientAddress,
    /// A field of the request; the path where it has none.
    Header(String),
    /// A cookie of the request; the path where it has none.
    Cookie(String),
}

/// What comes before weight when origins are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderField {
    /// The distance of their regions from this node.
    #[default]
    Nearest,
    /// Their order in the document: the first, while it is healthy.
    Written,
}

impl Default for RetryFields {
    fn default() -> Self {
        Self {
            budget: PercentText(20),
            budget_floor: 10,
            deadline: DurationText::seconds(15),
            statuses: vec![502, 503, 504],
        }
    }
}

impl Default for HedgingFields {
    fn default() -> Self {
        Self { after: HedgeDelayField::P95, budget: PercentText(5) }
    }
}

impl Default for OriginLimitFields {
    fn default() -> Self {
        Self {
            requests: 1024,
            fills: 256,
            rate: None,
            pending: 256,
            pending_timeout: DurationText::millis(500),
            failures: PercentText(50),
            failures_floor: 20,
            open: DurationText::seconds(5),
        }
    }
}

/// When a hedge is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeDelayField {
    /// Written `p95`.
    P95,
    /// Written as a duration.
    Fixed(DurationText),
}

impl<'de> Deserialize<'de> for HedgeDelayField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HedgeDelayVisitor)
    }
}

struct HedgeDelayVisitor;

impl de::Visitor<'_> for HedgeDelayVisitor {
    type Value = HedgeDelayField;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("p95, or a duration such as 250ms")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HedgeDelayField, E> {
        if text == "p95" {
            return Ok(HedgeDelayField::P95);
        }
        let duration = DurationText::parse(text).map(HedgeDelayField::Fixed);
        duration.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl Serialize for HedgeDelayField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::P95 => serializer.serialize_str("p95"),
            Self::Fixed(duration) => duration.serialize(serializer),
        }
    }
}

impl JsonSchema for HedgeDelayField {
    fn schema_name() -> Cow<'static, str> {
        "HedgeDelay".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(p95|[0-9]+(ms|s|m|h|d))$" })
    }
}
