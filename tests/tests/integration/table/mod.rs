//! One table of requests, asked over HTTP/1.1, HTTP/2 and HTTP/3: on a miss, on a hit, and joined to a fill that is
//! under way. Each row says what is to come back; beyond that the three protocols must agree in status, fields,
//! body and trailers.

mod conditions;
mod forwarding;
mod freshness;
mod keys;
mod ranges;
pub(crate) mod row;
mod run;

use row::Row;
use run::Mode;

/// All rows.
fn rows() -> Vec<Row> {
    [ranges::rows(), conditions::rows(), keys::rows(), freshness::rows(), forwarding::rows()].concat()
}

#[test]
fn the_table_has_at_least_sixty_rows_with_distinct_names() {
    let rows = rows();
    let names: std::collections::BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "names are distinct");
    assert!(rows.len() >= 60, "{} rows", rows.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocols_agree_on_a_miss() {
    run::run(rows(), Mode::Miss).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocols_agree_on_a_hit() {
    run::run(rows(), Mode::Hit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocols_agree_when_joining_a_fill() {
    run::run(rows(), Mode::Joined).await;
}
