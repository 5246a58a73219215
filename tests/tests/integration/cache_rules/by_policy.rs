//! Cases about what operators allow where the origin is silent: errors that are kept, stale answers, cookies.

use super::answer::answer;
use super::case::{Case, get, not_reused, reused};
use super::policies::Policy;
use crate::table::row::Field;

pub(super) fn cases() -> Vec<Case> {
    [negative(), grace(), cookies()].concat()
}

fn negative() -> Vec<Case> {
    let source = "RFC 9111 4.2.2";
    let kept = |name, line: &str, least, most| {
        Case::new(name, source, [line], [get().fetched(), get().hit().fresh_for(least, most)]).under(Policy::Negative)
    };
    let not = |name, line: &str| not_reused(name, source, line).under(Policy::Negative);
    vec![
        kept("missing_is_remembered_as_the_policy_says", "404", 3500, 3600),
        kept("unavailable_is_remembered_as_the_policy_says", "503", 540, 600),
        not("gone_is_not_remembered_where_the_policy_does_not_name_it", "410"),
        not("no_store_goes_before_negative_caching", "404 | cache-control: no-store"),
        not("private_goes_before_negative_caching", "404 | cache-control: private"),
        not("zero_max_age_goes_before_negative_caching", "404 | cache-control: max-age=0"),
        kept("max_age_goes_before_negative_caching", "404 | cache-control: max-age=100", 50, 100),
        not("silence_about_a_success_is_no_negative_caching", "200"),
        not_reused("nothing_is_negative_without_the_policy", source, "404").under(Policy::Plain),
    ]
}

fn grace() -> Vec<Case> {
    let source = "RFC 5861";
    let stale = |seconds: u64, more: &str| {
        answer(&format!("200 | cache-control: max-age=60{more} | age: {} | etag: \"a\"", 60 + seconds))
    };
    let new = || answer("200 | cache-control: max-age=3600");
    let of = |name, first, second, ask| {
        Case::new(name, source, [first, second], [get().fetched(), ask]).under(Policy::Grace).not_joined()
    };
    vec![
        of("policy_lets_stale_answers_be_revalidated_beside", stale(30, ""), new(), get().refreshed().of(1)),
        of("policy_s_grace_ends", stale(700, ""), new(), get().fetched()),
        of("policy_lets_stale_answers_bridge_errors", stale(700, ""), answer("503"), get().bridged()),
        of("policy_s_grace_on_errors_ends", stale(1300, ""), answer("503"), get().fetched().status(503)),
        of("policy_does_not_lift_must_revalidate", stale(30, ", must-revalidate"), new(), get().fetched()),
        of("policy_does_not_lift_proxy_revalidate", stale(30, ", proxy-revalidate"), new(), get().fetched()),
        of(
            "origin_s_own_grace_goes_before_the_policy_s",
            stale(30, ", stale-while-revalidate=0"),
            new(),
            get().fetched(),
        ),
        of(
            "origin_s_own_grace_on_errors_goes_before_the_policy_s",
            stale(700, ", stale-if-error=0"),
            answer("503"),
            get().fetched().status(503),
        ),
    ]
}

fn cookies() -> Vec<Case> {
    let source = "RFC 9111 7.3";
    let line = "200 | cache-control: max-age=3600 | set-cookie: a=b";
    vec![
        not_reused("set_cookie_is_never_stored_where_the_policy_says_so", source, line).under(Policy::NoCookies),
        reused("answers_without_set_cookie_are_stored_beside_it", source, "200 | cache-control: max-age=3600")
            .under(Policy::NoCookies),
        Case::new(
            "set_cookie_is_stripped_from_what_is_stored",
            source,
            [line],
            [get().fetched().sees_value("set-cookie", "a=b"), get().hit().sees("set-cookie", Field::Absent)],
        )
        .under(Policy::StripCookies),
    ]
}
