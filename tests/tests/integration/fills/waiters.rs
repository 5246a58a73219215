//! Requests that wait for one fill: whom its response may not serve goes on at once, side by side with the others.

use std::time::Duration;

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;
use tokio::task::JoinHandle;

use super::breaking_origin::{BreakingOrigin, Transport};
use super::edge_and_origin;
use crate::assert_whole;

const SIZE: u64 = 100_000;

/// Asks for `/a` with these fields of each client, and returns once all of them wait for the head of a fill.
pub(super) async fn waiting(edge: &Edge, asks: Vec<Request>) -> Vec<JoinHandle<Response>> {
    let count = asks.len();
    let mut waiting = Vec::new();
    for (number, ask) in asks.into_iter().enumerate() {
        let client = edge.client(Protocol::SECURE[number % Protocol::SECURE.len()]).await;
        waiting.push(tokio::spawn(async move { client.request(ask).await.unwrap() }));
    }
    waiters(edge, count).await;
    waiting
}

/// Returns once so many requests wait for the head of a fill.
pub(super) async fn waiters(edge: &Edge, count: usize) {
    let all_wait = async {
        while (edge.metric("tidegate_fill_waiters", &[]).await - count as f64).abs() > 0.5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("all to wait for the head", all_wait).await;
}

fn gated(script: Script, gate: &str) -> Script {
    script.before(Step::Gate(gate.to_owned()))
}

async fn check_side_by_side(cache_control: &str) {
    const CLIENTS: usize = 12;
    let (edge, origin) = edge_and_origin().await;
    let script = || Script::status(200).pattern(0, SIZE).field("cache-control", cache_control);
    origin.on("/a", gated(script(), "first"));
    let waiting = waiting(&edge, (0..CLIENTS).map(|_| Request::get("/a")).collect()).await;
    assert_eq!(origin.requests("/a").len(), 1, "{cache_control}");
    origin.on("/a", gated(script(), "others"));
    origin.gate("first").open();
    // None of the others is answered, and yet the origin has them all.
    origin.arrived("/a", CLIENTS).await;
    origin.gate("others").open();
    for answer in waiting {
        assert_whole(&within("an answer", answer).await.unwrap(), SIZE, cache_control);
    }
    assert_eq!(origin.requests("/a").len(), CLIENTS, "{cache_control}");
}

#[tokio::test]
async fn whoever_may_not_have_a_response_asks_side_by_side_with_the_others() {
    check_side_by_side("private").await;
    check_side_by_side("no-store").await;
}

#[tokio::test]
async fn waiters_of_other_variants_share_a_fill_each_side_by_side() {
    const LANGUAGES: [&str; 4] = ["de", "en", "fr", "it"];
    let (edge, origin) = edge_and_origin().await;
    let script = || Script::cacheable(SIZE).field("vary", "accept-language");
    origin.on("/a", gated(script(), "first"));
    let ask = |number: usize| Request::get("/a").field("accept-language", LANGUAGES[number % LANGUAGES.len()]);
    let waiting = waiting(&edge, (0..12).map(ask).collect()).await;
    assert_eq!(origin.requests("/a").len(), 1);
    origin.on("/a", gated(script(), "others"));
    origin.gate("first").open();
    origin.arrived("/a", LANGUAGES.len()).await;
    origin.gate("others").open();
    for answer in waiting {
        assert_whole(&within("an answer", answer).await.unwrap(), SIZE, "a variant");
    }
    assert_eq!(origin.requests("/a").len(), LANGUAGES.len());
}

#[tokio::test]
async fn route_bounds_how_long_its_clients_wait_for_a_head() {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin);
    config.route = vec!["timeouts: {response: 300ms}".to_owned()];
    let edge = Edge::start(&config).await;
    origin.on("/a", gated(Script::cacheable(SIZE), "head"));
    for protocol in Protocol::SECURE {
        let answer = within("an end of waiting", edge.client(protocol).await.get("/a")).await.unwrap();
        assert_eq!(answer.status, 504, "{protocol:?}");
    }
    // The fill was nobody's, and goes on.
    assert_eq!(origin.requests("/a").len(), 1);
    origin.gate("head").open();
    assert_eq!(origin.ended("/a", 1).await.len(), 1);
    let stored = within("what was stored", edge.client(Protocol::Http1).await.get("/a")).await.unwrap();
    assert_whole(&stored, SIZE, "what was stored");
    assert_eq!(origin.requests("/a").len(), 1);
}

/// Pingora hands on the trailers of HTTP/2 origins, and writes those of HTTP/2 and HTTP/3 clients.
#[tokio::test]
async fn trailers_of_an_origin_reach_the_client_of_the_fill_and_of_a_hit() {
    let origin = BreakingOrigin::start(Transport::Http2, SIZE).await;
    origin.state.lock().unwrap().trailers = vec![("x-checksum", "42"), ("set-cookie", "a=b")];
    let mut config = EdgeConfig::to_url(&format!("http://{}", origin.address));
    config.origins = vec![origin.entry("eu")];
    let edge = Edge::start(&config).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let client = edge.client(protocol).await;
        for what in ["miss", "hit"] {
            let what = format!("{what} over {protocol:?}");
            let answer = within(&what, client.get(&format!("/a?{}", protocol.label()))).await.unwrap();
            assert_whole(&answer, SIZE, &what);
            let expected: &[(&str, &str)] = match protocol {
                Protocol::Http2 | Protocol::Http3 => &[("x-checksum", "42")],
                Protocol::PlainHttp1 | Protocol::Http1 => &[],
            };
            let trailers: Vec<_> = answer.trailers.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!(trailers, expected, "{what}");
        }
    }
    let kinds = 4;
    assert_eq!(origin.asked().len(), kinds, "the second of each is a hit");
}
