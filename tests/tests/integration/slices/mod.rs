//! Large objects are fetched, stored and served in slices: what a viewer gets, and what it costs the origin.

mod cost;
mod hostile;
mod versions;

use tidegate_tests::client::{Client, End, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::within;

const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

const MIB: u64 = 1 << 20;

/// A film of this length in its first version.
fn film(size: u64) -> Script {
    version(0, size)
}

/// A version of a film: its bytes and its entity tag tell which.
fn version(seed: u64, size: u64) -> Script {
    let etag = format!("\"v{seed}\"");
    Script::cacheable(size).pattern(seed, size).field("etag", &etag).field("content-type", "video/mp4").resource()
}

async fn edge_to(origin: &Origin) -> Edge {
    // What is broken on purpose here must not open the circuit.
    Edge::start(&EdgeConfig::to(origin).pool_yaml("limits: {failures: 0%}")).await
}

async fn get_range(client: &Client, path: &str, range: &str) -> Response {
    let request = Request::get(path).field("range", &format!("bytes={range}"));
    within("the part", client.request(request)).await.unwrap()
}

/// A 206 with just these bytes of a version, ended cleanly.
fn assert_part(response: &Response, seed: u64, start: u64, end: u64, total: u64) {
    assert_eq!((response.status, &response.end), (206, &End::Clean), "{:?}", response.fields);
    assert_eq!(response.field("content-range"), Some(&*format!("bytes {start}-{}/{total}", end - 1)));
    assert_eq!(response.body.len() as u64, end - start);
    assert_eq!(Pattern::new(seed).check(start, &response.body), Ok(()));
}

/// The ranges that the origin was asked for.
fn asked(origin: &Origin, path: &str) -> Vec<String> {
    let range = |request: &tidegate_tests::origin::Recorded| request.field("range").unwrap_or("whole").to_owned();
    origin.requests(path).iter().map(range).collect()
}

/// Body bytes that the edge fetched so far.
async fn fetched(edge: &Edge) -> f64 {
    edge.metric("tidegate_fill_bytes_total", &[]).await
}
