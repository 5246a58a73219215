//! Requests that origins hold back until what they ask for exists (RFC 8216bis section 6.2.5.2).

use std::time::Duration;

use futures::future::join_all;
use tidegate_tests::client::{End, Protocol, Request};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::within;

use super::{LIVE, edge_of, playlist, until_metric};

const BLOCKED: &str = "/live/v.m3u8?_HLS_msn=7&_HLS_part=1";

/// What is asked for in plaintext is another object, with a request of its own.
const SECURE: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

#[tokio::test]
async fn players_of_one_part_wait_for_one_request_whoever_leaves() {
    let origin = Origin::start().await;
    // Held back for longer than the pool's time for reading.
    let edge = edge_of_impatient_pool(&origin, "blocking_reload: {timeout: 15s}").await;
    origin.on("/live/v.m3u8", playlist(LIVE).before(Step::Gate("part".to_owned())));
    let first = edge.client(Protocol::Http2).await;
    let leaving = tokio::spawn(async move { first.get(BLOCKED).await });
    origin.gate("part").reached().await;
    let mut waiting = Vec::new();
    for protocol in SECURE.into_iter().cycle().take(12) {
        let client = edge.client(protocol).await;
        waiting.push(tokio::spawn(async move { client.get(BLOCKED).await }));
    }
    until_metric(&edge, "tidegate_fill_waiters", &[], 13.0).await;
    leaving.abort();
    tokio::time::sleep(Duration::from_millis(1500)).await; // the pool would have given up after 1 s
    origin.gate("part").open();
    for answer in within("all answers", join_all(waiting)).await {
        let answer = answer.unwrap().unwrap();
        assert_eq!((answer.status, &answer.end, answer.text().as_str()), (200, &End::Clean, LIVE));
    }
    // Other live playlists are fresh for two seconds at most; this one for six target durations.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let late = edge.client(Protocol::Http1).await.get(BLOCKED).await.unwrap();
    assert!(late.field("cache-status").unwrap().contains("; hit"), "{:?}", late.field("cache-status"));
    assert_eq!(origin.requests("/live/v.m3u8").len(), 1);
    let failures = edge.metric("tidegate_origin_requests_total", &["outcome=\"failed\""]).await;
    assert_eq!(failures, 0.0, "silence was no failure");
}

async fn edge_of_impatient_pool(origin: &Origin, policy: &str) -> tidegate_tests::edge::Edge {
    use tidegate_tests::edge::{Edge, EdgeConfig};
    let mut config = EdgeConfig::to(origin).policy_yaml(policy);
    config.timeouts.push("read: 1s".to_owned());
    Edge::start(&config).await
}

#[tokio::test]
async fn blocking_reload_that_never_comes_is_a_503_and_no_fault_of_the_origin() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: {timeout: 1s}").await;
    origin.on("/live/v.m3u8", playlist(LIVE).before(Step::Hang));
    origin.on("/live/other.m3u8", playlist(LIVE));
    let client = edge.client(Protocol::Http2).await;
    let answers = join_all((0..4).map(|_| client.get(BLOCKED)));
    for answer in within("the answers", answers).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.field("retry-after").is_some());
    }
    assert_eq!(origin.requests("/live/v.m3u8").len(), 1);
    assert_eq!(client.get("/live/other.m3u8").await.unwrap().status, 200, "the origin is asked as before");
    assert_eq!(edge.metric("tidegate_origin_requests_total", &["outcome=\"failed\""]).await, 0.0);
}

#[tokio::test]
async fn held_requests_take_no_place_from_other_fills() {
    use tidegate_tests::edge::{Edge, EdgeConfig};
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin).policy_yaml("blocking_reload: {timeout: 15s}");
    config.cache.push("fills: 1".to_owned());
    config = config.pool_yaml("limits: {requests: 8, fills: 1}");
    let edge = Edge::start(&config).await;
    origin.on("/live/v.m3u8", playlist(LIVE).before(Step::Gate("part".to_owned())));
    origin.on("/live/s6.mp4", Script::cacheable(1000));
    let client = edge.client(Protocol::Http2).await;
    let held: Vec<_> = (0..4).map(|part| format!("/live/v.m3u8?_HLS_msn=7&_HLS_part={part}")).collect();
    let mut waiting = Vec::new();
    for target in held {
        let client = edge.client(Protocol::Http1).await;
        waiting.push(tokio::spawn(async move { client.get(&target).await }));
    }
    until_metric(&edge, "tidegate_fill_waiters", &[], 4.0).await;
    let segment = within("a segment beside them", client.get("/live/s6.mp4")).await.unwrap();
    assert_eq!(segment.status, 200);
    origin.gate("part").open();
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
}

#[tokio::test]
async fn announced_part_is_waited_for_as_long_as_its_origin_holds_it_back() {
    let origin = Origin::start().await;
    let edge = edge_of_impatient_pool(&origin, "blocking_reload: {timeout: 15s}").await;
    origin.on("/live/v.m3u8", playlist(LIVE));
    let part = Script::cacheable(1000).field("content-type", "video/mp4");
    origin.on("/live/p7.1.mp4", part.before(Step::Gate("part".to_owned())));
    let client = edge.client(Protocol::Http2).await;
    assert_eq!(client.get("/live/v.m3u8").await.unwrap().status, 200);
    // What the playlist says is known once it is stored.
    let stored =
        || async { client.get("/live/v.m3u8").await.unwrap().field("cache-status").unwrap().contains("; hit") };
    assert!(
        within("the playlist to be stored", async {
            while !stored().await {}
            true
        })
        .await
    );
    let waiting = [edge.client(Protocol::Http1).await, edge.client(Protocol::Http3).await]
        .map(|client| tokio::spawn(async move { client.get("/live/p7.1.mp4").await }));
    origin.gate("part").reached().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    origin.gate("part").open();
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    assert_eq!(origin.requests("/live/p7.1.mp4").len(), 1);
}

#[tokio::test]
async fn announced_part_that_is_missing_is_asked_for_again_after_its_own_duration() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "media: {missing_live: 60s, missing: 60s}").await;
    origin.on("/live/v.m3u8", playlist(LIVE));
    let client = edge.client(Protocol::Http2).await;
    let stored =
        || async { client.get("/live/v.m3u8").await.unwrap().field("cache-status").unwrap().contains("; hit") };
    let known = async {
        while !stored().await {}
        true
    };
    assert!(within("the playlist to be stored", known).await);
    // One that is nowhere near what a playlist has announced is remembered for as long as the policy says.
    for (path, asked) in [("/live/p7.1.mp4", 2), ("/other/p9.1.mp4", 1)] {
        assert_eq!(client.get(path).await.unwrap().status, 404);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(client.get(path).await.unwrap().status, 404);
        assert_eq!(origin.requests(path).len(), asked, "{path}");
    }
}

#[tokio::test]
async fn error_of_a_blocking_reload_is_shared_for_a_target_duration_only() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: {timeout: 15s}").await;
    origin.on("/live/v.m3u8", Script::status(404).field("content-type", "text/plain").text("not yet"));
    let client = edge.client(Protocol::Http1).await;
    for _ in 0..3 {
        assert_eq!(client.get(BLOCKED).await.unwrap().status, 404);
    }
    assert_eq!(origin.requests("/live/v.m3u8").len(), 1);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(client.get(BLOCKED).await.unwrap().status, 404);
    assert_eq!(origin.requests("/live/v.m3u8").len(), 2);
}

#[tokio::test]
async fn directives_that_cannot_be_met_are_refused_at_the_edge() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: {timeout: 15s}").await;
    origin.on("/live/v.m3u8", playlist(LIVE));
    let client = edge.client(Protocol::Http2).await;
    for malformed in ["_HLS_msn=x", "_HLS_msn=", "_HLS_part=1", "_HLS_msn=1&_HLS_msn=2", "_HLS_msn=-1"] {
        assert_eq!(client.get(&format!("/live/v.m3u8?{malformed}")).await.unwrap().status, 400, "{malformed}");
    }
    assert!(origin.requests("/live/v.m3u8").is_empty());
    // Far ahead of what is known: nobody parks requests at the origin that are never answered.
    assert_eq!(client.get("/live/v.m3u8").await.unwrap().status, 200);
    let far = || async { client.get("/live/v.m3u8?_HLS_msn=100000").await.unwrap().status };
    assert!(
        within("the playlist to be known", async {
            while far().await != 400 {}
            true
        })
        .await
    );
    // A segment of 2 s in parts of 200 ms has no thousand of them.
    let part = client.get("/live/v.m3u8?_HLS_msn=7&_HLS_part=1000").await.unwrap();
    assert_eq!(part.status, 400);
    // Of other things they are ordinary arguments.
    origin.on("/live/s6.mp4", Script::cacheable(10));
    assert_eq!(client.get("/live/s6.mp4?_HLS_msn=x").await.unwrap().status, 200);
}

#[tokio::test]
async fn skip_is_another_object_and_other_policies_pass_the_directives_on() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: null").await;
    origin.on("/live/v.m3u8", playlist(LIVE));
    let client = edge.client(Protocol::Http1).await;
    for target in ["/live/v.m3u8?_HLS_msn=x", "/live/v.m3u8?_HLS_skip=YES", "/live/v.m3u8"] {
        assert_eq!(client.request(Request::get(target)).await.unwrap().status, 200, "{target}");
    }
    assert_eq!(origin.requests("/live/v.m3u8").len(), 3);
}

#[tokio::test]
async fn players_of_a_playlist_that_may_not_be_shared_wait_each_for_itself() {
    let origin = Origin::start().await;
    let edge = edge_of_impatient_pool(&origin, "blocking_reload: {timeout: 15s}").await;
    let client = edge.client(Protocol::Http2).await;
    // The first one is a fill, and the next one passes, as it is known by then that nothing is shared.
    for gate in ["first", "second"] {
        let own = playlist(LIVE).field("cache-control", "private").before(Step::Gate(gate.to_owned()));
        origin.on("/live/v.m3u8", own);
        let other = edge.client(Protocol::Http1).await;
        let waiting = tokio::spawn(async move { other.get(BLOCKED).await });
        origin.gate(gate).reached().await;
        tokio::time::sleep(Duration::from_millis(1500)).await; // beyond the pool's time for reading
        origin.gate(gate).open();
        assert_eq!(waiting.await.unwrap().unwrap().status, 200, "{gate}");
    }
    assert_eq!(origin.requests("/live/v.m3u8").len(), 2);
    origin.on("/live/s6.mp4", Script::cacheable(10));
    assert_eq!(client.get("/live/s6.mp4").await.unwrap().status, 200);
    assert_eq!(edge.metric("tidegate_origin_requests_total", &["outcome=\"failed\""]).await, 0.0);
}

#[tokio::test]
async fn parts_named_like_films_are_known_by_their_first_bytes() {
    let origin = Origin::start().await;
    let edge = edge_of(&origin, "blocking_reload: {timeout: 15s}").await;
    let film = |body: &str| Script::status(200).field("content-type", "video/mp4").text(body);
    origin.on("/live/p7.0.mp4", film("\0\0\0\u{8}styp\0\0\0\u{8}moof"));
    origin.on("/film.mp4", film("\0\0\0\u{10}ftypisom\0\0\0\0\0\0\0\u{8}moov"));
    let client = edge.client(Protocol::Http2).await;
    // A film whose origin says nothing of its freshness is asked for each time.
    for (path, asked) in [("/live/p7.0.mp4", 1), ("/film.mp4", 2)] {
        for _ in 0..2 {
            assert_eq!(client.get(path).await.unwrap().status, 200);
        }
        assert_eq!(origin.requests(path).len(), asked, "{path}");
    }
}
