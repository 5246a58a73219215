//! Live and low-latency playlists, fetching ahead, warming: what players and operators see of them.

mod blocking_reload;
mod hostile_playlists;
mod live_edge;
mod prefetch;
mod warm;

use std::time::Duration;

use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

const HLS: &str = "application/vnd.apple.mpegurl";

/// A 200 with a playlist about whose freshness the origin says nothing.
fn playlist(body: &str) -> Script {
    Script::status(200).field("content-type", HLS).text(body)
}

/// A low-latency playlist that has come to the first part of segment 7, with target durations of 2 s and 200 ms.
const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n\
    #EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MEDIA-SEQUENCE:6\n#EXTINF:2,\ns6.mp4\n\
    #EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p7.1.mp4\"\n";

async fn edge_of(origin: &Origin, policy: &str) -> Edge {
    Edge::start(&EdgeConfig::to(origin).policy_yaml(policy)).await
}

/// Waits until a figure has this value.
async fn until_metric(edge: &Edge, name: &str, labels: &[&str], expected: f64) {
    let mut seen = f64::NAN;
    for _ in 0..400 {
        seen = edge.metric(name, labels).await;
        if seen >= expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{name} {labels:?} is {seen}, not {expected}");
}
