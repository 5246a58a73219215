//! Cache policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whether Cache-Control directives of clients are honoured (RFC 9111 section 5.2.1). Default: `false`, since any
    /// client could otherwise send every request on to the origin.
    #[serde(default)]
    pub honour_request_directives: bool,
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
            honour_request_directives: false,
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

fn heuristic_max() -> DurationText {
    DurationText::hours(24)
}

fn targeted_fields() -> Vec<String> {
    vec!["Tidegate-CDN-Cache-Control".to_owned(), "CDN-Cache-Control".to_owned()]
}
