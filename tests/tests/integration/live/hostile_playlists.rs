//! Playlists that are large, lie, or lead elsewhere: passed on as they are, followed nowhere.

use tidegate_tests::client::{End, Protocol};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{HLS, edge_of, playlist};

const FOLLOWS: &str = "prefetch: {}";

#[tokio::test]
async fn playlist_of_fifty_megabytes_is_passed_on_whole_and_not_followed() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, FOLLOWS).await;
    origin.on("/large.m3u8", Script::status(200).field("content-type", HLS).pattern(0, 50 << 20));
    let client = edge.client(Protocol::Http2).await;
    let before = edge.rss();
    let answer = within("50 MB", client.get("/large.m3u8")).await.unwrap();
    assert_eq!((answer.status, answer.body.len(), &answer.end), (200, 50 << 20, &End::Clean));
    assert!(edge.rss() < before + (200 << 20), "{} after {before}", edge.rss());
    assert_eq!(edge.metric("tidegate_prefetches_total", &["outcome=\"started\""]).await, 0.0);
}

#[tokio::test]
async fn playlist_that_leads_to_other_hosts_and_inner_addresses_leads_nowhere() {
    let (origin, inner) = (Origin::start().await, Origin::start().await);
    let edge = edge_of(&origin, FOLLOWS).await;
    inner.on("/secret.ts", Script::cacheable(10));
    origin.on("/own.ts", Script::cacheable(10).field("content-type", "video/mp2t"));
    let admin = edge.admin_address();
    let body = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"http://169.254.169.254/latest\"\n#EXTINF:4,\n{}/secret.ts\n\
         #EXTINF:4,\nhttp://{admin}/drain\n#EXTINF:4,\n//localhost/x.ts\n#EXTINF:4,\nfile:///etc/passwd\n\
         #EXTINF:4,\nown.ts\n#EXT-X-ENDLIST\n",
        inner.url()
    );
    origin.on("/v.m3u8", playlist(&body));
    let client = edge.client(Protocol::Http1).await;
    for _ in 0..2 {
        assert_eq!(client.get("/v.m3u8").await.unwrap().text(), body, "players get it as it is");
    }
    // The one reference that is followed shows that the others have been looked at.
    super::until_metric(&edge, "tidegate_prefetches_total", &["outcome=\"started\""], 1.0).await;
    assert_eq!(origin.arrived("/own.ts", 1).await.len(), 1);
    assert!(inner.requests("/secret.ts").is_empty());
}

#[tokio::test]
async fn odd_playlists_and_manifests_are_passed_on_and_harm_nobody() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, FOLLOWS).await;
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE MPD [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
        <MPD type=\"dynamic\"><Period><BaseURL>&b;</BaseURL></Period></MPD>";
    let nuls = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na\0b.ts\n";
    let deep = format!("<MPD>{}", "<a>".repeat(100_000));
    let client = edge.client(Protocol::Http2).await;
    for (path, media_type, body) in [
        ("/laughs.mpd", "application/dash+xml", laughs),
        ("/nuls.m3u8", HLS, nuls),
        ("/deep.mpd", "application/dash+xml", &deep),
    ] {
        origin.on(path, Script::status(200).field("content-type", media_type).text(body));
        for _ in 0..2 {
            let answer = within(path, client.get(path)).await.unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (200, body), "{path}");
        }
    }
    assert_eq!(edge.metric("tidegate_prefetches_total", &["outcome=\"started\""]).await, 0.0);
}
