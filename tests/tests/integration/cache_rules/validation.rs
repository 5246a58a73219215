//! Cases about asking the origin whether what is stored still holds (RFC 9111 sections 4.3.1, 4.3.3 and 4.3.4).

use super::answer::answer;
use super::case::{Case, get};
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [conditions(), answers(), updates()].concat()
}

const STALE: &str = "200 | cache-control: max-age=60 | age: 99 | etag: \"a\"";
const MODIFIED: &str = "Wed, 01 Jan 2025 00:00:00 GMT";

/// What the origin is asked.
fn conditions() -> Vec<Case> {
    let source = "RFC 9111 4.3.1";
    let dated = format!("200 | cache-control: max-age=60 | age: 99 | last-modified: {MODIFIED}");
    let both = format!("{dated} | etag: \"a\"");
    let confirmed = ["304 | cache-control: max-age=60 | etag: \"a\""];
    let of = |name, line: &str, second| Case::new(name, source, [line, confirmed[0]], [get().fetched(), second]);
    vec![
        of("etag_is_asked_for", STALE, get().validated().asking_value("if-none-match", "\"a\"")),
        of(
            "weak_etag_is_asked_for_as_it_is",
            "200 | cache-control: max-age=0 | etag: W/\"a\"",
            get().validated().asking_value("if-none-match", "W/\"a\""),
        ),
        Case::new(
            "last_modified_is_asked_for",
            source,
            [dated.as_str(), "304 | cache-control: max-age=60"],
            [get().fetched(), get().validated().asking_value("if-modified-since", MODIFIED)],
        ),
        of("both_validators_are_asked_for", &both, get().validated().asking_value("if-modified-since", MODIFIED)),
        of("both_validators_are_asked_for_by_tag", &both, get().validated().asking_value("if-none-match", "\"a\"")),
        of(
            "client_that_has_it_gets_304_after_validation",
            STALE,
            get().with("if-none-match", "\"a\"").validated().not_modified(),
        ),
        of(
            "client_that_has_another_gets_the_body_after_validation",
            STALE,
            get().with("if-none-match", "\"z\"").validated().asking_value("if-none-match", "\"a\""),
        )
        .not_joined(),
        of(
            "range_is_served_after_validation",
            STALE,
            get().with("range", "bytes=0-9").validated().part(0, 10).asking("range", Field::Absent),
        )
        .not_sliced(),
        Case::new(
            "client_s_condition_is_not_sent_where_nothing_is_stored",
            source,
            ["200 | cache-control: max-age=3600 | etag: \"a\""],
            [
                get().with("if-none-match", "\"a\"").fetched().not_modified().asking("if-none-match", Field::Absent),
                get().hit(),
            ],
        )
        .not_sliced(),
        Case::new(
            "tag_without_quotes_validates_nothing",
            "RFC 9110 8.8.3",
            ["200 | cache-control: max-age=60 | age: 99 | etag: a"],
            [get().fetched(), get().fetched()],
        ),
    ]
}

/// What becomes of the answer.
fn answers() -> Vec<Case> {
    let source = "RFC 9111 4.3.3";
    vec![
        Case::new(
            "confirmed_response_is_fresh_again",
            "RFC 9111 4.3.4",
            [STALE, "304 | cache-control: max-age=60 | etag: \"a\""],
            [get().fetched(), get().validated().told("fwd-status=304"), get().hit().of(1)],
        ),
        Case::new(
            "confirmation_without_freshness_renews_that_of_the_stored",
            "RFC 9111 4.3.4",
            [STALE, "304 | etag: \"a\""],
            [get().fetched(), get().validated(), get().hit().of(1)],
        ),
        Case::new(
            "confirmation_without_a_validator_is_about_what_was_asked",
            "RFC 9111 4.3.4",
            [STALE, "304 | cache-control: max-age=60"],
            [get().fetched(), get().validated(), get().hit().of(1)],
        ),
        Case::new(
            "stale_again_is_validated_again",
            source,
            [STALE, "304 | cache-control: max-age=60 | age: 99 | etag: \"a\"", "304 | etag: \"a\""],
            [get().fetched(), get().validated(), get().validated().of(1)],
        ),
        Case::new(
            "new_version_takes_the_place",
            source,
            [STALE, "200 | cache-control: max-age=60 | etag: \"b\""],
            [get().fetched(), get().fetched().sees_value("etag", "\"b\""), get().hit()],
        ),
        Case::new(
            "new_version_may_be_of_another_status",
            source,
            [STALE, "404 | cache-control: max-age=60"],
            [get().fetched(), get().fetched().status(404), get().hit().status(404)],
        ),
        Case::new(
            "error_of_the_origin_is_passed_on_where_nothing_allows_stale",
            source,
            [STALE, "503"],
            [get().fetched(), get().fetched().status(503), get().fetched().status(503)],
        ),
        Case::new(
            "error_of_the_origin_leaves_what_is_stored",
            source,
            [answer(STALE), answer("503"), answer("304 | cache-control: max-age=60 | etag: \"a\"").same_as(1)],
            [get().fetched(), get().fetched().status(503), get().validated().of(1)],
        )
        .not_joined(),
    ]
}

/// Fields of a 304 take the place of stored ones (RFC 9111 section 3.2).
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn updates() -> Vec<Case> {
    let source = "RFC 9111 3.2";
    let changed = |name, field: &'static str, before: &str, after: &str| {
        let stored = format!("{STALE} | {field}: {before}");
        let told = format!("304 | cache-control: max-age=60 | etag: \"a\" | {field}: {after}");
        let third = get().hit().of(1).sees_value(field, after);
        let steps = [get().fetched(), get().validated().of(1).sees_value(field, after), third];
        Case::new(name, source, [stored.as_str(), told.as_str()], steps)
    };
    let kept = |name, field: &'static str, value: &str, told: &str| {
        let stored = format!("{STALE} | {field}: {value}");
        let told = format!("304 | cache-control: max-age=60 | etag: \"a\"{told}");
        let third = get().hit().of(1).sees_value(field, value);
        let steps = [get().fetched(), get().validated().of(1).sees_value(field, value), third];
        Case::new(name, source, [stored.as_str(), told.as_str()], steps)
    };
    vec![
        changed("confirmation_updates_an_unknown_field", "x-test", "1", "2"),
        changed("confirmation_updates_an_unknown_content_field", "content-foo", "1", "2"),
        changed("confirmation_updates_content_location", "content-location", "/foo", "/bar"),
        changed(
            "confirmation_updates_a_policy_field",
            "content-security-policy",
            "default-src 'self'",
            "default-src 'none'",
        ),
        changed("confirmation_updates_expires", "expires", "{date+100}", "Fri, 01 Jan 2100 00:00:00 GMT"),
        changed("confirmation_updates_set_cookie", "set-cookie", "a=b", "a=c"),
        changed("confirmation_updates_a_link", "link", "</a>; rel=next", "</b>; rel=next"),
        kept("confirmation_keeps_what_it_omits", "x-test", "1", ""),
        kept("confirmation_keeps_the_content_type", "content-type", "text/plain", ""),
        kept(
            "confirmation_does_not_update_the_content_type",
            "content-type",
            "text/plain",
            " | content-type: text/html",
        ),
        kept("confirmation_does_not_update_the_coding", "content-encoding", "x-none", " | content-encoding: x-other"),
        Case::new(
            "confirmation_does_not_update_the_length",
            source,
            [STALE, "304 | cache-control: max-age=60 | etag: \"a\" | content-length: 10"],
            [get().fetched(), get().validated(), get().hit().of(1)],
        )
        .not_joined(),
        Case::new(
            "confirmation_removes_all_lines_of_a_field_before",
            source,
            [
                format!("{STALE} | x-test: 1 | x-test: 2").as_str(),
                "304 | cache-control: max-age=60 | etag: \"a\" | x-test: 3",
            ],
            [get().fetched(), get().validated(), get().hit().of(1).sees_value("x-test", "3")],
        ),
        Case::new(
            "confirmation_that_names_its_connection_fields_brings_none",
            "RFC 9110 7.6.1",
            [STALE, "304 | cache-control: max-age=60 | etag: \"a\" | connection: x-hop | x-hop: 1"],
            [get().fetched(), get().validated(), get().hit().of(1).sees("x-hop", Field::Absent)],
        ),
        Case::new(
            "age_counts_from_the_confirmation",
            "RFC 9111 4.2.3",
            ["200 | cache-control: max-age=3600 | age: 4000 | etag: \"a\"", "304 | age: 100 | etag: \"a\""],
            [get().fetched(), get().validated(), get().hit().of(1).sees_age(100)],
        ),
        Case::new(
            "confirmation_may_forbid_storing",
            "RFC 9111 4.3.4",
            [STALE, "304 | cache-control: no-store | etag: \"a\"", "200 | cache-control: max-age=60 | etag: \"a\""],
            [get().fetched(), get().validated(), get().fetched()],
        ),
    ]
}
