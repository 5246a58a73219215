//! Cases about Vary (RFC 9111 section 4.1).

use super::case::{Ask, Case, all_reused, get, none_reused};
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    let spelt = [matching(), differing(), spellings(), never()].concat();
    [spelt.into_iter().map(Case::not_sliced).collect(), several(), validation()].concat()
}

const SOURCE: &str = "RFC 9111 4.1";

fn line(vary: &str) -> String {
    format!("200 | cache-control: max-age=3600 | vary: {vary}")
}

/// A GET with these fields, written as `name: value`.
fn with(fields: &[&str]) -> Ask {
    fields.iter().filter_map(|field| field.split_once(": ")).fold(get(), |ask, (name, value)| ask.with(name, value))
}

fn same(name: &'static str, vary: &str, first: &[&str], second: &[&str]) -> Case {
    Case::new(name, SOURCE, [line(vary).as_str()], [with(first).fetched(), with(second).hit()])
}

fn other(name: &'static str, vary: &str, first: &[&str], second: &[&str]) -> Case {
    Case::new(name, SOURCE, [line(vary).as_str()], [with(first).fetched(), with(second).fetched()])
}

fn matching() -> Vec<Case> {
    vec![
        same("same_selecting_field_is_reused", "foo", &["foo: 1"], &["foo: 1"]),
        same("absent_selecting_field_matches_absence", "foo", &[], &[]),
        same("fields_that_vary_does_not_name_do_not_matter", "foo", &["foo: 1", "bar: 2"], &["foo: 1", "bar: 3"]),
        same("two_selecting_fields_are_reused", "foo, bar", &["foo: 1", "bar: 2"], &["foo: 1", "bar: 2"]),
        same("two_selecting_fields_in_any_order_are_reused", "foo, bar", &["foo: 1", "bar: 2"], &["bar: 2", "foo: 1"]),
        same(
            "three_selecting_fields_are_reused",
            "foo, bar, baz",
            &["foo: 1", "bar: 2", "baz: 3"],
            &["foo: 1", "bar: 2", "baz: 3"],
        ),
        same("absence_of_one_of_three_matches_absence", "foo, bar, baz", &["foo: 1", "baz: 3"], &["baz: 3", "foo: 1"]),
        same("names_in_vary_know_no_case", "FoO", &["foo: 1"], &["foo: 1"]),
        same("vary_over_two_lines_is_one_list", "foo | vary: bar", &["foo: 1", "bar: 2"], &["foo: 1", "bar: 2"]),
        same("name_twice_in_vary_counts_once", "foo, foo", &["foo: 1"], &["foo: 1"]),
        same(
            "vary_by_origin_is_reused_for_the_same_one",
            "origin",
            &["origin: https://a.test"],
            &["origin: https://a.test"],
        ),
        same("vary_by_cookie_is_reused_for_the_same_one", "cookie", &["cookie: a=1"], &["cookie: a=1"]),
    ]
}

fn differing() -> Vec<Case> {
    vec![
        other("other_selecting_field_is_not_reused", "foo", &["foo: 1"], &["foo: 2"]),
        other("stored_without_the_selecting_field_is_not_reused", "foo", &[], &["foo: 1"]),
        other("asked_without_the_selecting_field_is_not_reused", "foo", &["foo: 1"], &[]),
        other("empty_selecting_field_is_not_an_absent_one", "foo", &["foo: 1"], &["foo: "]),
        other("second_selecting_field_that_differs_matters", "foo, bar", &["foo: 1", "bar: 2"], &["foo: 1", "bar: 3"]),
        other("second_selecting_field_that_is_absent_matters", "foo, bar", &["foo: 1", "bar: 2"], &["foo: 1"]),
        other("second_line_of_vary_matters", "foo | vary: bar", &["foo: 1", "bar: 2"], &["foo: 1", "bar: 3"]),
        other("values_of_unknown_fields_know_case", "foo", &["foo: a"], &["foo: A"]),
        other("order_of_unknown_values_matters", "foo", &["foo: 1, 2"], &["foo: 2, 1"]),
        other("lines_of_unknown_fields_are_no_list", "foo", &["foo: 1", "foo: 2"], &["foo: 1, 2"]),
        other("white_space_within_unknown_values_matters", "foo", &["foo: 1,2"], &["foo: 1, 2"]),
        other("empty_elements_of_unknown_values_matter", "foo", &["foo: 1,"], &["foo: 1"]),
        other("empty_line_beside_an_unknown_value_matters", "foo", &["foo: 1", "foo: "], &["foo: 1"]),
        other("comma_in_a_user_agent_matters", "user-agent", &["user-agent: ,a/1"], &["user-agent: a/1"]),
        other("values_do_not_run_into_each_other", "foo, bar", &["foo: 1", "bar: 2"], &["foo: 12"]),
        other("vary_by_origin_tells_sites_apart", "origin", &["origin: https://a.test"], &["origin: https://b.test"]),
        other("vary_by_cookie_tells_cookies_apart", "cookie", &["cookie: a=1"], &["cookie: a=2"]),
        other(
            "weight_of_a_coding_matters",
            "accept-encoding",
            &["accept-encoding: gzip, br;q=0.5"],
            &["accept-encoding: gzip"],
        ),
        other("refused_coding_matters", "accept-encoding", &["accept-encoding: gzip;q=0"], &["accept-encoding: gzip"]),
        other(
            "order_of_languages_matters",
            "accept-language",
            &["accept-language: en, de"],
            &["accept-language: de, en"],
        ),
        other("user_agents_are_told_apart", "user-agent", &["user-agent: a/1"], &["user-agent: b/1"]),
    ]
}

fn several() -> Vec<Case> {
    let (one, two) = (|| with(&["foo: 1"]), || with(&["foo: 2"]));
    let change = ["200 | cache-control: max-age=3600 | vary: foo", "200 | cache-control: max-age=3600 | vary: bar"];
    vec![
        Case::new(
            "two_variants_are_stored_beside_each_other",
            SOURCE,
            [line("foo").as_str()],
            [one().fetched(), two().fetched(), one().hit().of(1), two().hit().of(2)],
        ),
        Case::new(
            "missing_variant_is_told_apart_from_a_missing_resource",
            "RFC 9211 2.2",
            [line("foo").as_str()],
            [one().fetched().told("fwd=uri-miss"), two().fetched().told("fwd=vary-miss")],
        )
        .not_joined(),
        Case::new(
            "variants_differ_by_what_the_latest_answer_names",
            SOURCE,
            change,
            [one().fetched(), two().with("bar", "1").fetched(), two().with("bar", "1").hit()],
        ),
        Case::new(
            "answer_without_vary_does_not_undo_a_variant",
            SOURCE,
            ["200 | cache-control: max-age=3600 | vary: foo", "200 | cache-control: max-age=3600"],
            [one().fetched(), two().fetched(), two().hit()],
        ),
    ]
}

/// What means the same may share a variant.
fn spellings() -> Vec<Case> {
    vec![
        same("lines_of_a_selecting_list_are_one", "accept", &["accept: a/1", "accept: a/2"], &["accept: a/1, a/2"]),
        same("white_space_in_selecting_lists_does_not_matter", "accept", &["accept: a/1,a/2"], &["accept: a/1,   a/2"]),
        same(
            "empty_elements_of_selecting_lists_do_not_matter",
            "accept",
            &["accept: a/1, , a/2"],
            &["accept: a/1, a/2"],
        ),
        same(
            "languages_know_no_case",
            "accept-language",
            &["accept-language: en-GB, de"],
            &["accept-language: EN-gb, DE"],
        ),
        same(
            "spaces_between_languages_do_not_matter",
            "accept-language",
            &["accept-language: en,de"],
            &["accept-language: en, de"],
        ),
        same(
            "codings_in_any_order_are_the_same",
            "accept-encoding",
            &["accept-encoding: gzip, br"],
            &["accept-encoding: br, gzip"],
        ),
        same("codings_know_no_case", "accept-encoding", &["accept-encoding: GZip"], &["accept-encoding: gzip"]),
        same(
            "weight_of_one_is_no_weight",
            "accept-encoding",
            &["accept-encoding: gzip;q=1.0"],
            &["accept-encoding: gzip"],
        ),
        same("old_name_of_gzip_is_gzip", "accept-encoding", &["accept-encoding: x-gzip"], &["accept-encoding: gzip"]),
    ]
}

fn never() -> Vec<Case> {
    let mut cases = none_reused([
        ("vary_star_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: *"),
        ("vary_star_twice_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: *, *"),
        ("vary_star_on_two_lines_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: * | vary: *"),
        ("vary_star_behind_an_empty_element_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: , *"),
        ("vary_star_behind_an_empty_line_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: | vary: *"),
        ("vary_star_before_a_name_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: *, foo"),
        ("vary_star_behind_a_name_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: foo, *"),
        ("vary_that_is_no_name_is_not_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: a b"),
    ]);
    cases.extend(all_reused([
        ("empty_vary_is_reused", SOURCE, "200 | cache-control: max-age=3600 | vary:"),
        ("vary_of_empty_elements_is_reused", SOURCE, "200 | cache-control: max-age=3600 | vary: , ,"),
    ]));
    cases
}

fn validation() -> Vec<Case> {
    let stale = "200 | cache-control: max-age=60 | age: 99 | vary: foo | etag: \"a\"";
    vec![
        Case::new(
            "validation_carries_the_selecting_fields",
            "RFC 9111 4.3.1",
            [stale, "304 | cache-control: max-age=60 | vary: foo | etag: \"a\""],
            [with(&["foo: 1"]).fetched(), with(&["foo: 1"]).validated().asking("foo", Field::Is("1".to_owned()))],
        ),
        Case::new(
            "other_variant_is_not_validated_by_its_neighbour",
            "RFC 9111 4.3.1",
            [stale],
            [with(&["foo: 1"]).fetched(), with(&["foo: 2"]).fetched()],
        ),
        Case::new(
            "variants_are_validated_each_by_its_own_tag",
            "RFC 9111 4.3.1",
            [
                stale,
                "200 | cache-control: max-age=60 | age: 99 | vary: foo | etag: \"b\"",
                "304 | vary: foo | etag: \"a\"",
            ],
            [
                with(&["foo: 1"]).fetched(),
                with(&["foo: 2"]).fetched(),
                with(&["foo: 1"]).validated().of(1).asking_value("if-none-match", "\"a\""),
            ],
        ),
    ]
}
