//! Which responses a shared cache stores.

use std::time::Duration;

use http::Method;

use super::*;
use crate::cache::rules::testing::{Exchange, fields, get, heuristic_policy, media_policy, policy};

/// Checks a plain GET's response.
fn check(exchange: &Exchange, response: &[&str], expected: Result<FreshnessSource, NotStored>) {
    let verdict = exchange.assess(response).map(|times| times.source);
    assert_eq!(verdict, expected, "{} {response:?}", exchange.status);
}

const MAX_AGE: Result<FreshnessSource, NotStored> = Ok(FreshnessSource::MaxAge);
const FRESH: &str = "Cache-Control: max-age=60";
const ETAG: &str = "ETag: \"a\"";
const COOKIE: &str = "Set-Cookie: session=1";

#[test]
fn directives_of_the_origin_decide() {
    let plain = Exchange::default();
    check(&plain, &[FRESH], MAX_AGE);
    check(&plain, &["Cache-Control: s-maxage=60"], Ok(FreshnessSource::SMaxAge));
    check(&plain, &["Cache-Control: max-age=60, no-store"], Err(NotStored::NoStore));
    check(&plain, &["Cache-Control: max-age=60, private"], Err(NotStored::Private));
    check(&plain, &["Cache-Control: max-age=60, private=\"set-cookie\""], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=60, private=\"set-cookie\"", COOKIE], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=60, no-cache=\"set-cookie\"", COOKIE], MAX_AGE);
    check(&plain, &["Cache-Control: no-store", "CDN-Cache-Control: max-age=60"], MAX_AGE); // RFC 9213 section 2.2
    check(&plain, &[FRESH, "CDN-Cache-Control: no-store"], Err(NotStored::NoStore));
}

#[test]
fn a_copy_that_could_never_be_used_is_not_stored() {
    let plain = Exchange::default();
    let nothing = Err(NotStored::NoFreshness);
    check(&plain, &[], nothing);
    check(&plain, &[ETAG], nothing);
    check(&plain, &["Cache-Control: max-age=0"], nothing);
    check(&plain, &["Cache-Control: max-age=0", ETAG], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=0", "Last-Modified: Tue, 14 Nov 2023 00:00:00 GMT"], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=0, stale-if-error=60"], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=0, stale-while-revalidate=60"], MAX_AGE);
    check(&plain, &["Cache-Control: max-age=0, stale-while-revalidate=60, must-revalidate"], nothing);
    check(&plain, &["Cache-Control: no-cache"], nothing);
    check(&plain, &["Cache-Control: no-cache, stale-while-revalidate=60"], nothing);
    check(&plain, &["Cache-Control: no-cache", ETAG], Ok(FreshnessSource::Absent));
    check(&plain, &["Cache-Control: public", ETAG], Ok(FreshnessSource::Absent));
    check(&plain, &["Cache-Control: max-age=60", "Age: 60"], nothing);
    check(&plain, &["Cache-Control: max-age=60", "Age: 59"], MAX_AGE);
}

#[test]
fn statuses_are_stored_as_their_definitions_allow() {
    for status in [200, 203, 204, 301, 302, 307, 308, 400, 403, 404, 410, 500, 503] {
        check(&Exchange { status, ..Exchange::default() }, &[FRESH], MAX_AGE);
    }
    for status in [101, 304, 407, 416, 428, 429, 431, 511] {
        check(&Exchange { status, ..Exchange::default() }, &[FRESH], Err(NotStored::Status));
    }
    check(&Exchange { status: 206, ..Exchange::default() }, &[FRESH], Err(NotStored::Partial));
}

#[test]
fn must_understand_sets_no_store_aside_for_known_statuses_only() {
    let line = "Cache-Control: max-age=60, no-store, must-understand";
    check(&Exchange::default(), &[line], MAX_AGE);
    check(&Exchange { status: 299, ..Exchange::default() }, &[line], Err(NotStored::Status));
}

#[test]
fn a_server_error_is_never_kept_without_the_origins_word() {
    for status in [500, 501, 502, 503, 504] {
        let policy = heuristic_policy();
        let modified = "Last-Modified: Tue, 14 Nov 2000 00:00:00 GMT";
        check(&Exchange { status, policy, ..Exchange::default() }, &[modified, ETAG], Err(NotStored::NoFreshness));
        let spoken = "Cache-Control: public";
        check(&Exchange { status, ..Exchange::default() }, &[spoken, ETAG], Err(NotStored::NoFreshness));
    }
}

#[test]
fn errors_of_media_are_kept_for_a_moment() {
    let media = |status: u16| Exchange {
        status,
        policy: media_policy(),
        media: Some(MediaClass::Segment),
        ..Exchange::default()
    };
    for status in [404, 410, 500, 502, 503, 504] {
        check(&media(status), &[], Ok(FreshnessSource::Media));
        check(&media(status), &["Cache-Control: no-store"], Err(NotStored::NoStore));
    }
    check(&media(403), &[], Err(NotStored::NoFreshness));
    check(&media(416), &[], Err(NotStored::Status));
}

#[test]
fn the_request_may_forbid_storing() {
    let with = |lines: &[&str]| Exchange { request: get(lines), ..Exchange::default() };
    check(&with(&["Cache-Control: no-store"]), &[FRESH], Err(NotStored::RequestNoStore));
    let mut deaf = policy();
    deaf.honour_request_directives = false;
    check(&Exchange { policy: deaf, ..with(&["Cache-Control: no-store"]) }, &[FRESH], MAX_AGE);
    for method in [Method::HEAD, Method::POST] {
        let request = RequestFacts::new(&method, &fields(&[]));
        check(&Exchange { request, ..Exchange::default() }, &[FRESH], Err(NotStored::Method));
    }
}

#[test]
fn a_response_to_authorization_needs_permission_by_rfc_9111_section_3_5() {
    let authorized = Exchange { request: get(&["Authorization: Bearer x"]), ..Exchange::default() };
    check(&authorized, &[FRESH], Err(NotStored::Authorization));
    check(&authorized, &["Cache-Control: max-age=60, proxy-revalidate"], Err(NotStored::Authorization));
    check(&authorized, &["Cache-Control: max-age=60, public"], MAX_AGE);
    check(&authorized, &["Cache-Control: max-age=60, must-revalidate"], MAX_AGE);
    check(&authorized, &["Cache-Control: s-maxage=60"], Ok(FreshnessSource::SMaxAge));
}

#[test]
fn set_cookie_needs_the_origins_word() {
    check(&Exchange::default(), &[FRESH, COOKIE], MAX_AGE);
    check(&Exchange::default(), &["Cache-Control: public", ETAG, COOKIE], Ok(FreshnessSource::Absent));
    let modified = "Last-Modified: Tue, 14 Nov 2000 00:00:00 GMT";
    let heuristic = Exchange { policy: heuristic_policy(), ..Exchange::default() };
    check(&heuristic, &[modified], Ok(FreshnessSource::Heuristic));
    check(&heuristic, &[modified, COOKIE], Err(NotStored::SetCookie));
    let media = Exchange { policy: media_policy(), media: Some(MediaClass::Segment), ..Exchange::default() };
    check(&media, &[COOKIE], Err(NotStored::SetCookie));
}

#[test]
fn qualified_forms_keep_out_only_what_they_name() {
    // RFC 9111 sections 5.2.2.4 and 5.2.2.7.
    let plain = Exchange::default();
    for directive in ["private", "no-cache"] {
        let line = format!("Cache-Control: max-age=60, {directive}=\"x-user, set-cookie\"");
        check(&plain, &[&line, "X-User: me", COOKIE], MAX_AGE);
    }
    // A copy without its content type would be another thing.
    let (private, no_cache) =
        ("Cache-Control: max-age=60, private=\"content-type\"", "Cache-Control: no-cache=\"vary\"");
    check(&plain, &[private, "Content-Type: text/plain"], Err(NotStored::Private));
    check(&plain, &[private], MAX_AGE);
    check(&plain, &[no_cache, "Vary: accept"], Err(NotStored::NoFreshness));
    check(&plain, &[no_cache, "Vary: accept", ETAG], Ok(FreshnessSource::Absent));
}

#[test]
fn cookies_are_stored_as_the_policy_says() {
    let ruled = |rule: SetCookieRule| {
        let mut policy = heuristic_policy();
        policy.set_cookie = rule;
        Exchange { policy, ..Exchange::default() }
    };
    let modified = "Last-Modified: Tue, 14 Nov 2000 00:00:00 GMT";
    check(&ruled(SetCookieRule::Never), &[FRESH, COOKIE], Err(NotStored::SetCookie));
    check(&ruled(SetCookieRule::Never), &[FRESH], MAX_AGE);
    check(&ruled(SetCookieRule::Strip), &[FRESH, COOKIE], MAX_AGE);
    check(&ruled(SetCookieRule::Strip), &[modified, COOKIE], Ok(FreshnessSource::Heuristic));
    check(&ruled(SetCookieRule::Strip), &["Cache-Control: private", COOKIE], Err(NotStored::Private));
    check(&ruled(SetCookieRule::WhenExplicit), &[modified, COOKIE], Err(NotStored::SetCookie));
    check(
        &ruled(SetCookieRule::WhenExplicit),
        &[modified, COOKIE, "Cache-Control: private=\"set-cookie\""],
        Ok(FreshnessSource::Heuristic),
    );
}

#[test]
fn statuses_that_the_policy_names_are_kept_where_the_origin_is_silent() {
    let named = |status: u16| {
        let mut policy = policy();
        policy.negative =
            [404, 429, 503].map(|status| (StatusCode::from_u16(status).unwrap(), Duration::from_secs(5))).to_vec();
        Exchange { status, policy, ..Exchange::default() }
    };
    for status in [404, 503] {
        check(&named(status), &[], Ok(FreshnessSource::Negative));
        check(&named(status), &["Cache-Control: no-store"], Err(NotStored::NoStore));
        check(&named(status), &["Cache-Control: private"], Err(NotStored::Private));
        check(&named(status), &["Cache-Control: max-age=0"], Err(NotStored::NoFreshness));
        check(&named(status), &[COOKIE], Err(NotStored::SetCookie));
    }
    check(&named(500), &[], Err(NotStored::NoFreshness));
    check(&named(429), &[], Err(NotStored::Status)); // RFC 6585 section 4
}

#[test]
fn vary_star_is_not_stored() {
    check(&Exchange::default(), &[FRESH, "Vary: *"], Err(NotStored::VaryStar));
    check(&Exchange::default(), &[FRESH, "Vary: accept, *"], Err(NotStored::VaryStar));
    check(&Exchange::default(), &[FRESH, "Vary: accept"], MAX_AGE);
}

#[test]
fn a_disabled_policy_stores_nothing() {
    let mut off = policy();
    off.enabled = false;
    check(&Exchange { policy: off, ..Exchange::default() }, &[FRESH], Err(NotStored::Disabled));
}
