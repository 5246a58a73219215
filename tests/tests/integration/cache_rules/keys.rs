//! Cases about what makes the key, by policy, and No-Vary-Search.

use super::case::{Ask, Case, get};
use super::policies::Policy;
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [arguments(), search(), fields(), device()].concat().into_iter().map(Case::not_sliced).collect()
}

const FRESH: &str = "200 | cache-control: max-age=3600";
const SOURCE: &str = "RFC 9111 2";

fn same(name: &'static str, policy: Policy, first: &str, second: &str) -> Case {
    Case::new(name, SOURCE, [FRESH], [get().at(first).fetched(), get().at(second).hit()]).under(policy)
}

fn other(name: &'static str, policy: Policy, first: &str, second: &str) -> Case {
    Case::new(name, SOURCE, [FRESH], [get().at(first).fetched(), get().at(second).fetched()]).under(policy)
}

fn arguments() -> Vec<Case> {
    use Policy::{NoArguments, OneArgument, Plain, SomeArguments};
    vec![
        other("order_of_arguments_matters_by_default", Plain, "?a=1&b=2", "?b=2&a=1"),
        other("names_of_arguments_know_case", Plain, "?a=1", "?A=1"),
        other("path_knows_case", Plain, "/a", "/A"),
        same("cmcd_is_no_part_of_the_key", Plain, "?a=1&CMCD=bl%3D1", "?a=1&CMCD=bl%3D2"),
        same("order_of_arguments_does_not_matter_where_sorted", SomeArguments, "?a=1&b=2", "?b=2&a=1"),
        other("order_within_one_name_matters_where_sorted", SomeArguments, "?a=1&a=2", "?a=2&a=1"),
        same("argument_left_out_does_not_matter", SomeArguments, "?a=1&session=x", "?a=1&session=y"),
        same("arguments_left_out_by_their_beginning_do_not_matter", SomeArguments, "?utm_a=1&a=1", "?a=1&utm_b=2"),
        same("argument_left_out_is_known_in_another_spelling", SomeArguments, "?a=1&sess%69on=x", "?a=1"),
        other("argument_not_left_out_matters", SomeArguments, "?a=1&sessions=x", "?a=1&sessions=y"),
        same("only_the_argument_that_counts_matters", OneArgument, "?v=1&a=1", "?v=1&a=2"),
        other("argument_that_counts_matters", OneArgument, "?v=1", "?v=2"),
        other("absence_of_the_argument_that_counts_matters", OneArgument, "?v=1", ""),
        same("no_argument_matters_where_none_counts", NoArguments, "?a=1", "?b=2"),
        same("no_query_is_as_any_where_none_counts", NoArguments, "?a=1", ""),
    ]
}

/// The origin says which arguments do not tell its responses apart.
fn search() -> Vec<Case> {
    let of = |name, value: &str, first: &str, second: Ask| {
        let line = format!("{FRESH} | no-vary-search: {value}");
        Case::new(name, "No-Vary-Search", [line.as_str()], [get().at(first).fetched(), second]).not_joined()
    };
    vec![
        of("arguments_that_do_not_vary_share", "params=(\"x\")", "?a=1&x=1", get().at("?a=1&x=2").hit()),
        of("no_argument_varies_where_all_are_named", "params", "?a=1", get().at("?b=2").hit()),
        of("all_but_named_arguments_share", "params, except=(\"v\")", "?v=1&a=1", get().at("?v=1&a=2").hit()),
        of("order_of_arguments_may_not_vary", "key-order", "?a=1&b=2", get().at("?b=2&a=1").hit()),
        of("arguments_that_vary_do_not_share", "params=(\"x\")", "?a=1&x=1", get().at("?a=2&x=1").fetched()),
        of("named_arguments_vary_where_all_others_share", "params, except=(\"v\")", "?v=1", get().at("?v=2").fetched()),
        of("spoilt_no_vary_search_is_ignored", "params=(\"x\"", "?x=1", get().at("?x=2").fetched()),
        of(
            "no_vary_search_is_not_heard_where_the_policy_says_so",
            "params=(\"x\")",
            "?x=1",
            get().at("?x=2").fetched(),
        )
        .under(Policy::AllSearches),
    ]
}

fn fields() -> Vec<Case> {
    let steps = |first: Ask, second: Ask| [first, second];
    let of = |name, steps: [Ask; 2]| Case::new(name, SOURCE, [FRESH], steps).under(Policy::FieldsInKey);
    let kind = |value: &str| get().with("x-kind", value);
    let cookie = |value: &str| get().with("cookie", value);
    vec![
        of("field_in_the_key_is_reused_for_the_same_value", steps(kind("a").fetched(), kind("a").hit())),
        of("field_in_the_key_tells_values_apart", steps(kind("a").fetched(), kind("b").fetched())),
        of("field_in_the_key_is_no_list", steps(kind("gold,").fetched(), kind("gold").fetched())),
        of(
            "field_in_the_key_tells_lines_apart",
            steps(kind("gold").with("x-kind", "").fetched(), kind("gold").fetched()),
        ),
        of("field_in_the_key_tells_absence_apart", steps(kind("a").fetched(), get().fetched())),
        of(
            "field_in_the_key_is_sent_to_the_origin",
            steps(kind("a").fetched().asking("x-kind", Field::Is("a".to_owned())), kind("a").hit()),
        ),
        of(
            "cookie_in_the_key_is_reused_for_the_same_value",
            steps(cookie("lang=de; a=1").fetched(), cookie("b=2; lang=de").hit()),
        ),
        of("cookie_in_the_key_tells_values_apart", steps(cookie("lang=de").fetched(), cookie("lang=en").fetched())),
        of("cookie_in_the_key_tells_absence_apart", steps(cookie("lang=de").fetched(), get().fetched())),
        of("other_cookies_do_not_matter", steps(cookie("a=1").fetched(), cookie("a=2").hit())),
    ]
}

fn device() -> Vec<Case> {
    let agent = |value: &str| get().with("user-agent", value);
    let of = |name, steps: [Ask; 2]| Case::new(name, SOURCE, [FRESH], steps).under(Policy::DeviceInKey);
    let (phone, other_phone) = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    );
    let desktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36";
    vec![
        of("devices_of_one_kind_share", [agent(phone).fetched(), agent(other_phone).hit()]),
        of("devices_of_other_kinds_do_not_share", [agent(phone).fetched(), agent(desktop).fetched()]),
        of(
            "origin_is_told_the_kind_of_device",
            [agent(phone).fetched().asking("tidegate-device", Field::Is("phone".to_owned())), agent(phone).hit()],
        ),
    ]
}
