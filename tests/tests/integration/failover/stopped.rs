//! An origin that is stopped while many ask, as an operator sees it: nobody gets an error, and each request is held up by
//! it once at most.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{OriginProcess, Script};
use tidegate_tests::within;
use tokio::sync::Notify;

/// Clients of each protocol, half of which ask for what is fetched for the cache.
const CLIENTS: usize = 4;

/// Answers before the origin stops: enough that the retry budget, a share of them, holds for all who are caught.
const BEFORE: usize = 300;

/// Answers that each client still gets then.
const AFTER: usize = 10;

fn scripts() -> BTreeMap<String, Script> {
    let fetched = ("/fetched".to_owned(), Script::cacheable(5_000));
    [fetched, ("/passed".to_owned(), Script::status(200).text("done"))].into()
}

/// What the clients know of each other.
#[derive(Default)]
struct Course {
    answers: AtomicUsize,
    /// So many answers as there are to be before.
    enough: Notify,
    stopped: AtomicBool,
}

/// Asks again and again. Nothing but 200 comes.
async fn ask(edge: &Edge, (protocol, number): (Protocol, usize), course: &Course) {
    let client = edge.client(protocol).await;
    let mut after = 0;
    for count in 0.. {
        let request = if number.is_multiple_of(2) {
            Request::get(&format!("/fetched?{}-{number}-{count}", protocol.label()))
        } else {
            Request::new("DELETE", "/passed")
        };
        let caught = course.stopped.load(Ordering::Acquire);
        let answer = within("an answer", client.request(request)).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("{protocol:?} {number}: {error}")).status, 200, "{protocol:?}");
        if course.answers.fetch_add(1, Ordering::AcqRel) + 1 == BEFORE {
            course.enough.notify_one();
        }
        after += usize::from(caught);
        if after == AFTER {
            return;
        }
    }
}

#[tokio::test]
async fn origin_that_stops_under_load_costs_each_request_one_time_out_at_most() {
    let (near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let origins =
        vec![OriginEntry::new("eu", &near.url()).named("near"), OriginEntry::new("us", &far.url()).named("far")];
    let mut config = EdgeConfig::with_origins(origins);
    config.timeouts = vec!["read: 1s".to_owned()]; // all else as it is by default
    let edge = Edge::start(&config).await;
    let course = Course::default();
    let everyone = Protocol::SECURE.into_iter().flat_map(|protocol| (0..CLIENTS).map(move |number| (protocol, number)));
    let asking = futures::future::join_all(everyone.map(|who| ask(&edge, who, &course)));
    let stopping = async {
        course.enough.notified().await;
        near.stop();
        course.stopped.store(true, Ordering::Release);
    };
    tokio::join!(asking, stopping);

    let all = course.answers.load(Ordering::Acquire);
    let lines = edge.access_log(all, |line| !line["route"].is_null()).await;
    assert_eq!(lines.len(), all);
    let mut caught = 0;
    for line in &lines {
        let attempts = line["attempts"].as_array().unwrap();
        let far = serde_json::json!({"origin": "far", "status": 200});
        match attempts.as_slice() {
            [only] => assert_eq!(only["status"], 200, "{line}"),
            [first, second] => {
                assert_eq!((&first["origin"], &first["failure"]), (&"near".into(), &"timed_out".into()), "{line}");
                assert_eq!(*second, far, "{line}");
                caught += 1;
            }
            _ => panic!("{line}"),
        }
    }
    // Those in flight, and one now and then that finds out whether the origin is back.
    let clients = Protocol::SECURE.len() * CLIENTS;
    assert!((1..=clients + 4).contains(&caught), "{caught} requests met the stopped origin");
    assert!(lines.iter().filter(|line| line["attempts"][0]["origin"] == "far").count() > caught);
}

/// Requests that all wait for the same stopped origin.
const CAUGHT: usize = 40;

/// Two origins with an edge that may spend nothing on further attempts.
async fn without_budget() -> (OriginProcess, OriginProcess, Edge) {
    let (near, far) = (OriginProcess::start(&scripts()), OriginProcess::start(&scripts()));
    let origins =
        vec![OriginEntry::new("eu", &near.url()).named("near"), OriginEntry::new("us", &far.url()).named("far")];
    let mut config = EdgeConfig::with_origins(origins)
        .pool_yaml("order: written\nhealth: {probe: off}\nretry: {budget: 0%, budget_floor: 0}");
    config.timeouts = vec!["read: 1s".to_owned()];
    (near, far, Edge::start(&config).await)
}

async fn ask_together(edge: &Edge) -> Vec<u16> {
    let client = edge.client(Protocol::Http2).await;
    let requests = (0..CAUGHT).map(|number| {
        let fetched = Request::get(&format!("/fetched?{number}"));
        client.request(if number.is_multiple_of(2) { fetched } else { Request::new("DELETE", "/passed") })
    });
    let answers = within("all answers", futures::future::join_all(requests)).await;
    answers.into_iter().map(|answer| answer.unwrap().status).collect()
}

#[tokio::test]
async fn all_who_are_caught_by_an_origin_that_hangs_go_where_new_requests_go_whatever_the_budget() {
    let (near, _far, edge) = without_budget().await;
    near.stop();
    assert_eq!(ask_together(&edge).await, [200; CAUGHT]);
    let lines = edge.access_log(CAUGHT, |line| !line["route"].is_null()).await;
    let caught = lines.iter().filter(|line| line["attempts"][0]["failure"] == "timed_out");
    assert_eq!(caught.count(), CAUGHT, "none of them knew better");
}

#[tokio::test]
async fn budget_counts_where_the_next_origin_is_in_doubt_as_well() {
    let (near, far, edge) = without_budget().await;
    near.stop();
    far.stop();
    let client = edge.client(Protocol::Http1).await;
    for _ in 0..2 {
        let answer = within("an answer", client.request(Request::new("DELETE", "/passed"))).await.unwrap();
        assert_eq!(answer.status, 504);
    }
    let lines = edge.access_log(2, |line| !line["route"].is_null()).await;
    let attempts: Vec<usize> = lines.iter().map(|line| line["attempts"].as_array().unwrap().len()).collect();
    assert_eq!(attempts, [2, 1], "the first found out about both, the second would only have added load: {lines:?}");
}
