//! Every rule of caching as it can be seen from outside: what the origin answers, what clients see, and what the origin
//! is asked. Each case runs with its first answer in memory (by the short way and the long one), while that answer is
//! still arriving, and with it in slices; each over HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! A case is named by what is to be true and says where that is written. No case sleeps: what is to be old when it
//! arrives says so by Age or Date.

mod absurd;
mod answer;
mod bad_input;
mod by_policy;
mod case;
mod checks;
mod conditions;
mod fields;
mod freshness;
mod heads;
mod invalidation;
mod keys;
mod media;
mod one_run;
mod policies;
mod ranges;
mod reports;
mod requests;
mod run;
mod stale;
mod storage;
mod targeted;
mod told;
mod validation;
mod vary;

use case::Case;
use one_run::Mode;

/// All cases.
fn cases() -> Vec<Case> {
    [
        freshness::cases(),
        targeted::cases(),
        storage::cases(),
        vary::cases(),
        validation::cases(),
        conditions::cases(),
        ranges::cases(),
        stale::cases(),
        invalidation::cases(),
        requests::cases(),
        heads::cases(),
        fields::cases(),
        reports::cases(),
        media::cases(),
        by_policy::cases(),
        keys::cases(),
        absurd::cases(),
    ]
    .concat()
}

#[test]
fn cases_have_distinct_names() {
    let cases = cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "names are distinct");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_for_what_is_in_memory() {
    run::run(cases(), Mode::Hit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_for_what_is_still_arriving() {
    run::run(cases(), Mode::Joined).await;
}
