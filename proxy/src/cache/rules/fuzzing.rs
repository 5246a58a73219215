//! What fuzzing checks of the readers of caching fields: one function for each, from any bytes. Called by
//! [`crate::fuzzing`]; not for use by anything that serves.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::conditional::{Validators, Verdict, evaluate};
use super::directives::{DirectiveSource, FieldScope, RequestDirectives, ResponseDirectives};
use super::entity_tag::EntityTag;
use super::http_date;
use super::range::{ContentRange, RangeRequest, Resolved};
use super::vary::VaryRule;

const TARGETED: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Lines of one field; nothing where one of them cannot be a value.
fn lines(name: &HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        headers.append(name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(headers)
}

/// A restriction is seen whatever stands on the lines before it, and a targeted field counts whole or not at all.
pub fn cache_control(bytes: &[u8]) {
    let Some(mut headers) = lines(&header::CACHE_CONTROL, bytes) else { return };
    std::hint::black_box(RequestDirectives::parse(&headers));
    let first = ResponseDirectives::parse(&headers, &[]);
    headers.append(header::CACHE_CONTROL, HeaderValue::from_static("no-store, private, max-age=7, public"));
    let more = ResponseDirectives::parse(&headers, &[]);
    assert!(more.no_store && more.public && more.private == FieldScope::Whole, "{more:?}");
    assert_eq!(more.max_age, first.max_age.or(more.max_age), "of duplicates the first counts");
    let mut targeted = lines(&TARGETED, bytes).unwrap_or_default();
    let alone = ResponseDirectives::parse(&targeted, &[TARGETED]);
    targeted.append(TARGETED, HeaderValue::from_static("no-store"));
    let more = ResponseDirectives::parse(&targeted, &[TARGETED]);
    if alone.source == DirectiveSource::Targeted {
        assert!(more.source == DirectiveSource::Targeted && more.no_store, "{more:?}");
    }
    targeted.append(TARGETED, HeaderValue::from_static("&"));
    assert_eq!(ResponseDirectives::parse(&targeted, &[TARGETED]).source, DirectiveSource::Silent);
}

/// Ranges lie within what they are of, and a Content-Range says again what it said.
pub fn ranges(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut request = HeaderMap::new();
    request.insert(header::RANGE, value.clone());
    for length in [0, 1, 1000, u64::MAX] {
        let ranges = match RangeRequest::parse(&request, None).resolve(Some(length)) {
            Resolved::Single(range) => vec![range],
            Resolved::Multi(ranges) => ranges,
            Resolved::Whole | Resolved::Unsatisfiable | Resolved::NeedsLength => Vec::new(),
        };
        for (index, range) in ranges.iter().enumerate() {
            assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
            let apart = ranges[index + 1..].iter().all(|other| range.end < other.start || other.end < range.start);
            assert!(apart, "{ranges:?}");
        }
    }
    if let Some(told) = value.to_str().ok().and_then(ContentRange::parse) {
        assert!(told.range.start < told.range.end, "{told:?}");
        if let Some(total) = told.total {
            let again = told.range.content_range(total);
            assert_eq!(again.to_str().ok().and_then(ContentRange::parse), Some(told));
        }
    }
}

/// The first line is a Vary, the others are lines of a field that it may name: what it does not name selects nothing,
/// what it names does, and a star matches nothing.
pub fn vary(bytes: &[u8]) {
    let (names, values) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let Some(mut response) = lines(&header::VARY, names) else { return };
    let rule = VaryRule::from_headers(&response);
    let Some(named) = (match &rule {
        VaryRule::Names(names) => names.first().cloned(),
        VaryRule::None | VaryRule::Any => None,
    }) else {
        return;
    };
    let Some(mut request) = lines(&named, values.get(1..).unwrap_or_default()) else { return };
    let key = rule.variant_key(&request);
    assert_ne!(key, rule.variant_key(&HeaderMap::new()), "absence is another variant");
    request.append("x-of-nobody", HeaderValue::from_static("1"));
    let VaryRule::Names(all) = &rule else { return };
    assert!(all.iter().any(|name| name == "x-of-nobody") || rule.variant_key(&request) == key);
    response.append(header::VARY, HeaderValue::from_static("*"));
    assert_eq!(VaryRule::from_headers(&response), VaryRule::Any);
}

/// A date means the same to another reader, where that one knows it, and is written as it was read.
pub fn dates(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let read = http_date::parse(&value);
    // Two-digit years are another matter: the other reader has a fixed year for them.
    let other = value.to_str().ok().filter(|text| !text.contains('-')).map(httpdate::parse_http_date);
    if let Some(Ok(other)) = other {
        assert_eq!(read, Some(other), "{value:?}");
    }
    if let Some(time) = read.filter(|time| *time >= UNIX_EPOCH) {
        assert_eq!(http_date::parse(&http_date::format(time)), Some(time), "{value:?}");
    }
}

/// A tag is found on a list whatever stands on the lines before it, and is its own weak equal.
pub fn entity_tags(bytes: &[u8]) {
    let Some(mut request) = lines(&header::IF_NONE_MATCH, bytes) else { return };
    let ours = EntityTag::parse(&HeaderValue::from_static("\"ours\"")).expect("a tag");
    request.append(header::IF_NONE_MATCH, HeaderValue::from_static("W/\"ours\""));
    let stored = Validators { etag: Some(&ours), last_modified: None, date: None };
    assert_eq!(evaluate(&request, StatusCode::OK, &stored), Verdict::NotModified);
    let Some(tag) = HeaderValue::from_bytes(bytes).ok().as_ref().and_then(EntityTag::parse) else { return };
    assert!(tag.weak_eq(&tag) && tag.strong_eq(&tag) == tag.is_strong());
    let mut alone = HeaderMap::new();
    alone.insert(header::IF_NONE_MATCH, tag.as_value().clone());
    let stored = Validators { etag: Some(&tag), last_modified: None, date: None };
    assert_eq!(evaluate(&alone, StatusCode::OK, &stored), Verdict::NotModified, "{tag:?}");
}
