//! Cases about absurd numbers and dates: beyond what any clock or counter holds, and before 1970.

use super::case::{Case, get, not_reused, reused};
use super::policies::Policy;

pub(super) fn cases() -> Vec<Case> {
    [dates(), numbers(), of_clients()].concat()
}

const BEFORE_1970: &str = "Wed, 31 Dec 1969 23:59:59 GMT";

fn dates() -> Vec<Case> {
    let dated = |fields: &str| format!("200 | cache-control: max-age=3600 | {fields}");
    let old = format!("200 | cache-control: max-age=60 | age: 99 | last-modified: {BEFORE_1970}");
    let asked = |value: &str| get().with("if-modified-since", value).hit();
    let known = |name, value: &str, modified: bool| {
        let line = dated(&format!("last-modified: {BEFORE_1970}"));
        let second = if modified { asked(value) } else { asked(value).not_modified() };
        Case::new(name, "RFC 9110 13.1.3", [line.as_str()], [get().fetched(), second])
    };
    vec![
        not_reused("expires_before_1970_is_stale", "RFC 9111 5.3", format!("200 | expires: {BEFORE_1970}").as_str()),
        not_reused("expires_of_the_year_0_is_stale", "RFC 9111 5.3", "200 | expires: Sat, 01 Jan 0000 00:00:00 GMT"),
        not_reused("expires_of_february_30_is_stale", "RFC 9110 5.6.7", "200 | expires: Sat, 30 Feb 2050 00:00:00 GMT"),
        not_reused("expires_at_25_o_clock_is_stale", "RFC 9110 5.6.7", "200 | expires: Thu, 18 Aug 2050 25:00:00 GMT"),
        reused("expires_in_a_leap_second_is_reused", "RFC 9110 5.6.7", "200 | expires: Fri, 31 Dec 2049 23:59:60 GMT"),
        reused(
            "last_second_of_the_year_9999_is_reused",
            "RFC 9110 5.6.7",
            "200 | expires: Fri, 31 Dec 9999 23:59:59 GMT",
        ),
        not_reused(
            "date_before_1970_is_as_old_as_it_says",
            "RFC 9111 4.2.3",
            dated(&format!("date: {BEFORE_1970}")).as_str(),
        ),
        reused(
            "date_of_the_year_9999_makes_nothing_older",
            "RFC 9111 4.2.3",
            dated("date: Fri, 31 Dec 9999 23:59:59 GMT").as_str(),
        ),
        not_reused(
            "expires_before_a_date_of_the_year_9999_is_stale",
            "RFC 9111 4.2.1",
            "200 | expires: {date+3600} | date: Fri, 31 Dec 9999 23:59:59 GMT",
        ),
        reused(
            "last_modified_of_1601_is_a_hint",
            "RFC 9111 4.2.2",
            "200 | last-modified: Mon, 01 Jan 1601 00:00:00 GMT",
        )
        .under(Policy::Heuristic),
        Case::new(
            "last_modified_before_1970_is_asked_for_as_written",
            "RFC 9111 4.3.1",
            [old.as_str(), "304 | cache-control: max-age=60"],
            [get().fetched(), get().validated().asking_value("if-modified-since", BEFORE_1970)],
        ),
        known("unmodified_since_before_1970_gets_304", BEFORE_1970, false),
        known("unmodified_since_1970_gets_304", "Thu, 01 Jan 1970 00:00:00 GMT", false),
        known("modified_since_1900_gets_the_body", "Mon, 01 Jan 1900 00:00:00 GMT", true),
    ]
}

fn numbers() -> Vec<Case> {
    let stale = |more: &str| format!("200 | cache-control: max-age=60{more} | age: 90 | etag: \"a\"");
    let huge = "18446744073709551616";
    vec![
        reused(
            "shared_age_beyond_64_bits_is_reused",
            "RFC 9111 1.2.2",
            format!("200 | cache-control: s-maxage={huge}").as_str(),
        ),
        reused(
            "largest_max_age_and_a_large_age_do_not_overflow",
            "RFC 9111 4.2.3",
            format!("200 | cache-control: max-age={huge} | age: 2147480000").as_str(),
        ),
        not_reused(
            "largest_age_is_older_than_any_max_age",
            "RFC 9111 1.2.2",
            "200 | cache-control: max-age=2147483647 | age: 9223372036854775808",
        ),
        Case::new(
            "endless_stale_while_revalidate_is_one",
            "RFC 5861 3",
            [stale(&format!(", stale-while-revalidate={huge}")).as_str(), "200 | cache-control: max-age=60"],
            [get().fetched(), get().refreshed().of(1)],
        )
        .not_joined(),
        Case::new(
            "endless_stale_if_error_is_one",
            "RFC 5861 4",
            [stale(&format!(", stale-if-error={huge}")).as_str(), "503"],
            [get().fetched(), get().bridged()],
        )
        .not_joined(),
        Case::new(
            "negative_stale_if_error_is_none",
            "RFC 5861 4",
            [stale(", stale-if-error=-1").as_str(), "503"],
            [get().fetched(), get().fetched().status(503)],
        )
        .not_joined(),
    ]
}

fn of_clients() -> Vec<Case> {
    let huge = "9223372036854775808";
    let asked = |directive: &str| get().with("cache-control", &format!("{directive}={huge}"));
    let fresh = ["200 | cache-control: max-age=3600 | etag: \"a\"", "304 | etag: \"a\""];
    let stale = ["200 | cache-control: max-age=60 | age: 90 | etag: \"a\"", "304 | etag: \"a\""];
    vec![
        Case::new(
            "endless_max_age_of_a_client_is_a_hit",
            "RFC 9111 5.2.1.1",
            fresh,
            [get().fetched(), asked("max-age").hit()],
        ),
        Case::new(
            "endless_min_fresh_is_never_met",
            "RFC 9111 5.2.1.3",
            fresh,
            [get().fetched(), asked("min-fresh").validated()],
        ),
        Case::new(
            "endless_max_stale_accepts_all",
            "RFC 9111 5.2.1.2",
            stale,
            [get().fetched(), asked("max-stale").stale()],
        )
        .not_joined(),
    ]
}
