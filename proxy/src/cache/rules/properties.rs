//! Properties over arbitrary input: nothing panics, ages only grow, and ranges stay within their representation.

use std::hint::black_box;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use proptest::prelude::*;

use super::conditional::{add_validation, confirms, evaluate, freshen, not_modified_fields};
use super::decide::{Decision, OriginFailure, StoredMeta, decide, may_serve_stale_on_error, may_share};
use super::range::{ByteRange, Multipart, RangeRequest, Resolved};
use super::request_facts::RequestFacts;
use super::storability::{Assessment, assess};
use super::testing::{get, heuristic_policy, media_policy, now};
use super::vary::VaryRule;
use super::{hop_by_hop, invalidation, stored_fields};
use crate::media::{MediaClass, PlaylistKind, Presentation, inspect, recognise, recognise_error};

const NAMES: [HeaderName; 22] = [
    header::CACHE_CONTROL,
    HeaderName::from_static("cdn-cache-control"),
    header::EXPIRES,
    header::DATE,
    header::AGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::VARY,
    header::CONNECTION,
    header::PRAGMA,
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::SET_COOKIE,
    header::LOCATION,
    header::CONTENT_TYPE,
    header::CONTENT_LOCATION,
];

/// Pieces that make it past the first check of a parser, so that the bytes around them are worth something.
const PIECES: [&str; 26] = [
    "max-age=",
    "s-maxage=",
    "no-cache",
    "private",
    "public",
    "no-store",
    "stale-while-revalidate=1",
    "\"",
    "\\",
    ",",
    "=",
    ";",
    "W/\"a\"",
    "*",
    "bytes=",
    "0-5",
    "-5",
    "7-",
    "99999999999999999999",
    "gzip;q=",
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "(",
    ":",
    "//a/../b",
    "\t ",
    "max-stale",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let piece = prop_oneof![
        4 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8)
        .prop_filter_map("bytes of a field value", |pieces| HeaderValue::from_bytes(&pieces.concat()).ok())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..12).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

fn media() -> impl Strategy<Value = Option<MediaClass>> {
    prop::sample::select(vec![
        None,
        Some(MediaClass::Segment),
        Some(MediaClass::Audio),
        Some(MediaClass::Playlist(PlaylistKind::Hls)),
    ])
}

/// The meta of a response with these fields, if it may be stored.
fn store(response: &HeaderMap, status: StatusCode, media: Option<MediaClass>) -> Option<StoredMeta> {
    let policy = if media.is_some() { media_policy() } else { heuristic_policy() };
    let times = assess(&Assessment {
        request: &get(&[]),
        status,
        headers: response,
        request_time: now() - Duration::from_millis(30),
        response_time: now(),
        policy: &policy,
        media,
        presentation: Presentation::Unknown,
    });
    let mut fields = response.clone();
    drop(stored_fields::prepare(&mut fields, now(), &policy));
    times.ok().map(|times| StoredMeta::new(status, fields, times, Some(1000)))
}

proptest! {
    #[test]
    fn no_header_bytes_make_the_rules_panic(
        request in headers(), response in headers(), told in headers(),
        status in 100_u16..600, media in media(), later in 0_u64..1 << 34,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let facts = RequestFacts::new(&Method::GET, &request);
        let policy = media_policy();
        let at = now() + Duration::from_secs(later);
        black_box(decide(&facts, None, at, &policy));
        black_box(VaryRule::from_headers(&response).variant_key(&request));
        black_box(invalidation::further_targets("https", "a", "/b?c", &response));
        let mut stripped = request.clone();
        hop_by_hop::strip_from_request(&mut stripped);
        add_validation(&mut stripped, &response);
        black_box(confirms(&response, &told));
        store(&freshen(&response, &told), status, media);
        if let Some(meta) = store(&response, status, media) {
            let decision = decide(&facts, Some(&meta), at, &policy);
            // What must not be used without validation never is (RFC 9111 section 5.2.2.4).
            let served = matches!(decision, Decision::Serve(_) | Decision::ServeAndRefresh);
            prop_assert!(!(served && meta.times.no_cache));
            prop_assert!(!(served && meta.times.must_revalidate && !meta.times.is_fresh(at)));
            prop_assert!(!(served && facts.authorization && !meta.times.authorized_reuse));
            black_box(may_share(&facts, &meta, at));
            black_box(may_serve_stale_on_error(&facts, &meta, OriginFailure::Unreachable, at, &policy));
            black_box(evaluate(&request, status, &meta.validators()));
            black_box(not_modified_fields(&meta.headers));
            black_box(RangeRequest::parse(&request, meta.etag.as_ref()).resolve(meta.body_length));
        }
    }

    #[test]
    fn age_never_shrinks_and_freshness_never_returns(
        response in headers(), media in media(), first in 0_u64..1 << 40, more in 0_u64..1 << 40,
    ) {
        if let Some(meta) = store(&response, StatusCode::OK, media) {
            let (early, late) = (now() + Duration::from_secs(first), now() + Duration::from_secs(first + more));
            let times = meta.times;
            prop_assert!(times.current_age(early) <= times.current_age(late));
            prop_assert!(times.age_seconds(early) <= times.age_seconds(late));
            prop_assert!(times.ttl(early) >= times.ttl(late));
            prop_assert!(times.is_fresh(early) || !times.is_fresh(late));
            prop_assert!(times.is_fresh(early) == times.staleness(early).is_zero() || times.ttl(early) == 0);
        }
    }

    #[test]
    fn ranges_stay_within_the_representation_and_apart(value in value(), length in 0_u64..5000) {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, value);
        let ranges = match RangeRequest::parse(&request, None).resolve(Some(length)) {
            Resolved::Single(range) => vec![range],
            Resolved::Multi(ranges) => ranges,
            Resolved::Whole | Resolved::Unsatisfiable | Resolved::NeedsLength => Vec::new(),
        };
        check_ranges(&ranges, length)?;
    }

    #[test]
    fn joined_ranges_cover_what_was_asked(
        asked in prop::collection::vec((0_u64..3000, 0_u64..300), 1..20), length in 1_u64..3000,
    ) {
        let list: Vec<String> = asked.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, HeaderValue::from_str(&format!("bytes={}", list.join(","))).unwrap());
        let ranges = match RangeRequest::parse(&request, None).resolve(Some(length)) {
            Resolved::Single(range) => vec![range],
            Resolved::Multi(ranges) => ranges,
            Resolved::Whole => return Ok(()),
            other => {
                prop_assert_eq!(other, Resolved::Unsatisfiable);
                Vec::new()
            }
        };
        check_ranges(&ranges, length)?;
        for (first, more) in asked {
            for byte in (first..=first + more).filter(|byte| *byte < length) {
                prop_assert!(ranges.iter().any(|range| (range.start..range.end).contains(&byte)));
            }
        }
        let framed = Multipart::new(&ranges, length, None, 7);
        let heads: usize = framed.parts.iter().map(|(head, _)| head.len()).sum();
        let bytes: u64 = ranges.iter().map(|range| range.length()).sum();
        prop_assert_eq!(framed.content_length, heads as u64 + framed.tail.len() as u64 + bytes);
    }

    #[test]
    fn no_body_makes_recognition_panic(
        body in prop::collection::vec(any::<u8>(), 0..600), start in prop::sample::select(vec![
            "", "#EXTM3U\n#EXT-X-TARGETDURATION:", "<MPD type=\"dynamic\" minimumUpdatePeriod=\"PT", "<?", "<!--", "ID3",
        ]), path in ".{0,20}", content_type in value(),
    ) {
        let bytes = [start.as_bytes(), &body].concat();
        for kind in [PlaylistKind::Hls, PlaylistKind::Dash] {
            prop_assert!(inspect(MediaClass::Playlist(kind), &bytes).is_some());
        }
        black_box(recognise(None, &path, Some(&bytes)));
        black_box(recognise(Some(&content_type), &path, Some(&bytes)));
        black_box(recognise_error(&path));
    }
}

fn check_ranges(ranges: &[ByteRange], length: u64) -> Result<(), TestCaseError> {
    for (index, range) in ranges.iter().enumerate() {
        prop_assert!(range.start < range.end && range.end <= length);
        for other in &ranges[index + 1..] {
            prop_assert!(range.end < other.start || other.end < range.start);
        }
    }
    Ok(())
}
