//! Cases about what may be served stale, and when (RFC 9111 section 4.2.4, RFC 5861).

use super::answer::{Answer, answer};
use super::case::{Ask, Case, get};
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [disconnected(), prohibited(), on_error(), revalidated(), asked_for()].concat()
}

/// Stale by this many seconds, with these further directives.
fn stale(seconds: u64, directives: &str) -> Answer {
    answer(&format!("200 | cache-control: max-age=60{directives} | age: {} | etag: \"a\"", 60 + seconds))
}

/// The origin breaks off before it has said anything.
fn broken() -> Answer {
    answer("200").broken_off()
}

fn error(status: u16) -> Answer {
    answer(&status.to_string())
}

fn case(name: &'static str, source: &'static str, first: Answer, second: Answer, ask: Ask) -> Case {
    Case::new(name, source, [first, second], [get().fetched(), ask]).not_joined()
}

/// An origin that cannot be reached is bridged for an hour.
fn disconnected() -> Vec<Case> {
    let source = "RFC 9111 4.2.4";
    vec![
        case(
            "stale_response_is_served_when_the_origin_breaks_off",
            source,
            stale(30, ""),
            broken(),
            get().bridged().sees_age(90),
        ),
        case("stale_response_is_served_for_an_hour", source, stale(3500, ""), broken(), get().bridged()),
        case("stale_response_is_not_served_beyond_an_hour", source, stale(3700, ""), broken(), get().failed(502)),
        case(
            "stale_part_is_served_when_the_origin_breaks_off",
            source,
            stale(30, ""),
            broken(),
            get().with("range", "bytes=0-9").bridged().part(0, 10),
        ),
        case(
            "stale_response_answers_conditions_when_the_origin_breaks_off",
            source,
            stale(30, ""),
            broken(),
            get().with("if-none-match", "\"a\"").bridged().not_modified(),
        ),
        case("error_of_the_origin_is_no_disconnection", source, stale(30, ""), error(503), get().fetched().status(503)),
    ]
}

fn prohibited() -> Vec<Case> {
    let source = "RFC 9111 4.2.4";
    let refused = |name, first: Answer| case(name, source, first, broken(), get().failed(502));
    let fetched = |name, source, first: Answer, second: Answer| case(name, source, first, second, get().fetched());
    let shared = |more: &str| answer(&format!("200 | cache-control: s-maxage=60{more} | age: 90 | etag: \"a\""));
    vec![
        refused("must_revalidate_forbids_stale_answers", stale(30, ", must-revalidate")),
        refused("proxy_revalidate_forbids_stale_answers", stale(30, ", proxy-revalidate")),
        refused("shared_age_forbids_stale_answers", shared("")),
        refused("no_cache_forbids_stale_answers", answer("200 | cache-control: max-age=3600, no-cache | etag: \"a\"")),
        refused("must_revalidate_goes_before_stale_if_error", stale(30, ", must-revalidate, stale-if-error=600")),
        fetched(
            "must_revalidate_goes_before_stale_while_revalidate",
            "RFC 9111 5.2.2.2",
            stale(30, ", must-revalidate, stale-while-revalidate=600"),
            answer("200 | cache-control: max-age=60"),
        ),
        case(
            "shared_age_with_stale_if_error_allows_stale_answers",
            "RFC 5861 4",
            shared(", stale-if-error=600"),
            broken(),
            get().bridged(),
        ),
        case(
            "shared_age_with_stale_while_revalidate_allows_stale_answers",
            "RFC 5861 3",
            shared(", stale-while-revalidate=600"),
            answer("200 | cache-control: max-age=60"),
            get().refreshed().of(1),
        ),
    ]
}

fn on_error() -> Vec<Case> {
    let source = "RFC 5861 4";
    let within = || stale(30, ", stale-if-error=600");
    let bridged = |name, status| case(name, source, within(), error(status), get().bridged());
    vec![
        bridged("stale_if_error_bridges_500", 500),
        bridged("stale_if_error_bridges_502", 502),
        bridged("stale_if_error_bridges_503", 503),
        bridged("stale_if_error_bridges_504", 504),
        case("stale_if_error_bridges_an_origin_that_breaks_off", source, within(), broken(), get().bridged()),
        case(
            "client_may_accept_staleness_on_errors",
            source,
            stale(30, ""),
            error(503),
            get().with("cache-control", "stale-if-error=600").bridged(),
        ),
        case("stale_if_error_does_not_bridge_404", source, within(), error(404), get().fetched().status(404)),
        case("stale_if_error_does_not_bridge_501", source, within(), error(501), get().fetched().status(501)),
        case(
            "stale_if_error_ends",
            source,
            stale(700, ", stale-if-error=600"),
            error(503),
            get().fetched().status(503),
        ),
        case(
            "zero_stale_if_error_forbids_an_hour_of_disconnection",
            source,
            stale(30, ", stale-if-error=0"),
            broken(),
            get().failed(502),
        ),
        case(
            "stale_if_error_is_not_needed_by_a_confirmation",
            source,
            within(),
            answer("304 | cache-control: max-age=60 | etag: \"a\""),
            get().validated(),
        ),
    ]
}

fn revalidated() -> Vec<Case> {
    let source = "RFC 5861 3";
    let within = || stale(30, ", stale-while-revalidate=600");
    let new = || answer("200 | cache-control: max-age=3600 | etag: \"b\"");
    vec![
        Case::new(
            "stale_response_is_served_while_it_is_revalidated",
            source,
            [within(), new()],
            [get().fetched(), get().refreshed().of(1).sees_age(90).told("; hit"), get().hit().of(2)],
        )
        .not_joined()
        .not_sliced(),
        Case::new(
            "revalidation_in_the_background_asks_by_the_tag",
            source,
            [within(), answer("304 | cache-control: max-age=3600 | etag: \"a\"")],
            [get().fetched(), get().refreshed().of(1).asking_value("if-none-match", "\"a\""), get().hit().of(1)],
        )
        .not_joined(),
        Case::new(
            "background_asks_for_the_whole_when_a_part_is_served_stale",
            source,
            [within(), new()],
            [
                get().fetched(),
                get().with("range", "bytes=0-9").refreshed().of(1).part(0, 10).asking("range", Field::Absent),
                get().hit().of(2),
            ],
        )
        .not_joined()
        .not_sliced(),
        Case::new(
            "head_is_served_stale_while_it_is_revalidated",
            source,
            [within(), new()],
            [get().fetched(), super::case::head().refreshed().of(1).asking_by("GET"), get().hit().of(2)],
        )
        .not_joined()
        .not_sliced(),
        case("stale_while_revalidate_ends", source, stale(700, ", stale-while-revalidate=600"), new(), get().fetched()),
        case(
            "stale_while_revalidate_ends_with_a_confirmation",
            source,
            stale(700, ", stale-while-revalidate=600"),
            answer("304 | etag: \"a\""),
            get().validated(),
        ),
        case("error_in_the_background_harms_nobody", source, within(), error(503), get().refreshed().of(1)),
        Case::new(
            "confirmed_no_cache_is_not_served_while_it_is_revalidated",
            "RFC 9111 5.2.2.4",
            [
                answer("200 | cache-control: no-cache, stale-while-revalidate=600 | etag: \"a\""),
                answer("304 | etag: \"a\""),
            ],
            [get().fetched(), get().validated()],
        ),
    ]
}

/// By the client.
fn asked_for() -> Vec<Case> {
    let asked = |directives: &str| get().with("cache-control", directives);
    let (new, source) = (|| answer("200 | cache-control: max-age=60"), "RFC 9111 5.2.1.2");
    vec![
        case(
            "client_may_accept_anything_stale",
            source,
            stale(300, ""),
            new(),
            asked("max-stale").stale().sees_age(360),
        ),
        case("client_may_accept_some_staleness", source, stale(300, ""), new(), asked("max-stale=400").stale()),
        case("client_may_accept_too_little_staleness", source, stale(300, ""), new(), asked("max-stale=200").fetched()),
        case(
            "client_cannot_lift_must_revalidate",
            "RFC 9111 5.2.2.2",
            stale(30, ", must-revalidate"),
            new(),
            asked("max-stale").fetched(),
        ),
        case(
            "client_cannot_lift_a_shared_age",
            "RFC 9111 5.2.2.10",
            answer("200 | cache-control: s-maxage=60 | age: 90 | etag: \"a\""),
            new(),
            asked("max-stale").fetched(),
        ),
        case(
            "client_s_no_cache_forbids_what_is_stale",
            "RFC 9111 5.2.1.4",
            stale(30, ", stale-if-error=600"),
            broken(),
            asked("no-cache").failed(502),
        ),
    ]
}
