//! How media is delivered, as written: slices, compression, fetching ahead, CMCD, low-latency HLS, other sites' pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSizeText, DurationText};
use crate::model::{BlockingReload, CmcdRules, Coding, CompressionRules, CorsRules, PrefetchRules, SliceRules};

/// Storage in slices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SliceFields {
    /// Objects above this size are stored in slices, from the size of one slice to `1GiB`. Default: `8MiB`: up to there a
    /// single request for the whole costs an origin least.
    pub threshold: ByteSizeText,
    /// Size of a slice: `1MiB`, `2MiB` or `4MiB`. Default: `2MiB`, a second or so of a large video.
    pub size: ByteSizeText,
}

/// Compression by this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionFields {
    /// Codings in the order of preference. Default: `[zstd, br, gzip]`.
    pub codings: Vec<CodingField>,
    /// Smallest body that is compressed, `64B` to `1MiB`. Default: `512B`: below, the coded one is hardly smaller.
    pub min: ByteSizeText,
    /// Largest body that is compressed, up to `64MiB`. Default: `4MiB`, which no playlist but a broken one exceeds.
    pub max: ByteSizeText,
}

/// A content coding that this node makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CodingField {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Br,
    /// Gzip (RFC 1952).
    Gzip,
}

/// Fetching ahead what players will ask for next, on the same host only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrefetchFields {
    /// Segments or parts ahead of the one that was asked for, 1 to 8. Default: 1: what comes after it is asked for while
    /// it plays.
    #[schemars(range(min = 1, max = 8))]
    pub ahead: u8,
    /// Most such fetches a second of one site, 1 to 10000. Default: 50.
    #[schemars(range(min = 1, max = 10_000))]
    pub rate: u32,
    /// Whether `nor` of CMCD, by which players name what they will ask for, is followed. Default: `true`.
    pub cmcd: bool,
}

/// What is done with CMCD (CTA-5004), which is never part of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CmcdFields {
    /// Whether it becomes figures of the site. Default: `true`.
    pub figures: bool,
    /// Whether it sets the urgency of responses (RFC 9218). Default: `true`: a player that is about to stall goes first.
    pub priority: bool,
    /// Whether `rtp` paces responses of media segments. Default: `false`, since few players mean it as a wish.
    pub pacing: bool,
}

/// Low-latency HLS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlockingReloadFields {
    /// How long a request for a playlist that is not there yet waits, `1s` to `2m`. Default: `20s`: three target
    /// durations of 6 s, which the standard asks of servers, and a margin.
    pub timeout: DurationText,
}

/// Cross-origin resource sharing (WHATWG Fetch section 3.3), answered by this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsFields {
    /// Origins allowed, at most 256: `https://player.example`, with a port where it is not the usual one, or
    /// `https://*.example` for all names below one; `http` alike. Default: every origin.
    pub origins: Vec<String>,
    /// Whether pages may send credentials; then `origins` must name some. Default: `false`.
    pub credentials: bool,
    /// Methods that pages may use, at most 40. Default: `[GET, HEAD, OPTIONS]`.
    pub methods: Vec<String>,
    /// Fields that requests may carry beside those that always may, at most 64. Default: those that players send:
    /// `[Range, CMCD-Request, CMCD-Object, CMCD-Status, CMCD-Session]`.
    pub headers: Vec<String>,
    /// Fields of responses that pages may read beside those that they always may, at most 64. Default:
    /// `[Content-Length, Content-Range, Date, Server-Timing, CMSD-Static, CMSD-Dynamic]`.
    pub expose: Vec<String>,
    /// How long a browser remembers what it was told, `10m` to `2h`, which is what browsers take. Default: `10m`.
    pub max_age: DurationText,
}

impl Default for SliceFields {
    fn default() -> Self {
        let SliceRules { threshold, size } = SliceRules::default();
        Self { threshold: ByteSizeText(threshold), size: ByteSizeText(size) }
    }
}

impl Default for CompressionFields {
    fn default() -> Self {
        let CompressionRules { codings, min, max } = CompressionRules::default();
        let codings = codings.into_iter().map(CodingField::from).collect();
        Self { codings, min: ByteSizeText(min), max: ByteSizeText(max) }
    }
}

impl From<Coding> for CodingField {
    fn from(coding: Coding) -> Self {
        match coding {
            Coding::Zstd => Self::Zstd,
            Coding::Brotli => Self::Br,
            Coding::Gzip => Self::Gzip,
        }
    }
}

impl From<CodingField> for Coding {
    fn from(field: CodingField) -> Self {
        match field {
            CodingField::Zstd => Self::Zstd,
            CodingField::Br => Self::Brotli,
            CodingField::Gzip => Self::Gzip,
        }
    }
}

impl Default for PrefetchFields {
    fn default() -> Self {
        let PrefetchRules { ahead, rate, cmcd } = PrefetchRules::default();
        Self { ahead, rate, cmcd }
    }
}

impl Default for CmcdFields {
    fn default() -> Self {
        let CmcdRules { figures, priority, pacing } = CmcdRules::default();
        Self { figures, priority, pacing }
    }
}

impl Default for BlockingReloadFields {
    fn default() -> Self {
        Self { timeout: DurationText(BlockingReload::default().timeout) }
    }
}

impl Default for CorsFields {
    fn default() -> Self {
        let CorsRules { origins, credentials, methods, headers, expose, max_age } = CorsRules::default();
        let names = |names: Vec<http::HeaderName>| names.iter().map(ToString::to_string).collect();
        Self {
            origins,
            credentials,
            methods: methods.iter().map(ToString::to_string).collect(),
            headers: names(headers),
            expose: names(expose),
            max_age: DurationText(max_age),
        }
    }
}
