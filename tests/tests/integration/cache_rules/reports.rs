//! Cases about what Cache-Status says (RFC 9211).

use super::case::{Ask, Case, get, head};
use crate::table::row::Field;

const FRESH: &str = "200 | cache-control: max-age=3600 | etag: \"a\"";

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    let source = "RFC 9211 2";
    let asked = |directives: &str| get().with("cache-control", directives);
    let upstream = "200 | cache-control: max-age=3600 | cache-status: upstream; hit; ttl=5";
    let behind = |ask: Ask| ask.sees("cache-status", Field::Contains("upstream; hit; ttl=5")).told("tidegate;");
    vec![
        Case::new(
            "first_answer_says_that_nothing_was_stored_and_now_is",
            source,
            [FRESH],
            [get().fetched().told("fwd=uri-miss").told("; stored"), get().hit()],
        ),
        Case::new(
            "hit_says_how_long_it_is_fresh",
            source,
            ["200 | cache-control: max-age=3600 | age: 600"],
            [get().fetched(), get().hit().fresh_for(2900, 3000)],
        ),
        Case::new(
            "validation_says_what_the_origin_answered",
            source,
            ["200 | cache-control: max-age=60 | age: 99 | etag: \"a\"", "304 | etag: \"a\""],
            [get().fetched(), get().validated().told("fwd=stale").told("fwd-status=304")],
        )
        .not_joined(),
        Case::new(
            "fetch_because_of_staleness_says_so",
            source,
            ["200 | cache-control: max-age=60 | age: 99 | etag: \"a\"", "200 | cache-control: max-age=60"],
            [get().fetched(), get().fetched().told("fwd=stale")],
        )
        .not_joined(),
        Case::new(
            "fetch_because_of_the_client_says_so",
            source,
            [FRESH, "200 | cache-control: max-age=60"],
            [get().fetched(), asked("no-cache").fetched().told("fwd=request")],
        )
        .not_joined(),
        Case::new("other_method_says_so", source, [FRESH], [Ask::new("POST").body("x").fetched().told("fwd=method")]),
        Case::new(
            "what_is_not_stored_does_not_say_stored",
            source,
            ["200 | cache-control: no-store"],
            [get().fetched().told("detail=no-store")],
        ),
        Case::new(
            "private_is_the_reason_told",
            source,
            ["200 | cache-control: private"],
            [get().fetched().told("detail=private")],
        ),
        Case::new(
            "vary_star_is_the_reason_told",
            source,
            ["200 | cache-control: max-age=60 | vary: *"],
            [get().fetched().told("detail=vary-star")],
        ),
        Case::new(
            "stale_answer_has_no_life_left",
            source,
            [
                "200 | cache-control: max-age=60, stale-while-revalidate=600 | age: 90",
                "200 | cache-control: max-age=60",
            ],
            [get().fetched(), get().refreshed().of(1).fresh_for(-90, -30)],
        )
        .not_joined(),
        Case::new(
            "members_of_caches_before_stay_in_front",
            source,
            [upstream],
            [behind(get().fetched()), behind(get().hit())],
        ),
        Case::new("head_from_store_is_a_hit", source, [FRESH], [get().fetched(), head().hit().told("; hit")])
            .not_joined(),
        Case::new(
            "part_from_store_is_a_hit",
            source,
            [FRESH],
            [get().fetched(), get().with("range", "bytes=0-9").hit().part(0, 10).told("; hit")],
        )
        .not_joined(),
        Case::new(
            "part_behind_the_end_is_told_by_the_cache",
            source,
            [FRESH],
            [
                get().fetched(),
                get().with("range", "bytes=99999999-").hit().status(416).content(super::case::Part::Any).told("; hit"),
            ],
        )
        .not_joined(),
    ]
}
