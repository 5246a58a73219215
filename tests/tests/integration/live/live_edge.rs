//! What is at the live edge is told from what is behind it: how urgent it is, and how soon it is looked for again.

use std::time::Duration;

use tidegate_tests::client::{Client, Protocol, Request};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{LIVE, edge_of, playlist};

/// Asks until what was stored last is what is served: then the node knows what it says.
async fn known(client: &Client, path: &str) {
    within("the playlist to be stored", async {
        while !client.get(path).await.unwrap().field("cache-status").unwrap().contains("; hit") {}
    })
    .await;
}

#[tokio::test]
async fn parts_at_the_live_edge_are_more_urgent_than_segments() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "cmcd: {priority: true}").await;
    origin.on("/live/v.m3u8", playlist(LIVE));
    let media = Script::cacheable(1000).field("content-type", "video/iso.segment");
    for name in ["s6.mp4", "p7.0.mp4", "p7.1.mp4"] {
        origin.on(&format!("/live/{name}"), media.clone());
    }
    let client = edge.client(Protocol::Http2).await;
    known(&client, "/live/v.m3u8").await;
    for (path, expected) in
        [("/live/s6.mp4", None), ("/live/p7.0.mp4", Some("u=2")), ("/live/p7.1.mp4?CMCD=ot%3Dv", Some("u=2"))]
    {
        // Fetched; from store by the short way; and by the long one, which a precondition that never holds takes.
        for condition in ["", "", "\"never\""] {
            let request = Request::get(path).field("if-none-match", condition);
            let request = if condition.is_empty() { Request::get(path) } else { request };
            let answer = client.request(request).await.unwrap();
            assert_eq!(answer.field("priority"), expected, "{path} {condition}: {:?}", answer.fields);
        }
    }
}

#[tokio::test]
async fn missing_piece_of_low_latency_is_looked_for_again_with_the_next_part_or_chunk() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null\nmedia: {missing_live: 60s, missing: 60s}").await;
    origin.on("/hls/v.m3u8", playlist(LIVE));
    let manifest = "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period><AdaptationSet>\
        <SegmentTemplate duration='2' availabilityTimeOffset='1.8' media='v/$Number$.m4s'/><Representation id='1'/>\
        </AdaptationSet></Period></MPD>";
    origin.on("/dash/x.mpd", Script::status(200).field("content-type", "application/dash+xml").text(manifest));
    let client = edge.client(Protocol::Http2).await;
    for path in ["/hls/v.m3u8", "/dash/x.mpd"] {
        known(&client, path).await;
    }
    for (path, asked) in [("/hls/p9.1.mp4", 2), ("/dash/v/99999999.m4s", 2), ("/other/v/99999999.m4s", 1)] {
        assert_eq!(client.get(path).await.unwrap().status, 404);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(client.get(path).await.unwrap().status, 404);
        assert_eq!(origin.requests(path).len(), asked, "{path}");
    }
}
