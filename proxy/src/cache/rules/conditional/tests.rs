//! Preconditions, 304s and freshening.

use http::HeaderValue;

use super::*;
use crate::cache::rules::testing::{Exchange, fields, now};

const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:00 GMT";
const BEFORE: &str = "Tue, 14 Nov 2023 22:12:59 GMT";

fn check_with(etag: Option<&'static str>, modified: bool, request: &[&str], expected: Verdict) {
    let etag = etag.and_then(|etag| EntityTag::parse(&HeaderValue::from_static(etag)));
    let last_modified = modified.then(|| httpdate::parse_http_date(MODIFIED).unwrap());
    let stored = Validators { etag: etag.as_ref(), last_modified, date: Some(now()) };
    assert_eq!(evaluate(&fields(request), StatusCode::OK, &stored), expected, "{request:?}");
}

#[test]
fn if_none_match_compares_weakly_over_lists() {
    let check = |etag: &'static str, value: &str, expected: Verdict| {
        check_with(Some(etag), true, &[&format!("If-None-Match: {value}")], expected);
    };
    // RFC 9110 sections 8.8.3.2 and 13.1.2.
    check("\"a\"", "\"a\"", Verdict::NotModified);
    check("\"a\"", "W/\"a\"", Verdict::NotModified);
    check("W/\"a\"", "\"a\"", Verdict::NotModified);
    check("W/\"a\"", "W/\"a\"", Verdict::NotModified);
    check("\"a\"", "\"b\"", Verdict::Full);
    check("\"a\"", "\"A\"", Verdict::Full);
    check("\"a\"", "\"b\", \"a\"", Verdict::NotModified);
    check("\"a\"", "\"b\",\"a\"", Verdict::NotModified);
    check("\"a\"", ", \"b\" ,, W/\"a\" ,", Verdict::NotModified);
    check("\"a,b\"", "\"x\", \"a,b\"", Verdict::NotModified);
    check("\"a\"", "\"x,\"a\",y\"", Verdict::Full);
    check("\"a\"", "*", Verdict::NotModified);
    check("\"a\"", "a", Verdict::Full);
    check("\"a\"", "w/\"a\"", Verdict::Full);
    check("\"a\"", "junk, \"a\"", Verdict::NotModified);
    check("\"a\"", "\"a", Verdict::Full);
    check("\"a\"", "", Verdict::Full);
    check("\"\"", "\"\"", Verdict::NotModified);
}

#[test]
fn if_none_match_spans_lines_and_hides_if_modified_since() {
    check_with(Some("\"a\""), true, &["If-None-Match: \"b\"", "If-None-Match: \"a\""], Verdict::NotModified);
    let since = format!("If-Modified-Since: {MODIFIED}");
    check_with(Some("\"a\""), true, &["If-None-Match: \"b\"", &since], Verdict::Full); // section 13.1.3
    check_with(None, true, &["If-None-Match: \"b\""], Verdict::Full);
    check_with(None, true, &["If-None-Match: *"], Verdict::NotModified);
}

#[test]
fn if_modified_since_compares_dates() {
    let check = |modified: bool, value: &str, expected: Verdict| {
        check_with(None, modified, &[&format!("If-Modified-Since: {value}")], expected);
    };
    check(true, MODIFIED, Verdict::NotModified);
    check(true, "Wed, 15 Nov 2023 00:00:00 GMT", Verdict::NotModified);
    check(true, BEFORE, Verdict::Full);
    check(true, "Tuesday, 14-Nov-23 22:13:00 GMT", Verdict::NotModified);
    check(true, "Tue Nov 14 22:13:00 2023", Verdict::NotModified);
    check(true, "yesterday", Verdict::Full);
    check(true, "", Verdict::Full);
    // Without Last-Modified the Date stands in (RFC 9111 section 4.3.2).
    check(false, "Tue, 14 Nov 2023 22:13:20 GMT", Verdict::NotModified);
    check(false, MODIFIED, Verdict::Full);
    let line = format!("If-Modified-Since: {MODIFIED}");
    check_with(None, true, &[&line, &line], Verdict::Full);
}

#[test]
fn if_match_and_if_unmodified_since_say_which_version_is_wanted() {
    let check = |etag: Option<&'static str>, request: &[&str], expected: bool| {
        let etag = etag.and_then(|etag| EntityTag::parse(&HeaderValue::from_static(etag)));
        let last_modified = httpdate::parse_http_date(MODIFIED).ok();
        let stored = Validators { etag: etag.as_ref(), last_modified, date: Some(now()) };
        assert_eq!(is_wanted_version(&fields(request), StatusCode::OK, &stored), expected, "{request:?}");
        assert!(is_wanted_version(&fields(request), StatusCode::NOT_FOUND, &stored), "of an error: {request:?}");
    };
    check(Some("\"a\""), &["If-Match: \"a\""], true);
    check(Some("\"a\""), &["If-Match: \"b\", \"a\""], true);
    check(Some("\"a\""), &["If-Match: *"], true);
    check(Some("\"a\""), &["If-Match: \"b\""], false);
    check(Some("\"a\""), &["If-Match: W/\"a\""], false); // strong comparison
    check(Some("W/\"a\""), &["If-Match: W/\"a\""], false);
    check(None, &["If-Match: \"a\""], false);
    let (same, older) = (format!("If-Unmodified-Since: {MODIFIED}"), format!("If-Unmodified-Since: {BEFORE}"));
    check(None, &[&same], true);
    check(None, &[&older], false);
    check(None, &["If-Unmodified-Since: junk"], true);
    check(Some("\"a\""), &["If-Match: \"a\"", &older], true); // section 13.2.2: If-Match hides it
    check(Some("\"a\""), &["If-None-Match: \"a\""], true);
}

#[test]
fn preconditions_concern_successful_responses_only() {
    let request = fields(&["If-None-Match: *"]);
    for (status, expected) in [(200, Verdict::NotModified), (404, Verdict::Full), (301, Verdict::Full)] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(evaluate(&request, status, &Validators::default()), expected, "{status}");
    }
}

#[test]
fn entity_tags_must_be_well_formed() {
    let check = |lines: &[&str], expected: bool| {
        assert_eq!(EntityTag::from_headers(&fields(lines)).is_some(), expected, "{lines:?}");
    };
    check(&["ETag: \"a\""], true);
    check(&["ETag: W/\"a\""], true);
    check(&["ETag: \"\""], true);
    check(&["ETag: \"\u{e9}\""], true);
    for broken in ["ETag: a", "ETag: \"a", "ETag: \"a\"b", "ETag: w/\"a\"", "ETag: \"a b\"", "ETag:", "ETag: W/"] {
        check(&[broken], false);
    }
    check(&["ETag: \"a\"", "ETag: \"b\""], false);
}

#[test]
fn a_304_repeats_all_but_the_metadata_of_the_representation() {
    // RFC 9110 section 15.4.5.
    let stored = [
        "Date: x",
        "ETag: \"a\"",
        "Cache-Control: max-age=1",
        "Expires: x",
        "Vary: accept",
        "Content-Location: /x",
        "Access-Control-Allow-Origin: *",
    ];
    let dropped = ["Content-Length: 5", "Content-Type: a/b", "Content-Encoding: gzip", "Last-Modified: x"];
    let whole: Vec<&str> = stored.iter().chain(&dropped).copied().collect();
    assert_eq!(not_modified_fields(&fields(&whole)), fields(&stored));
    let without_etag = ["Last-Modified: x", "Vary: accept"];
    assert_eq!(not_modified_fields(&fields(&without_etag)), fields(&without_etag));
}

#[test]
fn validation_replaces_the_clients_preconditions() {
    let check = |stored: &[&str], expected: &[&str]| {
        let mut request = fields(&["If-None-Match: \"client\"", "If-Range: \"c\"", "Range: bytes=0-1", "If-Match: *"]);
        let validates = add_validation(&mut request, &fields(stored));
        assert_eq!(request, fields(expected), "{stored:?}");
        assert_eq!(validates, !expected.is_empty(), "{stored:?}");
    };
    let modified = format!("Last-Modified: {MODIFIED}");
    let since = format!("If-Modified-Since: {MODIFIED}");
    check(&["ETag: W/\"a\"", &modified], &["If-None-Match: W/\"a\"", &since]);
    check(&["ETag: \"a\""], &["If-None-Match: \"a\""]);
    check(&[&modified], &[&since]);
    check(&["ETag: a", "Last-Modified: junk"], &[]);
}

#[test]
fn a_304_about_another_version_confirms_nothing() {
    // RFC 9111 section 4.3.4.
    let check = |stored: &[&str], told: &[&str], expected: bool| {
        assert_eq!(confirms(&fields(stored), &fields(told)), expected, "{stored:?} {told:?}");
    };
    check(&["ETag: \"a\""], &["ETag: \"a\""], true);
    check(&["ETag: W/\"a\""], &["ETag: \"a\""], true);
    check(&["ETag: \"a\""], &["ETag: \"b\""], false);
    check(&[], &["ETag: \"b\""], false);
    check(&["ETag: \"a\""], &[], true);
    let (same, other) = (format!("Last-Modified: {MODIFIED}"), format!("Last-Modified: {BEFORE}"));
    check(&[&same], &[&same], true);
    check(&[&same], &[&other], false);
    check(&["ETag: \"a\"", &same], &["ETag: \"a\"", &other], true);
}

#[test]
fn freshening_updates_fields_but_not_what_describes_the_bytes() {
    let stored = fields(&[
        "ETag: W/\"a\"",
        "Date: old",
        "Cache-Control: max-age=1",
        "Content-Length: 5",
        "Content-Type: a/b",
        "Content-Encoding: gzip",
        "X-Kept: 1",
        "X-Several: 1",
        "X-Several: 2",
    ]);
    let told = fields(&[
        "ETag: \"a\"",
        "Date: new",
        "Age: 3",
        "Cache-Control: max-age=9",
        "Content-Length: 0",
        "Content-Type: c/d",
        "Content-Encoding: br",
        "X-Several: 3",
        "X-Several: 4",
        "X-New: 1",
        "Connection: x-hop",
        "X-Hop: 1",
    ]);
    let expected = fields(&[
        "ETag: W/\"a\"",
        "Date: new",
        "Age: 3",
        "Cache-Control: max-age=9",
        "Content-Length: 5",
        "Content-Type: a/b",
        "Content-Encoding: gzip",
        "X-Kept: 1",
        "X-Several: 3",
        "X-Several: 4",
        "X-New: 1",
    ]);
    assert_eq!(freshen(&stored, &told), expected);
    assert!(!freshen(&stored, &HeaderMap::new()).contains_key(header::DATE)); // its age would count from long ago
}

#[test]
fn an_answer_to_head_freshens_the_version_that_it_names_and_outdates_any_other() {
    // RFC 9111 section 4.3.5.
    let stored = |lines: &[&str]| {
        let times = Exchange::default().assess(&["Cache-Control: max-age=60"]).unwrap();
        StoredMeta::new(StatusCode::OK, fields(lines), times, Some(10))
    };
    let modified = format!("Last-Modified: {MODIFIED}");
    let before = format!("Last-Modified: {BEFORE}");
    let check = |meta: &StoredMeta, told: &[&str], freshens: bool| {
        let effect = effect_of_head(meta, StatusCode::OK, &fields(told));
        assert_eq!(matches!(effect, HeadEffect::Freshened(_)), freshens, "{told:?}");
        assert_eq!(effect == HeadEffect::Outdated, !freshens, "{told:?}");
    };
    let both = stored(&["ETag: \"a\"", &modified]);
    check(&both, &[], true);
    check(&both, &["ETag: \"a\""], true);
    check(&both, &["ETag: W/\"a\""], true);
    check(&both, &["ETag: \"b\""], false);
    check(&both, &["ETag: \"a\"", &modified, "Content-Length: 10"], true);
    check(&both, &["ETag: \"a\"", &before], false);
    check(&both, &[&before], false);
    check(&both, &["ETag: \"a\"", "Content-Length: 11"], false);
    check(&both, &["Content-Length: x"], true);
    let bare = stored(&[]);
    check(&bare, &["Content-Length: 10"], true);
    check(&bare, &["ETag: \"a\""], false); // it has no matching value
    check(&bare, &[&modified], false);
    check(&StoredMeta { status: StatusCode::NOT_FOUND, ..stored(&[]) }, &[], false);
    for status in [204, 206, 304, 404, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(effect_of_head(&both, status, &fields(&["ETag: \"b\""])), HeadEffect::None);
    }
    let HeadEffect::Freshened(updated) = effect_of_head(&both, StatusCode::OK, &fields(&["X: 2", "Content-Type: a/b"]))
    else {
        panic!("not freshened")
    };
    assert_eq!(updated, fields(&["ETag: \"a\"", &modified, "X: 2"]), "what describes the bytes stays (section 3.2)");
}
