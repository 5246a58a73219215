//! Origins that lie in HTTP/2: resets, farewells midway, bodies that are not what their head says, broken frames and
//! floods. Clients get 502 or see where the body was cut, nothing is stored, and the next request is answered.

use std::time::Duration;

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::within;

use super::http2_liar::{After, Answer, Http2Liar, honest};
use super::http2_wire::*;
use super::origins::Expected::{self, Body, Cut, Failed, Promised, Refused};
use super::origins::{GOOD_BODY, ask};

const NO_ERROR: [u8; 4] = [0; 4];
const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];

async fn edge_to(liar: &Http2Liar) -> Edge {
    Edge::start(&edge_config(liar)).await
}

fn edge_config(liar: &Http2Liar) -> EdgeConfig {
    let mut config = EdgeConfig::to_url(&liar.url());
    config.origins[0] = config.origins[0].clone().yaml("http_version: \"2\"");
    // So many lies would open the circuit.
    config.pool =
        vec!["attempts: 1".to_owned(), "limits: {failures: 0%}".to_owned(), "health: {probe: off}".to_owned()];
    config.timeouts = vec!["read: 1s".to_owned()];
    config
}

/// A head that may be stored, with these fields besides.
fn head(stream: u32, fields: &[(&str, &str)], flags: u8) -> Vec<u8> {
    let fields = [&[(":status", "200"), ("cache-control", "max-age=60")], fields].concat();
    frame(HEADERS, END_HEADERS | flags, stream, &section(&fields))
}

/// A head of exactly these fields that ends its stream.
fn bare(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &section(fields))
}

fn data(stream: u32, bytes: &[u8], flags: u8) -> Vec<u8> {
    frame(DATA, flags, stream, bytes)
}

fn reset(stream: u32, code: [u8; 4]) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code)
}

fn goaway(last: u32, code: [u8; 4]) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code].concat())
}

type Row = (&'static str, fn(u32) -> Vec<u8>, fn(u32) -> After, Expected);

const KEEP: fn(u32) -> After = |_| After::Keep;
const CLOSE: fn(u32) -> After = |_| After::Close;

/// Asks twice in each way, through the cache and past it, each time followed by something honest.
async fn check_all(rows: &[Row]) {
    let liar = Http2Liar::start().await;
    let edge = edge_to(&liar).await;
    for (number, &(name, frames, after, expected)) in rows.iter().enumerate() {
        let mut answered = 0;
        for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
            let client = edge.client(protocol).await;
            for method in ["GET", "POST"] {
                let what = format!("{name}: {method} over {protocol:?}");
                let target = format!("/{number}?{}{method}", protocol.label());
                for _ in 0..2 {
                    liar.answer(Answer { frames, after });
                    let before = liar.asked();
                    ask(&client, method, &target, expected, &what).await;
                    answered += 1;
                    // What could be believed may be stored.
                    let asked = liar.asked() > before;
                    assert!(asked || (method == "GET" && matches!(expected, Body(_))), "{what}: from the cache");
                    liar.answer(honest());
                    let good = within("an honest answer", client.get("/good")).await.unwrap();
                    assert_eq!((good.status, good.text().as_str()), (200, GOOD_BODY), "after {what}");
                }
            }
        }
        if expected == Refused {
            let path = format!("/{number}");
            let told = |entry: &serde_json::Value| entry["path"] == path.as_str() && entry["error"].is_string();
            edge.access_log(answered, told).await;
        }
    }
}

#[tokio::test]
async fn streams_and_connections_that_end_too_early() {
    check_all(&[
        ("reset before the head", |it| reset(it, INTERNAL_ERROR), KEEP, Refused),
        ("reset before the head without error", |it| reset(it, NO_ERROR), KEEP, Refused),
        ("refused", |it| reset(it, REFUSED_STREAM), KEEP, Refused),
        ("reset behind the head", |it| [head(it, &[], 0), reset(it, INTERNAL_ERROR)].concat(), KEEP, Cut),
        (
            "reset midway",
            |it| [head(it, &[("content-length", "9")], 0), data(it, b"abc", 0), reset(it, INTERNAL_ERROR)].concat(),
            KEEP,
            Cut,
        ),
        (
            "reset midway of a body without length",
            |it| [head(it, &[], 0), data(it, b"abc", 0), reset(it, INTERNAL_ERROR)].concat(),
            KEEP,
            Cut,
        ),
        (
            "reset midway without error",
            |it| [head(it, &[], 0), data(it, b"abc", 0), reset(it, NO_ERROR)].concat(),
            KEEP,
            Cut,
        ),
        ("end before the head", |_| Vec::new(), CLOSE, Refused),
        ("end midway", |it| [head(it, &[], 0), data(it, b"abc", 0)].concat(), CLOSE, Cut),
        ("farewell before the head", |_| goaway(0, INTERNAL_ERROR), CLOSE, Refused),
        ("farewell and no more", |it| goaway(it, NO_ERROR), CLOSE, Refused),
        (
            "farewell midway",
            |it| [head(it, &[], 0), data(it, b"abc", 0), goaway(it, INTERNAL_ERROR)].concat(),
            CLOSE,
            Cut,
        ),
        (
            "farewell that takes a stream back",
            |it| [head(it, &[], 0), data(it, b"abc", 0), goaway(0, NO_ERROR)].concat(),
            CLOSE,
            Cut,
        ),
        (
            "farewell and the rest",
            |it| [head(it, &[], 0), goaway(it, NO_ERROR), data(it, b"ok", END_STREAM)].concat(),
            CLOSE,
            Body("ok"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_what_their_head_says() {
    check_all(&[
        (
            "longer",
            |it| [head(it, &[("content-length", "2")], 0), data(it, b"okpoison", END_STREAM)].concat(),
            KEEP,
            Cut,
        ),
        (
            "longer by a frame",
            |it| {
                [head(it, &[("content-length", "2")], 0), data(it, b"ok", 0), data(it, b"poison", END_STREAM)].concat()
            },
            KEEP,
            Promised("ok"),
        ),
        ("shorter", |it| [head(it, &[("content-length", "9")], 0), data(it, b"abc", END_STREAM)].concat(), KEEP, Cut),
        ("none", |it| head(it, &[("content-length", "9")], END_STREAM), KEEP, Cut),
        (
            "two lengths",
            |it| {
                let lengths = [("content-length", "2"), ("content-length", "3")];
                [head(it, &lengths, 0), data(it, b"abc", END_STREAM)].concat()
            },
            KEEP,
            Refused,
        ),
        (
            "more behind the end",
            |it| [head(it, &[], 0), data(it, b"ok", END_STREAM), data(it, b"poison", 0)].concat(),
            KEEP,
            Body("ok"),
        ),
        (
            "trailers that begin like a head",
            |it| [head(it, &[], 0), data(it, b"abc", 0), bare(it, &[(":status", "200")])].concat(),
            KEEP,
            // The library drops what trailers must not have; nobody gets to see it.
            Body("abc"),
        ),
        (
            "trailers that do not end",
            |it| {
                [head(it, &[], 0), data(it, b"abc", 0), frame(HEADERS, END_HEADERS, it, &section(&[("a", "b")]))]
                    .concat()
            },
            KEEP,
            Cut,
        ),
        ("trailers", |it| [head(it, &[], 0), data(it, b"ok", 0), bare(it, &[("a", "b")])].concat(), KEEP, Body("ok")),
    ])
    .await;
}

#[tokio::test]
async fn frames_and_heads_that_no_response_can_have() {
    check_all(&[
        ("body before its head", |it| data(it, b"abc", END_STREAM), KEEP, Refused),
        ("frame too large", |it| frame(HEADERS, END_HEADERS, it, &[0; 1 << 20]), CLOSE, Refused),
        ("head on stream 0", |_| head(0, &[], END_STREAM), KEEP, Refused),
        ("head of what nobody asked", |it| head(it + 2, &[], END_STREAM), KEEP, Refused),
        ("push", |it| frame(PUSH_PROMISE, END_HEADERS, it, &[0, 0, 0, 2]), KEEP, Refused),
        ("window of nothing", |_| frame(WINDOW_UPDATE, 0, 0, &[0; 4]), KEEP, Refused),
        ("SETTINGS of 5 bytes", |_| frame(SETTINGS, 0, 0, &[0; 5]), KEEP, Refused),
        ("unknown index", |it| frame(HEADERS, END_HEADERS | END_STREAM, it, &[0xff, 0x80, 0x01]), KEEP, Refused),
        ("garbage", |_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), CLOSE, Refused),
        ("no status", |it| bare(it, &[("a", "b")]), KEEP, Refused),
        ("two statuses", |it| bare(it, &[(":status", "200"), (":status", "204")]), KEEP, Refused),
        ("status of letters", |it| bare(it, &[(":status", "abc")]), KEEP, Refused),
        ("status beyond all", |it| bare(it, &[(":status", "700")]), KEEP, Refused),
        ("status of HTTP/1", |it| bare(it, &[(":status", "101")]), KEEP, Refused),
        // The library drops what only requests have; nobody gets to see it.
        ("path", |it| bare(it, &[(":status", "200"), (":path", "/")]), KEEP, Body("")),
        ("upper case", |it| bare(it, &[(":status", "200"), ("Upper", "case")]), KEEP, Refused),
        ("connection", |it| bare(it, &[(":status", "200"), ("connection", "close")]), KEEP, Refused),
        ("transfer-encoding", |it| bare(it, &[(":status", "200"), ("transfer-encoding", "chunked")]), KEEP, Refused),
        ("line in a value", |it| bare(it, &[(":status", "200"), ("a", "b\r\nc: d")]), KEEP, Refused),
        ("null in a value", |it| bare(it, &[(":status", "200"), ("a", "b\0")]), KEEP, Refused),
    ])
    .await;
}

#[tokio::test]
async fn answers_to_what_nobody_asked() {
    check_all(&[
        ("304 unasked", |it| bare(it, &[(":status", "304"), ("cache-control", "max-age=60")]), KEEP, Refused),
        (
            "206 unasked",
            |it| {
                let fields = [(":status", "206"), ("content-range", "bytes 0-1/9"), ("cache-control", "max-age=60")];
                [frame(HEADERS, END_HEADERS, it, &section(&fields)), data(it, b"ok", END_STREAM)].concat()
            },
            KEEP,
            Refused,
        ),
        (
            "hints",
            |it| {
                let hints = frame(HEADERS, END_HEADERS, it, &section(&[(":status", "103"), ("link", "</a>")]));
                [hints, head(it, &[], 0), data(it, b"ok", END_STREAM)].concat()
            },
            KEEP,
            Body("ok"),
        ),
        ("hints and no more", |it| bare(it, &[(":status", "103")]), KEEP, Refused),
    ])
    .await;
}

#[tokio::test]
async fn floods_of_an_origin_end_its_connection() {
    check_all(&[
        (
            "CONTINUATION",
            |it| frame(HEADERS, 0, it, &section(&[(":status", "200")])),
            |it| After::Repeat(frame(CONTINUATION, 0, it, &section(&[("a", "b")]))),
            Failed,
        ),
        (
            "empty CONTINUATION",
            |it| frame(HEADERS, 0, it, &section(&[(":status", "200")])),
            |it| After::Repeat(frame(CONTINUATION, 0, it, &[])),
            Failed,
        ),
        (
            "interim answers",
            |_| Vec::new(),
            |it| After::Repeat(frame(HEADERS, END_HEADERS, it, &section(&[(":status", "103")]))),
            Failed,
        ),
        ("PING", |_| Vec::new(), |_| After::Repeat(frame(PING, 0, 0, &[0; 8])), Failed),
        ("SETTINGS", |_| Vec::new(), |_| After::Repeat(frame(SETTINGS, 0, 0, &[])), Failed),
        ("empty DATA", |it| head(it, &[], 0), |it| After::Repeat(data(it, &[], 0)), Cut),
    ])
    .await;
}

/// Three requests on one connection: one that is answered, one that waits, and one whose answer ends the connection.
fn break_by_the_third(stream: u32) -> Vec<u8> {
    match stream {
        3 => Vec::new(),
        5 => frame(PING, 0, 0, &[0]),
        _ => (honest().frames)(stream),
    }
}

#[tokio::test]
async fn requests_beside_one_that_ends_their_connection_are_asked_again_over_another() {
    let liar = Http2Liar::start().await;
    liar.answer(Answer { frames: break_by_the_third, after: |_| After::Keep });
    for protocol in Protocol::SECURE {
        // One failure opens the circuit, so that nobody is blamed; and each has one attempt.
        let mut config = edge_config(&liar);
        config.pool[1] = "limits: {failures: 1%, failures_floor: 1, open: 60s}".to_owned();
        let edge = Edge::start(&config).await;
        let (client, other) = (edge.client(protocol).await, edge.client(protocol).await);
        assert_eq!(within("an answer", client.get("/first")).await.unwrap().text(), GOOD_BODY, "{protocol:?}");
        let asked = liar.asked();
        let waiting = tokio::spawn(async move { other.request(Request::new("DELETE", "/waits")).await.unwrap() });
        within("its request", async {
            while liar.asked() == asked {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let breaking = within("an answer", client.request(Request::new("DELETE", "/breaks"))).await.unwrap();
        assert_eq!((breaking.status, breaking.text().as_str()), (200, GOOD_BODY), "{protocol:?}");
        let waiting = within("an answer", waiting).await.unwrap();
        assert_eq!((waiting.status, waiting.text().as_str()), (200, GOOD_BODY), "{protocol:?}");
        let lines = edge.access_log(2, |line| line["method"] == "DELETE").await;
        for line in lines {
            let origin = line["origin"].as_str().unwrap();
            let expected = serde_json::json!([
                {"origin": origin, "failure": "raced"},
                {"origin": origin, "status": 200},
            ]);
            assert_eq!(line["attempts"], expected, "{protocol:?} {line}");
        }
        assert_eq!(within("an answer", client.get("/last")).await.unwrap().text(), GOOD_BODY, "{protocol:?}");
    }
}

/// Answers stream 3 only with a farewell and an error, once stream 5 was asked for.
fn farewell_to_the_second(stream: u32) -> Vec<u8> {
    match stream {
        3 => Vec::new(),
        5 => goaway(3, INTERNAL_ERROR),
        _ => (honest().frames)(stream),
    }
}

#[tokio::test]
async fn request_that_a_farewell_leaves_unprocessed_is_asked_again_beside_one_that_goes_on() {
    let liar = Http2Liar::start().await;
    liar.answer(Answer { frames: farewell_to_the_second, after: |_| After::Keep });
    let edge = edge_to(&liar).await;
    let (client, other) = (edge.client(Protocol::Http2).await, edge.client(Protocol::Http2).await);
    assert_eq!(within("an answer", client.get("/first")).await.unwrap().text(), GOOD_BODY);
    let asked = liar.asked();
    let waiting = tokio::spawn(async move { other.request(Request::new("DELETE", "/waits")).await });
    within("its request", async {
        while liar.asked() == asked {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Whatever its method (RFC 9113 section 8.7).
    let left = within("an answer", client.request(Request::new("POST", "/left").body("x"))).await.unwrap();
    assert_eq!((left.status, left.text().as_str()), (200, GOOD_BODY));
    let lines = edge.access_log(1, |line| line["path"] == "/left").await;
    assert_eq!(lines[0]["attempts"].as_array().unwrap().len(), 2, "{}", lines[0]);
    let overview = within("the overview", edge.admin("GET", "/origins")).await.text();
    assert!(overview.contains("\"consecutive_failures\":0"), "{overview}");
    waiting.abort();
}

#[tokio::test]
async fn upload_may_last_longer_than_an_origin_may_be_silent() {
    let liar = Http2Liar::start().await;
    let edge = edge_to(&liar).await;
    let mut raw = edge.raw(Protocol::Http1).await;
    raw.send(format!("POST /a HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    for _ in 0..10 {
        // Ten of them take longer than `timeouts.read`, and no pause does.
        tokio::time::sleep(Duration::from_millis(200)).await;
        raw.send(b"1\r\na\r\n").await.unwrap();
    }
    raw.send(b"0\r\n\r\n").await.unwrap();
    assert_eq!(within("an answer", raw.head("POST")).await.unwrap().status, 200);
}
