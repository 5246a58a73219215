//! Cases about HEAD (RFC 9111 sections 4 and 4.3.5).

use super::answer::answer;
use super::case::{Case, get, head};
use crate::table::row::Field;

const STORED: &str = "200 | cache-control: max-age=3600 | etag: \"a\" | x-test: 1";
const STALE: &str = "200 | cache-control: max-age=60 | age: 99 | etag: \"a\" | x-test: 1";

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new(
            "head_is_answered_by_a_stored_get",
            "RFC 9110 9.3.2",
            [STORED],
            [get().fetched(), head().hit().sees_value("x-test", "1")],
        ),
        Case::new(
            "head_tells_the_length_of_the_body",
            "RFC 9110 9.3.2",
            [STORED],
            [get().fetched(), head().hit().sees("content-length", Field::AtLeast(3000))],
        ),
        Case::new(
            "head_does_not_answer_a_get",
            "RFC 9111 4",
            [STORED],
            [head().fetched(), get().fetched(), get().hit().of(2)],
        ),
        Case::new(
            "head_of_what_is_stale_asks_the_origin",
            "RFC 9111 4",
            [STALE, STORED],
            [get().fetched(), head().fetched()],
        ),
        Case::new(
            "head_of_a_stored_error_is_answered",
            "RFC 9110 9.3.2",
            ["404 | cache-control: max-age=3600"],
            [get().fetched(), head().hit().status(404)],
        ),
        Case::new(
            "head_of_what_is_not_stored_asks_the_origin_by_head",
            "RFC 9110 9.3.2",
            ["200 | cache-control: no-store"],
            [head().fetched().asking_by("HEAD"), head().fetched().asking_by("HEAD")],
        ),
        Case::new(
            "head_with_only_if_cached_is_a_hit",
            "RFC 9111 5.2.1.7",
            [STORED],
            [get().fetched(), head().with("cache-control", "only-if-cached").hit()],
        ),
        Case::new(
            "head_that_fails_leaves_what_is_stored",
            "RFC 9111 4.3.5",
            ["200 | cache-control: max-age=3600 | vary: foo | etag: \"a\"", "500"],
            [get().fetched(), head().with("cache-control", "no-cache").fetched().status(500), get().hit().of(1)],
        ),
        Case::new(
            "head_with_another_tag_makes_what_is_stored_stale",
            "RFC 9111 4.3.5",
            [STORED, "200 | cache-control: max-age=3600 | etag: \"b\""],
            [get().fetched(), head().with("cache-control", "no-cache").fetched(), get().fetched().of(3)],
        ),
        Case::new(
            "head_with_the_same_tag_makes_what_is_stored_fresh",
            "RFC 9111 4.3.5",
            [STALE, "200 | cache-control: max-age=3600 | etag: \"a\" | x-test: 2"],
            [get().fetched(), head().fetched(), get().hit().of(1).sees_value("x-test", "2")],
        ),
        Case::new(
            "head_keeps_fields_that_it_omits",
            "RFC 9111 4.3.5",
            [STALE, "200 | cache-control: max-age=3600 | etag: \"a\""],
            [get().fetched(), head().fetched(), get().hit().of(1).sees_value("x-test", "1")],
        ),
        Case::new(
            "head_that_finds_another_length_makes_what_is_stored_stale",
            "RFC 9111 4.3.5",
            [answer("200 | cache-control: max-age=3600"), answer("200 | cache-control: max-age=3600").text("other")],
            [get().fetched(), head().with("cache-control", "no-cache").fetched().of(2), get().fetched().of(3)],
        ),
        Case::new(
            "head_that_finds_the_resource_gone_is_told_as_it_is",
            "RFC 9111 4.3.5",
            [STALE, "410"],
            [get().fetched(), head().fetched().status(410)],
        ),
    ];
    // HEAD may go to the origin while a body arrives: its answer is small.
    cases.into_iter().map(Case::not_joined).collect()
}
