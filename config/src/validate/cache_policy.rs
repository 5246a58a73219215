//! Cache policies.

use std::time::Duration;

use http::HeaderName;

use super::names::parse_name;
use super::range::{check_duration, check_length};
use crate::document::{CachePolicyDocument, DurationText, MediaFields};
use crate::ids::CachePolicyName;
use crate::model::{CachePolicy, MediaDefaults};
use crate::source::{Place, Report};

/// Freshness that no origin asked for: up to a year, the longest that caches of the field honour.
const MOST_FRESHNESS: DurationText = DurationText::hours(365 * 24);

/// Each is looked for in every response that is stored.
const MAX_TARGETED_FIELDS: usize = 8;

/// A policy as written.
pub(super) fn cache_policy(
    document: &CachePolicyDocument,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<CachePolicy> {
    let name = parse_name(&document.name, CachePolicyName::parse, &place.field("name"), report);
    let media = document.media.as_ref().map(|fields| media(fields, &place.field("media"), report));
    let heuristic_max = check_freshness(document.heuristic_max, &place.field("heuristic_max"), report);
    let targeted_fields = targeted_fields(document, &place.field("targeted_fields"), report);
    Some(CachePolicy {
        name: name?,
        enabled: document.enabled,
        media,
        heuristic: document.heuristic,
        heuristic_max,
        targeted_fields,
        honour_request_directives: document.honour_request_directives,
        ..CachePolicy::plain(CachePolicyName::parse(&document.name).ok()?)
    })
}

/// A policy that nobody wrote, all of its values being defaults.
pub(super) fn built_in(document: &CachePolicyDocument) -> Option<CachePolicy> {
    Some(CachePolicy {
        name: CachePolicyName::parse(&document.name).ok()?,
        enabled: document.enabled,
        media: document.media.as_ref().map(convert_media),
        heuristic: document.heuristic,
        heuristic_max: document.heuristic_max.0,
        targeted_fields: document.targeted_fields.iter().filter_map(|text| text.parse().ok()).collect(),
        honour_request_directives: document.honour_request_directives,
        ..CachePolicy::plain(CachePolicyName::parse(&document.name).ok()?)
    })
}

fn media(fields: &MediaFields, place: &Place<'_>, report: &mut Report) -> MediaDefaults {
    check_freshness(fields.segment, &place.field("segment"), report);
    check_freshness(fields.vod_playlist, &place.field("vod_playlist"), report);
    check_freshness(fields.live_playlist_min, &place.field("live_playlist_min"), report);
    check_freshness(fields.live_playlist_max, &place.field("live_playlist_max"), report);
    check_freshness(fields.missing, &place.field("missing"), report);
    check_freshness(fields.missing_live, &place.field("missing_live"), report);
    if fields.live_playlist_min.0 > fields.live_playlist_max.0 {
        let most = fields.live_playlist_max.to_text();
        let expected = format!("at most live_playlist_max, which is {most}");
        report.found(&place.field("live_playlist_min"), fields.live_playlist_min.to_text(), expected);
    }
    convert_media(fields)
}

fn convert_media(fields: &MediaFields) -> MediaDefaults {
    MediaDefaults {
        segment: fields.segment.0,
        vod_playlist: fields.vod_playlist.0,
        live_playlist: (fields.live_playlist_min.0, fields.live_playlist_max.0),
        missing: fields.missing.0,
        missing_live: fields.missing_live.0,
    }
}

fn check_freshness(value: DurationText, place: &Place<'_>, report: &mut Report) -> Duration {
    check_duration(value, DurationText::millis(0)..=MOST_FRESHNESS, place, report)
}

fn targeted_fields(document: &CachePolicyDocument, list: &Place<'_>, report: &mut Report) -> Vec<HeaderName> {
    let mut fields: Vec<HeaderName> = Vec::new();
    if !check_length(document.targeted_fields.len(), MAX_TARGETED_FIELDS, list, report) {
        return fields;
    }
    for (index, text) in document.targeted_fields.iter().enumerate() {
        let place = list.element(index);
        match text.parse::<HeaderName>() {
            Ok(name) if fields.contains(&name) => report.at(&place, "each field once"),
            Ok(name) => fields.push(name),
            Err(_) => report.at(&place, "the name of a header field (RFC 9110 section 5.1)"),
        }
    }
    fields
}
