//! Cache policies: what a route may store and for how long when the origin is silent.

use std::time::Duration;

use crate::ids::CachePolicyName;

/// What a route may store.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// Its name.
    pub name: CachePolicyName,
    /// Whether anything is stored at all.
    pub enabled: bool,
    /// Defaults for content recognised as media; absent means that RFC 9111 alone decides.
    pub media: Option<MediaDefaults>,
    /// Whether responses without explicit freshness may get a heuristic one (RFC 9111 section 4.2.2).
    pub heuristic: bool,
    /// Cap of that heuristic freshness (default 24 h).
    pub heuristic_max: Duration,
    /// Response fields whose directives replace Cache-Control (RFC 9213), first valid one wins
    /// (default `Tidegate-CDN-Cache-Control`, `CDN-Cache-Control`).
    pub targeted_fields: Vec<http::HeaderName>,
    /// Whether request Cache-Control directives of clients are honoured (RFC 9111 section 5.2.1).
    pub honour_request_directives: bool,
}

/// How long media stays fresh when the origin says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaDefaults {
    /// Segments, parts and initialisation segments (default 1 h).
    pub segment: Duration,
    /// VOD playlists and static manifests (default 60 s).
    pub vod_playlist: Duration,
    /// Floor and ceiling of a live playlist's half target duration (default 1 s and 2 s).
    pub live_playlist: (Duration, Duration),
    /// 404 and 410 of VOD (default 10 s).
    pub missing: Duration,
    /// 404 of a live segment or part (default 1 s).
    pub missing_live: Duration,
}

impl CachePolicy {
    /// The policy that adds nothing to RFC 9111: enabled, no media defaults, heuristic freshness off, and the
    /// defaults stated at the other fields.
    #[must_use]
    pub fn plain(name: CachePolicyName) -> Self {
        Self {
            name,
            enabled: true,
            media: None,
            heuristic: false,
            heuristic_max: Duration::from_secs(24 * 60 * 60),
            targeted_fields: vec![
                http::HeaderName::from_static("tidegate-cdn-cache-control"),
                http::HeaderName::from_static("cdn-cache-control"),
            ],
            honour_request_directives: true,
        }
    }
}

impl Default for MediaDefaults {
    fn default() -> Self {
        Self {
            segment: Duration::from_secs(60 * 60),
            vod_playlist: Duration::from_secs(60),
            live_playlist: (Duration::from_secs(1), Duration::from_secs(2)),
            missing: Duration::from_secs(10),
            missing_live: Duration::from_secs(1),
        }
    }
}
