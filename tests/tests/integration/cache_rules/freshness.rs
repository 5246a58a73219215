//! Cases about freshness (RFC 9111 section 4.2, RFC 9213).

use super::case::{Case, get, not_reused, reused, validated};
use super::policies::Policy;

pub(super) fn cases() -> Vec<Case> {
    [explicit(), parsing(), expires()].concat()
}

fn explicit() -> Vec<Case> {
    vec![
        reused("positive_max_age_is_reused", "RFC 9111 5.2.2.1", "200 | cache-control: max-age=3600"),
        not_reused("zero_max_age_is_not_reused", "RFC 9111 5.2.2.1", "200 | cache-control: max-age=0"),
        not_reused("no_freshness_is_not_reused", "RFC 9111 4.2.2", "200"),
        validated("stale_max_age_is_validated", "RFC 9111 4.3.1", "200 | cache-control: max-age=60 | age: 3600 | etag: \"a\""),
    ]
}

fn parsing() -> Vec<Case> {
    vec![]
}

fn expires() -> Vec<Case> {
    vec![
        reused("future_expires_is_reused", "RFC 9111 5.3", "200 | date: {date} | expires: {date+3600}"),
        reused("rfc850_expires_is_reused", "RFC 9110 5.6.7", "200 | date: {date} | expires: {rfc850+3600}"),
        reused("asctime_expires_is_reused", "RFC 9110 5.6.7", "200 | date: {date} | expires: {asctime+3600}"),
        Case::new("deaf", "x", ["200 | cache-control: max-age=60"], [get().fetched(), get().with("cache-control", "no-cache").hit()]).under(Policy::Deaf),
    ]
}
