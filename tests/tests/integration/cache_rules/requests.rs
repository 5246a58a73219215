//! Cases about what clients say of caching (RFC 9111 section 5.2.1), where the policy listens and where it does not.

use super::case::{Ask, Case, get};
use super::policies::Policy;
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    let spelt = [odd(), not_honoured(), pragma()].concat();
    [honoured(), spelt.into_iter().map(Case::not_sliced).collect()].concat()
}

const STORED: &str = "200 | cache-control: max-age=3600 | etag: \"a\"";
/// As stored for half an hour.
const AGED: &str = "200 | cache-control: max-age=3600 | age: 1800 | etag: \"a\"";
const CONFIRMED: &str = "304 | cache-control: max-age=3600 | etag: \"a\"";

fn asked(directives: &str) -> Ask {
    get().with("cache-control", directives)
}

fn of(name: &'static str, source: &'static str, first: &str, second: Ask) -> Case {
    Case::new(name, source, [first, CONFIRMED], [get().fetched(), second])
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn honoured() -> Vec<Case> {
    let untagged = "200 | cache-control: max-age=3600";
    let modified = "200 | cache-control: max-age=3600 | last-modified: Wed, 01 Jan 2025 00:00:00 GMT";
    vec![
        of("zero_max_age_of_a_client_asks_the_origin", "RFC 9111 5.2.1.1", STORED, asked("max-age=0").validated()),
        of(
            "max_age_of_a_client_below_the_age_asks_the_origin",
            "RFC 9111 5.2.1.1",
            AGED,
            asked("max-age=600").validated(),
        ),
        of(
            "max_age_of_a_client_above_the_age_is_a_hit",
            "RFC 9111 5.2.1.1",
            AGED,
            asked("max-age=3000").hit().sees_age(1800),
        ),
        of("min_fresh_that_is_not_met_asks_the_origin", "RFC 9111 5.2.1.3", AGED, asked("min-fresh=2000").validated()),
        of("min_fresh_that_is_met_is_a_hit", "RFC 9111 5.2.1.3", AGED, asked("min-fresh=1000").hit()),
        of("no_cache_of_a_client_asks_the_origin", "RFC 9111 5.2.1.4", STORED, asked("no-cache").validated()),
        Case::new(
            "no_cache_of_a_client_asks_by_last_modified",
            "RFC 9111 5.2.1.4",
            [modified, "304 | cache-control: max-age=3600"],
            [get().fetched(), asked("no-cache").validated().asking("if-modified-since", Field::Present)],
        ),
        Case::new(
            "no_cache_of_a_client_fetches_where_nothing_validates",
            "RFC 9111 5.2.1.4",
            [untagged],
            [get().fetched(), asked("no-cache").fetched().told("fwd=request").joined_freely(), get().hit()],
        ),
        Case::new(
            "what_a_client_asked_for_anew_is_stored_anew",
            "RFC 9111 5.2.1.4",
            [untagged],
            [get().fetched(), asked("max-age=0").fetched().joined_freely(), get().hit().of(2)],
        ),
        Case::new(
            "immutable_does_not_keep_a_client_from_asking",
            "RFC 8246 2",
            ["200 | cache-control: max-age=3600, immutable | etag: \"a\"", CONFIRMED],
            [get().fetched(), asked("no-cache").validated()],
        ),
        of(
            "max_stale_of_a_client_does_not_matter_while_fresh",
            "RFC 9111 5.2.1.2",
            STORED,
            asked("max-stale=10").hit(),
        ),
        of(
            "only_if_cached_is_a_hit_where_something_is_stored",
            "RFC 9111 5.2.1.7",
            STORED,
            asked("only-if-cached").hit(),
        )
        .not_joined(),
        Case::new(
            "only_if_cached_gets_504_where_nothing_is_stored",
            "RFC 9111 5.2.1.7",
            [STORED],
            [asked("only-if-cached").refused(504), get().fetched()],
        ),
        Case::new(
            "only_if_cached_gets_504_where_it_is_stale",
            "RFC 9111 5.2.1.7",
            ["200 | cache-control: max-age=60 | age: 99 | etag: \"a\""],
            [get().fetched(), asked("only-if-cached").refused(504)],
        ),
        Case::new(
            "no_store_of_a_client_is_not_stored",
            "RFC 9111 5.2.1.5",
            [STORED],
            [asked("no-store").fetched(), get().fetched(), get().hit().of(2)],
        ),
        of("no_transform_of_a_client_is_a_hit", "RFC 9111 5.2.1.6", STORED, asked("no-transform").hit()),
        of("unknown_directive_of_a_client_is_a_hit", "RFC 9111 5.2.3", STORED, asked("foo=\"no-cache\"").hit()),
    ]
}

fn odd() -> Vec<Case> {
    let source = "RFC 9111 5.2.1";
    vec![
        of("max_age_of_a_client_that_is_no_number_is_ignored", source, AGED, asked("max-age=abc").hit()),
        of("max_age_of_a_client_that_is_negative_is_ignored", source, AGED, asked("max-age=-1").hit()),
        of("quoted_max_age_of_a_client_is_read", source, AGED, asked("max-age=\"600\"").validated()),
        of("max_age_of_a_client_beyond_64_bits_is_a_hit", source, AGED, asked("max-age=99999999999999999999").hit()),
        of("directives_of_clients_know_no_case", source, STORED, asked("No-Cache").validated()),
        of(
            "directives_over_two_lines_are_one_list",
            "RFC 9110 5.3",
            STORED,
            asked("max-age=3000").with("cache-control", "no-cache").validated(),
        ),
    ]
}

fn not_honoured() -> Vec<Case> {
    let source = "RFC 9111 5.2.1";
    let hit = |name, directives| of(name, source, AGED, asked(directives).hit()).under(Policy::Deaf);
    vec![
        hit("zero_max_age_is_a_hit_where_the_policy_does_not_listen", "max-age=0"),
        hit("no_cache_is_a_hit_where_the_policy_does_not_listen", "no-cache"),
        hit("no_store_is_a_hit_where_the_policy_does_not_listen", "no-store"),
        hit("min_fresh_is_a_hit_where_the_policy_does_not_listen", "min-fresh=3000"),
        hit("only_if_cached_is_a_hit_where_the_policy_does_not_listen", "only-if-cached"),
        of(
            "max_stale_does_not_matter_where_the_policy_does_not_listen",
            source,
            "200 | cache-control: max-age=60 | age: 99 | etag: \"a\"",
            asked("max-stale").validated(),
        )
        .under(Policy::Deaf),
        Case::new(
            "no_store_is_stored_where_the_policy_does_not_listen",
            source,
            [STORED],
            [asked("no-store").fetched(), get().hit()],
        )
        .under(Policy::Deaf),
        Case::new(
            "only_if_cached_is_fetched_where_the_policy_does_not_listen",
            source,
            [STORED],
            [asked("only-if-cached").fetched(), get().hit()],
        )
        .under(Policy::Deaf),
        Case::new(
            "pragma_is_a_hit_where_the_policy_does_not_listen",
            "RFC 9111 5.4",
            [STORED],
            [get().fetched(), get().with("pragma", "no-cache").hit()],
        )
        .under(Policy::Deaf),
    ]
}

fn pragma() -> Vec<Case> {
    let source = "RFC 9111 5.4";
    vec![
        of(
            "pragma_of_a_client_without_cache_control_is_heard",
            source,
            STORED,
            get().with("pragma", "no-cache").validated(),
        ),
        of("unknown_pragma_is_a_hit", source, STORED, get().with("pragma", "foo").hit()),
        of(
            "pragma_beside_cache_control_is_ignored",
            source,
            AGED,
            asked("max-age=3000").with("pragma", "no-cache").hit(),
        ),
    ]
}
