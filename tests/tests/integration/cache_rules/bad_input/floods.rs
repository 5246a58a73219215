//! Floods of distinct queries and variants: they cost requests of an origin, and no more memory than is given.

use futures::StreamExt as _;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

/// Distinct queries: enough to fill the tier many times over. A million take minutes and show no more; whoever wants to
/// see them sets this variable.
const QUERIES: usize = 8_000;
const QUERIES_VARIABLE: &str = "TIDEGATE_TEST_QUERIES";
/// Variants of one URL.
const VARIANTS: usize = 10_000;
/// Memory of the cache.
const CAPACITY: u64 = 4 << 20;
/// Length of a body.
const SIZE: u64 = 1_000;
/// Requests that come first: what every process allocates once is not the flood's.
const FIRST: usize = 1_000;
/// What an edge may grow by beside what it stores: allocators, connections, figures.
const SLACK: u64 = 96 << 20;
/// Requests under way at once.
const CONCURRENCY: usize = 64;

async fn small_edge() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin);
    config.cache = vec![format!("capacity: {}MiB", CAPACITY >> 20), "max_object: 1MiB".to_owned()];
    (Edge::start(&config).await, origin)
}

/// Asks for all of these, many at once; each must be answered whole.
async fn ask_all(edge: &Edge, count: usize, request: impl Fn(usize) -> Request) {
    let client = edge.client(Protocol::Http2).await;
    let asking = futures::stream::iter((0..count).map(|number| client.request(request(number))));
    let mut answers = asking.buffer_unordered(CONCURRENCY);
    while let Some(answer) = within("an answer", answers.next()).await {
        super::assert_whole(&answer.unwrap(), SIZE);
    }
}

async fn assert_bounded(edge: &Edge, before: u64) {
    let stored = edge.metric("tidegate_cache_bytes", &[]).await;
    assert!(stored <= CAPACITY as f64, "{stored} bytes are stored in {CAPACITY}");
    assert!(stored > 0.0, "nothing is stored");
    let grown = edge.rss().saturating_sub(before);
    assert!(grown < CAPACITY + SLACK, "the edge has grown by {} MiB", grown >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinct_queries_cost_no_more_memory_than_is_given() {
    let (edge, origin) = small_edge().await;
    origin.on("/a", Script::cacheable(SIZE));
    let count = std::env::var(QUERIES_VARIABLE).ok().and_then(|count| count.parse().ok()).unwrap_or(QUERIES);
    ask_all(&edge, FIRST, |number| Request::get(&format!("/a?first={number}"))).await;
    let before = edge.rss();
    ask_all(&edge, count, |number| Request::get(&format!("/a?q={number}"))).await;
    assert_bounded(&edge, before).await;
    assert_eq!(origin.requests("/a").len(), count + FIRST, "each is another resource");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_of_one_vary_cost_no_more_memory_than_is_given() {
    let (edge, origin) = small_edge().await;
    origin.on("/a", Script::cacheable(SIZE).field("vary", "user-agent"));
    let agent = |number: usize| Request::get("/a").field("user-agent", &format!("agent/{number}"));
    ask_all(&edge, FIRST, agent).await;
    let before = edge.rss();
    ask_all(&edge, VARIANTS - FIRST, |number| agent(FIRST + number)).await;
    assert_bounded(&edge, before).await;
    assert_eq!(origin.requests("/a").len(), VARIANTS, "each is another variant");
    // It still works as before.
    let client = edge.client(Protocol::Http2).await;
    let asked = origin.requests("/a").len();
    for _ in 0..3 {
        within("the same variant", client.request(agent(99_999))).await.unwrap();
    }
    assert!(origin.requests("/a").len() - asked < 3, "a variant that is asked for again is stored");
}
