//! Cache policies: what a route may store and for how long when the origin is silent.

use std::time::Duration;

use http::StatusCode;

use super::cache_key::KeyRules;
use super::media_delivery::{BlockingReload, CmcdRules, CompressionRules, PrefetchRules, SliceRules};
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
    /// What makes the key.
    pub key: KeyRules,
    /// For how long responses of these statuses are kept when the origin is silent (default none).
    pub negative: Vec<(StatusCode, Duration)>,
    /// For how long stale responses may be served when the origin is silent about it.
    pub stale: StaleRules,
    /// What becomes of responses with Set-Cookie.
    pub set_cookie: SetCookieRule,
    /// Where responses have the tags that they are purged by.
    pub tags: TagRules,
    /// Storage in slices; absent means that what is too large for the memory tier is not stored.
    pub slices: Option<SliceRules>,
    /// Compression; none when absent.
    pub compression: Option<CompressionRules>,
    /// Fetching ahead; none when absent.
    pub prefetch: Option<PrefetchRules>,
    /// What is done with CMCD.
    pub cmcd: CmcdRules,
    /// Low-latency HLS; `_HLS_msn` and the like are ordinary arguments when absent.
    pub blocking_reload: Option<BlockingReload>,
}

/// For how long stale responses may be served when the origin says nothing. What forbids stale answers always wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleRules {
    /// While they are revalidated in the background (RFC 5861 section 3; default 0).
    pub while_revalidate: Duration,
    /// When the origin fails (RFC 5861 section 4); absent means an hour for an origin that cannot be reached and
    /// nothing for one that answers with an error.
    pub if_error: Option<Duration>,
}

/// Where responses have the tags that they are purged by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagRules {
    /// Response fields with tags (default `Surrogate-Key`, `Cache-Tag`).
    pub fields: Vec<http::HeaderName>,
    /// Whether clients get these fields (default no).
    pub expose: bool,
}

impl Default for TagRules {
    fn default() -> Self {
        let fields = ["surrogate-key", "cache-tag"].map(http::HeaderName::from_static).to_vec();
        Self { fields, expose: false }
    }
}

/// What becomes of responses with Set-Cookie (RFC 9111 section 7.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SetCookieRule {
    /// Stored only where the origin stated a freshness or `public` (default).
    #[default]
    WhenExplicit,
    /// Never stored.
    Never,
    /// Stored without the field, which only the client gets whose request fetched it.
    Strip,
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
            key: KeyRules { no_vary_search: true, ..KeyRules::default() },
            negative: Vec::new(),
            stale: StaleRules::default(),
            set_cookie: SetCookieRule::default(),
            tags: TagRules::default(),
            slices: None,
            compression: None,
            prefetch: None,
            cmcd: CmcdRules::default(),
            blocking_reload: None,
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
