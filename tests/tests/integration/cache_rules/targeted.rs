//! Cases about targeted fields (RFC 9213).

use super::case::{Case, all_reused, all_validated, none_reused, not_reused, reused};
use super::policies::Policy;
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [reads(), forbids(), ignores(), lists()].concat().into_iter().map(Case::not_sliced).collect()
}

fn reads() -> Vec<Case> {
    all_reused([
        ("targeted_max_age_is_reused", "RFC 9213 2.2", "200 | cdn-cache-control: max-age=3600"),
        ("targeted_max_age_beyond_31_bits_is_reused", "RFC 9213 2.2", "200 | cdn-cache-control: max-age=2147483648"),
        ("targeted_max_age_beyond_32_bits_is_reused", "RFC 9213 2.2", "200 | cdn-cache-control: max-age=99999999999"),
        ("targeted_unknown_directive_does_not_matter", "RFC 9213 2.1", "200 | cdn-cache-control: foobar, max-age=3600"),
        (
            "targeted_field_goes_before_past_expires",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=3600 | expires: {date-100}",
        ),
        (
            "targeted_field_goes_before_odd_expires",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=3600 | expires: 0",
        ),
        (
            "targeted_field_goes_before_zero_max_age",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=3600 | cache-control: max-age=0",
        ),
        (
            "targeted_field_goes_before_no_store",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=3600 | cache-control: no-store",
        ),
        (
            "targeted_field_goes_before_private",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=3600 | cache-control: private",
        ),
        ("targeted_shared_age_is_reused", "RFC 9213 2.1", "200 | cdn-cache-control: s-maxage=3600, max-age=0"),
        (
            "own_field_goes_before_that_of_all_networks",
            "RFC 9213 2.2",
            "200 | tidegate-cdn-cache-control: max-age=3600 | cdn-cache-control: no-store",
        ),
        ("parameters_of_targeted_directives_are_ignored", "RFC 9213 2.1", "200 | cdn-cache-control: max-age=3600;x=1"),
    ])
}

fn forbids() -> Vec<Case> {
    let mut cases = none_reused([
        ("targeted_zero_max_age_is_not_reused", "RFC 9213 2.2", "200 | cdn-cache-control: max-age=0"),
        ("age_counts_against_targeted_max_age", "RFC 9111 4.2.3", "200 | cdn-cache-control: max-age=3600 | age: 7200"),
        (
            "targeted_zero_goes_before_expires",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=0 | expires: {date+3600}",
        ),
        (
            "targeted_zero_goes_before_max_age",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: max-age=0 | cache-control: max-age=3600",
        ),
        (
            "targeted_private_is_not_stored",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: private | cache-control: max-age=3600",
        ),
        (
            "targeted_no_store_is_not_stored",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: no-store | cache-control: max-age=3600",
        ),
        (
            "targeted_field_without_freshness_leaves_expires_out",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: public | expires: {date+3600}",
        ),
    ]);
    cases.extend(all_validated([(
        "targeted_no_cache_is_validated",
        "RFC 9213 2.2",
        "200 | cdn-cache-control: no-cache | cache-control: max-age=3600 | etag: \"a\"",
    )]));
    cases
}

/// A field that is no dictionary, or empty, counts as absent.
fn ignores() -> Vec<Case> {
    let spoilt = |name, value: &str| {
        let line = format!("200 | cdn-cache-control: {value} | cache-control: no-store");
        not_reused(name, "RFC 9213 2.2", line.as_str())
    };
    vec![
        spoilt("targeted_field_with_an_unknown_type_is_ignored", "max-age=10000, &&&&&"),
        spoilt("targeted_max_age_that_is_a_string_is_ignored", "max-age=\"10000\""),
        spoilt("targeted_max_age_with_a_space_before_the_sign_is_ignored", "max-age =10000"),
        spoilt("targeted_max_age_with_a_space_behind_the_sign_is_ignored", "max-age= 10000"),
        spoilt("targeted_names_in_capitals_are_ignored", "MaX-aGe=10000"),
        spoilt("targeted_max_age_that_is_negative_is_stale", "max-age=-1"),
        reused(
            "empty_targeted_field_counts_as_absent",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: | cache-control: max-age=3600",
        ),
        reused(
            "spoilt_targeted_field_leaves_the_usual_one",
            "RFC 9213 2.2",
            "200 | cdn-cache-control: &&& | cache-control: max-age=3600",
        ),
        reused(
            "spoilt_own_field_leaves_the_next_one",
            "RFC 9213 2.2",
            "200 | tidegate-cdn-cache-control: ?? | cdn-cache-control: max-age=3600",
        ),
    ]
}

fn lists() -> Vec<Case> {
    let mut forwarded =
        reused("targeted_field_of_all_networks_is_passed_on", "RFC 9213 3", "200 | cdn-cache-control: max-age=3600");
    forwarded.steps[1] = forwarded.steps[1].clone().sees("cdn-cache-control", Field::Is("max-age=3600".to_owned()));
    vec![
        forwarded,
        reused(
            "targeted_fields_are_those_of_the_policy",
            "RFC 9213 2.2",
            "200 | surrogate-rules: max-age=3600 | cache-control: no-store",
        )
        .under(Policy::Targeted),
        not_reused("other_targeted_fields_are_none", "RFC 9213 2.2", "200 | tidegate-cdn-cache-control: max-age=3600")
            .under(Policy::Targeted),
    ]
}
