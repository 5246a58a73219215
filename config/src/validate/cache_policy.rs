//! Cache policies.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::cache_key::{check_key, convert_key};
use super::media_delivery::{
    check_blocking_reload, check_compression, check_prefetch, check_slices, convert_blocking_reload, convert_cmcd,
    convert_compression, convert_prefetch, convert_slices,
};
use super::names::parse_name;
use super::range::{check_duration, check_length};
use crate::document::{CachePolicyDocument, DurationText, MediaFields, SetCookieField, StatusTimes};
use crate::ids::CachePolicyName;
use crate::model::{CachePolicy, MediaDefaults, SetCookieRule, StaleRules, TagRules};
use crate::source::{Place, Report};

/// Freshness that no origin asked for: up to a year, the longest that caches of the field honour.
const MOST_FRESHNESS: DurationText = DurationText::hours(365 * 24);

/// Staleness that no origin asked for: who is offline for longer does not come back within a weekend.
const MOST_STALE: DurationText = DurationText::hours(7 * 24);

/// An error that is kept for longer outlives every repair.
const MOST_NEGATIVE: DurationText = DurationText::hours(24);

/// Statuses that answer a client's credentials, conditions or range.
const ANSWERS_TO_ONE_REQUEST: [u16; 4] = [401, 407, 412, 416];

/// Each is looked for in every response that is stored.
const MAX_TARGETED_FIELDS: usize = 8;

/// Likewise.
const MAX_TAG_FIELDS: usize = 8;

/// A policy as written.
pub(super) fn cache_policy(
    document: &CachePolicyDocument,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<CachePolicy> {
    parse_name(&document.name, CachePolicyName::parse, &place.field("name"), report);
    if let Some(fields) = &document.media {
        check_media(fields, &place.field("media"), report);
    }
    check_freshness(document.heuristic_max, &place.field("heuristic_max"), report);
    check_fields(&document.targeted_fields, MAX_TARGETED_FIELDS, &place.field("targeted_fields"), report);
    check_fields(&document.tags.fields, MAX_TAG_FIELDS, &place.field("tags").field("fields"), report);
    check_key(&document.key, &place.field("key"), report);
    check_negative(&document.negative, &place.field("negative"), report);
    let stale = place.field("stale");
    check_stale(document.stale.while_revalidate, &stale.field("while_revalidate"), report);
    if let Some(time) = document.stale.if_error {
        check_stale(time, &stale.field("if_error"), report);
    }
    if let Some(fields) = &document.slices {
        check_slices(fields, &place.field("slices"), report);
    }
    if let Some(fields) = &document.compression {
        check_compression(fields, &place.field("compression"), report);
    }
    if let Some(fields) = &document.prefetch {
        check_prefetch(fields, &place.field("prefetch"), report);
    }
    if let Some(fields) = &document.blocking_reload {
        check_blocking_reload(fields, &place.field("blocking_reload"), report);
    }
    convert(document)
}

/// The policy of a document of which all that is wrong has been told; that of one that nobody wrote has only defaults.
pub(super) fn convert(document: &CachePolicyDocument) -> Option<CachePolicy> {
    Some(CachePolicy {
        name: CachePolicyName::parse(&document.name).ok()?,
        enabled: document.enabled,
        media: document.media.as_ref().map(convert_media),
        heuristic: document.heuristic,
        heuristic_max: document.heuristic_max.0,
        targeted_fields: document.targeted_fields.iter().filter_map(|text| text.parse().ok()).collect(),
        honour_request_directives: document.honour_request_directives,
        key: convert_key(&document.key),
        negative: convert_negative(&document.negative),
        stale: StaleRules {
            while_revalidate: document.stale.while_revalidate.0,
            if_error: document.stale.if_error.map(|time| time.0),
        },
        set_cookie: match document.set_cookie {
            SetCookieField::WhenExplicit => SetCookieRule::WhenExplicit,
            SetCookieField::Never => SetCookieRule::Never,
            SetCookieField::Strip => SetCookieRule::Strip,
        },
        tags: TagRules {
            fields: document.tags.fields.iter().filter_map(|text| text.parse().ok()).collect(),
            expose: document.tags.expose,
        },
        slices: document.slices.as_ref().map(convert_slices),
        compression: document.compression.as_ref().map(convert_compression),
        prefetch: document.prefetch.as_ref().map(convert_prefetch),
        cmcd: convert_cmcd(&document.cmcd),
        blocking_reload: document.blocking_reload.as_ref().map(convert_blocking_reload),
    })
}

fn check_media(fields: &MediaFields, place: &Place<'_>, report: &mut Report) {
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

fn check_freshness(value: DurationText, place: &Place<'_>, report: &mut Report) {
    check_duration(value, DurationText::millis(0)..=MOST_FRESHNESS, place, report);
}

fn check_stale(value: DurationText, place: &Place<'_>, report: &mut Report) {
    check_duration(value, DurationText::millis(0)..=MOST_STALE, place, report);
}

fn check_fields(texts: &[String], most: usize, list: &Place<'_>, report: &mut Report) {
    if !check_length(texts.len(), most, list, report) {
        return;
    }
    let mut fields: Vec<HeaderName> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let place = list.element(index);
        match text.parse::<HeaderName>() {
            Ok(name) if fields.contains(&name) => report.at(&place, "each field once"),
            Ok(name) => fields.push(name),
            Err(_) => report.at(&place, "the name of a header field (RFC 9110 section 5.1)"),
        }
    }
}

fn check_negative(times: &StatusTimes, place: &Place<'_>, report: &mut Report) {
    for (index, (status, time)) in times.0.iter().enumerate() {
        let name = status.to_string();
        let entry = place.field(&name);
        if times.0[..index].iter().any(|(earlier, _)| earlier == status) {
            report.found(place, format!("{status} twice"), "each status once");
        } else if !(400..=599).contains(status) {
            report.found(&entry, format!("the status {status}"), "a status from 400 to 599");
        } else if ANSWERS_TO_ONE_REQUEST.contains(status) {
            let expected = "another status: this one is about one client's fields alone";
            report.found(&entry, format!("the status {status}"), expected);
        } else {
            check_duration(*time, DurationText::millis(0)..=MOST_NEGATIVE, &entry, report);
        }
    }
}

fn convert_negative(times: &StatusTimes) -> Vec<(StatusCode, Duration)> {
    let status = |(status, time): &(u16, DurationText)| Some((StatusCode::from_u16(*status).ok()?, time.0));
    times.0.iter().filter_map(status).collect()
}
