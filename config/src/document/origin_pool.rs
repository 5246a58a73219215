//! Origin pools: where content comes from.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
}

/// One origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginFields {
    /// Its name, unique in the pool.
    pub name: String,
    /// `http://host:port` or `https://host:port`, without a path. Without a port: 80 and 443.
    pub url: String,
    /// The region it stands in.
    pub region: String,
    /// Its share among origins of the same region, 0 to 65535; with 0 it gets requests only when no other can. Default:
    /// 100, so that finer shares need no change of the others.
    #[serde(default = "weight")]
    pub weight: u16,
    /// TLS towards it; only with an `https` URL. Default: its own host as the name, checked against the system's
    /// authorities.
    #[serde(default)]
    pub tls: Option<OriginTlsFields>,
    /// HTTP version spoken to it: `1`, `2`, or `auto` for HTTP/2 where TLS offers it. Default: `1`, which every origin
    /// speaks and where a slow response holds up no other.
    #[serde(default)]
    pub http_version: HttpVersionField,
}

/// TLS towards an origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OriginTlsFields {
    /// Name sent as SNI and checked against the certificate. Default: the host of the URL.
    pub server_name: Option<String>,
    /// PEM bundle of the authorities trusted instead of the system's. A relative path starts at this file's folder.
    /// Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the certificate is checked. Default: `true`; without, anyone on the way can pose as the origin.
    pub verify: bool,
}

impl Default for OriginTlsFields {
    fn default() -> Self {
        Self { server_name: None, ca_file: None, verify: true }
    }
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
    /// Waiting for the next bytes of a response. Default: `20s`, beyond what a live origin lets a blocked playlist wait.
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
            read: DurationText::seconds(20),
            write: DurationText::seconds(20),
            idle: DurationText::seconds(60),
        }
    }
}

/// HTTP version spoken to an origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpVersionField {
    /// Written `1`: HTTP/1.1.
    #[default]
    One,
    /// Written `2`: HTTP/2, with prior knowledge in plaintext.
    Two,
    /// Written `auto`: HTTP/2 where ALPN offers it, else HTTP/1.1.
    Auto,
}

impl<'de> Deserialize<'de> for HttpVersionField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HttpVersionVisitor)
    }
}

struct HttpVersionVisitor;

impl de::Visitor<'_> for HttpVersionVisitor {
    type Value = HttpVersionField;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("one of 1, 2, auto")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<HttpVersionField, E> {
        match value {
            1 => Ok(HttpVersionField::One),
            2 => Ok(HttpVersionField::Two),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HttpVersionField, E> {
        match text {
            "1" => Ok(HttpVersionField::One),
            "2" => Ok(HttpVersionField::Two),
            "auto" => Ok(HttpVersionField::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl Serialize for HttpVersionField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One => serializer.serialize_u8(1),
            Self::Two => serializer.serialize_u8(2),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl JsonSchema for HttpVersionField {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [1, 2, "auto"] })
    }
}

fn attempts() -> u8 {
    2
}

fn weight() -> u16 {
    100
}
