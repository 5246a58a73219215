//! Health of origins as an operator and as clients see it: probes, reports of requests, and what follows from both.

mod draining;
mod dying;
mod ejection;
mod lasting;
mod probes;
mod returning;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::client::{Client, Response};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::Script;
use tidegate_tests::within;

/// Where origins of these tests answer probes.
const PROBED: &str = "/healthz";

/// Probes twice a second by HTTP; patient enough for a busy machine.
const BY_HTTP: &str = "
    health:
      probe: {http: {path: /healthz}}
      interval: 500ms
      timeout: 400ms
      fall: 3
      rise: 2
      slow_start: 0s
";

/// The same by connections alone.
const BY_TCP: &str = "
    health: {probe: tcp, interval: 500ms, timeout: 400ms, fall: 3, rise: 2, slow_start: 0s}
";

/// No probes.
const UNPROBED: &str = "health: {probe: off, slow_start: 0s}";

/// Between two looks at what the operator's listener shows: nothing else tells of a change.
const LOOK: Duration = Duration::from_millis(20);

/// Answers to probes and to `/a`.
fn scripts() -> BTreeMap<String, Script> {
    let healthy = Script::status(200).text("all is fine");
    BTreeMap::from([(PROBED.to_owned(), healthy), ("/a".to_owned(), Script::cacheable(1_000))])
}

/// An edge in `eu` between an origin there (`near`) and one in `us` (`far`).
fn between(near: &str, far: &str, health: &str) -> EdgeConfig {
    let near = OriginEntry::new("eu", near).named("near");
    let far = OriginEntry::new("us", far).named("far");
    EdgeConfig::with_origins(vec![near, far]).pool_yaml(health)
}

/// A URL where nobody listens.
fn nobody() -> String {
    let address = tidegate_tests::address::loopback();
    format!("http://{}", SocketAddr::new(address, tidegate_tests::address::free_port(address)))
}

/// What the operator's listener says of an origin.
async fn origin(edge: &Edge, name: &str) -> Value {
    let report = edge.admin("GET", "/origins").await;
    assert_eq!(report.status, 200, "{}", report.text());
    let report: Value = serde_json::from_str(&report.text()).unwrap();
    let origins = report["pools"][0]["origins"].as_array().unwrap();
    origins.iter().find(|origin| origin["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}")).clone()
}

/// Waits until an origin is seen as `wanted` says.
async fn until(edge: &Edge, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let looking = async {
        loop {
            let seen = origin(edge, name).await;
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    within(&format!("{name} to be {what}"), looking).await
}

/// Waits until an origin is in this state.
async fn until_state(edge: &Edge, name: &str, state: &str) -> Value {
    until(edge, name, state, |seen| seen["state"] == state).await
}

/// A GET of something that nobody has asked for before; it must succeed.
async fn get_new(client: &Client, number: usize) -> Response {
    let answer = within("an answer", client.get(&format!("/a?{number}"))).await.unwrap();
    crate::assert_whole(&answer, 1_000, &format!("request {number}"));
    answer
}

/// Requests that an origin got by the edge's own count, and of these the ones that failed.
async fn requests(edge: &Edge, name: &str) -> (f64, f64) {
    let label = format!("origin=\"{name}\"");
    let all = edge.metric("tidegate_origin_requests_total", &[&label]).await;
    let failed = edge.metric("tidegate_origin_requests_total", &[&label, "outcome=\"failed\""]).await;
    (all, failed)
}
