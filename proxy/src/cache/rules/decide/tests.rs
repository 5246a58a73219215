//! What is done with requests.

use http::{Method, header};

use super::*;
use crate::cache::rules::stored_fields;
use crate::cache::rules::testing::{Exchange, after, fields, get, now, policy};

/// A stored response to a plain request, as the engine keeps it. It has an ETag, so that it can be validated.
fn stored(cache_control: &str) -> StoredMeta {
    let line = format!("Cache-Control: {cache_control}");
    let lines = [line.as_str(), "ETag: \"a\""];
    let times = Exchange::default().assess(&lines).unwrap();
    let mut headers = fields(&lines);
    drop(stored_fields::prepare(&mut headers, now(), &policy()));
    StoredMeta::new(StatusCode::OK, headers, times, Some(10))
}

/// What happens so many seconds after storing.
fn check(cache_control: &str, request: &[&str], seconds: u64, expected: Decision) {
    let meta = stored(cache_control);
    let decision = decide(&get(request), Some(&meta), after(seconds), &policy());
    assert_eq!(decision, expected, "{cache_control} / {request:?} / {seconds} s");
}

const FRESH: Decision = Decision::Serve(Freshness::Fresh);
const ACCEPTED: Decision = Decision::Serve(Freshness::StaleAccepted);
const STALE: Decision = Decision::Fetch(FetchReason::Stale);
const UNWANTED: Decision = Decision::Fetch(FetchReason::Request);

#[test]
fn a_fresh_response_is_served_and_a_stale_one_is_validated() {
    check("max-age=60", &[], 0, FRESH);
    check("max-age=60", &[], 59, FRESH);
    check("max-age=60", &[], 60, STALE);
    check("no-cache, max-age=60", &[], 0, STALE);
    check("no-cache", &["Cache-Control: max-stale"], 0, STALE);
}

#[test]
fn a_stale_response_is_served_while_it_is_revalidated() {
    // RFC 5861 section 3.
    check("max-age=60, stale-while-revalidate=30", &[], 60, Decision::ServeAndRefresh);
    check("max-age=60, stale-while-revalidate=30", &[], 89, Decision::ServeAndRefresh);
    check("max-age=60, stale-while-revalidate=30", &[], 90, STALE);
    check("s-maxage=60, stale-while-revalidate=30", &[], 70, Decision::ServeAndRefresh);
    check("max-age=60, stale-while-revalidate=30, must-revalidate", &[], 70, STALE);
    check("max-age=60, stale-while-revalidate=30, proxy-revalidate", &[], 70, STALE);
    check("max-age=60, stale-while-revalidate=30", &["Cache-Control: no-cache"], 70, STALE);
    check("max-age=60, stale-while-revalidate=30", &["Cache-Control: max-age=100"], 70, STALE);
    check("max-age=60, stale-while-revalidate=30", &["Cache-Control: min-fresh=1"], 70, STALE);
}

#[test]
fn wishes_of_the_client_are_met_by_rfc_9111_section_5_2_1() {
    check("max-age=60", &["Cache-Control: no-cache"], 10, UNWANTED);
    check("max-age=60", &["Pragma: no-cache"], 10, UNWANTED);
    check("max-age=60", &["Cache-Control: max-age=0"], 0, UNWANTED);
    check("max-age=60", &["Cache-Control: max-age=9"], 10, UNWANTED);
    check("max-age=60", &["Cache-Control: max-age=10"], 10, FRESH);
    check("max-age=60", &["Cache-Control: min-fresh=50"], 10, FRESH);
    check("max-age=60", &["Cache-Control: min-fresh=51"], 10, UNWANTED);
    check("max-age=60", &["Cache-Control: max-stale"], 6000, ACCEPTED);
    check("max-age=60", &["Cache-Control: max-stale=10"], 70, ACCEPTED);
    check("max-age=60", &["Cache-Control: max-stale=10"], 71, STALE);
    check("max-age=60", &["Cache-Control: max-stale, max-age=65"], 70, STALE);
    check("max-age=60, must-revalidate", &["Cache-Control: max-stale"], 70, STALE);
    check("s-maxage=60", &["Cache-Control: max-stale"], 70, STALE);
}

#[test]
fn an_immutable_response_is_validated_by_force_only_while_it_is_fresh() {
    // RFC 8246 section 2.
    let reload = ["Cache-Control: max-age=0"];
    check("max-age=60, immutable", &reload, 10, FRESH);
    check("max-age=60", &reload, 10, UNWANTED);
    check("max-age=60, immutable", &["Cache-Control: max-age=5"], 10, FRESH);
    check("max-age=60, immutable", &["Cache-Control: no-cache"], 10, UNWANTED);
    check("max-age=60, immutable", &["Cache-Control: max-age=0, no-cache"], 10, UNWANTED);
    check("max-age=60, immutable", &["Pragma: no-cache"], 10, UNWANTED);
    check("max-age=60, immutable", &["Cache-Control: min-fresh=55"], 10, UNWANTED);
    check("max-age=60, immutable", &reload, 60, STALE);
    check("max-age=60, immutable, no-cache", &reload, 10, STALE);
}

#[test]
fn only_if_cached_never_reaches_the_origin() {
    let only = "Cache-Control: only-if-cached";
    check("max-age=60", &[only], 10, FRESH);
    check("max-age=60", &[only], 70, Decision::GatewayTimeout);
    check("max-age=60", &["Cache-Control: only-if-cached, max-stale"], 70, ACCEPTED);
    check("max-age=60", &["Cache-Control: only-if-cached, no-cache"], 10, Decision::GatewayTimeout);
    assert_eq!(decide(&get(&[only]), None, now(), &policy()), Decision::GatewayTimeout);
}

#[test]
fn no_store_uses_what_is_there_and_keeps_nothing_new() {
    let no_store = "Cache-Control: no-store";
    check("max-age=60", &[no_store], 10, FRESH);
    check("max-age=60", &[no_store], 70, Decision::Pass(PassReason::RequestNoStore));
    assert_eq!(decide(&get(&[no_store]), None, now(), &policy()), Decision::Pass(PassReason::RequestNoStore));
}

#[test]
fn a_deaf_policy_ignores_what_clients_ask_for() {
    let mut deaf = policy();
    deaf.honour_request_directives = false;
    let meta = stored("max-age=60");
    for line in ["Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: max-age=0", "Pragma: no-cache"] {
        assert_eq!(decide(&get(&[line]), Some(&meta), after(10), &deaf), FRESH, "{line}");
    }
    let only = get(&["Cache-Control: only-if-cached"]);
    assert_eq!(decide(&only, None, now(), &deaf), Decision::Fetch(FetchReason::Miss));
}

#[test]
fn what_caching_does_not_cover_passes() {
    let meta = stored("max-age=60");
    let check = |method: Method, lines: &[&str], expected: Decision| {
        let facts = RequestFacts::new(&method, &fields(lines));
        assert_eq!(decide(&facts, Some(&meta), after(1), &policy()), expected, "{method} {lines:?}");
    };
    check(Method::HEAD, &[], FRESH);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        check(method, &[], Decision::Pass(PassReason::Method));
    }
    check(Method::GET, &["Content-Length: 3"], Decision::Pass(PassReason::Content));
    check(Method::GET, &["Content-Length: 0"], FRESH);
    check(Method::GET, &["Transfer-Encoding: chunked"], Decision::Pass(PassReason::Content));
    check(Method::GET, &["Upgrade: websocket"], Decision::Pass(PassReason::Upgrade));
    check(Method::GET, &["Upgrade: h2c"], FRESH);
    let mut off = policy();
    off.enabled = false;
    assert_eq!(decide(&get(&[]), Some(&meta), now(), &off), Decision::Pass(PassReason::Disabled));
}

#[test]
fn authorization_is_answered_from_store_only_with_permission() {
    let token = "Authorization: Bearer x";
    check("max-age=60", &[token], 10, Decision::Pass(PassReason::Authorization));
    check("max-age=60, public", &[token], 10, FRESH);
    check("s-maxage=60", &[token], 10, FRESH);
    check("max-age=60, must-revalidate", &[token], 70, STALE);
    assert_eq!(decide(&get(&[token]), None, now(), &policy()), Decision::Fetch(FetchReason::Miss));
}

#[test]
fn a_waiter_shares_what_reuse_would_allow() {
    let check = |cache_control: &str, request: &[&str], seconds: u64, expected: bool| {
        let shared = may_share(&get(request), &stored(cache_control), after(seconds));
        assert_eq!(shared, expected, "{cache_control} {request:?}");
    };
    check("max-age=60", &[], 0, true);
    check("max-age=60", &["Cache-Control: no-cache"], 0, true); // it has come from the origin this very moment
    check("max-age=0", &[], 0, false);
    check("no-cache", &[], 0, false);
    check("max-age=60", &["Authorization: x"], 0, false);
    check("max-age=60, public", &["Authorization: x"], 0, true);
    check("max-age=60", &[], 60, false);
    // What may be served stale while it is revalidated may be shared as well (RFC 5861 section 3).
    check("max-age=0, stale-while-revalidate=30", &[], 0, true);
    check("max-age=0, stale-while-revalidate=30", &[], 30, false);
    check("max-age=0, stale-while-revalidate=30, must-revalidate", &[], 0, false);
}

#[test]
fn who_started_a_fetch_reads_what_comes_and_who_comes_late_reads_what_could_be_stored() {
    let check = |cache_control: &str, request: &[&str], part: Part, expected: bool| {
        let meta = stored(cache_control);
        assert_eq!(may_read(&get(request), &meta, part, now(), &policy()), expected, "{cache_control} {part:?}");
    };
    let reload = ["Cache-Control: max-age=0"];
    check("no-cache", &[], Part::Starter, true);
    check("no-cache", &[], Part::Early, false);
    check("no-cache", &[], Part::Late, false);
    check("max-age=60", &reload, Part::Early, true);
    check("max-age=60", &reload, Part::Late, false);
    check("max-age=60", &[], Part::Late, true);
}

#[test]
fn stale_response_is_served_when_origin_is_down() {
    use OriginFailure::{Status, Unreachable};
    let failed = |status: u16| Status(StatusCode::from_u16(status).unwrap());
    let check = |cache_control: &str, request: &[&str], failure: OriginFailure, stale_for: u64, expected: bool| {
        let at = after(60 + stale_for);
        let served = may_serve_stale_on_error(&get(request), &stored(cache_control), failure, at, &policy());
        assert_eq!(served, expected, "{cache_control} {request:?} {failure:?} {stale_for}");
    };
    // RFC 5861 section 4.
    check("max-age=60, stale-if-error=30", &[], Unreachable, 30, true);
    check("max-age=60, stale-if-error=30", &[], Unreachable, 31, false);
    for status in [500, 502, 503, 504] {
        check("max-age=60, stale-if-error=30", &[], failed(status), 30, true);
        check("max-age=60", &[], failed(status), 1, false);
    }
    check("max-age=60", &[], failed(503), 0, false); // stale from this moment on
    check("max-age=60, stale-if-error=0", &[], failed(503), 0, false);
    check("max-age=60, stale-if-error=30", &[], failed(404), 1, false);
    check("max-age=60, stale-if-error=30", &[], failed(501), 1, false);
    check("max-age=60", &["Cache-Control: stale-if-error=30"], failed(503), 30, true);
    check("s-maxage=60", &["Cache-Control: stale-if-error=30"], failed(503), 30, false);
    check("s-maxage=60, stale-if-error=30", &[], failed(503), 30, true);
    // RFC 9111 section 4.2.4: disconnected, unless forbidden.
    check("max-age=60", &[], Unreachable, 3600, true);
    check("max-age=60", &[], Unreachable, 3601, false);
    check("s-maxage=60", &[], Unreachable, 1, false);
    check("max-age=60, must-revalidate, stale-if-error=30", &[], Unreachable, 1, false);
    check("max-age=60, proxy-revalidate, stale-if-error=30", &[], Unreachable, 1, false);
    check("max-age=60, no-cache, stale-if-error=30", &[], Unreachable, 1, false);
    check("max-age=60, stale-if-error=0", &[], Unreachable, 1, false);
    check("max-age=60, stale-if-error=30", &["Cache-Control: no-cache"], Unreachable, 1, false);
    check("max-age=60, stale-if-error=30", &["Authorization: x"], Unreachable, 1, false);
}

#[test]
fn a_stored_error_stands_in_for_another_only_by_the_origins_word() {
    let check = |status: u16, cache_control: &str, failure: OriginFailure, expected: bool| {
        let meta = StoredMeta { status: StatusCode::from_u16(status).unwrap(), ..stored(cache_control) };
        let served = may_serve_stale_on_error(&get(&[]), &meta, failure, after(70), &policy());
        assert_eq!(served, expected, "{status} {cache_control}");
    };
    let (gone, down) = (OriginFailure::Unreachable, OriginFailure::Status(StatusCode::SERVICE_UNAVAILABLE));
    for status in [404, 410, 500, 503] {
        check(status, "max-age=60", gone, false);
        check(status, "max-age=60", down, false);
    }
    check(404, "max-age=60, stale-if-error=30", gone, true);
    check(404, "max-age=60, stale-if-error=30", down, true);
    check(301, "max-age=60", gone, true);
}

#[test]
fn stored_fields_lose_age_and_gain_a_date() {
    let mut headers = fields(&["Age: 5", "Connection: x-hop", "X-Hop: 1", "X-Kept: 1"]);
    drop(stored_fields::prepare(&mut headers, now(), &policy()));
    assert_eq!(headers, fields(&["X-Kept: 1", "Date: Tue, 14 Nov 2023 22:13:20 GMT"]));
    let dated = "Date: Mon, 13 Nov 2023 00:00:00 GMT";
    let mut headers = fields(&[dated]);
    drop(stored_fields::prepare(&mut headers, now(), &policy()));
    assert_eq!(headers, fields(&[dated]));
    assert!(stored("max-age=1").headers.contains_key(header::DATE));
}
