//! Fills belong to no client: slow, leaving and many readers, origins that break off, stall and die, bodies beyond
//! what is stored.

use std::time::Duration;

use tidegate_tests::client::{Client, End, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Framing, Origin, OriginProcess, Outcome, Script, Step};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::{PATIENCE, within};

/// All protocols, plaintext included.
const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];
/// More than sockets and flow-control windows hold between edge and client.
const LARGE: u64 = 24 * 1024 * 1024;

async fn edge_and_origin() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    (edge, origin)
}

fn assert_whole(response: &Response, size: u64, what: &str) {
    assert_eq!((response.status, &response.end), (200, &End::Clean), "{what}");
    assert_eq!(response.body.len() as u64, size, "{what}");
    assert_eq!(Pattern::new(0).check(0, &response.body), Ok(()), "{what}");
}

/// No clean end, unless nothing of a success was claimed in the first place.
fn assert_not_passed_off_as_whole(answer: anyhow::Result<Response>, what: &str) {
    match answer {
        Ok(response) if response.status >= 500 => {}
        Ok(response) => assert!(
            matches!(response.end, End::Broken(_)),
            "{what}: status {} ended cleanly after {} bytes",
            response.status,
            response.body.len()
        ),
        // The connection or stream broke before a head came.
        Err(_) => {}
    }
}

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
    within("a first byte", first.read_at_least(1)).await.unwrap();
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
    within("a first byte", first.read_at_least(1)).await.unwrap();
    let mut second = within("a head", stayer.open(Request::get("/a"))).await.unwrap();
    within("what there is", second.read_at_least(500_000)).await.unwrap();
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
        within("a first byte", first.read_at_least(1)).await.unwrap();
        first.cancel();
        origin.gate(&gate).open();
        assert_whole(&within("the next one", client.get(&path)).await.unwrap(), SIZE, &path);
    }
}

/// Ways in which an origin breaks off a body of 400,000 bytes half-way.
fn breaks() -> Vec<(&'static str, Script)> {
    const SIZE: u64 = 400_000;
    let half = || Script::cacheable(SIZE).then(Step::Send(SIZE / 2));
    let chunked = || half().framing(Framing::Chunked);
    vec![
        ("closed_within_length", half().then(Step::Close)),
        ("reset_within_length", half().then(Step::Reset)),
        ("closed_within_chunks", chunked().then(Step::Close)),
        ("reset_within_chunks", chunked().then(Step::Reset)),
        ("closed_after_head", Script::cacheable(SIZE).then(Step::Close)),
        ("closed_before_head", Script::cacheable(SIZE).before(Step::Close)),
        ("last_byte_missing", Script::cacheable(SIZE).then(Step::Send(SIZE - 1)).then(Step::Close)),
        (
            "last_chunk_missing",
            Script::cacheable(SIZE).framing(Framing::Chunked).then(Step::Send(SIZE)).then(Step::Close),
        ),
        ("unstored", half().field("cache-control", "no-store").then(Step::Close)),
    ]
}

async fn truncated_origin(protocol: Protocol) {
    let (edge, origin) = edge_and_origin().await;
    let client = edge.client(protocol).await;
    for (name, script) in breaks() {
        let path = format!("/{name}");
        origin.on(&path, script);
        let answer = within(name, client.get(&path)).await;
        assert_not_passed_off_as_whole(answer, name);
        // Had anything been stored, this would not be the whole body.
        origin.on(&path, Script::cacheable(300_000));
        let fresh = edge.client(protocol).await;
        assert_whole(&within(name, fresh.get(&path)).await.unwrap(), 300_000, name);
    }
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_plain_http1() {
    truncated_origin(Protocol::PlainHttp1).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http1() {
    truncated_origin(Protocol::Http1).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http2() {
    truncated_origin(Protocol::Http2).await;
}

#[tokio::test]
async fn truncated_body_never_ends_cleanly_nor_is_stored_over_http3() {
    truncated_origin(Protocol::Http3).await;
}

#[tokio::test]
async fn joined_readers_of_a_truncated_body_are_all_told() {
    let (edge, origin) = edge_and_origin().await;
    let script = Script::cacheable(400_000).pausing_after(200_000, "middle").then(Step::Close);
    origin.on("/a", script);
    let mut readers = Vec::new();
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
        within("half", reading.read_at_least(200_000)).await.unwrap();
        readers.push((client, reading));
    }
    origin.gate("middle").open();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
    assert_eq!(origin.requests("/a").len(), 1);
}

/// Opens a reader of each protocol for `/a` and waits until each has the first half.
async fn readers(edge: &Edge, half: usize) -> Vec<(Client, tidegate_tests::client::Streaming)> {
    let mut readers = Vec::new();
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/a"))).await.unwrap();
        within("half", reading.read_at_least(half)).await.unwrap();
        readers.push((client, reading));
    }
    readers
}

fn hanging_half() -> Script {
    Script::cacheable(400_000).then(Step::Send(200_000)).then(Step::Hang)
}

#[tokio::test]
async fn killed_origin_breaks_the_body_and_not_the_edge() {
    let whole = Script::cacheable(1000);
    let mut dying = OriginProcess::start(&[("/a".to_owned(), hanging_half()), ("/b".to_owned(), whole)].into());
    let edge = Edge::start(&EdgeConfig::to_url(&format!("http://{}", dying.address()))).await;
    let client = edge.client(Protocol::Http2).await;
    assert_whole(&within("a stored body", client.get("/b")).await.unwrap(), 1000, "before");
    let readers = readers(&edge, 200_000).await;
    dying.kill();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
    assert_whole(&within("the stored body", client.get("/b")).await.unwrap(), 1000, "after");
    let refused = within("an answer without an origin", client.get("/c")).await.unwrap();
    assert!((502..=504).contains(&refused.status), "{}", refused.status);
}

#[tokio::test]
async fn stopped_origin_breaks_the_body_after_the_read_timeout() {
    let stalling = OriginProcess::start(&[("/a".to_owned(), hanging_half())].into());
    let mut config = EdgeConfig::to_url(&format!("http://{}", stalling.address()));
    config.timeouts = vec!["read: 1s".to_owned()];
    let edge = Edge::start(&config).await;
    let readers = readers(&edge, 200_000).await;
    stalling.stop();
    for (client, reading) in readers {
        let what = format!("{:?}", client.protocol());
        assert_not_passed_off_as_whole(within(&what, reading.finish()).await, &what);
    }
}

#[tokio::test]
async fn twenty_clients_make_one_request_of_the_origin() {
    let (edge, origin) = edge_and_origin().await;
    origin.on("/a", Script::cacheable(400_000).pausing_after(100_000, "middle"));
    let mut readers = Vec::new();
    for number in 0..20 {
        let client = edge.client(ALL[number % ALL.len()]).await;
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
        let client = edge.client(ALL[number % ALL.len()]).await;
        readers.push(tokio::spawn(async move { client.get("/a").await.unwrap() }));
    }
    origin.gate("head").reached().await;
    origin.gate("head").open();
    for reader in readers {
        assert_whole(&within("an answer", reader).await.unwrap(), 100_000, "waiting");
    }
    assert_eq!(origin.requests("/a").len(), 1);
}

async fn live_pieces(protocol: Protocol, cache_control: &str) {
    let (edge, origin) = edge_and_origin().await;
    let script = Script::status(200).pattern(0, 3000).field("cache-control", cache_control).framing(Framing::Chunked);
    origin.on("/live", script.pausing_after(1000, "one").pausing_after(1000, "two"));
    let client = edge.client(protocol).await;
    let mut reading = within("a head", client.open(Request::get("/live"))).await.unwrap();
    within("the first piece", reading.read_at_least(1000)).await.unwrap();
    assert_eq!(reading.received().len(), 1000);
    origin.gate("one").open();
    within("the second piece", reading.read_at_least(2000)).await.unwrap();
    assert_eq!(reading.received().len(), 2000);
    origin.gate("two").open();
    assert_whole(&within("the rest", reading.finish()).await.unwrap(), 3000, "live");
}

#[tokio::test]
async fn live_pieces_pass_on_as_they_arrive_when_stored() {
    for protocol in ALL {
        live_pieces(protocol, "max-age=60").await;
    }
}

#[tokio::test]
async fn live_pieces_pass_on_as_they_arrive_when_not_stored() {
    for protocol in ALL {
        live_pieces(protocol, "no-store").await;
    }
}

/// Two readers of a body beyond the cap of one object, side by side; the peak of the edge's growth in bytes.
async fn stream_beyond_cap(protocols: [Protocol; 2], size: u64, limit: Duration) -> u64 {
    let origin = Origin::start().await;
    let mut config = EdgeConfig::to(&origin);
    config.cache = vec!["capacity: 32MiB".to_owned(), "max_object: 4MiB".to_owned(), "fill_window: 4MiB".to_owned()];
    let edge = Edge::start(&config).await;
    origin.on("/small", Script::cacheable(1000));
    origin.on("/huge", Script::cacheable(size).pausing_after(1000, "start"));
    let mut readers = Vec::new();
    for protocol in protocols {
        let client = edge.client(protocol).await;
        // A first request, so that what every connection costs is there before the growth is measured.
        assert_whole(&within("a small body", client.get("/small")).await.unwrap(), 1000, "small");
        let mut reading = within("a head", client.open(Request::get("/huge"))).await.unwrap();
        within("a beginning", reading.read_at_least(1000)).await.unwrap();
        readers.push((client, reading));
    }
    let before = edge.rss();
    origin.gate("start").open();
    let reading = readers.into_iter().map(|(client, reading)| async move {
        let check = |offset, bytes: &[u8]| {
            Pattern::new(0).check(offset, bytes).map_err(|wrong| anyhow::anyhow!("wrong byte at {wrong}"))
        };
        let (length, end) = reading.consume(check).await.unwrap();
        assert_eq!((length, end), (size, End::Clean), "{:?}", client.protocol());
    });
    let peak = watch_memory(&edge, futures::future::join_all(reading), limit).await;
    assert_eq!(origin.requests("/huge").len(), 1, "the readers share one request");
    let again = edge.client(Protocol::PlainHttp1).await;
    let status = within("a later reader", again.open(Request::get("/huge"))).await.unwrap();
    assert_eq!(origin.requests("/huge").len(), 2, "the body is not stored");
    status.cancel();
    peak.saturating_sub(before)
}

/// Drives `work`, looking at the edge's memory every now and then; the peak.
async fn watch_memory(edge: &Edge, work: impl Future, limit: Duration) -> u64 {
    let mut work = std::pin::pin!(tokio::time::timeout(limit, work));
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let mut peak = 0;
    loop {
        tokio::select! {
            ended = &mut work => {
                assert!(ended.is_ok(), "not done after {limit:?}");
                return peak;
            }
            _ = looks.tick() => peak = peak.max(edge.rss()),
        }
    }
}

/// Growth that is granted: windows of fill and sockets for two readers, and what the allocator keeps.
const GROWTH: u64 = 100 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gibibyte_beyond_the_cap_streams_to_two_readers_in_flat_memory() {
    let protocols = [Protocol::PlainHttp1, Protocol::Http2];
    let growth = stream_beyond_cap(protocols, 1024 * 1024 * 1024, PATIENCE * 6).await;
    assert!(growth < GROWTH, "the edge grew by {growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_beyond_the_cap_streams_over_http3_in_flat_memory() {
    let growth = stream_beyond_cap([Protocol::Http3, Protocol::Http1], 256 * 1024 * 1024, PATIENCE * 6).await;
    assert!(growth < GROWTH, "the edge grew by {growth} bytes");
}
