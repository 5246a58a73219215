//! Cases about fields and interim responses: what is kept as it was, and what is not kept at all.

use super::answer::answer;
use super::case::{Ask, Case, get, head};
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    let single = [kept(), removed(), interim()].concat();
    [single.into_iter().map(Case::not_sliced).collect(), ages(), dates()].concat()
}

const FRESH: &str = "200 | cache-control: max-age=3600";

/// Fields stay as they were, unknown ones too (RFC 9111 section 3.1).
fn kept() -> Vec<Case> {
    let kept = |name, field: &'static str, value: &str| {
        let line = format!("{FRESH} | {field}: {value}");
        let steps = [get().fetched().sees_value(field, value), get().hit().sees_value(field, value)];
        Case::new(name, "RFC 9111 3.1", [line.as_str()], steps)
    };
    let lines = format!("{FRESH} | x-test: 1 | x-other: a | x-test: 2, 3");
    vec![
        kept("unknown_field_is_kept", "test-header", "a, b;c=\"d\""),
        kept("content_type_is_kept", "content-type", "text/plain; charset=\"utf-8\""),
        kept("content_language_is_kept", "content-language", "de"),
        kept("content_location_is_kept", "content-location", "/foo"),
        kept("content_encoding_is_kept", "content-encoding", "x-none"),
        kept("content_security_policy_is_kept", "content-security-policy", "default-src 'self'"),
        kept("clear_site_data_is_kept", "clear-site-data", "\"cache\""),
        kept("cors_is_kept", "access-control-allow-origin", "*"),
        kept("link_is_kept", "link", "</a>; rel=preload"),
        kept("etag_is_kept", "etag", "W/\"a\""),
        kept("last_modified_is_kept_as_written", "last-modified", "Wednesday, 01-Jan-25 00:00:00 GMT"),
        kept("expires_is_kept_as_written", "expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
        kept("odd_expires_is_kept_as_written", "expires", "0"),
        kept("unknown_directives_are_kept_as_written", "x-cache-control", "foo,  bar"),
        Case::new(
            "lines_of_a_field_are_kept_in_order",
            "RFC 9110 5.3",
            [lines.as_str()],
            [get().fetched(), get().hit().sees("x-test", Field::Each(vec!["1", "2, 3"]))],
        ),
        Case::new(
            "cache_control_is_kept_as_written",
            "RFC 9111 5.2",
            ["200 | cache-control: Max-Age=3600,  foo"],
            [get().fetched(), get().hit().sees_value("cache-control", "Max-Age=3600,  foo")],
        ),
    ]
}

/// Fields of a connection are not stored (RFC 9110 section 7.6.1, RFC 9111 section 3.1).
fn removed() -> Vec<Case> {
    let removed = |name, line: &str, field: &'static str| {
        let line = format!("{FRESH} | {line}");
        let steps = [get().fetched().sees(field, Field::Absent), get().hit().sees(field, Field::Absent)];
        Case::new(name, "RFC 9111 3.1", [line.as_str()], steps)
    };
    vec![
        removed("field_that_connection_names_is_not_stored", "connection: a, x-hop | x-hop: 1", "x-hop"),
        removed(
            "second_field_that_connection_names_is_not_stored",
            "connection: a | connection: X-HOP | x-hop: 1",
            "x-hop",
        ),
        removed("keep_alive_is_not_stored", "keep-alive: timeout=5", "keep-alive"),
        removed("proxy_connection_is_not_stored", "proxy-connection: keep-alive", "proxy-connection"),
        removed("te_is_not_stored", "te: trailers", "te"),
        removed("upgrade_is_not_stored", "connection: upgrade | upgrade: h2c", "upgrade"),
        removed(
            "proxy_authentication_info_is_not_stored",
            "proxy-authentication-info: a=b",
            "proxy-authentication-info",
        ),
        removed("proxy_authenticate_is_not_stored", "proxy-authenticate: Basic", "proxy-authenticate"),
    ]
}

/// RFC 9111 section 5.1.
fn ages() -> Vec<Case> {
    let source = "RFC 9111 5.1";
    vec![
        Case::new("answer_from_store_has_an_age", source, [FRESH], [get().fetched(), get().hit().sees_age(0)]),
        Case::new(
            "age_of_the_origin_goes_on",
            source,
            ["200 | cache-control: max-age=3600 | age: 30"],
            [get().fetched().sees_age(30), get().hit().sees_age(30)],
        ),
        Case::new(
            "age_counts_where_freshness_is_by_expires",
            source,
            ["200 | date: {date} | expires: {date+3600} | age: 30"],
            [get().fetched(), get().hit().sees_age(30)],
        ),
        Case::new(
            "age_is_what_date_shows_where_that_is_more",
            "RFC 9111 4.2.3",
            ["200 | cache-control: max-age=3600 | age: 30 | date: {date-600}"],
            [get().fetched(), get().hit().sees_age(600)],
        ),
        Case::new(
            "date_is_added_where_there_is_none",
            "RFC 9110 6.6.1",
            [FRESH],
            [get().fetched().sees("date", Field::Present), get().hit().sees("date", Field::Present)],
        ),
        Case::new(
            "part_has_the_age_of_the_whole",
            source,
            ["200 | cache-control: max-age=3600 | age: 30"],
            [get().fetched(), get().with("range", "bytes=0-9").hit().part(0, 10).sees_age(30)],
        ),
        Case::new(
            "not_modified_has_the_age_of_what_is_stored",
            source,
            ["200 | cache-control: max-age=3600 | age: 30 | etag: \"a\""],
            [get().fetched(), get().with("if-none-match", "\"a\"").hit().not_modified().sees_age(30)],
        ),
    ]
}

/// Date is the origin's, on whatever way a response is served (RFC 9110 section 6.6.1).
fn dates() -> Vec<Case> {
    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const LATER: &str = "Thu, 01 Jan 2026 00:00:01 GMT";
    const HINTED: &[&str] = &["103 | date: Thu, 01 Jan 2026 00:00:01 GMT | link: </a>"];
    const OBSOLETE: &str = "Thursday, 01-Jan-26 00:00:00 GMT";
    let source = "RFC 9110 6.6.1";
    let fresh = |date| format!("200 | cache-control: max-age=2147483647 | etag: \"a\" | date: {date}");
    let stored = |name, date, second: Ask| {
        let steps = [get().fetched().sees_value("date", date), second.hit().sees_value("date", date)];
        Case::new(name, source, [fresh(date).as_str()], steps)
    };
    let passing = || get().fetched().sees_value("date", DATE);
    let stale = |status, date| format!("{status} | cache-control: max-age=60 | etag: \"a\" | date: {date}");
    let hint = format!("HTTP/1.1 103 Early Hints\r\ndate: {LATER}\r\nlink: </a>\r\n\r\n");
    vec![
        stored("date_stays_as_it_was", DATE, get()),
        stored("date_stays_as_it_was_written", OBSOLETE, get()),
        stored("head_has_the_date_of_what_is_stored", DATE, head()).not_joined(),
        stored("part_has_the_date_of_the_whole", DATE, get().with("range", "bytes=0-9").part(0, 10)),
        stored(
            "not_modified_has_the_date_of_what_is_stored",
            DATE,
            get().with("if-none-match", "\"a\"").not_modified(),
        ),
        Case::new(
            "date_of_what_was_validated_is_that_of_the_validation",
            "RFC 9111 3.2",
            [stale(200, DATE).as_str(), &stale(304, LATER)],
            [passing(), get().validated().sees_value("date", LATER)],
        ),
        Case::new(
            "date_of_what_is_not_stored_stays_as_it_was",
            source,
            [format!("200 | cache-control: no-store | date: {DATE}").as_str()],
            [passing(), passing()],
        ),
        Case::new(
            "date_is_added_to_what_is_not_stored",
            source,
            ["200 | cache-control: no-store"],
            [get().fetched().sees("date", Field::Present), get().fetched().sees("date", Field::Present)],
        ),
        Case::new(
            "date_of_what_passes_stays_as_it_was",
            source,
            [fresh(DATE).as_str()],
            [passing().with("cache-control", "no-store"), passing().with("authorization", "Basic YTpi")],
        ),
        Case::new(
            "date_behind_early_hints_stays_as_it_was",
            source,
            [answer(&format!("200 | cache-control: no-store | date: {DATE}")).after_interim(&hint)],
            [passing().hears(HINTED), passing().hears(HINTED)],
        )
        .not_sliced(),
    ]
}

/// Interim responses go to the client whose request was sent, and are never stored (RFC 9110 section 15.2).
fn interim() -> Vec<Case> {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
    const PROCESSING: &str = "HTTP/1.1 102 Processing\r\n\r\n";
    const HEARD: &[&str] = &["103 | link: </a>; rel=preload"];
    let early = |head: &str| answer(FRESH).after_interim(head);
    let (source, hints) = ("RFC 9110 15.2", "RFC 8297 2");
    let fetched = |heads| get().fetched().sees("link", Field::Absent).hears(heads);
    let both = |heads| [fetched(heads), get().hit().sees("link", Field::Absent)];
    vec![
        Case::new("answer_behind_early_hints_is_stored_without_them", hints, [early(HINT)], both(HEARD)),
        Case::new("answer_behind_processing_is_stored", source, [early(PROCESSING)], both(&["102"])),
        Case::new(
            "interim_response_that_says_it_is_fresh_is_not_stored",
            source,
            [answer("200 | cache-control: no-store")
                .after_interim("HTTP/1.1 103 Early Hints\r\ncache-control: max-age=3600\r\n\r\n")],
            [
                get().fetched().hears(&["103 | cache-control: max-age=3600"]),
                // Its own, also where it has waited for what it may not have.
                get().fetched().hears(&["103 | cache-control: max-age=3600"]),
            ],
        ),
        Case::new(
            "answer_behind_several_interim_ones_is_stored",
            source,
            [early("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n")],
            both(&["103", "103 | link: </b>"]),
        ),
        Case::new(
            "continue_that_the_origin_says_unasked_is_not_passed_on",
            "RFC 9110 15.2.1",
            [early("HTTP/1.1 100 Continue\r\n\r\n")],
            both(&[]),
        ),
        Case::new(
            "fields_of_the_hop_are_taken_out_of_early_hints",
            "RFC 9110 7.6.1",
            [early("HTTP/1.1 103 Early Hints\r\nconnection: x-hop\r\nx-hop: 1\r\nlink: </b>\r\n\r\n")],
            both(&["103 | link: </b>"]),
        ),
        Case::new(
            "early_hints_that_say_they_are_public_are_for_the_client_that_asked",
            "RFC 9111 7.3",
            [early("HTTP/1.1 103 Early Hints\r\nlink: </b>\r\ncache-control: public\r\nset-cookie: a=b\r\n\r\n")],
            both(&["103 | link: </b> | cache-control: public | set-cookie: a=b"]),
        ),
        Case::new(
            "early_hints_of_what_passes_are_passed_on_without_fields_of_the_hop",
            hints,
            [early("HTTP/1.1 103 Early Hints\r\nconnection: x-hop\r\nx-hop: 1\r\nlink: </b>\r\n\r\n")],
            [fetched(&["103 | link: </b>"]).with("cache-control", "no-store"), fetched(&["103 | link: </b>"])],
        ),
    ]
}
