//! What is stored on disk: what a client sees of it after a stop and a kill, and of devices that fail.

mod devices;
mod failing;
mod killed;

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use crate::assert_whole;

/// Those over TLS: what is stored belongs to its scheme.
const ALL: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

const MIB: u64 = 1 << 20;

/// What an origin has of this size.
fn kept(size: u64) -> Script {
    Script::cacheable(size).field("etag", "\"v0\"").field("content-type", "video/mp4").resource()
}

async fn get(edge: &Edge, protocol: Protocol, path: &str) -> Response {
    let client = edge.client(protocol).await;
    within("the answer", client.get(path)).await.unwrap()
}

/// From disk, or from memory where what was asked for last is brought into after a restart.
fn is_hit(response: &Response) -> bool {
    response.field("cache-status").is_some_and(|status| status.contains("; hit;"))
}

/// Sizes of what these tests store: in one record, in parts of one body, and in slices.
const SIZES: [(&str, u64); 4] = [("/empty", 0), ("/small", 1000), ("/parts", 5 * MIB + 1), ("/film", 20 * MIB + 7)];

/// A node over one directory that has all of them on disk.
async fn filled(config: EdgeConfig, origin: &Origin) -> Edge {
    let edge = Edge::start(&config).await;
    edge.until_disks_work().await;
    for (path, size) in SIZES {
        origin.on(path, kept(size));
        assert_whole(&get(&edge, Protocol::Http2, path).await, size, path);
    }
    edge.until_fills_end().await;
    edge.until_written().await;
    edge
}

fn asked(origin: &Origin) -> usize {
    SIZES.iter().map(|(path, _)| origin.requests(path).len()).sum()
}

#[tokio::test]
async fn what_was_stored_is_served_after_a_kill_on_each_protocol() {
    let origin = Origin::start().await;
    let mut edge = filled(EdgeConfig::to(&origin).on_disk(), &origin).await;
    let before = asked(&origin);
    for protocol in ALL {
        edge.kill_and_restart().await;
        for (path, size) in SIZES {
            let response = get(&edge, protocol, path).await;
            assert_whole(&response, size, path);
            assert!(is_hit(&response), "{path} {protocol:?}: {:?}", response.field("cache-status"));
            // From memory now.
            let response = get(&edge, protocol, path).await;
            assert_whole(&response, size, path);
            assert!(!response.field("cache-status").unwrap().contains("disk"), "{path} {protocol:?}");
        }
        let part = Request::get("/film").field("range", "bytes=9000000-9000999");
        let response = within("a part", edge.client(protocol).await.request(part)).await.unwrap();
        assert_eq!((response.status, response.body.len()), (206, 1000));
    }
    assert_eq!(asked(&origin), before, "the origin was asked again");
}

#[tokio::test]
async fn node_answers_at_once_after_a_restart_and_stops_with_everything_written() {
    let origin = Origin::start().await;
    let mut edge = filled(EdgeConfig::to(&origin).on_disks(&["one", "two"], "64MiB"), &origin).await;
    let before = asked(&origin);
    for path in ["/a", "/b", "/c"] {
        origin.on(path, kept(300_000));
        get(&edge, Protocol::Http2, path).await;
    }
    edge.until_fills_end().await;
    edge.restart().await; // nobody has waited for the writes
    for path in ["/a", "/b", "/c"] {
        assert!(is_hit(&get(&edge, Protocol::Http2, path).await), "{path}");
    }
    assert_eq!(asked(&origin), before);
    let records = edge.metric("tidegate_disk_records", &[]).await;
    assert!(records > 10.0, "{records}");
}
