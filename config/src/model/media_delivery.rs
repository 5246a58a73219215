//! How media is delivered: in slices, ahead of players, compressed, for other sites' pages, and at which pace.

use std::time::Duration;

use crate::units::ByteSize;

/// Storage in slices, so that a seek in a large object costs what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceRules {
    /// Objects above this size are stored in slices (default 8 MiB).
    pub threshold: ByteSize,
    /// Size of a slice (default 2 MiB; 1, 2 or 4 MiB).
    pub size: ByteSize,
}

/// Compression of playlists, manifests and text for clients that accept it; media is never compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressionRules {
    /// Codings in order of preference (default `zstd`, `br`, `gzip`).
    pub codings: Vec<Coding>,
    /// Smallest body that is compressed (default 512 bytes: below, the coded one is hardly smaller).
    pub min: ByteSize,
    /// Largest body that is compressed (default 4 MiB).
    pub max: ByteSize,
}

/// Content codings that this node makes (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `zstd`.
    Zstd,
    /// `br`.
    Brotli,
    /// `gzip`.
    Gzip,
}

/// Fetching ahead what players will ask for next, on the same host only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefetchRules {
    /// Segments or parts ahead of the one that was asked for (default 1; 1 to 8).
    pub ahead: u8,
    /// Most prefetches a second of one site (default 50).
    pub rate: u32,
    /// Whether `nor` of CMCD is followed (default true).
    pub cmcd: bool,
}

/// What is done with CMCD of players (CTA-5004). It is never part of a key, and not sent to origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CmcdRules {
    /// Whether it becomes figures of the site (default true).
    pub figures: bool,
    /// Whether it sets the urgency of responses (RFC 9218; default true).
    pub priority: bool,
    /// Whether `rtp` paces responses of media segments (default false).
    pub pacing: bool,
}

/// Low-latency HLS (RFC 8216bis section 6.2.5.2): playlists that block until the part they ask for is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingReload {
    /// How long a parked request waits for the origin (default 20 s: three target durations of 6 s and a margin).
    pub timeout: Duration,
}

/// Cross-origin resource sharing, answered by this node (WHATWG Fetch section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CorsRules {
    /// Origins allowed, as `https://host[:port]` or `https://*.suffix[:port]`, `http` alike, in lower case and without the
    /// usual port, as browsers write them; every origin when empty.
    pub origins: Vec<String>,
    /// Whether credentials are allowed; then the origin is echoed and never `*` (default false).
    pub credentials: bool,
    /// Methods of preflights (default GET, HEAD, OPTIONS).
    pub methods: Vec<http::Method>,
    /// Fields that requests may carry (default: those that media players send, `Range` and the four of CMCD).
    pub headers: Vec<http::HeaderName>,
    /// Fields that pages may read beyond those always shown (default Content-Length, Content-Range, Date,
    /// Server-Timing, CMSD-Static, CMSD-Dynamic).
    pub expose: Vec<http::HeaderName>,
    /// How long preflights are remembered (default 600 s; 600 to 7200).
    pub max_age: Duration,
}

impl Default for SliceRules {
    fn default() -> Self {
        Self { threshold: ByteSize::mib(8), size: ByteSize::mib(2) }
    }
}

impl Default for CompressionRules {
    fn default() -> Self {
        let codings = vec![Coding::Zstd, Coding::Brotli, Coding::Gzip];
        Self { codings, min: ByteSize(512), max: ByteSize::mib(4) }
    }
}

impl Default for PrefetchRules {
    fn default() -> Self {
        Self { ahead: 1, rate: 50, cmcd: true }
    }
}

impl Default for CmcdRules {
    fn default() -> Self {
        Self { figures: true, priority: true, pacing: false }
    }
}

impl Default for BlockingReload {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(20) }
    }
}

impl Default for CorsRules {
    fn default() -> Self {
        let names = |names: &[&'static str]| names.iter().copied().map(http::HeaderName::from_static).collect();
        Self {
            origins: Vec::new(),
            credentials: false,
            methods: vec![http::Method::GET, http::Method::HEAD, http::Method::OPTIONS],
            headers: names(&["range", "cmcd-request", "cmcd-object", "cmcd-status", "cmcd-session"]),
            expose: names(&["content-length", "content-range", "date", "server-timing", "cmsd-static", "cmsd-dynamic"]),
            max_age: Duration::from_secs(600),
        }
    }
}
