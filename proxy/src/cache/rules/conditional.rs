//! Conditional requests, answered from store and sent to origins (RFC 9110 section 13, RFC 9111 section 4.3).

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::decide::StoredMeta;
use super::entity_tag::{EntityTag, Listed, look_up};
use super::{hop_by_hop, http_date};

/// The validators of a stored response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validators<'a> {
    /// Its entity tag.
    pub etag: Option<&'a EntityTag>,
    /// Its Last-Modified.
    pub last_modified: Option<SystemTime>,
    /// Its Date, which stands in for Last-Modified against If-Modified-Since (RFC 9111 section 4.3.2).
    pub date: Option<SystemTime>,
}

/// What a conditional request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The response itself.
    Full,
    /// 304.
    NotModified,
}

/// Evaluates those preconditions of a GET or HEAD that a cache answers itself (If-Range is `range`'s). A stored response
/// that is not successful is served whatever they say (RFC 9110 section 13.2.1).
#[must_use]
pub fn evaluate(request: &HeaderMap, status: StatusCode, stored: &Validators<'_>) -> Verdict {
    if !status.is_success() {
        return Verdict::Full;
    }
    let unchanged = if request.contains_key(header::IF_NONE_MATCH) {
        none_match_finds(request, stored)
    } else {
        is_unmodified_since_asked(request, stored)
    };
    if unchanged { Verdict::NotModified } else { Verdict::Full }
}

/// Whether the stored response is the version that a request is about, by If-Match, else by If-Unmodified-Since (RFC 9110
/// sections 13.1.1, 13.1.4 and 13.2.2). If not, the origin is to judge, which may have another: these are not applicable
/// to a cache (RFC 9111 section 4.3.2).
#[must_use]
pub fn is_wanted_version(request: &HeaderMap, status: StatusCode, stored: &Validators<'_>) -> bool {
    if !status.is_success() {
        return true;
    }
    if request.contains_key(header::IF_MATCH) {
        let lines = request.get_all(header::IF_MATCH).iter();
        let listed = look_up(lines, |tag| stored.etag.is_some_and(|etag| etag.strong_matches(tag)));
        return listed != Listed::NotFound;
    }
    let since = http_date::only(request, &header::IF_UNMODIFIED_SINCE);
    match (since, stored.last_modified) {
        (Some(since), Some(modified)) => modified <= since,
        _ => true, // section 13.1.4: ignored without a valid date, and without a modification date
    }
}

/// If-None-Match (RFC 9110 section 13.1.2), by weak comparison.
fn none_match_finds(request: &HeaderMap, stored: &Validators<'_>) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter();
    look_up(lines, |tag| stored.etag.is_some_and(|etag| etag.weak_matches(tag))) != Listed::NotFound
}

/// If-Modified-Since (RFC 9110 section 13.1.3), ignored when it is no single date.
fn is_unmodified_since_asked(request: &HeaderMap, stored: &Validators<'_>) -> bool {
    let since = http_date::only(request, &header::IF_MODIFIED_SINCE);
    match (since, stored.last_modified.or(stored.date)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Metadata of the representation, which a 304 does not repeat: the client has it.
const NOT_IN_304: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::TRAILER,
];

/// The fields of a 304 made from those of the stored response (RFC 9110 section 15.4.5). Age, Cache-Status and the
/// like are added by the caller as to any response. All but the representation's metadata stays, so that what a
/// browser checks on every response (CORS, policies) is there.
#[must_use]
pub fn not_modified_fields(stored: &HeaderMap) -> HeaderMap {
    let mut fields = stored.clone();
    for name in &NOT_IN_304 {
        fields.remove(name);
    }
    if fields.contains_key(header::ETAG) {
        fields.remove(header::LAST_MODIFIED);
    }
    fields
}

const PRECONDITIONS: [HeaderName; 5] =
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_RANGE];

/// Takes the client's preconditions and ranges out of a request that fetches the whole for everybody.
pub fn strip_preconditions(request: &mut HeaderMap) {
    for name in PRECONDITIONS.iter().chain([&header::RANGE]) {
        request.remove(name);
    }
}

/// Puts the preconditions that validate a stored response into a request for the origin, in place of the client's
/// (RFC 9111 section 4.3.1). Says whether there is anything to validate with.
pub fn add_validation(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    strip_preconditions(request);
    let etag = EntityTag::from_headers(stored);
    let modified = stored.get(header::LAST_MODIFIED).filter(|value| http_date::parse(value).is_some());
    if let Some(etag) = &etag {
        request.insert(header::IF_NONE_MATCH, etag.as_value().clone());
    }
    if let Some(modified) = modified {
        request.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
    etag.is_some() || modified.is_some()
}

/// Whether a 304 is about this stored response (RFC 9111 section 4.3.4). If not, fetch again without preconditions.
#[must_use]
pub fn confirms(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    if let Some(told) = EntityTag::from_headers(not_modified) {
        // Compared weakly: servers that compress weaken the tag of the 200 but not that of its 304.
        return EntityTag::from_headers(stored).is_some_and(|kept| kept.weak_eq(&told));
    }
    let modified = |headers: &HeaderMap| http_date::only(headers, &header::LAST_MODIFIED);
    match (modified(not_modified), modified(stored)) {
        (Some(told), Some(kept)) => told == kept,
        _ => true, // it names no validator, and there is only the one response that was asked about
    }
}

/// Fields that a 304 does not update (RFC 9111 section 3.2): they describe the stored bytes.
const KEPT_FROM_STORE: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::CONTENT_RANGE];

/// The stored fields as updated by a 304 (RFC 9111 sections 3.2 and 4.3.4), with its Age: `assess` them with the
/// stored status and then `stored_fields::prepare` them. Date and Age are the 304's alone, for the age counts from it.
#[must_use]
pub fn freshen(stored: &HeaderMap, not_modified: &HeaderMap) -> HeaderMap {
    let mut update = not_modified.clone();
    hop_by_hop::strip_from_response(&mut update);
    for name in &KEPT_FROM_STORE {
        update.remove(name);
    }
    if stored.contains_key(header::ETAG) {
        update.remove(header::ETAG); // the same but for its strength, which belongs to the stored bytes
    }
    let mut fields = stored.clone();
    fields.remove(header::DATE);
    fields.remove(header::AGE);
    for name in update.keys() {
        fields.remove(name);
        for value in update.get_all(name) {
            fields.append(name, value.clone());
        }
    }
    fields
}

/// Whether a message was made before the stored response, by the word of both, so that it tells nothing new of it.
#[must_use]
pub fn is_older(told: &HeaderMap, stored: &HeaderMap) -> bool {
    let date = |fields| http_date::only(fields, &header::DATE);
    date(told).zip(date(stored)).is_some_and(|(told, stored)| told < stored)
}

/// What the answer to a HEAD does to a stored response to a GET that could have answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEffect {
    /// Nothing: it is no 200, and says nothing of what a GET would get.
    None,
    /// It freshens the stored response: these are its fields then, as [`freshen`] gives them.
    Freshened(HeaderMap),
    /// It speaks of another version.
    Outdated,
}

/// Compares the answer to a HEAD with what is stored (RFC 9111 section 4.3.5): whatever validators and length it names
/// must be those of the stored response.
#[must_use]
pub fn effect_of_head(stored: &StoredMeta, status: StatusCode, told: &HeaderMap) -> HeadEffect {
    if status != StatusCode::OK {
        return HeadEffect::None;
    }
    let tag = |headers: &HeaderMap| EntityTag::from_headers(headers).map(|tag| tag.opaque().to_vec());
    let modified = |headers: &HeaderMap| http_date::only(headers, &header::LAST_MODIFIED);
    let length = told.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let agrees = stored.status == StatusCode::OK
        && tag(told).is_none_or(|named| tag(&stored.headers) == Some(named))
        && modified(told).is_none_or(|named| stored.last_modified == Some(named))
        && length.is_none_or(|length| stored.body_length.is_none_or(|kept| kept == length));
    if agrees { HeadEffect::Freshened(freshen(&stored.headers, told)) } else { HeadEffect::Outdated }
}

#[cfg(test)]
mod tests;
