//! Cases about parts that are fetched before the whole, of what is kept in slices (RFC 9111 sections 3.3 and 3.4).

use super::answer::{Answer, answer};
use super::case::{Ask, Case, get};
use crate::table::row::Field;

const SOURCE: &str = "RFC 9111 3.4";
const STORED: &str = "200 | cache-control: max-age=3600 | etag: \"a\"";

/// The same version whenever it is asked for.
fn steady() -> [Answer; 3] {
    [answer(STORED), answer(STORED).same_as(1), answer(STORED).same_as(1)]
}

fn range(value: &str) -> Ask {
    get().with("range", value)
}

/// The first slice of two.
fn first() -> Ask {
    range("bytes=0-9").fetched().part(0, 10).asking_value("range", "bytes=0-1048575")
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    let (rest, place) = ("bytes=1048576-1300006", 1_200_000);
    let far = || range("bytes=1200000-1200009");
    let of = |name, answers: [Answer; 3], steps: Vec<Ask>| Case::new(name, SOURCE, answers, steps);
    let other = || answer("200 | cache-control: max-age=3600 | etag: \"b\"").same_as(2);
    let changed = || [answer(STORED), other(), other()];
    let cases = vec![
        of(
            "range_that_comes_first_fetches_its_slice_alone",
            steady(),
            vec![
                first().sees("content-range", Field::Is("bytes 0-9/1300007".to_owned())),
                range("bytes=1000-1999").hit().of(1).part(1000, 2000),
            ],
        ),
        of(
            "range_of_a_missing_slice_asks_for_the_same_version",
            steady(),
            vec![
                first(),
                far().fetched().of(1).part(place, place + 10).asking_value("if-range", "\"a\"").told("fwd=partial"),
            ],
        ),
        of(
            "whole_completes_what_is_there_in_part",
            steady(),
            vec![first(), get().fetched().of(1).asking_value("range", rest).told("fwd=partial"), get().hit().of(1)],
        ),
        of(
            "last_bytes_that_come_first_fetch_no_more_than_they_need",
            steady(),
            vec![range("bytes=-10").either().of(1).part(-10, None), range("bytes=-20").hit().of(1).part(-20, None)],
        ),
        of(
            "part_of_another_version_is_served_as_such",
            changed(),
            vec![first(), far().either().of(2).part(place, place + 10).sees_value("etag", "\"b\"")],
        ),
        of(
            "range_behind_the_end_is_refused_by_what_is_known_of_the_length",
            steady(),
            vec![first(), range("bytes=2000000-").hit().of(1).status(416).content(super::case::Part::Any)],
        ),
        of(
            "several_ranges_of_one_slice_come_from_it",
            steady(),
            vec![
                first(),
                range("bytes=5-9,2000-2009")
                    .hit()
                    .of(1)
                    .status(206)
                    .content(super::case::Part::Several(vec![(5, Some(10)), (2000, Some(2010))])),
            ],
        ),
        of(
            "if_range_holds_for_what_is_there_in_part",
            steady(),
            vec![first(), range("bytes=20-29").with("if-range", "\"a\"").hit().of(1).part(20, 30)],
        ),
        of(
            "condition_is_answered_by_what_is_there_in_part",
            steady(),
            vec![first(), get().with("if-none-match", "\"a\"").hit().of(1).not_modified()],
        ),
        of(
            "head_is_answered_by_what_is_there_in_part",
            steady(),
            vec![first(), super::case::head().hit().of(1).sees_value("content-length", "1300007")],
        ),
    ];
    cases.into_iter().map(Case::only_sliced).collect()
}
