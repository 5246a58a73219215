//! What is there before players ask for it.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

use super::{edge_of, playlist, until_metric};

fn on_demand() -> String {
    let segments: String = (0..6).map(|n| format!("#EXTINF:4,\ns{n}.ts\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{segments}#EXT-X-ENDLIST\n")
}

fn serve(origin: &Origin) {
    origin.on("/vod/index.m3u8", playlist(&on_demand()));
    for number in 0..6 {
        let segment = Script::status(200).field("content-type", "video/mp2t").pattern(0, 1000);
        origin.on(&format!("/vod/s{number}.ts"), segment);
    }
}

async fn started(edge: &Edge, count: f64) {
    until_metric(edge, "tidegate_prefetches_total", &["outcome=\"started\""], count).await;
}

#[tokio::test]
async fn next_segment_is_there_when_the_player_comes() {
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        let origin = Origin::start().await;
        let edge = edge_of(&origin, "prefetch: {ahead: 1}").await;
        serve(&origin);
        let client = edge.client(protocol).await;
        client.get("/vod/index.m3u8").await.unwrap();
        started(&edge, 1.0).await;
        for number in 0..6 {
            // Once it is under way, the player joins at most.
            origin.arrived(&format!("/vod/s{number}.ts"), 1).await;
            let answer = client.get(&format!("/vod/s{number}.ts")).await.unwrap();
            assert_eq!(answer.status, 200);
        }
        until_metric(&edge, "tidegate_prefetches_total", &["outcome=\"used\""], 6.0).await;
        for number in 0..6 {
            assert_eq!(origin.requests(&format!("/vod/s{number}.ts")).len(), 1, "s{number}");
        }
    }
}

#[tokio::test]
async fn nothing_is_fetched_ahead_unless_the_policy_says_so_or_nobody_plays() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    serve(&origin);
    let client = edge.client(Protocol::Http2).await;
    client.get("/vod/index.m3u8").await.unwrap();
    client.get("/vod/s0.ts").await.unwrap();
    assert_eq!(edge.metric("tidegate_prefetches_total", &["outcome=\"started\""]).await, 0.0);
    let watched = edge_of(&origin, "prefetch: {ahead: 2}").await;
    let client = watched.client(Protocol::Http2).await;
    client.get("/vod/index.m3u8").await.unwrap();
    started(&watched, 2.0).await;
    // What was fetched leads to nothing further by itself.
    until_metric(&watched, "tidegate_fills_finished_total", &["outcome=\"stored\""], 3.0).await;
    assert_eq!(watched.metric("tidegate_prefetches_total", &["outcome=\"started\""]).await, 2.0);
    assert!(origin.requests("/vod/s2.ts").is_empty());
}

#[tokio::test]
async fn what_a_player_names_by_cmcd_is_fetched_on_the_own_host_only() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "prefetch: {}").await;
    serve(&origin);
    let client = edge.client(Protocol::Http1).await;
    let ask = |next: &str| Request::get("/vod/s0.ts").field("cmcd-request", &format!("nor=\"{next}\""));
    for foreign in ["https%3A%2F%2Felsewhere.example%2Fs9.ts", "%2F%2F127.0.0.1%2Fs9.ts"] {
        assert_eq!(client.request(ask(foreign)).await.unwrap().status, 200);
    }
    assert_eq!(client.request(ask("s4.ts")).await.unwrap().status, 200);
    started(&edge, 1.0).await;
    until_metric(&edge, "tidegate_fills_finished_total", &["outcome=\"stored\""], 2.0).await;
    let answer = client.get("/vod/s4.ts").await.unwrap();
    assert!(answer.field("cache-status").unwrap().contains("; hit"));
    assert_eq!(edge.metric("tidegate_prefetches_total", &["outcome=\"started\""]).await, 1.0);
}

#[tokio::test]
async fn fetching_ahead_keeps_to_the_rate_and_carries_nothing_of_the_client() {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml("prefetch: {ahead: 8, rate: 2}")).await;
    serve(&origin);
    let client = edge.client(Protocol::Http2).await;
    let request = Request::get("/vod/index.m3u8").field("cookie", "session=secret").field("x-mine", "1");
    client.request(request).await.unwrap();
    started(&edge, 2.0).await;
    until_metric(&edge, "tidegate_prefetches_total", &["outcome=\"limited\""], 1.0).await;
    let ahead = origin.arrived("/vod/s0.ts", 1).await;
    assert_eq!(ahead.len(), 1);
    assert_eq!((ahead[0].field("cookie"), ahead[0].field("x-mine")), (None, None));
}

/// Live, in segments of a second, by a manifest that its players read once.
#[tokio::test]
async fn live_segments_of_a_manifest_are_there_when_the_player_comes() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "prefetch: {ahead: 1}").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let body = "<MPD type='dynamic' availabilityStartTime='1970-01-01T00:00:00Z' timeShiftBufferDepth='PT10S'><Period>\
        <AdaptationSet><SegmentTemplate duration='1' startNumber='0' media='$RepresentationID$/$Number$.m4s'/>\
        <Representation id='v'/></AdaptationSet></Period></MPD>";
    origin.on("/live/x.mpd", Script::status(200).field("content-type", "application/dash+xml").text(body));
    for number in now - 5..now + 60 {
        let segment = Script::status(200).field("content-type", "video/iso.segment").pattern(0, 1000);
        origin.on(&format!("/live/v/{number}.m4s"), segment);
    }
    let client = edge.client(Protocol::Http2).await;
    assert_eq!(client.get("/live/x.mpd").await.unwrap().status, 200);
    // Segments that the manifest, as it was read, did not have yet.
    for number in now - 4..now + 3 {
        let path = format!("/live/v/{number}.m4s");
        if number > now - 4 {
            origin.arrived(&path, 1).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(client.get(&path).await.unwrap().status, 200);
        assert_eq!(origin.requests(&path).len(), 1, "{number}");
    }
    until_metric(&edge, "tidegate_prefetches_total", &["outcome=\"used\""], 6.0).await;
}
