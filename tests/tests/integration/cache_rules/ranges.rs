//! Cases about parts of what is stored (RFC 9110 section 14).

use tidegate_tests::origin::Framing;

use super::answer::answer;
use super::case::{Ask, Case, Part, get, head};
use crate::table::row::Field;

const STORED: &str = "200 | cache-control: max-age=3600 | content-type: text/plain | etag: \"abc\" | \
                      last-modified: Wed, 01 Jan 2025 00:00:00 GMT";

fn range(value: &str) -> Ask {
    get().with("range", value).hit()
}

fn of(name: &'static str, source: &'static str, second: Ask) -> Case {
    Case::new(name, source, [STORED], [get().fetched(), second])
}

pub(super) fn cases() -> Vec<Case> {
    [single(), refused(), ignored(), several(), if_range(), framing(), whole()].concat()
}

fn single() -> Vec<Case> {
    let source = "RFC 9110 14.1.2";
    let part = |name, value, start: i64, end: Option<i64>| {
        of(
            name,
            source,
            range(value).part(start, end).sees("content-range", Field::Present).sees("age", Field::Present),
        )
    };
    vec![
        part("first_bytes_come_from_store", "bytes=0-99", 0, Some(100)),
        part("first_byte_comes_from_store", "bytes=0-0", 0, Some(1)),
        part("bytes_within_come_from_store", "bytes=1000-1999", 1000, Some(2000)),
        part("bytes_to_the_end_come_from_store", "bytes=2000-", 2000, None),
        part("all_bytes_come_from_store_as_a_part", "bytes=0-", 0, None),
        part("last_bytes_come_from_store", "bytes=-500", -500, None),
        part("last_byte_comes_from_store", "bytes=-1", -1, None),
        part("more_last_bytes_than_there_are_are_all", "bytes=-9999999", 0, None),
        part("part_beyond_the_end_ends_with_it", "bytes=1000-9999999", 1000, None),
        part("unit_knows_no_case", "BYTES=10-19", 10, Some(20)),
        part("numbers_beyond_64_bits_are_beyond_the_end", "bytes=10-99999999999999999999", 10, None),
        part("white_space_around_the_range_does_not_matter", "bytes=10-19 ", 10, Some(20)),
        of(
            "part_has_the_length_of_the_part",
            "RFC 9110 14.4",
            range("bytes=0-99").part(0, 100).sees_value("content-length", "100"),
        ),
        of("part_has_the_tag", "RFC 9110 15.3.7", range("bytes=0-99").part(0, 100).sees_value("etag", "\"abc\"")),
        of(
            "part_has_the_content_type",
            "RFC 9110 15.3.7",
            range("bytes=0-99").part(0, 100).sees_value("content-type", "text/plain"),
        ),
        of(
            "content_range_tells_the_place",
            "RFC 9110 14.4",
            range("bytes=5-9").part(5, 10).sees("content-range", Field::Contains("bytes 5-9/")),
        ),
    ]
}

fn refused() -> Vec<Case> {
    let source = "RFC 9110 15.5.17";
    let refused = |name, value| {
        let second = range(value).status(416).content(Part::Any).sees("content-range", Field::Contains("bytes */"));
        of(name, source, second)
    };
    vec![
        refused("part_behind_the_end_gets_416", "bytes=99999999-"),
        refused("bounded_part_behind_the_end_gets_416", "bytes=99999999-99999999"),
        refused("no_last_bytes_get_416", "bytes=-0"),
        refused("start_beyond_64_bits_gets_416", "bytes=99999999999999999999-"),
        refused("several_parts_behind_the_end_get_416", "bytes=99999999-,99999999-99999999"),
    ]
}

/// What is no range gets the whole.
fn ignored() -> Vec<Case> {
    let source = "RFC 9110 14.2";
    let whole = |name, value: &str| of(name, source, range(value).sees("content-range", Field::Absent));
    vec![
        whole("unknown_unit_gets_the_whole", "items=0-9"),
        whole("no_unit_gets_the_whole", "0-9"),
        whole("no_range_gets_the_whole", "bytes="),
        whole("range_that_runs_backwards_gets_the_whole", "bytes=20-10"),
        whole("one_range_that_runs_backwards_spoils_all", "bytes=0-9,20-10"),
        whole("letters_get_the_whole", "bytes=a-b"),
        whole("negative_numbers_get_the_whole", "bytes=-5-9"),
        whole("lone_dash_gets_the_whole", "bytes=-"),
        whole("sign_in_a_number_gets_the_whole", "bytes=+1-9"),
        of(
            "head_knows_no_ranges",
            source,
            head().with("range", "bytes=0-9").hit().sees("content-range", Field::Absent),
        )
        .not_joined(),
    ]
}

fn several() -> Vec<Case> {
    let source = "RFC 9110 15.3.7.2";
    let parts = |name, value, parts: &[(i64, Option<i64>)]| {
        of(
            name,
            source,
            range(value).status(206).content(Part::Several(parts.to_vec())).sees("content-range", Field::Absent),
        )
    };
    let one = |name, value, start: i64, end: Option<i64>| of(name, source, range(value).part(start, end));
    vec![
        parts("two_parts_come_in_one_answer", "bytes=0-9,1000-1009", &[(0, Some(10)), (1000, Some(1010))]),
        parts("parts_come_in_the_order_asked", "bytes=1000-1009,0-9", &[(1000, Some(1010)), (0, Some(10))]),
        parts(
            "three_forms_of_parts_come_together",
            "bytes=0-9, 2000-2009, -10",
            &[(0, Some(10)), (2000, Some(2010)), (-10, None)],
        ),
        parts(
            "empty_elements_between_parts_do_not_matter",
            "bytes=0-9,,1000-1009",
            &[(0, Some(10)), (1000, Some(1010))],
        ),
        one("part_behind_the_end_is_left_out_of_several", "bytes=0-9,99999999-", 0, Some(10)),
        one("overlapping_parts_come_as_one", "bytes=0-99,50-149", 0, Some(150)),
        one("adjacent_parts_come_as_one", "bytes=0-99,100-199", 0, Some(200)),
    ]
}

/// RFC 9110 section 13.1.5.
fn if_range() -> Vec<Case> {
    let source = "RFC 9110 13.1.5";
    let asked = |condition: &str| range("bytes=0-9").with("if-range", condition);
    let weak = "200 | cache-control: max-age=3600 | etag: W/\"abc\"";
    let young = "200 | cache-control: max-age=3600 | date: {date} | last-modified: {date}";
    vec![
        of("if_range_with_the_same_tag_gets_the_part", source, asked("\"abc\"").part(0, 10)),
        of("if_range_with_another_tag_gets_the_whole", source, asked("\"x\"")),
        of("if_range_with_a_weak_tag_gets_the_whole", source, asked("W/\"abc\"")),
        of("if_range_with_something_else_gets_the_whole", source, asked("abc")),
        // A date may be believed only where it is strong; here no date is, which RFC 9110 section 14.2 allows.
        of("if_range_with_the_same_date_gets_the_whole", source, asked("Wed, 01 Jan 2025 00:00:00 GMT")),
        of("if_range_with_another_date_gets_the_whole", source, asked("Thu, 02 Jan 2025 00:00:00 GMT")),
        of("if_range_without_range_does_not_matter", source, get().with("if-range", "\"x\"").hit()),
        Case::new(
            "if_range_of_a_stored_weak_tag_gets_the_whole",
            source,
            [weak],
            [get().fetched(), asked("W/\"abc\"")],
        ),
        Case::new(
            "if_range_by_a_date_that_is_weak_gets_the_whole",
            "RFC 9110 8.8.2.2",
            [young],
            [get().fetched(), asked("{date}")],
        ),
    ]
}

/// Whatever the origin's framing is.
fn framing() -> Vec<Case> {
    let chunked = || answer(STORED).framing(Framing::Chunked);
    let closing = || answer(STORED).framing(Framing::Close);
    let coded = "200 | cache-control: max-age=3600 | content-encoding: x-none";
    vec![
        Case::new(
            "part_of_what_came_in_chunks_is_served",
            "RFC 9110 14.2",
            [chunked()],
            [get().fetched(), range("bytes=5-9").part(5, 10)],
        ),
        Case::new(
            "last_bytes_of_what_came_in_chunks_are_served",
            "RFC 9110 14.2",
            [chunked()],
            [get().fetched(), range("bytes=-5").part(-5, None)],
        ),
        Case::new(
            "what_ended_with_its_connection_is_never_stored",
            "RFC 9112 8",
            [closing()],
            [get().fetched(), get().either()],
        ),
        Case::new(
            "part_of_a_coded_body_is_of_the_coded_bytes",
            "RFC 9110 14",
            [coded],
            [get().fetched(), range("bytes=5-9").part(5, 10)],
        ),
        Case::new(
            "part_of_a_stored_error_is_the_whole_error",
            "RFC 9110 14.2",
            ["404 | cache-control: max-age=3600"],
            [get().fetched(), range("bytes=0-9").status(404)],
        ),
    ]
}

/// A range that comes first brings the whole into memory.
fn whole() -> Vec<Case> {
    let source = "RFC 9111 3.3";
    let first = || get().with("range", "bytes=0-9").fetched().part(0, 10);
    vec![
        Case::new("range_that_comes_first_brings_the_whole", source, [STORED], [first(), get().hit()]).not_sliced(),
        Case::new(
            "other_range_after_a_first_one_is_a_hit",
            source,
            [STORED],
            [first(), range("bytes=100-199").part(100, 200)],
        )
        .not_sliced(),
        Case::new(
            "if_range_that_comes_first_is_answered_from_the_whole",
            source,
            [STORED],
            [first().with("if-range", "\"abc\"").asking("if-range", Field::Absent), get().hit()],
        )
        .not_sliced(),
        Case::new(
            "range_of_what_may_not_be_stored_is_still_answered",
            "RFC 9110 14.2",
            ["200 | cache-control: no-store | etag: \"abc\""],
            [get().fetched(), get().with("range", "bytes=0-9").fetched().part(0, 10)],
        )
        // That it may not be shared is remembered for seconds alone; until then a part is asked for twice.
        .not_restarted(),
    ]
}
