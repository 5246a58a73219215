//! What responses say and do for players: urgency, pace, and what this hop knows of the way.

use std::time::{Duration, Instant};

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};

use super::{PROTOCOLS, get, values};
use crate::assert_whole;

const SEGMENT: u64 = 600_000;

async fn edge(policy: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    let typed = |media: &str| Script::cacheable(1000).field("content-type", media);
    let playlist = Script::status(200).text("#EXTM3U\n").field("cache-control", "max-age=60");
    origin.on("/a.m3u8", playlist.field("content-type", "application/vnd.apple.mpegurl"));
    origin.on("/init.mp4", typed("video/mp4"));
    origin.on("/audio.m4s", typed("audio/mp4"));
    origin.on("/video.m4s", typed("video/mp4"));
    origin.on("/page", typed("text/html"));
    origin.on("/own.m4s", typed("audio/mp4").field("priority", "u=7, i"));
    origin.on("/missing.m3u8", Script::status(404).field("content-type", "application/vnd.apple.mpegurl"));
    origin.on("/segment.m4s", Script::cacheable(SEGMENT).field("content-type", "video/mp4"));
    let private = Script::status(200).pattern(0, SEGMENT).field("cache-control", "private");
    origin.on("/private.m4s", private.field("content-type", "video/mp4"));
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    (edge, origin)
}

#[tokio::test]
async fn what_players_wait_for_is_urgent_on_both_ways_and_all_protocols() {
    let (edge, _origin) = edge("").await;
    let stalled = ("cmcd-status", "bs");
    let named = ("priority", "u=5");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 11] = [
        ("/a.m3u8", &[], &["u=1"]),
        ("/init.mp4", &[], &["u=1"]),
        ("/audio.m4s", &[], &["u=2"]),
        ("/video.m4s", &[], &[]),
        ("/page", &[], &[]),
        ("/missing.m3u8", &[], &[]),
        ("/video.m4s", &[stalled], &["u=1"]),
        ("/video.m4s", &[("cmcd-request", "bl=900")], &["u=2"]),
        // Whom it concerns knows better, unless a player stalls.
        ("/own.m4s", &[], &["u=7, i"]),
        ("/a.m3u8", &[named], &[]),
        ("/a.m3u8", &[named, stalled], &["u=1"]),
    ];
    for protocol in PROTOCOLS {
        for round in ["fetched", "stored"] {
            for (path, fields, expected) in &cases {
                let answer = get(&edge, protocol, path, fields).await;
                assert_eq!(values(&answer, "priority"), *expected, "{} {path} {fields:?} {round}", protocol.label());
            }
        }
    }
}

#[tokio::test]
async fn policy_that_sets_no_priorities_sets_none() {
    let (edge, _origin) = edge("cmcd: {priority: false}").await;
    for fields in [&[][..], &[("cmcd-status", "bs")]] {
        assert_eq!(get(&edge, Protocol::Http3, "/a.m3u8", fields).await.field("priority"), None);
    }
}

#[tokio::test]
async fn segment_keeps_the_pace_that_its_player_asks_for() {
    let (edge, _origin) = edge("cmcd: {pacing: true}").await;
    // 250,000 bytes a second, of which a second's worth goes at once: the rest takes 1.4 s.
    let asked = ("cmcd-status", "rtp=2000");
    for path in ["/segment.m4s", "/segment.m4s", "/private.m4s"] {
        let paced = PROTOCOLS.map(|protocol| {
            let edge = &edge;
            async move {
                let began = Instant::now();
                let answer = get(edge, protocol, path, &[asked]).await;
                assert_whole(&answer, SEGMENT, path);
                let took = began.elapsed();
                assert!(took >= Duration::from_millis(1300), "{} {path}: {took:?}", protocol.label());
            }
        });
        futures::future::join_all(paced).await;
    }
    // A part is paced alike: 450,000 bytes less the burst.
    let began = Instant::now();
    let part = get(&edge, Protocol::Http2, "/segment.m4s", &[asked, ("range", "bytes=100000-549999")]).await;
    assert_eq!((part.status, part.body.len()), (206, 450_000));
    assert!(began.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn cmsd_has_a_member_of_this_hop_behind_those_before() {
    let (edge, origin) = edge("").await;
    let script =
        Script::cacheable(100).field("cmsd-static", "ot=v,br=4000").field("cmsd-dynamic", "n=\"shield\";etp=96");
    origin.on("/told.m4s", script);
    for protocol in PROTOCOLS {
        for round in ["fetched", "stored"] {
            let told = format!("{} {round}", protocol.label());
            let answer = get(&edge, protocol, "/told.m4s", &[]).await;
            assert_eq!(values(&answer, "cmsd-static"), ["ot=v,br=4000"], "{told}");
            let members = values(&answer, "cmsd-dynamic");
            assert_eq!(members.len(), 2, "{told}");
            assert_eq!(members[0], "n=\"shield\";etp=96");
            let own = members[1].strip_prefix("n=\"tidegate-eu-a-1\"").unwrap();
            if protocol == Protocol::Http3 {
                let (etp, rtt) = own.strip_prefix(";etp=").unwrap().split_once(";rtt=").unwrap();
                assert!(etp.parse::<u64>().unwrap() > 0 && rtt.parse::<u64>().is_ok(), "{told}: {own}");
            } else {
                assert_eq!(own, "", "{told}");
            }
            // Players that say nothing are told nothing.
            assert_eq!(get(&edge, protocol, "/video.m4s", &[]).await.field("cmsd-dynamic"), None);
            let player = get(&edge, protocol, "/video.m4s", &[("cmcd-session", "sid=\"a\"")]).await;
            assert_eq!(values(&player, "cmsd-dynamic").len(), 1, "{told}");
        }
    }
}
