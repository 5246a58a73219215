//! Cases about what may be stored and for whom (RFC 9111 section 3).

use super::case::{Ask, Case, all_reused, all_validated, get, none_reused, not_reused, reused};
use super::policies::Policy;
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [directives(), authorization(), cookies(), statuses(), heuristic_statuses(), policies()].concat()
}

fn directives() -> Vec<Case> {
    let forbidden = none_reused([
        ("no_store_is_not_stored", "RFC 9111 5.2.2.5", "200 | cache-control: no-store"),
        ("no_store_knows_no_case", "RFC 9111 5.2", "200 | cache-control: nO-StOrE"),
        (
            "no_store_goes_before_freshness",
            "RFC 9111 5.2.2.5",
            "200 | cache-control: max-age=3600, no-store | expires: {date+3600}",
        ),
        ("no_store_with_an_argument_still_forbids", "RFC 9111 5.2", "200 | cache-control: no-store=1, max-age=3600"),
        (
            "no_store_on_a_second_line_forbids",
            "RFC 9110 5.3",
            "200 | cache-control: max-age=3600 | cache-control: no-store",
        ),
        ("private_is_not_stored", "RFC 9111 5.2.2.7", "200 | cache-control: private, max-age=3600"),
        ("private_knows_no_case", "RFC 9111 5.2", "200 | cache-control: PRIVATE, max-age=3600"),
        ("private_goes_before_public", "RFC 9111 5.2.2.7", "200 | cache-control: public, private, max-age=3600"),
        ("private_goes_before_shared_age", "RFC 9111 5.2.2.7", "200 | cache-control: private, s-maxage=3600"),
        ("no_cache_without_validator_is_fetched", "RFC 9111 5.2.2.4", "200 | cache-control: no-cache, max-age=3600"),
        (
            "must_understand_of_an_unknown_status_forbids",
            "RFC 9111 5.2.2.3",
            "599 | cache-control: max-age=3600, must-understand",
        ),
        (
            "must_understand_of_an_unknown_status_leaves_no_store",
            "RFC 9111 5.2.2.3",
            "599 | cache-control: max-age=3600, no-store, must-understand",
        ),
    ]);
    let allowed = all_reused([
        (
            "private_field_that_is_absent_does_not_matter",
            "RFC 9111 5.2.2.7",
            "200 | cache-control: max-age=3600, private=\"x-own\"",
        ),
        (
            "no_cache_field_that_is_absent_does_not_matter",
            "RFC 9111 5.2.2.4",
            "200 | cache-control: max-age=3600, no-cache=\"x-own\"",
        ),
        (
            "must_understand_sets_no_store_aside",
            "RFC 9111 5.2.2.3",
            "200 | cache-control: max-age=3600, no-store, must-understand",
        ),
        (
            "pragma_of_a_fresh_response_says_nothing",
            "RFC 9111 5.4",
            "200 | cache-control: max-age=3600 | pragma: no-cache",
        ),
        ("attachment_is_reused", "RFC 6266", "200 | cache-control: max-age=3600 | content-disposition: attachment"),
        ("no_transform_is_reused", "RFC 9111 5.2.2.6", "200 | cache-control: max-age=3600, no-transform"),
    ]);
    let validated = all_validated([
        ("no_cache_is_validated", "RFC 9111 5.2.2.4", "200 | cache-control: no-cache | etag: \"a\""),
        ("no_cache_knows_no_case", "RFC 9111 5.2", "200 | cache-control: No-CaChE | etag: \"a\""),
        (
            "no_cache_goes_before_freshness",
            "RFC 9111 5.2.2.4",
            "200 | cache-control: no-cache, max-age=3600 | expires: {date+3600} | etag: \"a\"",
        ),
    ]);
    [forbidden, allowed, validated, qualified()].concat()
}

/// Fields that are for one client alone: the rest is for all.
fn qualified() -> Vec<Case> {
    let kept = |name, source, directives: &str| {
        let line = format!("200 | cache-control: max-age=3600, {directives} | x-own: 1 | x-test: 2");
        let second = get().hit().sees("x-own", Field::Absent).sees_value("x-test", "2");
        Case::new(name, source, [line.as_str()], [get().fetched(), second])
    };
    vec![
        kept("private_field_is_not_stored", "RFC 9111 5.2.2.7", "private=\"x-own\""),
        kept("private_field_knows_no_case", "RFC 9111 5.2.2.7", "private=\"X-OWN\""),
        kept("private_field_without_quotes_is_not_stored", "RFC 9111 5.2.2.7", "private=x-own"),
        kept("no_cache_field_is_not_reused", "RFC 9111 5.2.2.4", "no-cache=\"x-own\""),
        kept("one_of_several_no_cache_fields_is_not_reused", "RFC 9111 5.2.2.4", "no-cache=\"x-none, x-own\""),
    ]
}

/// RFC 9111 section 3.5.
fn authorization() -> Vec<Case> {
    let named = |directives: &str| format!("200 | cache-control: {directives}");
    let source = "RFC 9111 3.5";
    let known = || get().with("authorization", "Basic eDp5");
    let allowed = |name, directives: &str| {
        Case::new(name, source, [named(directives).as_str()], [known().fetched(), get().hit(), known().hit()])
    };
    vec![
        Case::new(
            "answer_to_authorization_is_kept_from_others",
            source,
            [named("max-age=3600").as_str()],
            [known().fetched(), get().fetched()],
        ),
        Case::new(
            "answer_to_authorization_is_kept_from_itself",
            source,
            [named("max-age=3600").as_str()],
            [known().fetched(), known().fetched()],
        ),
        Case::new(
            "answer_to_anybody_is_kept_from_authorization",
            source,
            [named("max-age=3600").as_str()],
            [get().fetched(), known().fetched(), get().hit().of(1)],
        ),
        allowed("public_answers_authorization", "public, max-age=3600"),
        allowed("must_revalidate_answers_authorization", "must-revalidate, max-age=3600"),
        allowed("shared_age_answers_authorization", "s-maxage=3600"),
        Case::new(
            "shared_age_with_no_store_answers_nobody",
            source,
            [named("s-maxage=3600, no-store").as_str()],
            [known().fetched(), known().fetched()],
        ),
    ]
}

/// RFC 9111 section 7.3 leaves Set-Cookie to the origin's directives.
fn cookies() -> Vec<Case> {
    let source = "RFC 9111 7.3";
    let line = "200 | set-cookie: a=b | cache-control: max-age=3600";
    let seen = [get().fetched(), get().hit().sees_value("set-cookie", "a=b")];
    vec![
        Case::new("set_cookie_is_stored_where_the_origin_says_so", source, [line], seen),
        not_reused(
            "set_cookie_is_not_stored_by_heuristics",
            source,
            "200 | set-cookie: a=b | last-modified: {date-86400}",
        )
        .under(Policy::Heuristic),
        Case::new(
            "cookie_of_a_request_does_not_matter",
            "RFC 9111 4",
            ["200 | cache-control: max-age=3600"],
            [get().with("cookie", "a=1").fetched(), get().with("cookie", "a=2").hit()],
        ),
    ]
}

const NAMES: [(u16, &str, &str); 24] = [
    (200, "status_200_is_reused", "stale_status_200_is_not_reused"),
    (203, "status_203_is_reused", "stale_status_203_is_not_reused"),
    (204, "status_204_is_reused", "stale_status_204_is_not_reused"),
    (299, "status_299_is_reused", "stale_status_299_is_not_reused"),
    (301, "status_301_is_reused", "stale_status_301_is_not_reused"),
    (302, "status_302_is_reused", "stale_status_302_is_not_reused"),
    (303, "status_303_is_reused", "stale_status_303_is_not_reused"),
    (307, "status_307_is_reused", "stale_status_307_is_not_reused"),
    (308, "status_308_is_reused", "stale_status_308_is_not_reused"),
    (400, "status_400_is_reused", "stale_status_400_is_not_reused"),
    (403, "status_403_is_reused", "stale_status_403_is_not_reused"),
    (404, "status_404_is_reused", "stale_status_404_is_not_reused"),
    (405, "status_405_is_reused", "stale_status_405_is_not_reused"),
    (410, "status_410_is_reused", "stale_status_410_is_not_reused"),
    (414, "status_414_is_reused", "stale_status_414_is_not_reused"),
    (451, "status_451_is_reused", "stale_status_451_is_not_reused"),
    (499, "status_499_is_reused", "stale_status_499_is_not_reused"),
    (500, "status_500_is_reused", "stale_status_500_is_not_reused"),
    (501, "status_501_is_reused", "stale_status_501_is_not_reused"),
    (502, "status_502_is_reused", "stale_status_502_is_not_reused"),
    (503, "status_503_is_reused", "stale_status_503_is_not_reused"),
    (504, "status_504_is_reused", "stale_status_504_is_not_reused"),
    (505, "status_505_is_reused", "stale_status_505_is_not_reused"),
    (599, "status_599_is_reused", "stale_status_599_is_not_reused"),
];

/// Any final status may be stored with explicit freshness (RFC 9111 section 3).
fn statuses() -> Vec<Case> {
    let fresh = |(status, name, _): &(u16, &'static str, _)| {
        reused(name, "RFC 9111 3", format!("{status} | cache-control: max-age=3600").as_str())
    };
    let stale = |(status, _, name): &(u16, _, &'static str)| {
        not_reused(name, "RFC 9111 3", format!("{status} | cache-control: max-age=3600 | age: 7200").as_str())
    };
    let never = [
        ("status_407_is_not_stored", 407, "RFC 9110 15.5.8"),
        ("status_416_is_not_stored", 416, "RFC 9110 15.5.17"),
        ("status_428_is_not_stored", 428, "RFC 6585 3"),
        ("status_429_is_not_stored", 429, "RFC 6585 4"),
        ("status_431_is_not_stored", 431, "RFC 6585 5"),
        ("status_511_is_not_stored", 511, "RFC 6585 6"),
    ];
    let never = never.map(|(name, status, source)| {
        not_reused(name, source, format!("{status} | cache-control: max-age=3600").as_str())
    });
    NAMES.iter().map(fresh).chain(NAMES.iter().map(stale)).chain(never).collect()
}

/// RFC 9110 section 15.1.
fn heuristic_statuses() -> Vec<Case> {
    let source = "RFC 9110 15.1";
    let line = |status: u16| format!("{status} | last-modified: {{date-864000}}");
    let allowed = [
        ("status_203_is_reused_by_heuristics", 203),
        ("status_204_is_reused_by_heuristics", 204),
        ("status_300_is_reused_by_heuristics", 300),
        ("status_301_is_reused_by_heuristics", 301),
        ("status_308_is_reused_by_heuristics", 308),
        ("status_404_is_reused_by_heuristics", 404),
        ("status_405_is_reused_by_heuristics", 405),
        ("status_410_is_reused_by_heuristics", 410),
        ("status_414_is_reused_by_heuristics", 414),
    ];
    let forbidden = [
        ("status_201_is_not_reused_by_heuristics", 201),
        ("status_302_is_not_reused_by_heuristics", 302),
        ("status_303_is_not_reused_by_heuristics", 303),
        ("status_307_is_not_reused_by_heuristics", 307),
        ("status_400_is_not_reused_by_heuristics", 400),
        ("status_403_is_not_reused_by_heuristics", 403),
        ("status_500_is_not_reused_by_heuristics", 500),
        ("status_502_is_not_reused_by_heuristics", 502),
        ("status_503_is_not_reused_by_heuristics", 503),
        ("status_504_is_not_reused_by_heuristics", 504),
        ("status_599_is_not_reused_by_heuristics", 599),
    ];
    let allowed = allowed.map(|(name, status)| reused(name, source, line(status).as_str()));
    let forbidden = forbidden.map(|(name, status)| not_reused(name, source, line(status).as_str()));
    allowed.into_iter().chain(forbidden).map(|case| case.under(Policy::Heuristic)).collect()
}

fn policies() -> Vec<Case> {
    let line = "200 | cache-control: max-age=3600 | etag: \"a\"";
    vec![
        Case::new(
            "nothing_is_stored_where_the_policy_stores_nothing",
            "RFC 9211 2.2",
            [line],
            [get().fetched().told("fwd=bypass"), get().fetched().told("fwd=bypass")],
        )
        .under(Policy::Disabled),
        Case::new(
            "different_queries_are_different_resources",
            "RFC 9111 2",
            [line],
            [get().at("?a=1").fetched(), get().at("?a=2").fetched(), get().at("?a=1").hit().of(1)],
        ),
        Case::new(
            "same_query_is_the_same_resource",
            "RFC 9111 2",
            [line],
            [get().at("?a=1&b").fetched(), get().at("?a=1&b").hit()],
        ),
        Case::new(
            "empty_query_is_another_resource_than_none",
            "RFC 3986 6.2.3",
            [line],
            [get().at("?").fetched(), get().either()],
        ),
        Case::new(
            "request_with_content_goes_past_the_cache",
            "RFC 9110 9.3.1",
            [line],
            [get().fetched(), get().body("x").fetched(), get().hit().of(1)],
        ),
        Case::new(
            "older_answer_is_not_used_instead_of_a_newer_unstored_one",
            "RFC 9111 4",
            ["200 | cache-control: max-age=60 | age: 99 | etag: \"a\"", "200 | cache-control: no-store"],
            [get().fetched(), get().fetched(), get().fetched()],
        ),
        Case::new(
            "newer_answer_takes_the_place_of_a_stale_one",
            "RFC 9111 4.3.3",
            [
                "200 | cache-control: max-age=60 | age: 99 | etag: \"a\"",
                "200 | cache-control: max-age=60 | etag: \"b\"",
            ],
            [get().fetched(), get().fetched().asking("if-none-match", Field::Present), get().hit()],
        ),
        Case::new(
            "answer_to_post_is_not_reused",
            "RFC 9110 9.3.3",
            ["200 | cache-control: max-age=3600 | content-location: {path}"],
            [Ask::new("POST").body("x").fetched(), get().fetched()],
        ),
        Case::new(
            "post_is_never_answered_from_store",
            "RFC 9111 4",
            [line],
            [get().fetched(), Ask::new("POST").body("x").fetched().told("fwd=method")],
        ),
    ]
}
