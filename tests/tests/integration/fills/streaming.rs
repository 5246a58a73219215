//! Bodies that are passed on while they come: live pieces, and those beyond what is stored.

use std::time::Duration;

use tidegate_tests::client::{End, Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Framing, Origin, Script};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::{PATIENCE, within};

use super::{ALL, edge_and_origin};
use crate::assert_whole;

async fn live_pieces(protocol: Protocol, cache_control: &str) {
    let (edge, origin) = edge_and_origin().await;
    let script = Script::status(200).pattern(0, 3000).field("cache-control", cache_control).framing(Framing::Chunked);
    origin.on("/live", script.pausing_after(1000, "one").pausing_after(1000, "two"));
    let client = edge.client(protocol).await;
    let mut reading = within("a head", client.open(Request::get("/live"))).await.unwrap();
    reading.read_at_least(1000).await.unwrap();
    assert_eq!(reading.received().len(), 1000);
    origin.gate("one").open();
    reading.read_at_least(2000).await.unwrap();
    assert_eq!(reading.received().len(), 2000);
    origin.gate("two").open();
    assert_whole(&within("the rest", reading.finish()).await.unwrap(), 3000, "live");
}

#[tokio::test]
async fn live_pieces_pass_on_as_they_arrive_when_stored() {
    for protocol in ALL {
        live_pieces(protocol, "max-age=60").await;
    }
}

#[tokio::test]
async fn live_pieces_pass_on_as_they_arrive_when_not_stored() {
    for protocol in ALL {
        live_pieces(protocol, "no-store").await;
    }
}

/// Two readers of a body beyond the cap of one object, side by side; the peak of the edge's growth in bytes.
async fn stream_beyond_cap(protocols: [Protocol; 2], size: u64, limit: Duration) -> u64 {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin);
    config.cache = vec!["capacity: 32MiB".to_owned(), "max_object: 4MiB".to_owned(), "fill_window: 4MiB".to_owned()];
    let edge = Edge::start(&config).await;
    origin.on("/small", Script::cacheable(1000));
    origin.on("/huge", Script::cacheable(size).pausing_after(1000, "start"));
    let mut readers = Vec::new();
    for protocol in protocols {
        let client = edge.client(protocol).await;
        // A first request, so that what every connection costs is there before the growth is measured.
        assert_whole(&within("a small body", client.get("/small")).await.unwrap(), 1000, "small");
        let mut reading =
            within(&format!("a head over {protocol:?}"), client.open(Request::get("/huge"))).await.unwrap();
        reading.read_at_least(1000).await.unwrap();
        readers.push((client, reading));
    }
    let before = edge.rss();
    origin.gate("start").open();
    let reading = readers.into_iter().map(|(client, reading)| async move {
        let check = |offset, bytes: &[u8]| {
            Pattern::new(0).check(offset, bytes).map_err(|wrong| anyhow::anyhow!("wrong byte at {wrong}"))
        };
        let (length, end) = reading.consume(check).await.unwrap();
        assert_eq!((length, end), (size, End::Clean), "{:?}", client.protocol());
    });
    let peak = watch_memory(&edge, futures::future::join_all(reading), limit).await;
    assert_eq!(origin.requests("/huge").len(), 1, "the readers share one request");
    let again = edge.client(Protocol::Http1).await;
    let later = within("a later reader", again.open(Request::get("/huge"))).await.unwrap();
    assert_eq!(origin.requests("/huge").len(), 2, "the body is not stored");
    later.cancel();
    peak.saturating_sub(before)
}

/// Drives `work`, looking at the edge's memory every now and then; the peak.
async fn watch_memory(edge: &Edge, work: impl Future, limit: Duration) -> u64 {
    let mut work = std::pin::pin!(tokio::time::timeout(limit, work));
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let mut peak = 0;
    loop {
        tokio::select! {
            ended = &mut work => {
                assert!(ended.is_ok(), "not done after {limit:?}");
                return peak;
            }
            _ = looks.tick() => peak = peak.max(edge.rss()),
        }
    }
}

/// Growth that is granted: windows of fill and sockets for two readers, and what the allocator keeps.
const GROWTH: u64 = 100 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gibibyte_beyond_the_cap_streams_to_two_readers_in_flat_memory() {
    let protocols = [Protocol::Http1, Protocol::Http2];
    let growth = stream_beyond_cap(protocols, 1024 * 1024 * 1024, PATIENCE * 6).await;
    assert!(growth < GROWTH, "the edge grew by {growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_beyond_the_cap_streams_over_http3_in_flat_memory() {
    let growth = stream_beyond_cap([Protocol::Http3, Protocol::Http1], 256 * 1024 * 1024, PATIENCE * 6).await;
    assert!(growth < GROWTH, "the edge grew by {growth} bytes");
}
