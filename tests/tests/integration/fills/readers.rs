//! Readers of one fill: slow ones, leaving ones, many.

use futures::StreamExt as _;
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::origin::{Outcome, Script, Step};
use tidegate_tests::within;

use super::{ALL, edge_and_origin};
use crate::assert_whole;

/// More than sockets and flow-control windows hold between edge and client.
const LARGE: u64 = 24 * 1024 * 1024;

async fn slow_first_reader(protocol: Protocol, sharing: Sharing) {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", Script::cacheable(LARGE));
    let slow = edge.client(protocol).await;
    let own = edge.client(protocol).await;
    let quick = match sharing {
        Sharing::OwnConnection => &own,
        Sharing::SameConnection => &slow,
    };
    let mut first = within("a head", slow.open(Request::get("/a"))).await.unwrap();
    first.read_at_least(1).await.unwrap();
    let second = within("the second reader, while the first one pauses", quick.get("/a")).await.unwrap();
    assert_whole(&second, LARGE, "second");
    assert!((first.received().len() as u64) < LARGE, "the first reader was paused");
    let first = within("the first reader, who goes on", first.finish()).await.unwrap();
    assert_whole(&first, LARGE, "first");
    assert_eq!(origin.requests("/a").len(), 1);
}

/// Whether two requests go over one connection.
#[derive(Clone, Copy)]
enum Sharing {
    OwnConnection,
    SameConnection,
}

#[tokio::test]
async fn slow_first_reader_does_not_slow_the_second_over_plain_http1() {
    slow_first_reader(Protocol::PlainHttp1, Sharing::OwnConnection).await;
}

#[tokio::test]
async fn slow_first_reader_does_not_slow_the_second_over_http1() {
    slow_first_reader(Protocol::Http1, Sharing::OwnConnection).await;
}

#[tokio::test]
async fn slow_first_reader_does_not_slow_the_second_over_http2() {
    slow_first_reader(Protocol::Http2, Sharing::OwnConnection).await;
}

#[tokio::test]
async fn slow_first_reader_does_not_slow_the_second_over_http3() {
    slow_first_reader(Protocol::Http3, Sharing::OwnConnection).await;
}

#[tokio::test]
async fn paused_stream_does_not_slow_another_of_the_same_http2_connection() {
    slow_first_reader(Protocol::Http2, Sharing::SameConnection).await;
}

#[tokio::test]
async fn paused_stream_does_not_slow_another_of_the_same_http3_connection() {
    slow_first_reader(Protocol::Http3, Sharing::SameConnection).await;
}

async fn leaving_first_reader(protocol: Protocol) {
    const SIZE: u64 = 3_000_000;
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", Script::cacheable(SIZE).pausing_after(1_000_000, "middle"));
    let (leaver, stayer) = (edge.client(protocol).await, edge.client(protocol).await);
    let mut first = within("a head", leaver.open(Request::get("/a"))).await.unwrap();
    first.read_at_least(1).await.unwrap();
    let mut second = within("a head", stayer.open(Request::get("/a"))).await.unwrap();
    second.read_at_least(500_000).await.unwrap();
    first.cancel();
    drop(leaver);
    origin.gate("middle").open();
    let second = within("the one who stays", second.finish()).await.unwrap();
    assert_whole(&second, SIZE, "who stays");
    assert_eq!(origin.ended("/a", 1).await[0].outcome, Outcome::Written);
    let third = within("a later one", stayer.get("/a")).await.unwrap();
    assert_whole(&third, SIZE, "who comes later");
    assert_eq!(origin.requests("/a").len(), 1);
}

#[tokio::test]
async fn leaving_first_reader_harms_nobody_over_plain_http1() {
    leaving_first_reader(Protocol::PlainHttp1).await;
}

#[tokio::test]
async fn leaving_first_reader_harms_nobody_over_http1() {
    leaving_first_reader(Protocol::Http1).await;
}

#[tokio::test]
async fn leaving_first_reader_harms_nobody_over_http2() {
    leaving_first_reader(Protocol::Http2).await;
}

#[tokio::test]
async fn leaving_first_reader_harms_nobody_over_http3() {
    leaving_first_reader(Protocol::Http3).await;
}

#[tokio::test]
async fn only_reader_may_leave_and_the_next_one_gets_a_whole_body() {
    const SIZE: u64 = 3_000_000;
    let (edge, origin) = edge_and_origin().await;
    for protocol in ALL {
        let path = format!("/{protocol:?}");
        let gate = format!("middle {protocol:?}");
        origin.on(&path, Script::cacheable(SIZE).pausing_after(1_000_000, &gate));
        let client = edge.client(protocol).await;
        let mut first = within("a head", client.open(Request::get(&path))).await.unwrap();
        first.read_at_least(1).await.unwrap();
        first.cancel();
        origin.gate(&gate).open();
        assert_whole(&within("the next one", client.get(&path)).await.unwrap(), SIZE, &path);
    }
}

#[tokio::test]
async fn twenty_clients_make_one_request_of_the_origin() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", Script::cacheable(400_000).pausing_after(100_000, "middle"));
    let mut readers = Vec::new();
    for number in 0..20 {
        let client = edge.client(Protocol::SECURE[number % Protocol::SECURE.len()]).await;
        readers.push(tokio::spawn(async move {
            let mut reading = client.open(Request::get("/a")).await.unwrap();
            reading.read_at_least(100_000).await.unwrap();
            (client, reading)
        }));
    }
    let mut joined = Vec::new();
    for reader in readers {
        joined.push(within("what there is", reader).await.unwrap());
    }
    origin.gate("middle").open();
    for (_client, reading) in joined {
        assert_whole(&within("the rest", reading.finish()).await.unwrap(), 400_000, "joined");
    }
    assert_eq!(origin.requests("/a").len(), 1);
}

#[tokio::test]
async fn clients_that_come_before_the_head_wait_for_the_same_fill() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", Script::cacheable(100_000).before(Step::Gate("head".to_owned())));
    let mut readers = Vec::new();
    for number in 0..12 {
        let client = edge.client(Protocol::SECURE[number % Protocol::SECURE.len()]).await;
        readers.push(tokio::spawn(async move { client.get("/a").await.unwrap() }));
    }
    origin.gate("head").reached().await;
    origin.gate("head").open();
    for reader in readers {
        assert_whole(&within("an answer", reader).await.unwrap(), 100_000, "waiting");
    }
    assert_eq!(origin.requests("/a").len(), 1);
}

/// Many requests over one connection, many of them at once; misses, hits and passes among them.
async fn busy_connection(protocol: Protocol) {
    const SIZE: u64 = 100_003;
    let (edge, origin) = edge_and_origin().await;
    for number in 0..10 {
        origin.on(&format!("/stored{number}"), Script::cacheable(SIZE));
        origin.on(&format!("/passed{number}"), Script::cacheable(SIZE).field("cache-control", "no-store"));
    }
    let client = edge.client(protocol).await;
    let paths = (0..400).map(|number| {
        let kind = if number % 4 == 0 { "passed" } else { "stored" };
        format!("/{kind}{}", number % 10)
    });
    let asking = paths.map(|path| {
        let client = &client;
        async move {
            let response = within(&path, client.get(&path)).await.unwrap();
            assert_whole(&response, SIZE, &path);
        }
    });
    futures::stream::iter(asking).buffer_unordered(40).collect::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_connection_gets_every_body_whole_over_http1() {
    busy_connection(Protocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_connection_gets_every_body_whole_over_http2() {
    busy_connection(Protocol::Http2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_connection_gets_every_body_whole_over_http3() {
    busy_connection(Protocol::Http3).await;
}
