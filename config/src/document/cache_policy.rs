//! Cache policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cache_key::KeyFields;
use super::media_delivery::{BlockingReloadFields, CmcdFields, CompressionFields, PrefetchFields, SliceFields};
use super::negative::StatusTimes;
use super::units::DurationText;

/// What a route may store, and for how long when the origin says nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CachePolicyDocument {
    /// Its name.
    pub name: String,
    /// Whether anything is stored at all. Default: `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How long content recognised as media stays fresh when the origin is silent. Default: the times below; `null`
    /// means that RFC 9111 alone decides.
    #[serde(default = "media")]
    pub media: Option<MediaFields>,
    /// Whether a response without explicit freshness may get a heuristic one, a tenth of its age (RFC 9111 section
    /// 4.2.2). Default: `true`, as most origins send Last-Modified and nothing else.
    #[serde(default = "yes")]
    pub heuristic: bool,
    /// Cap of the heuristic freshness. Default: `24h`, so that a mistaken guess is over in a day.
    #[serde(default = "heuristic_max")]
    pub heuristic_max: DurationText,
    /// Response fields whose directives replace Cache-Control (RFC 9213); the first valid one wins. Default:
    /// `[Tidegate-CDN-Cache-Control, CDN-Cache-Control]`.
    #[serde(default = "targeted_fields")]
    pub targeted_fields: Vec<String>,
    /// Whether Cache-Control directives of clients are honoured (RFC 9111 section 5.2.1). Default: `true`, so that a
    /// reload reaches the origin; `false` where clients must not be able to have stored objects validated.
    #[serde(default = "yes")]
    pub honour_request_directives: bool,
    /// What makes the key under which responses are stored. Default: method, scheme, host, path and the whole query.
    #[serde(default)]
    pub key: KeyFields,
    /// For how long responses of these statuses are kept when the origin is silent, such as `{404: 10s, 410: 1m}`:
    /// 400 to 599, up to `24h` each. Default: none; what is said of media under `media` counts beside it.
    #[serde(default)]
    pub negative: StatusTimes,
    /// For how long stale responses may be served when the origin is silent about it.
    #[serde(default)]
    pub stale: StaleFields,
    /// What becomes of responses with Set-Cookie: `when_explicit` (stored where the origin stated a freshness or
    /// `public`), `never`, or `strip` (stored without the field). Default: `when_explicit`.
    #[serde(default)]
    pub set_cookie: SetCookieField,
    /// Where responses have the tags that they are purged by.
    #[serde(default)]
    pub tags: TagFields,
    /// Storage of large objects in slices, so that a seek costs what it needs. Default: the sizes below; `null` means
    /// that what is too large for the memory tier is not stored.
    #[serde(default = "slices")]
    pub slices: Option<SliceFields>,
    /// Compression of playlists, manifests and text for clients that accept it, of stored responses alone; media is
    /// never compressed. Default: the values below, since few origins compress and players fetch live playlists every
    /// few seconds; what is compressed is made once and is for everyone, so that it betrays nobody's secrets. `null`
    /// leaves all as origins send it.
    #[serde(default = "compression")]
    pub compression: Option<CompressionFields>,
    /// Fetching ahead what players will ask for next; `{}` switches it on with the values below. Default: `null`, as it
    /// asks origins for what perhaps nobody will watch.
    #[serde(default)]
    pub prefetch: Option<PrefetchFields>,
    /// What is done with CMCD of players.
    #[serde(default)]
    pub cmcd: CmcdFields,
    /// Low-latency HLS: requests with `_HLS_msn` wait together for what they ask for, with one request to the origin.
    /// Default: the time below, as nothing but low-latency players sends that argument; `null` makes it an ordinary one.
    /// Where the origin is silent about freshness it takes `media` as well to keep such a playlist.
    #[serde(default = "blocking_reload")]
    pub blocking_reload: Option<BlockingReloadFields>,
}

/// For how long stale responses may be served when the origin is silent about it. What forbids stale answers
/// (`must-revalidate` and the like) always wins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StaleFields {
    /// While they are revalidated in the background (RFC 5861 section 3), up to `7d`. Default: `0s`.
    pub while_revalidate: DurationText,
    /// When the origin fails (RFC 5861 section 4), up to `7d`. Default: `null`: an hour where no origin can be reached,
    /// nothing where one answers with an error.
    pub if_error: Option<DurationText>,
}

/// Where responses have the tags that they are purged by (`tidegate purge tag`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TagFields {
    /// Response fields with tags: separated by spaces in `Surrogate-Key` and `xkey`, by commas in all others, as those have
    /// it who came up with them. At most 8. Default: `[Surrogate-Key, Cache-Tag]`.
    pub fields: Vec<String>,
    /// Whether clients get these fields, as a cache in front of this node would need them. Default: `false`: they are
    /// between the origin and its caches.
    pub expose: bool,
}

impl Default for TagFields {
    fn default() -> Self {
        Self { fields: vec!["Surrogate-Key".to_owned(), "Cache-Tag".to_owned()], expose: false }
    }
}

/// What becomes of responses with Set-Cookie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetCookieField {
    /// Stored only where the origin stated a freshness or `public`.
    #[default]
    WhenExplicit,
    /// Never stored.
    Never,
    /// Stored without the field, which only the client gets whose request fetched it.
    Strip,
}

/// How long media stays fresh when the origin says nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MediaFields {
    /// Segments, parts and initialisation segments. Default: `1h`; their content never changes under one name.
    pub segment: DurationText,
    /// VOD playlists and static manifests. Default: `60s`, so that a corrected one is seen within a minute.
    pub vod_playlist: DurationText,
    /// Least freshness of a live playlist, which is half its target duration. Default: `1s`.
    pub live_playlist_min: DurationText,
    /// Most freshness of a live playlist. Default: `2s`; players of usual segments poll every 2 to 6 s.
    pub live_playlist_max: DurationText,
    /// 404 and 410 of VOD. Default: `10s`, against floods of requests for what is not there.
    pub missing: DurationText,
    /// 404 of a live segment or part. Default: `1s`: it is probably about to appear.
    pub missing_live: DurationText,
}

impl Default for MediaFields {
    fn default() -> Self {
        Self {
            segment: DurationText::hours(1),
            vod_playlist: DurationText::seconds(60),
            live_playlist_min: DurationText::seconds(1),
            live_playlist_max: DurationText::seconds(2),
            missing: DurationText::seconds(10),
            missing_live: DurationText::seconds(1),
        }
    }
}

impl CachePolicyDocument {
    /// A policy of this name with every default.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: yes(),
            media: media(),
            heuristic: yes(),
            heuristic_max: heuristic_max(),
            targeted_fields: targeted_fields(),
            honour_request_directives: yes(),
            key: KeyFields::default(),
            negative: StatusTimes::default(),
            stale: StaleFields::default(),
            set_cookie: SetCookieField::default(),
            tags: TagFields::default(),
            slices: slices(),
            compression: compression(),
            prefetch: None,
            cmcd: CmcdFields::default(),
            blocking_reload: blocking_reload(),
        }
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn media() -> Option<MediaFields> {
    Some(MediaFields::default())
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn slices() -> Option<SliceFields> {
    Some(SliceFields::default())
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn compression() -> Option<CompressionFields> {
    Some(CompressionFields::default())
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn blocking_reload() -> Option<BlockingReloadFields> {
    Some(BlockingReloadFields::default())
}

fn heuristic_max() -> DurationText {
    DurationText::hours(24)
}

fn targeted_fields() -> Vec<String> {
    vec!["Tidegate-CDN-Cache-Control".to_owned(), "CDN-Cache-Control".to_owned()]
}
