//! Age and lifetime.

use http::{HeaderName, HeaderValue};
use tidegate_config::model::MediaDefaults;

use super::*;
use crate::cache::rules::testing::{Exchange, after, fields, heuristic_policy, media_policy, now, policy, seconds_of};
use crate::media::PlaylistKind;

fn times(exchange: &Exchange, response: &[&str]) -> StoredTimes {
    let headers = fields(response);
    let directives = ResponseDirectives::parse(&headers, &exchange.policy.targeted_fields);
    compute(&FreshnessInput {
        status: StatusCode::from_u16(exchange.status).unwrap(),
        headers: &headers,
        directives: &directives,
        request_time: now() - exchange.delay,
        response_time: now(),
        policy: &exchange.policy,
        media: exchange.media,
        presentation: exchange.presentation,
    })
}

/// A date so many seconds from now.
fn date(name: &str, seconds: i64) -> String {
    let offset = seconds_of(seconds.unsigned_abs());
    let time = if seconds < 0 { now() - offset } else { now() + offset };
    format!("{name}: {}", httpdate::fmt_http_date(time))
}

#[test]
fn lifetime_follows_the_order_of_rfc_9111_section_4_2_1() {
    let check = |response: &[&str], source: FreshnessSource, seconds: u64| {
        let times = times(&Exchange::default(), response);
        assert_eq!((times.source, times.lifetime), (source, seconds_of(seconds)), "{response:?}");
    };
    let (here, soon, past) = (date("Date", 0), date("Expires", 30), date("Expires", -30));
    check(&["Cache-Control: max-age=5, s-maxage=7", &soon, &here], FreshnessSource::SMaxAge, 7);
    check(&["Cache-Control: max-age=5", &soon, &here], FreshnessSource::MaxAge, 5);
    check(&["Cache-Control: max-age=0", &soon, &here], FreshnessSource::MaxAge, 0);
    check(&["Cache-Control: max-age=x", &soon, &here], FreshnessSource::MaxAge, 0);
    check(&["Cache-Control: public", &soon, &here], FreshnessSource::Expires, 30);
    check(&[&soon, &date("Date", -10)], FreshnessSource::Expires, 40);
    check(&[&soon], FreshnessSource::Expires, 30);
    check(&[&soon, "Date: nonsense"], FreshnessSource::Expires, 30);
    check(&[&past, &here], FreshnessSource::Expires, 0);
    check(&["Expires: 0"], FreshnessSource::Expires, 0); // section 5.3
    check(&["Expires:"], FreshnessSource::Expires, 0);
    check(&[&soon, &past, &here], FreshnessSource::Expires, 30);
    check(&["CDN-Cache-Control: public", "Cache-Control: max-age=5", &soon], FreshnessSource::Absent, 0);
    check(&["CDN-Cache-Control: max-age=9", "Cache-Control: max-age=5", &soon], FreshnessSource::MaxAge, 9);
    check(&[], FreshnessSource::Absent, 0);
}

#[test]
fn heuristic_is_a_tenth_of_the_unchanged_time_where_allowed() {
    let check = |status: u16, allowed: bool, response: &[&str], seconds: Option<u64>| {
        let policy = if allowed { heuristic_policy() } else { policy() };
        let times = times(&Exchange { status, policy, ..Exchange::default() }, response);
        let expected = seconds.map_or((FreshnessSource::Absent, Duration::ZERO), |seconds| {
            (FreshnessSource::Heuristic, seconds_of(seconds))
        });
        assert_eq!((times.source, times.lifetime), expected, "{status} {response:?}");
    };
    let (here, old, ancient, future) =
        (date("Date", 0), date("Last-Modified", -1000), date("Last-Modified", -100_000_000), date("Last-Modified", 10));
    check(200, true, &[&here, &old], Some(100));
    check(200, true, &[&old], Some(100));
    check(200, true, &[&here, &ancient], Some(86_400));
    check(200, true, &[&here, &future], None);
    check(200, true, &[&here], None);
    check(200, false, &[&here, &old], None);
    for status in [203, 204, 300, 301, 308, 404, 405, 410, 414] {
        check(status, true, &[&here, &old], Some(100)); // RFC 9110 section 15.1
    }
    for status in [201, 302, 307, 400, 403, 500, 501, 503] {
        check(status, true, &[&here, &old], None);
    }
}

#[test]
fn initial_age_follows_rfc_9111_section_4_2_3() {
    let check = |delay: u64, response: &[&str], seconds: u64| {
        let exchange = Exchange { delay: seconds_of(delay), ..Exchange::default() };
        let lines: Vec<&str> = response.iter().copied().chain(["Cache-Control: max-age=60"]).collect();
        assert_eq!(times(&exchange, &lines).corrected_initial_age, seconds_of(seconds), "{delay} {response:?}");
    };
    check(0, &[], 0);
    check(2, &[], 2);
    check(2, &["Age: 10"], 12);
    check(2, &["Age: 10", &date("Date", -5)], 12);
    check(2, &["Age: 10", &date("Date", -50)], 50);
    check(0, &[&date("Date", 500)], 0); // the origin's clock runs ahead
    check(0, &["Age: 10, 20"], 10); // section 5.1
    check(0, &["Age: 10", "Age: 20"], 10);
    check(0, &["Age: x, 20"], 0);
    check(0, &["Age: ", "Age: 20"], 0);
    for broken in ["Age: -1", "Age: 1.5", "Age: x", "Age:", "Age: \"1\""] {
        check(0, &[broken], 0);
    }
    check(0, &["Age: 99999999999999999999999"], 1 << 31);
    check(2, &["Age: 99999999999999999999999"], 1 << 31);
}

#[test]
fn a_fraction_of_a_second_does_not_age_a_response() {
    let headers = fields(&[&date("Date", 0), "Cache-Control: max-age=1"]);
    let directives = ResponseDirectives::parse(&headers, &[]);
    let arrived = now() + Duration::from_millis(900);
    let times = compute(&FreshnessInput {
        status: StatusCode::OK,
        headers: &headers,
        directives: &directives,
        request_time: arrived,
        response_time: arrived,
        policy: &policy(),
        media: None,
        presentation: Presentation::Unknown,
    });
    assert_eq!(times.corrected_initial_age, Duration::ZERO);
}

#[test]
fn age_grows_with_the_clock_and_never_shrinks_when_it_jumps_back() {
    let times = times(&Exchange::default(), &["Cache-Control: max-age=60", "Age: 10"]);
    let check = |at: SystemTime, age: u64, fresh: bool, ttl: i64, stale: u64| {
        assert_eq!((times.age_seconds(at), times.is_fresh(at), times.ttl(at)), (age, fresh, ttl));
        assert_eq!(times.staleness(at), seconds_of(stale));
    };
    check(now(), 10, true, 50, 0);
    check(after(49), 59, true, 1, 0);
    check(after(50), 60, false, 0, 0); // section 4.2: fresh while the lifetime exceeds the age
    check(after(70), 80, false, -20, 20);
    check(now() - seconds_of(1000), 10, true, 50, 0);
}

#[test]
fn media_defaults_fill_silence_only() {
    const HLS: MediaClass = MediaClass::Playlist(PlaylistKind::Hls);
    const MEDIA: FreshnessSource = FreshnessSource::Media;
    let check = |media: Option<MediaClass>, status: u16, presentation: Presentation, response: &[&str], expected| {
        let exchange = Exchange { media, status, presentation, policy: media_policy(), ..Exchange::default() };
        let times = times(&exchange, response);
        assert_eq!((times.source, times.lifetime.as_secs()), expected, "{media:?} {status} {response:?}");
    };
    let (unknown, vod) = (Presentation::Unknown, Presentation::OnDemand);
    check(Some(MediaClass::Segment), 200, unknown, &[], (MEDIA, 3600));
    check(Some(MediaClass::Init), 200, unknown, &["Cache-Control: public"], (MEDIA, 3600));
    check(Some(HLS), 200, unknown, &[], (MEDIA, 1));
    check(Some(HLS), 200, vod, &[], (MEDIA, 60));
    check(Some(MediaClass::Segment), 200, unknown, &["Cache-Control: max-age=5"], (FreshnessSource::MaxAge, 5));
    check(Some(MediaClass::Segment), 200, unknown, &["Expires: 0"], (FreshnessSource::Expires, 0));
    check(Some(MediaClass::Segment), 404, unknown, &[], (MEDIA, 1));
    check(Some(MediaClass::Segment), 404, vod, &[], (MEDIA, 10));
    check(Some(MediaClass::Segment), 410, unknown, &[], (MEDIA, 10));
    check(Some(MediaClass::Segment), 503, unknown, &[], (MEDIA, 1));
    check(Some(MediaClass::Segment), 403, unknown, &[], (FreshnessSource::Absent, 0));
    check(Some(MediaClass::Progressive), 200, unknown, &[], (FreshnessSource::Absent, 0));
    check(None, 200, unknown, &[], (FreshnessSource::Absent, 0));
}

#[test]
fn without_media_defaults_rfc_9111_alone_decides_for_media() {
    let exchange = Exchange { media: Some(MediaClass::Segment), ..Exchange::default() };
    assert_eq!(times(&exchange, &[]).source, FreshnessSource::Absent);
}

#[test]
fn a_slow_clock_of_the_origin_does_not_age_media_defaults() {
    let exchange = Exchange { media: Some(MediaClass::Segment), policy: media_policy(), ..Exchange::default() };
    assert_eq!(times(&exchange, &[&date("Date", -100), "Age: 3"]).corrected_initial_age, seconds_of(3));
}

#[test]
fn a_playlist_gets_half_its_target_duration_within_bounds() {
    let exchange = Exchange {
        media: Some(MediaClass::Playlist(PlaylistKind::Hls)),
        policy: media_policy(),
        ..Exchange::default()
    };
    let check = |response: &[&str], presentation, target: Option<u64>, lifetime_ms: u128, grace: Option<u64>| {
        let facts = PlaylistFacts { kind: PlaylistKind::Hls, presentation, target_duration: target.map(seconds_of) };
        let times = finalize_playlist(times(&exchange, response), &facts, &MediaDefaults::default());
        assert_eq!(times.lifetime.as_millis(), lifetime_ms, "{response:?} {presentation:?} {target:?}");
        assert_eq!(times.stale_if_error, grace.map(seconds_of), "{response:?} {presentation:?} {target:?}");
        assert_eq!(times.stale_while_revalidate, Duration::ZERO);
    };
    check(&[], Presentation::Live, Some(3), 1500, Some(3));
    check(&[], Presentation::Live, Some(1), 1000, Some(1));
    check(&[], Presentation::Live, Some(10), 2000, Some(10));
    check(&[], Presentation::Live, None, 1000, Some(2));
    check(&[], Presentation::Unknown, None, 1000, Some(2));
    check(&[], Presentation::OnDemand, Some(6), 60_000, Some(86_400));
    check(&["Cache-Control: stale-if-error=7"], Presentation::Live, Some(3), 1500, Some(7));
    check(&["Cache-Control: max-age=30"], Presentation::Live, Some(3), 30_000, None);
}

#[test]
fn directives_reach_the_times() {
    let line = "Cache-Control: max-age=1, stale-while-revalidate=2, stale-if-error=3, immutable, proxy-revalidate";
    let times = times(&Exchange::default(), &[line]);
    assert_eq!(times.stale_while_revalidate, seconds_of(2));
    assert_eq!(times.stale_if_error, Some(seconds_of(3)));
    assert!(times.immutable && times.must_revalidate && !times.no_cache && !times.authorized_reuse);
}

#[test]
fn a_qualified_no_cache_asks_for_validation_only_where_its_field_cannot_be_left_out() {
    // RFC 9111 section 5.2.2.4: without the field the response may be used.
    let check = |response: &[&str], expected: bool| {
        assert_eq!(times(&Exchange::default(), response).no_cache, expected, "{response:?}");
    };
    check(&["Cache-Control: no-cache"], true);
    check(&["Cache-Control: no-cache=\"x-user\""], false);
    check(&["Cache-Control: no-cache=\"x-user\"", "X-User: me"], false);
    check(&["Cache-Control: no-cache=\"x-user, content-type\"", "Content-Type: text/plain"], true);
    check(&["Cache-Control: no-cache=\"content-type\""], false);
    check(&["Cache-Control: no-cache=\"x-user\", no-cache", "X-User: me"], true);
}

#[test]
fn odd_expires_makes_a_response_stale() {
    // RFC 9111 sections 4.2.1 and 5.3.
    let here = date("Date", 0);
    for odd in ["0", "-1", "", "now", "1700000100", "Tue, 14 Nov 2023 23:13:20", "\"Tue, 14 Nov 2023 23:13:20 GMT\""] {
        let times = times(&Exchange::default(), &[&format!("Expires: {odd}"), &here]);
        assert_eq!((times.source, times.lifetime), (FreshnessSource::Expires, Duration::ZERO), "{odd}");
    }
    // Two in one line are no date; of two lines the first counts.
    let both = "Expires: Tue, 14 Nov 2023 23:13:20 GMT, Tue, 14 Nov 2023 23:13:20 GMT";
    assert_eq!(times(&Exchange::default(), &[both, &here]).lifetime, Duration::ZERO);
    assert_eq!(times(&Exchange::default(), &["Expires: 0", &date("Expires", 60), &here]).lifetime, Duration::ZERO);
}

#[test]
fn dates_before_1970_and_far_ahead_are_reckoned_with() {
    let check = |response: &[&str], age: u64, lifetime: u64| {
        let times = times(&Exchange::default(), response);
        let reckoned = (times.corrected_initial_age.as_secs(), times.lifetime.as_secs());
        assert_eq!(reckoned, (age, lifetime), "{response:?}");
    };
    let moon = "Date: Sun, 20 Jul 1969 20:17:40 GMT";
    let max_age = "Cache-Control: max-age=60";
    // A clock that stood still in 1969 says that the response is that old (section 4.2.3).
    check(&[max_age, moon], 1_700_000_000 + 14_182_940, 60);
    check(&["Expires: Sun, 20 Jul 1969 20:18:40 GMT", moon], 1_700_000_000 + 14_182_940, 60);
    check(&["Expires: Sun, 20 Jul 1969 20:18:40 GMT", &date("Date", 0)], 0, 0);
    check(&[max_age, "Date: Mon, 01 Jan 0001 00:00:00 GMT"], 1 << 31, 60);
    check(&["Expires: Fri, 31 Dec 9999 23:59:59 GMT", &date("Date", 0)], 0, 1 << 31);
    check(&[max_age, "Date: Fri, 31 Dec 9999 23:59:59 GMT"], 0, 60);
}

#[test]
fn an_age_beyond_all_bounds_makes_a_response_stale_and_overflows_nothing() {
    for age in ["2147483648", "9223372036854775808", "18446744073709551616", &"9".repeat(1000)] {
        let lines = [format!("Age: {age}"), "Cache-Control: max-age=99999999999".to_owned()];
        let times = times(&Exchange::default(), &lines.each_ref().map(String::as_str));
        assert!(!times.is_fresh(now()), "{age}");
        assert_eq!((times.age_seconds(now()), times.ttl(now())), (1 << 31, 0), "{age}");
        assert_eq!(times.age_seconds(after(1 << 40)), 1 << 31, "{age}");
        assert!(times.staleness(after(1 << 40)) > Duration::from_secs(1 << 39), "{age}");
    }
}

#[test]
fn the_policy_says_how_long_a_status_is_kept_where_the_origin_is_silent() {
    let mut policy = media_policy();
    policy.negative = vec![(StatusCode::NOT_FOUND, seconds_of(7)), (StatusCode::SERVICE_UNAVAILABLE, seconds_of(3))];
    let check = |status: u16, media: Option<MediaClass>, response: &[&str], expected: (FreshnessSource, u64)| {
        let exchange = Exchange { status, media, policy: policy.clone(), ..Exchange::default() };
        let times = times(&exchange, response);
        assert_eq!((times.source, times.lifetime.as_secs()), expected, "{status} {response:?}");
    };
    let negative = |seconds| (FreshnessSource::Negative, seconds);
    check(404, None, &[], negative(7));
    check(404, Some(MediaClass::Segment), &[], negative(7)); // before the table
    check(404, None, &["Cache-Control: max-age=60"], (FreshnessSource::MaxAge, 60));
    check(404, None, &["Expires: 0"], (FreshnessSource::Expires, 0));
    check(404, None, &["Cache-Control: public"], negative(7));
    check(503, None, &[], negative(3));
    check(500, None, &[], (FreshnessSource::Absent, 0));
    check(200, None, &[], (FreshnessSource::Absent, 0));
    // Our own word counts from arrival.
    let exchange = Exchange { status: 404, policy: policy.clone(), ..Exchange::default() };
    assert_eq!(times(&exchange, &[&date("Date", -100), "Age: 2"]).corrected_initial_age, seconds_of(2));
}

#[test]
fn the_policy_allows_stale_answers_where_the_origin_neither_allows_nor_forbids_them() {
    let mut policy = media_policy();
    policy.stale.while_revalidate = seconds_of(20);
    policy.stale.if_error = Some(seconds_of(30));
    let check = |status: u16, media: Option<MediaClass>, response: &[&str], expected: (u64, Option<u64>)| {
        let exchange = Exchange { status, media, policy: policy.clone(), ..Exchange::default() };
        let times = times(&exchange, response);
        let graces = (times.stale_while_revalidate.as_secs(), times.stale_if_error.map(|grace| grace.as_secs()));
        assert_eq!(graces, expected, "{status} {response:?}");
    };
    check(200, None, &["Cache-Control: max-age=60"], (20, Some(30)));
    check(200, None, &["Cache-Control: max-age=60, stale-while-revalidate=1"], (1, Some(30)));
    check(200, None, &["Cache-Control: max-age=60, stale-if-error=0"], (20, Some(0)));
    check(200, None, &["Cache-Control: s-maxage=60"], (0, None)); // RFC 9111 section 5.2.2.10
    check(200, None, &["Cache-Control: s-maxage=60, stale-if-error=5"], (0, Some(5)));
    check(404, None, &["Cache-Control: max-age=60"], (0, None));
    check(503, None, &["Cache-Control: max-age=60"], (0, None));
    check(200, Some(MediaClass::Segment), &[], (20, Some(30)));
    check(200, Some(MediaClass::Playlist(PlaylistKind::Hls)), &[], (0, None)); // the table's word comes with its body
    check(200, Some(MediaClass::Playlist(PlaylistKind::Hls)), &["Cache-Control: max-age=60"], (20, Some(30)));
}

#[test]
fn every_source_of_freshness_has_a_label_of_its_own() {
    use FreshnessSource::{Absent, Expires, Heuristic, MaxAge, Media, Negative, SMaxAge};
    let sources = [SMaxAge, MaxAge, Expires, Negative, Media, Heuristic, Absent];
    let labels: std::collections::HashSet<_> = sources.iter().map(|source| source.label()).collect();
    assert_eq!(labels.len(), sources.len());
    assert_eq!(sources.map(FreshnessSource::is_explicit), [true, true, true, false, false, false, false]);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let mut headers = fields(&["Cache-Control: max-age=60"]);
    for name in [header::DATE, header::EXPIRES, header::AGE, header::LAST_MODIFIED, HeaderName::from_static("x")] {
        headers.insert(name, HeaderValue::from_bytes(b"\xff\xfe\x80").unwrap());
    }
    let directives = ResponseDirectives::parse(&headers, &[]);
    let (policy, at) = (heuristic_policy(), now());
    let times = compute(&FreshnessInput {
        status: StatusCode::OK,
        headers: &headers,
        directives: &directives,
        request_time: at,
        response_time: at,
        policy: &policy,
        media: None,
        presentation: Presentation::Unknown,
    });
    assert_eq!((times.lifetime, times.corrected_initial_age), (seconds_of(60), Duration::ZERO));
}
