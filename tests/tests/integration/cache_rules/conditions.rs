//! Cases about clients' preconditions on what is stored (RFC 9110 section 13, RFC 9111 section 4.3.2).

use super::case::{Ask, Case, get, head};
use crate::table::row::Field;

const MODIFIED: &str = "Wed, 01 Jan 2025 00:00:00 GMT";
const BEFORE: &str = "Tue, 31 Dec 2024 00:00:00 GMT";
const AFTER: &str = "Thu, 02 Jan 2025 00:00:00 GMT";
const STORED: &str = "200 | cache-control: max-age=3600 | etag: \"abc\" | last-modified: Wed, 01 Jan 2025 00:00:00 GMT";

fn of(name: &'static str, source: &'static str, line: &str, second: Ask) -> Case {
    Case::new(name, source, [line], [get().fetched(), second])
}

pub(super) fn cases() -> Vec<Case> {
    [tags(), dates(), precedence(), fields()].concat()
}

fn tags() -> Vec<Case> {
    let none_match = |value: &str| get().with("if-none-match", value).hit();
    let found = |name, value| of(name, "RFC 9110 13.1.2", STORED, none_match(value).not_modified());
    let missed = |name, value| of(name, "RFC 9110 13.1.2", STORED, none_match(value));
    let weak = "200 | cache-control: max-age=3600 | etag: W/\"abc\"";
    let tagged = |tag: &str| format!("200 | cache-control: max-age=3600 | etag: {tag}");
    vec![
        found("same_tag_gets_304", "\"abc\""),
        found("weak_form_of_the_tag_gets_304", "W/\"abc\""),
        found("first_of_several_tags_gets_304", "\"abc\", \"x\", \"y\""),
        found("middle_of_several_tags_gets_304", "\"x\", \"abc\", \"y\""),
        found("last_of_several_tags_gets_304", "\"x\", W/\"y\", \"abc\""),
        found("tags_without_spaces_get_304", "\"x\",\"abc\""),
        found("any_tag_gets_304", "*"),
        found("tag_with_a_comma_before_does_not_hide_the_next", "\"x,y\", \"abc\""),
        missed("other_tag_gets_the_body", "\"def\""),
        missed("tag_in_another_case_gets_the_body", "\"ABC\""),
        missed("tag_without_quotes_gets_the_body", "abc"),
        missed("tag_within_another_one_gets_the_body", "\"abcd\", \"ab\""),
        missed("empty_tag_gets_the_body", "\"\""),
        missed("weakness_in_lower_case_gets_the_body", "w/\"abc\""),
        missed("weakness_with_a_backslash_gets_the_body", "W\\\"abc\""),
        of("stored_weak_tag_gets_304", "RFC 9110 13.1.2", weak, none_match("\"abc\"").not_modified()),
        of("stored_weak_tag_gets_304_for_itself", "RFC 9110 13.1.2", weak, none_match("W/\"abc\"").not_modified()),
        of("stored_empty_tag_gets_304", "RFC 9110 8.8.3", &tagged("\"\""), none_match("\"\"").not_modified()),
        of("stored_tag_without_quotes_gets_the_body", "RFC 9110 8.8.3", &tagged("abc"), none_match("\"abc\"")),
        of(
            "any_tag_gets_304_where_there_is_none",
            "RFC 9110 13.1.2",
            "200 | cache-control: max-age=3600",
            none_match("*").not_modified(),
        ),
        of(
            "tags_over_two_lines_get_304",
            "RFC 9110 5.3",
            STORED,
            none_match("\"x\"").with("if-none-match", "\"abc\"").not_modified(),
        ),
        of(
            "head_with_the_same_tag_gets_304",
            "RFC 9110 13.2.2",
            STORED,
            head().with("if-none-match", "\"abc\"").hit().not_modified(),
        )
        .not_joined(),
    ]
}

fn dates() -> Vec<Case> {
    let since = |value: &str| get().with("if-modified-since", value).hit();
    let source = "RFC 9110 13.1.3";
    let undated = "200 | cache-control: max-age=3600 | date: {date}";
    vec![
        of("unmodified_since_then_gets_304", source, STORED, since(MODIFIED).not_modified()),
        of("unmodified_since_later_gets_304", source, STORED, since(AFTER).not_modified()),
        of("modified_since_then_gets_the_body", source, STORED, since(BEFORE)),
        of(
            "date_in_the_first_old_form_gets_304",
            source,
            STORED,
            since("Wednesday, 01-Jan-25 00:00:00 GMT").not_modified(),
        ),
        of("date_in_the_second_old_form_gets_304", source, STORED, since("Wed Jan  1 00:00:00 2025").not_modified()),
        of("date_that_is_none_gets_the_body", source, STORED, since("yesterday")),
        of("two_dates_get_the_body", source, STORED, since(MODIFIED).with("if-modified-since", AFTER)),
        of("later_date_stands_in_for_last_modified", "RFC 9111 4.3.2", undated, since("{date+100}").not_modified()),
        of("earlier_date_than_the_response_s_gets_the_body", "RFC 9111 4.3.2", undated, since("{date-100}")),
    ]
}

/// The order of RFC 9110 section 13.2.2.
fn precedence() -> Vec<Case> {
    let source = "RFC 9110 13.2.2";
    let asked = |tag: &str, date: &str| get().with("if-none-match", tag).with("if-modified-since", date).hit();
    let error = "404 | cache-control: max-age=3600 | etag: \"abc\"";
    vec![
        of("other_tag_goes_before_the_date", source, STORED, asked("\"x\"", AFTER)),
        of("same_tag_goes_before_the_date", source, STORED, asked("\"abc\"", BEFORE).not_modified()),
        of(
            "condition_goes_before_the_range",
            source,
            STORED,
            asked("\"abc\"", AFTER).with("range", "bytes=0-9").not_modified(),
        ),
        of(
            "condition_that_fails_leaves_the_range",
            source,
            STORED,
            asked("\"x\"", AFTER).with("range", "bytes=0-9").part(0, 10),
        ),
        of(
            "conditions_do_not_matter_to_an_error",
            "RFC 9110 13.2.1",
            error,
            get().with("if-none-match", "\"abc\"").hit(),
        ),
        of("if_match_that_holds_gets_the_body", "RFC 9110 13.1.1", STORED, get().with("if-match", "\"abc\"").hit()),
        of("if_match_of_anything_gets_the_body", "RFC 9110 13.1.1", STORED, get().with("if-match", "*").hit()),
        of(
            "unmodified_since_that_holds_gets_the_body",
            "RFC 9110 13.1.4",
            STORED,
            get().with("if-unmodified-since", AFTER).hit(),
        ),
    ]
}

/// What a 304 says.
fn fields() -> Vec<Case> {
    let line = "200 | cache-control: max-age=3600 | etag: \"abc\" | vary: foo | content-location: /x | \
                expires: Fri, 01 Jan 2100 00:00:00 GMT | content-type: text/plain | x-test: 1";
    let asked = || get().with("if-none-match", "\"abc\"").hit().not_modified();
    let source = "RFC 9110 15.4.5";
    let shown = |name, field, value: &str| of(name, source, line, asked().sees_value(field, value));
    let hidden = |name, field| of(name, source, line, asked().sees(field, Field::Absent));
    vec![
        shown("not_modified_has_the_tag", "etag", "\"abc\""),
        shown("not_modified_has_cache_control", "cache-control", "max-age=3600"),
        of("not_modified_has_vary", source, line, asked().sees("vary", Field::Contains("foo"))),
        shown("not_modified_has_content_location", "content-location", "/x"),
        shown("not_modified_has_expires", "expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
        of("not_modified_has_a_date", source, line, asked().sees("date", Field::Present)),
        hidden("not_modified_has_no_content_type", "content-type"),
        hidden("not_modified_has_no_content_range", "content-range"),
    ]
}
