//! Cases about how long a response is fresh: Cache-Control, Expires, heuristics, and how their values are read
//! (RFC 9111 section 4.2).

use super::case::{Case, all_reused, all_validated, get, none_reused, not_reused, reused};
use super::policies::Policy;

pub(super) fn cases() -> Vec<Case> {
    let read = [fresh(), stale(), read_as_fresh(), read_as_stale(), heuristic()].concat();
    [read.into_iter().map(Case::not_sliced).collect(), validated()].concat()
}

fn fresh() -> Vec<Case> {
    all_reused([
        ("positive_max_age_is_reused", "RFC 9111 5.2.2.1", "200 | cache-control: max-age=3600"),
        ("largest_31_bit_max_age_is_reused", "RFC 9111 1.2.2", "200 | cache-control: max-age=2147483647"),
        ("max_age_beyond_31_bits_is_reused", "RFC 9111 1.2.2", "200 | cache-control: max-age=2147483648"),
        ("max_age_beyond_32_bits_is_reused", "RFC 9111 1.2.2", "200 | cache-control: max-age=99999999999"),
        ("max_age_beyond_64_bits_is_reused", "RFC 9111 1.2.2", "200 | cache-control: max-age=99999999999999999999999"),
        ("max_age_goes_before_past_expires", "RFC 9111 5.3", "200 | cache-control: max-age=3600 | expires: {date-100}"),
        ("max_age_goes_before_odd_expires", "RFC 9111 5.3", "200 | cache-control: max-age=3600 | expires: 0"),
        ("unknown_directive_does_not_matter", "RFC 9111 5.2.3", "200 | cache-control: foobar, max-age=3600"),
        ("unknown_argument_does_not_matter", "RFC 9111 5.2.3", "200 | cache-control: foo=\"a, b\", max-age=3600"),
        ("directives_know_no_case", "RFC 9111 5.2", "200 | cache-control: MaX-aGe=3600"),
        ("shared_age_is_reused", "RFC 9111 5.2.2.10", "200 | cache-control: s-maxage=3600"),
        ("shared_age_goes_before_zero_max_age", "RFC 9111 5.2.2.10", "200 | cache-control: max-age=0, s-maxage=3600"),
        (
            "shared_age_goes_before_all_else",
            "RFC 9111 4.2.1",
            "200 | cache-control: s-maxage=3600, max-age=0 | expires: {date-100}",
        ),
        ("future_expires_is_reused", "RFC 9111 5.3", "200 | date: {date} | expires: {date+3600}"),
        ("expires_beside_public_is_reused", "RFC 9111 5.3", "200 | cache-control: public | expires: {date+3600}"),
        ("expires_without_date_is_reused", "RFC 9111 4.2.1", "200 | expires: {date+3600}"),
        ("expires_beside_odd_date_is_reused", "RFC 9111 4.2.1", "200 | date: foo | expires: {date+3600}"),
        ("expires_of_2038_is_reused", "RFC 9110 5.6.7", "200 | expires: Tue, 19 Jan 2038 14:14:08 GMT"),
        ("expires_of_2286_is_reused", "RFC 9110 5.6.7", "200 | expires: Sun, 21 Nov 2286 04:46:39 GMT"),
        ("rfc850_expires_is_reused", "RFC 9110 5.6.7", "200 | date: {date} | expires: {rfc850+3600}"),
        ("asctime_expires_is_reused", "RFC 9110 5.6.7", "200 | date: {date} | expires: {asctime+3600}"),
        ("immutable_is_reused_while_fresh", "RFC 8246 2", "200 | cache-control: max-age=3600, immutable"),
        (
            "must_revalidate_is_reused_while_fresh",
            "RFC 9111 5.2.2.2",
            "200 | cache-control: max-age=3600, must-revalidate",
        ),
        (
            "proxy_revalidate_is_reused_while_fresh",
            "RFC 9111 5.2.2.8",
            "200 | cache-control: max-age=3600, proxy-revalidate",
        ),
        (
            "date_of_the_future_makes_nothing_older",
            "RFC 9111 4.2.3",
            "200 | cache-control: max-age=3600 | date: {date+7200}",
        ),
        ("slow_date_still_leaves_some_life", "RFC 9111 4.2.3", "200 | cache-control: max-age=3600 | date: {date-1800}"),
    ])
}

fn stale() -> Vec<Case> {
    none_reused([
        ("zero_max_age_is_not_reused", "RFC 9111 5.2.2.1", "200 | cache-control: max-age=0"),
        ("silence_is_not_reused", "RFC 9111 4.2.2", "200"),
        ("public_alone_is_not_reused", "RFC 9111 4.2.2", "200 | cache-control: public"),
        ("zero_max_age_goes_before_expires", "RFC 9111 5.3", "200 | cache-control: max-age=0 | expires: {date+3600}"),
        ("negative_max_age_is_stale", "RFC 9111 4.2.1", "200 | cache-control: max-age=-3600"),
        ("zero_shared_age_goes_before_max_age", "RFC 9111 5.2.2.10", "200 | cache-control: max-age=3600, s-maxage=0"),
        ("shared_age_may_come_first", "RFC 9111 5.2.2.10", "200 | cache-control: s-maxage=0, max-age=3600"),
        (
            "shared_age_may_stand_on_another_line",
            "RFC 9110 5.3",
            "200 | cache-control: max-age=3600 | cache-control: s-maxage=0",
        ),
        ("age_beyond_max_age_is_stale", "RFC 9111 4.2.3", "200 | cache-control: max-age=3600 | age: 7200"),
        ("age_of_just_max_age_is_stale", "RFC 9111 4.2", "200 | cache-control: max-age=3600 | age: 3600"),
        (
            "apparent_age_beyond_max_age_is_stale",
            "RFC 9111 4.2.3",
            "200 | cache-control: max-age=3600 | date: {date-7200}",
        ),
        ("past_expires_is_stale", "RFC 9111 5.3", "200 | date: {date} | expires: {date-3600}"),
        ("present_expires_is_stale", "RFC 9111 5.3", "200 | date: {date} | expires: {date}"),
        ("expires_before_date_is_stale", "RFC 9111 4.2.1", "200 | date: {date+7200} | expires: {date+3600}"),
        ("zero_expires_is_stale", "RFC 9111 5.3", "200 | expires: 0"),
        ("age_beyond_expires_is_stale", "RFC 9111 4.2.3", "200 | date: {date} | expires: {date+3600} | age: 7200"),
        (
            "age_beyond_expires_is_stale_with_a_slow_date",
            "RFC 9111 4.2.3",
            "200 | date: {date-10} | expires: {date+3600} | age: 7200",
        ),
        (
            "age_beyond_expires_is_stale_with_a_fast_date",
            "RFC 9111 4.2.3",
            "200 | date: {date+10} | expires: {date+3600} | age: 7200",
        ),
    ])
}

fn validated() -> Vec<Case> {
    all_validated([
        (
            "stale_response_with_etag_is_validated",
            "RFC 9111 4.3.1",
            "200 | cache-control: max-age=60 | age: 99 | etag: \"a\"",
        ),
        (
            "stale_response_with_weak_etag_is_validated",
            "RFC 9111 4.3.1",
            "200 | cache-control: max-age=0 | etag: W/\"a\"",
        ),
        (
            "stale_response_with_last_modified_is_validated",
            "RFC 9111 4.3.1",
            "200 | cache-control: max-age=0 | last-modified: {date-1000}",
        ),
        (
            "immutable_is_validated_once_stale",
            "RFC 8246 2",
            "200 | cache-control: max-age=60, immutable | age: 99 | etag: \"a\"",
        ),
        (
            "must_revalidate_is_validated_once_stale",
            "RFC 9111 5.2.2.2",
            "200 | cache-control: max-age=0, must-revalidate | etag: \"a\"",
        ),
    ])
}

fn read_as_fresh() -> Vec<Case> {
    let age = |age: &str| format!("200 | cache-control: max-age=3600 | {age}");
    let aged = [
        ("age_that_is_no_number_is_ignored", "age: abc"),
        ("negative_age_is_ignored", "age: -7200"),
        ("age_with_a_fraction_is_ignored", "age: 7200.0"),
        ("age_of_zero_twice_is_fresh", "age: 0 | age: 0"),
        ("first_age_of_a_line_counts", "age: 0, 7200"),
        ("first_line_of_age_counts", "age: 0 | age: 7200"),
        ("ages_that_are_no_numbers_are_ignored", "age: abc | age: abc"),
        ("age_with_a_parameter_is_ignored", "age: 7200;foo=bar"),
    ];
    let aged = aged.map(|(name, line)| reused(name, "RFC 9111 5.1", age(line).as_str()));
    let read = all_reused([
        ("expires_in_capitals_is_read", "RFC 9111 4.2", "200 | expires: THU, 18 AUG 2050 02:01:18 GMT"),
        ("expires_with_a_small_zone_is_read", "RFC 9111 4.2", "200 | expires: Thu, 18 Aug 2050 02:01:18 gMT"),
        ("first_of_two_max_ages_counts", "RFC 9111 4.2.1", "200 | cache-control: max-age=3600, max-age=0"),
        (
            "first_line_with_max_age_counts",
            "RFC 9111 4.2.1",
            "200 | cache-control: max-age=3600 | cache-control: max-age=0",
        ),
        ("quoted_max_age_is_read", "RFC 9111 5.2", "200 | cache-control: max-age=\"3600\""),
        ("max_age_may_begin_with_zeros", "RFC 9111 1.2.2", "200 | cache-control: max-age=003600"),
        ("empty_elements_are_skipped", "RFC 9110 5.6.1", "200 | cache-control: , ,max-age=3600,,"),
        (
            "quoted_words_are_no_directives",
            "RFC 9111 5.2",
            "200 | cache-control: foo=\"no-store, private\", max-age=3600",
        ),
    ]);
    [aged.into(), read].concat()
}

fn read_as_stale() -> Vec<Case> {
    let age = |age: &str| format!("200 | cache-control: max-age=3600 | {age}");
    let aged = [
        ("age_of_31_bits_is_stale", "age: 2147483647"),
        ("age_beyond_31_bits_is_stale", "age: 2147483648"),
        ("age_of_63_bits_is_stale", "age: 9223372036854775808"),
        ("age_beyond_64_bits_is_stale", "age: 99999999999999999999"),
        ("first_age_of_a_line_is_stale", "age: 7200, 0"),
        ("first_line_of_age_is_stale", "age: 7200 | age: 0"),
    ];
    let aged = aged.map(|(name, line)| not_reused(name, "RFC 9111 5.1", age(line).as_str()));
    let odd_expires = [
        ("expires_in_utc_is_stale", "{utc}"),
        ("expires_in_another_zone_is_stale", "Thu, 18 Aug 2050 02:01:18 AEST"),
        ("expires_with_two_digits_of_a_year_is_stale", "Thu, 18 Aug 50 02:01:18 GMT"),
        ("expires_without_a_comma_is_stale", "Thu 18 Aug 2050 02:01:18 GMT"),
        ("expires_with_two_spaces_is_stale", "Thu, 18  Aug  2050 02:01:18 GMT"),
        ("expires_with_dashes_is_stale", "Thu, 18-Aug-2050 02:01:18 GMT"),
        ("expires_with_dots_in_its_time_is_stale", "Thu, 18 Aug 2050 02.01.18 GMT"),
        ("expires_with_one_digit_of_an_hour_is_stale", "Thu, 18 Aug 2050 2:01:18 GMT"),
    ];
    let odd_expires = odd_expires.map(|(name, date)| {
        let date = date.replace("{utc}", "Thu, 18 Aug 2050 02:01:18 UTC");
        not_reused(name, "RFC 9111 5.3", format!("200 | expires: {date}").as_str())
    });
    let read = none_reused([
        ("first_of_two_max_ages_counts_when_zero", "RFC 9111 4.2.1", "200 | cache-control: max-age=0, max-age=3600"),
        (
            "first_line_with_max_age_counts_when_zero",
            "RFC 9111 4.2.1",
            "200 | cache-control: max-age=0 | cache-control: max-age=3600",
        ),
        (
            "quoted_max_age_before_a_real_one_is_none",
            "RFC 9111 5.2",
            "200 | cache-control: foo=\"max-age=3600\", max-age=0",
        ),
        (
            "quoted_max_age_behind_a_real_one_is_none",
            "RFC 9111 5.2",
            "200 | cache-control: max-age=0, foo=\"max-age=3600\"",
        ),
        ("max_age_in_single_quotes_is_stale", "RFC 9111 4.2.1", "200 | cache-control: max-age='3600'"),
        ("max_age_with_a_fraction_is_stale", "RFC 9111 4.2.1", "200 | cache-control: max-age=3600.0"),
        ("max_age_behind_a_letter_is_stale", "RFC 9111 4.2.1", "200 | cache-control: max-age=a3600"),
        ("max_age_before_a_letter_is_stale", "RFC 9111 4.2.1", "200 | cache-control: max-age=3600a"),
        ("max_age_with_a_space_before_the_sign_is_stale", "RFC 9111 5.2", "200 | cache-control: max-age =3600"),
        ("max_age_with_a_space_behind_the_sign_is_stale", "RFC 9111 5.2", "200 | cache-control: max-age= 3600"),
    ]);
    [aged.into(), odd_expires.into(), read].concat()
}

/// A tenth of the time since Last-Modified, at most a day, for statuses that allow it.
fn heuristic() -> Vec<Case> {
    let source = "RFC 9111 4.2.2";
    let all = [
        reused("tenth_of_the_age_of_a_file_is_fresh", source, "200 | last-modified: {date-86400}"),
        not_reused("heuristic_freshness_ends", source, "200 | last-modified: {date-86400} | age: 9000").not_joined(),
        not_reused(
            "heuristic_freshness_is_capped",
            source,
            "200 | last-modified: Sat, 01 Jan 2000 00:00:00 GMT | age: 86500",
        )
        .not_joined(),
        not_reused("modified_in_the_future_is_no_hint", source, "200 | last-modified: {date+86400}"),
        not_reused(
            "zero_max_age_goes_before_heuristics",
            source,
            "200 | cache-control: max-age=0 | last-modified: {date-86400}",
        ),
        not_reused("zero_expires_goes_before_heuristics", source, "200 | expires: 0 | last-modified: {date-86400}"),
        reused(
            "pragma_of_a_response_says_nothing",
            "RFC 9111 5.4",
            "200 | pragma: no-cache | last-modified: {date-86400}",
        ),
        reused(
            "attachment_is_as_fresh_as_anything",
            source,
            "200 | content-disposition: attachment | last-modified: {date-86400}",
        ),
    ];
    let mut cases: Vec<Case> = all.map(|case| case.under(Policy::Heuristic)).into();
    cases.push(not_reused("no_heuristics_without_the_policy", source, "200 | last-modified: {date-86400}"));
    let twice = [get().fetched(), get().hit()];
    let aged = "200 | last-modified: {date-86400} | age: 600";
    cases.push(Case::new("age_counts_against_heuristics", source, [aged], twice).under(Policy::Heuristic));
    cases
}
