//! Origins that die in the middle of a body: readers get the rest from the same or another one, or a visible end.

use tidegate_tests::client::{Client, End, Protocol, Request, Streaming};
use tidegate_tests::edge::{Edge, EdgeConfig, OriginEntry};
use tidegate_tests::origin::{OriginProcess, Script, Step};
use tidegate_tests::within;

use super::ALL;
use super::breaking_origin::{Breaking, BreakingOrigin, Transport};
use crate::assert_whole;

const SIZE: u64 = 400_000;

fn config(origins: &[OriginEntry]) -> EdgeConfig {
    let mut config = EdgeConfig::to_url(&origins[0].url);
    config.origins = origins.to_vec();
    config
}

async fn resumed(edge: &Edge, outcome: &str) -> f64 {
    edge.metric("tidegate_fill_resumes_total", &[&format!("outcome=\"{outcome}\"")]).await
}

async fn check_breaks(transport: Transport, breaking: Breaking) {
    let origin = BreakingOrigin::start(transport, SIZE).await;
    origin.state.lock().unwrap().breaking = breaking;
    let edge = Edge::start(&config(&[origin.entry("eu")])).await;
    for (number, protocol) in ALL.into_iter().enumerate() {
        let what = format!("{transport:?} {breaking:?} to {protocol:?}");
        let before = origin.asked().len();
        origin.breaks(&[100_000, 1, 150_000]);
        let client = edge.client(protocol).await;
        let target = format!("/a?{number}");
        assert_whole(&within(&what, client.get(&target)).await.unwrap(), SIZE, &what);
        let asked: Vec<_> =
            origin.asked().split_off(before).into_iter().map(|asked| (asked.range, asked.if_range)).collect();
        assert_eq!(asked.len(), 4, "{what}: {asked:?}");
        assert_eq!(asked[0], (None, None), "{what}");
        for (range, if_range) in &asked[1..] {
            assert!(range.as_deref().is_some_and(|range| range.ends_with('-')), "{what}: {asked:?}");
            assert_eq!(if_range.as_deref(), Some("\"version-0\""), "{what}");
        }
        // Stored whole.
        assert_whole(&within(&what, client.get(&target)).await.unwrap(), SIZE, &what);
        assert_eq!(origin.asked().len(), before + 4, "{what}: asked again");
    }
    assert_eq!(resumed(&edge, "resumed").await, 3.0 * ALL.len() as f64);
    assert_eq!(edge.metric("tidegate_fill_bytes_total", &[]).await, (SIZE * ALL.len() as u64) as f64);
}

#[tokio::test]
async fn body_goes_on_after_three_breaks_of_an_http1_origin() {
    check_breaks(Transport::Http1, Breaking::Connection).await;
}

#[tokio::test]
async fn body_goes_on_after_three_breaks_of_a_tls_origin() {
    check_breaks(Transport::Http1Tls, Breaking::Connection).await;
}

#[tokio::test]
async fn body_goes_on_after_three_broken_connections_of_an_http2_origin() {
    check_breaks(Transport::Http2, Breaking::Connection).await;
    check_breaks(Transport::Http2Tls, Breaking::Connection).await;
}

#[tokio::test]
async fn body_goes_on_after_three_reset_streams_of_an_http2_origin() {
    check_breaks(Transport::Http2, Breaking::Stream).await;
    check_breaks(Transport::Http2Tls, Breaking::Stream).await;
}

#[tokio::test]
async fn body_of_which_nothing_came_but_its_head_is_had_from_the_same_origin() {
    for transport in [Transport::Http1, Transport::Http2] {
        let origin = BreakingOrigin::start(transport, SIZE).await;
        origin.breaks(&[0, 0]);
        let edge = Edge::start(&config(&[origin.entry("eu")])).await;
        let answer = within("the body", edge.client(Protocol::Http2).await.get("/a")).await.unwrap();
        assert_whole(&answer, SIZE, &format!("{transport:?}"));
        assert_eq!(origin.asked().len(), 3, "{transport:?}");
    }
}

fn versioned(etag: &str) -> Script {
    Script::cacheable(SIZE).field("etag", etag).resource()
}

fn hanging_half(etag: &str) -> Script {
    versioned(etag).then(Step::Send(SIZE / 2)).then(Step::Hang)
}

fn process(script: Script) -> OriginProcess {
    OriginProcess::start(&[("/a".to_owned(), script)].into())
}

/// Opens a reader of each protocol for `/a` and waits until each has the first half.
async fn readers(edge: &Edge) -> Vec<(Client, Streaming)> {
    let mut readers = Vec::new();
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
        reading.read_at_least(SIZE as usize / 2).await.unwrap();
        readers.push((client, reading));
    }
    readers
}

async fn assert_all_whole(readers: Vec<(Client, Streaming)>) {
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_whole(&within(&what, reading.finish()).await.unwrap(), SIZE, &what);
    }
}

#[tokio::test]
async fn killed_origin_is_replaced_by_another_in_the_middle_of_a_body() {
    let (mut near, far) = (process(hanging_half("\"a\"")), process(versioned("\"a\"")));
    let edge = Edge::start(&config(&[OriginEntry::new("eu", &near.url()), OriginEntry::new("us", &far.url())])).await;
    let readers = readers(&edge).await;
    near.kill();
    assert_all_whole(readers).await;
    // One of the fills is that of plaintext, the other is shared.
    assert_eq!(resumed(&edge, "resumed").await, 2.0);
}

#[tokio::test]
async fn stopped_origin_is_replaced_by_another_after_the_read_timeout() {
    let (near, far) = (process(hanging_half("\"a\"")), process(versioned("\"a\"")));
    let mut config = config(&[OriginEntry::new("eu", &near.url()), OriginEntry::new("us", &far.url())]);
    config.timeouts = vec!["read: 1s".to_owned()];
    let edge = Edge::start(&config).await;
    let readers = readers(&edge).await;
    near.stop();
    assert_all_whole(readers).await;
}

#[tokio::test]
async fn only_origin_that_restarts_goes_on_with_the_body() {
    let mut origin = process(hanging_half("\"a\""));
    let address = origin.address();
    let edge = Edge::start(&config(&[OriginEntry::new("eu", &origin.url())])).await;
    let readers = readers(&edge).await;
    origin.kill();
    let _restarted = OriginProcess::start_at(address, &[("/a".to_owned(), versioned("\"a\""))].into());
    assert_all_whole(readers).await;
}

async fn assert_all_cut(readers: Vec<(Client, Streaming)>) {
    for (client, reading) in readers {
        let protocol = client.protocol();
        if let Ok(response) = within("the end", reading.finish()).await {
            assert!(matches!(response.end, End::Broken(_)), "{protocol:?}: ended cleanly");
        }
    }
}

#[tokio::test]
async fn new_version_never_goes_on_with_the_old_one() {
    let (mut near, far) = (process(hanging_half("\"a\"")), process(versioned("\"b\"")));
    let edge = Edge::start(&config(&[OriginEntry::new("eu", &near.url()), OriginEntry::new("us", &far.url())])).await;
    let cut = readers(&edge).await;
    near.kill();
    assert_all_cut(cut).await;
    assert!(resumed(&edge, "denied").await >= 2.0);
    assert_eq!(edge.metric("tidegate_fills_finished_total", &["outcome=\"broken\""]).await, 2.0);
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let fresh = within("the new version", client.get("/a")).await.unwrap();
        assert_whole(&fresh, SIZE, "the new version");
        assert_eq!(fresh.field("etag"), Some("\"b\""));
    }
}

#[tokio::test]
async fn body_that_is_not_stored_goes_on_at_another_origin() {
    let (mut near, far) = (process(hanging_half("\"a\"")), process(versioned("\"a\"")));
    let mut config = config(&[OriginEntry::new("eu", &near.url()), OriginEntry::new("us", &far.url())]);
    config.cache = vec!["max_object: 100KiB".to_owned()];
    let edge = Edge::start(&config).await;
    let readers = readers(&edge).await;
    near.kill();
    assert_all_whole(readers).await;
}

/// Even where no budget for further attempts is left: everyone goes where new requests go.
#[tokio::test]
async fn many_bodies_go_on_when_their_origin_dies() {
    const BODIES: usize = 40;
    let paths: Vec<_> = (0..BODIES).map(|number| format!("/{number}")).collect();
    let scripts = |script: Script| paths.iter().map(|path| (path.clone(), script.clone())).collect();
    let mut near = OriginProcess::start(&scripts(hanging_half("\"a\"")));
    let far = OriginProcess::start(&scripts(versioned("\"a\"")));
    let edge = Edge::start(&config(&[OriginEntry::new("eu", &near.url()), OriginEntry::new("us", &far.url())])).await;
    let client = edge.client(Protocol::Http2).await;
    let mut reading = Vec::new();
    for path in &paths {
        let mut body = within("a head", client.open(Request::get(path))).await.unwrap();
        body.read_at_least(60_000).await.unwrap();
        reading.push(body);
    }
    near.kill();
    for (body, path) in reading.into_iter().zip(&paths) {
        assert_whole(&within(path, body.finish()).await.unwrap(), SIZE, path);
    }
}
