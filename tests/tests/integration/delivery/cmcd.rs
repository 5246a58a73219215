//! What players say of themselves: counted, and kept from keys and origins.

use tidegate_tests::client::Request;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::PROTOCOLS;

const STALLED: &str = "/a.m4s?CMCD=bl%3D1500%2Cbr%3D4000%2Cbs%2Cmtp%3D8000%2Cot%3Dv%2Csid%3D%22one%22%2Csu";

async fn edge(policy: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a.m4s", Script::cacheable(1000));
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    (edge, origin)
}

async fn ask_as_players(edge: &Edge) {
    for protocol in PROTOCOLS {
        let client = edge.client(protocol).await;
        let said = Request::get("/a.m4s").field("cmcd-object", "br=64,ot=a").field("cmcd-request", "bl=20000");
        let requests = [
            Request::get(STALLED),
            said,
            Request::get("/a.m4s"),
            Request::get("/a.m4s?CMCD=%22%00nonsense"),
            Request::get(STALLED),
        ];
        for request in requests {
            assert_eq!(within("an answer", client.request(request)).await.unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn players_become_figures_of_their_site_on_both_ways_and_all_protocols() {
    let (edge, _origin) = edge("").await;
    ask_as_players(&edge).await;
    let check = |name: &'static str, object: &'static str, expected: f64| {
        let edge = &edge;
        async move {
            let labels = [&*format!("object=\"{object}\""), "site=\"media\""];
            assert_eq!(edge.metric(name, &labels).await, expected, "{name} {object}");
        }
    };
    check("tidegate_cmcd_requests_total", "video", 8.0).await;
    check("tidegate_cmcd_requests_total", "audio", 4.0).await;
    check("tidegate_cmcd_requests_total", "unsaid", 4.0).await;
    check("tidegate_cmcd_startup_requests_total", "video", 8.0).await;
    check("tidegate_cmcd_startup_requests_total", "audio", 0.0).await;
    check("tidegate_cmcd_rebuffers_total", "video", 8.0).await;
    check("tidegate_cmcd_buffer_seconds_sum", "video", 12.0).await;
    check("tidegate_cmcd_buffer_seconds_count", "audio", 4.0).await;
    check("tidegate_cmcd_bitrate_bytes_per_second_sum", "video", 4_000_000.0).await;
    check("tidegate_cmcd_throughput_bytes_per_second_count", "video", 8.0).await;
}

#[tokio::test]
async fn policy_that_wants_no_figures_has_none() {
    let (edge, _origin) = edge("cmcd: {figures: false}").await;
    ask_as_players(&edge).await;
    assert_eq!(edge.metric("tidegate_cmcd_requests_total", &[]).await, 0.0);
}

#[tokio::test]
async fn what_players_say_is_in_no_key_and_reaches_no_origin() {
    let (edge, origin) = edge("").await;
    origin.on("/b.m4s?a=1&b=%zz", Script::cacheable(5));
    ask_as_players(&edge).await;
    let asked = origin.requests("/a.m4s");
    assert_eq!(asked.len(), 2, "one a scheme");
    let client = edge.client(tidegate_tests::client::Protocol::Http2).await;
    // Past the cache as well.
    let unsafe_request = Request::new("POST", "/a.m4s?CMCD=bs&a=1").field("cmcd-status", "bs").body("x");
    within("an answer", client.request(unsafe_request)).await.unwrap();
    for request in origin.requests("/a.m4s") {
        assert!(!request.target.contains("CMCD"), "{}", request.target);
        assert!(!request.fields.iter().any(|(name, _)| name.starts_with("cmcd-")));
    }
    assert_eq!(origin.requests("/a.m4s").last().unwrap().target, "/a.m4s?a=1");
}
