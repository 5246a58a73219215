//! Every rule of caching as it can be seen from outside: what the origin answers, what clients see, and what the origin
//! is asked. Each case runs with its first answer in memory (by the short way and the long one), while that answer is
//! still arriving, with it in slices, and with it on disk after the node was started again; each over HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! A case is named by what is to be true and says where that is written. No case sleeps: what is to be old when it
//! arrives says so by Age or Date.
//!
//! Where standards leave a choice, and caches or collections of tests for them choose otherwise:
//!
//! | What | Here | Because |
//! |---|---|---|
//! | Range that nothing is stored for | The whole, or whole slices, are fetched; no 206 is stored as it is | Parts of two versions cannot be mixed |
//! | Answer to POST with its own Content-Location | Does not answer a GET | Nobody relies on it, and it is easily forged |
//! | Status 501, and any 5xx, without freshness | Not reused by heuristics | An error is kept only where the origin or the operator says so |
//! | Dates in the wrong case, `max-age =1`, `max-age=1.0` | Stale | The grammar knows none of them (RFC 9110 5.6.7, RFC 9111 5.2) |
//! | Names in capitals in targeted fields | The field is ignored | Keys of structured fields are in lower case (RFC 8941 3.2) |
//! | Tags without quotes | Validate nothing | They are no tags (RFC 9110 8.8.3) |
//! | Client's condition where nothing is stored | The whole is fetched, and the condition answered here | Who comes next needs the whole |
//! | If-Range by a date | Gets the whole | A second holds several versions of what is live |
//! | Order and weights of Accept-Language | Tell variants apart | Their meaning is the origin's |
//! | Tags of other variants | Are not asked for | One fetch a variant is simple and right |
//! | Stored answer to anybody, asked with Authorization | Goes to the origin unless it says `public` or the like | The origin may answer it otherwise |
//! | Fields named by `private` and `no-cache` | The rest is stored without them | So RFC 9111 5.2.2.4 and 5.2.2.7 allow |
//! | Origin that cannot be reached | What is stale is served for an hour | RFC 9111 4.2.4; a 503 is an answer, and is passed on |
//! | `Pragma: no-cache` of a client | Counts where there is no Cache-Control and the policy listens | Old clients mean it; in a response it says nothing |
//! | Warning | Is never made | RFC 9111 5.5 |

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
mod marks;
mod media;
mod one_run;
mod partial;
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
        partial::cases(),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_for_what_is_on_disk_after_a_restart() {
    run::run(cases(), Mode::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_for_what_is_on_disk_in_slices_after_a_restart() {
    run::run(cases(), Mode::SlicesOnDisk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_for_what_is_in_slices() {
    run::run(cases(), Mode::Slices).await;
}
