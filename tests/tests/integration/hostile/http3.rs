//! HTTP/3 as attackers write it (RFC 9114, RFC 9204): stream by stream.

use std::net::UdpSocket;

use quinn::VarInt;
use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Body, Origin, Script};
use tidegate_tests::within;

use super::http3_wire::*;
use super::{Arena, BOUNDS};

const INTERNAL_ERROR: u64 = 0x102;
const STREAM_CREATION_ERROR: u64 = 0x103;
const CLOSED_CRITICAL_STREAM: u64 = 0x104;
const FRAME_UNEXPECTED: u64 = 0x105;
const EXCESSIVE_LOAD: u64 = 0x107;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10a;
const MESSAGE_ERROR: u64 = 0x10e;
const REQUEST_CANCELLED: u32 = 0x10c;

#[tokio::test]
async fn streams_that_break_the_protocol_end_the_connection() {
    let arena = Arena::start().await;
    let settings = || [vec![0x00], frame(SETTINGS, &[])].concat();
    let control = |more: &[u8]| [settings(), more.to_vec()].concat();
    let rows: Vec<(&str, Vec<Vec<u8>>, u64)> = vec![
        ("second SETTINGS", vec![control(&frame(SETTINGS, &[]))], FRAME_UNEXPECTED),
        ("no SETTINGS", vec![[vec![0x00], frame(GOAWAY, &[0])].concat()], MISSING_SETTINGS),
        ("setting twice", vec![[vec![0x00], frame(SETTINGS, &[0x06, 0x10, 0x06, 0x10])].concat()], SETTINGS_ERROR),
        ("setting of HTTP/2", vec![[vec![0x00], frame(SETTINGS, &[0x02, 0x01])].concat()], SETTINGS_ERROR),
        ("DATA on the control stream", vec![control(&frame(DATA, b"x"))], FRAME_UNEXPECTED),
        ("HEADERS on the control stream", vec![control(&frame(HEADERS, &[0, 0]))], FRAME_UNEXPECTED),
        ("frame of HTTP/2 on the control stream", vec![control(&frame(0x6, &[0; 8]))], FRAME_UNEXPECTED),
        ("second control stream", vec![settings(), settings()], STREAM_CREATION_ERROR),
    ];
    let mut wrong = Vec::new();
    for (name, streams, expected) in rows {
        let mut connection = Http3::bare(&arena.edge).await;
        for stream in streams {
            connection.uni(&stream).await;
        }
        let closed = tokio::time::timeout(std::time::Duration::from_secs(5), connection.closed_with(name)).await;
        if closed != Ok(expected) {
            wrong.push(format!("{name}: {closed:x?} and not {expected:x}"));
        }
        arena.assert_serves_others(name).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut connection = Http3::open(&arena.edge).await;
    connection.end_first_uni();
    assert_eq!(connection.closed_with("closed control stream").await, CLOSED_CRITICAL_STREAM);
}

#[tokio::test]
async fn what_has_no_meaning_is_ignored() {
    let arena = Arena::start().await;
    let mut connection = Http3::bare(&arena.edge).await;
    let unknown = [frame(0x21, b"grease"), frame(0xf0_0021, b"more")].concat();
    let settings = [vec![0x00], frame(SETTINGS, &[0x21, 0x05]), unknown.clone()].concat();
    connection.uni(&settings).await;
    // A stream of pushes (type 1) is a client's mistake; nothing comes of it here.
    for kind in [0x21_u64, 0x40, 0x5f, 0x1] {
        connection.uni(&[integer(kind), b"whatever".to_vec()].concat()).await;
    }
    assert!(connection.is_served().await);
    let head = frame(HEADERS, &section(&request("GET", "/a")));
    let (mut send, mut receive) = connection.ask(&[unknown.clone(), head, unknown].concat()).await.unwrap();
    send.finish().unwrap();
    let answer = within("an answer", receive.read_to_end(64 << 10)).await.unwrap();
    assert_eq!(status(&answer), Some(200));
}

#[tokio::test]
async fn streams_beyond_those_allowed_are_not_opened() {
    let arena = Arena::start().await;
    let connection = Http3::open(&arena.edge).await;
    let mut held = Vec::new();
    // Streams of unknown types are let go of by the edge, which makes room for more: bounded at any one time.
    for _ in 0..64 {
        let opening = tokio::time::timeout(std::time::Duration::from_millis(200), connection.quic.open_uni()).await;
        let Ok(Ok(mut stream)) = opening else { break };
        drop(stream.write_all(&[0x40, 0x21]).await);
        held.push(stream);
    }
    assert!(connection.is_served().await || connection.quic.close_reason().is_some());
    arena.assert_serves_others("streams without end").await;
}

#[tokio::test]
async fn qpack_abuse_is_refused() {
    let arena = Arena::start().await;
    for (name, bytes) in [
        ("reference to the dynamic table", vec![0x02, 0x00, 0x80]),
        ("reference behind the base", vec![0x00, 0x00, 0x10]),
        ("index beyond the static table", vec![0x00, 0x00, 0xff, 0xff, 0x00]),
        ("integer without end", [&[0x00, 0x00][..], &[0xff; 40]].concat()),
        ("string that is not there", vec![0x00, 0x00, 0x27, 0x7f, b'a']),
        ("string of all memory", [&[0x00, 0x00, 0x27][..], &[0xff; 9], &[0x01]].concat()),
        ("end in Huffman's code", vec![0x00, 0x00, 0x2c, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("nothing", vec![]),
    ] {
        let connection = Http3::open(&arena.edge).await;
        let asked = connection.ask(&frame(HEADERS, &bytes)).await;
        let (mut send, mut receive) = asked.unwrap();
        drop(send.finish());
        let answer = within(name, receive.read_to_end(64 << 10)).await;
        let refused = match &answer {
            Ok(answer) => answer.is_empty() || status(answer).is_some_and(|status| (400..500).contains(&status)),
            Err(_) => true,
        };
        assert!(refused, "{name}: {answer:?}");
        arena.assert_serves_others(name).await;
    }
    // One name of the static table again and again: a section that grows a hundredfold when it is decoded.
    let mut bomb = section(&request("GET", "/a"));
    bomb.extend(std::iter::repeat_n([0xff, 0x00], 20_000).flatten());
    let connection = Http3::open(&arena.edge).await;
    let (mut send, mut receive) = connection.ask(&frame(HEADERS, &bomb)).await.unwrap();
    drop(send.finish());
    let answer = within("a bomb", receive.read_to_end(64 << 10)).await;
    assert!(answer.is_err() || status(&answer.unwrap()) == Some(431));
    let mut connection = Http3::open(&arena.edge).await;
    connection.uni(&[0x02, 0x3f, 0xe1, 0x1f]).await;
    connection.uni(&[0x02, 0x3f, 0xe1, 0x1f]).await;
    arena.assert_serves_others("QPACK streams").await;
    assert!(arena.recorder.take().await.is_empty());
}

#[tokio::test]
async fn pseudo_headers_stand_once_and_in_front() {
    let arena = Arena::start().await;
    let good = request("GET", "/a");
    for more in
        [(":path", "/b"), (":method", "POST"), (":authority", "other.test"), (":scheme", "http"), (":status", "200")]
    {
        let connection = Http3::open(&arena.edge).await;
        let fields = [&good[..], &[more]].concat();
        let (mut send, mut receive) = connection.ask(&frame(HEADERS, &section(&fields))).await.unwrap();
        drop(send.finish());
        let reset = within("a reset", receive.read_to_end(64 << 10)).await.unwrap_err();
        let code = VarInt::from_u64(MESSAGE_ERROR).unwrap();
        assert!(
            matches!(reset, quinn::ReadToEndError::Read(quinn::ReadError::Reset(it)) if it == code),
            "{more:?}: {reset}"
        );
        assert!(connection.is_served().await, "{more:?}: the rest of the connection");
    }
    assert!(arena.recorder.take().await.is_empty());
}

#[tokio::test]
async fn bodies_that_are_not_what_their_length_says_are_refused() {
    let arena = Arena::start().await;
    for (length, body) in [("2", "abc"), ("9", "abc"), ("9", "")] {
        let what = format!("{length} for {body:?}");
        let connection = Http3::open(&arena.edge).await;
        let fields = [&request("POST", "/a")[..], &[("content-length", length)]].concat();
        let bytes = [frame(HEADERS, &section(&fields)), frame(DATA, body.as_bytes())].concat();
        let found = outcome(&what, &connection, &bytes, true).await;
        // The response may be broken off before it is known why.
        assert!([Reset(MESSAGE_ERROR), Reset(INTERNAL_ERROR), Status(400)].contains(&found), "{what}: {found:?}");
        assert!(arena.recorder.take().await.iter().all(|it| !it.whole), "{what}");
    }
}

#[tokio::test]
async fn storms_of_resets_end_their_connection_and_no_other() {
    let arena = Arena::start().await;
    let head = frame(HEADERS, &section(&request("GET", "/a")));
    for (name, sent, resets) in [
        ("reset before a request", &head[..3], true),
        ("reset behind a request", &head[..], true),
        // Whole requests, whose answers nobody wants.
        ("stopped answers", &head[..], false),
    ] {
        let connection = Http3::open(&arena.edge).await;
        let code = VarInt::from_u32(REQUEST_CANCELLED);
        for _ in 0..5_000 {
            let Ok((mut send, mut receive)) = connection.ask(sent).await else { break };
            drop(if resets { send.reset(code) } else { send.finish() });
            drop(receive.stop(code));
        }
        assert_eq!(connection.closed_with(name).await, EXCESSIVE_LOAD, "{name}");
        arena.assert_serves_others(name).await;
    }
}

#[tokio::test]
async fn client_that_changes_its_address_goes_on() {
    let origin = Origin::start().await;
    origin.on("/echo", Script::status(200).body(Body::Echo));
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let connection = Http3::open(&edge).await;
    let post =
        |length| frame(HEADERS, &section(&[&request("POST", "/echo")[..], &[("content-length", length)]].concat()));
    let assert_echo = async |mut receive: quinn::RecvStream, body: &[u8]| {
        let answer = within("an answer", receive.read_to_end(64 << 10)).await.unwrap();
        assert!(status(&answer) == Some(200) && answer.ends_with(body), "{answer:?}");
    };
    let (mut send, receive) = connection.ask(&[post("3"), frame(DATA, b"abc")].concat()).await.unwrap();
    send.finish().unwrap();
    assert_echo(receive, b"abc").await;
    let (mut send, receive) = connection.ask(&[post("6"), frame(DATA, b"def")].concat()).await.unwrap();
    let moved = tidegate_tests::address::loopback();
    connection.endpoint.rebind(UdpSocket::bind((moved, 0)).unwrap()).unwrap();
    send.write_all(&frame(DATA, b"ghi")).await.unwrap();
    send.finish().unwrap();
    assert_echo(receive, b"defghi").await;
    // What it asks from now on comes from where it is now.
    let (mut send, receive) = connection.ask(&[post("3"), frame(DATA, b"jkl")].concat()).await.unwrap();
    send.finish().unwrap();
    assert_echo(receive, b"jkl").await;
    let told = |addresses: Vec<String>| (addresses.len(), addresses[0].clone(), addresses[2].clone());
    let expected = (3, "127.0.0.1".to_owned(), moved.to_string());
    let forwarded = origin.requests("/echo");
    let forwarded = forwarded.iter().map(|it| it.field("x-forwarded-for").unwrap_or_default().to_owned());
    assert_eq!(told(forwarded.collect()), expected);
    let logged = edge.access_log(3, |entry| entry["path"] == "/echo").await;
    let logged = logged.iter().map(|entry| entry["client"].as_str().unwrap_or_default().to_owned());
    assert_eq!(told(logged.collect()), expected);
    assert_eq!(within("another", edge.client(Protocol::Http3).await.get("/echo")).await.unwrap().status, 200);
}

/// What comes of a request that is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Status(u16),
    Reset(u64),
}
use Outcome::{Reset, Status};

async fn outcome(what: &str, connection: &Http3, bytes: &[u8], ends: bool) -> Outcome {
    let (mut send, mut receive) = connection.ask(bytes).await.unwrap();
    if ends {
        drop(send.finish());
    }
    match within(what, receive.read_to_end(1 << 20)).await {
        Ok(answer) => Status(status(&answer).unwrap_or(0)),
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => Reset(code.into_inner()),
        Err(error) => panic!("{what}: {error}"),
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_stream_by_stream() {
    let arena = Arena::start().await;
    let [method, scheme, authority, path] = <[(&str, &str); 4]>::try_from(request("GET", "/a")).unwrap();
    let with = |more: &[(&'static str, &'static str)]| [&[method, scheme, authority, path], more].concat();
    let malformed = [Reset(MESSAGE_ERROR), Status(400)];
    let rows: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("no method", vec![scheme, authority, path]),
        ("no scheme", vec![method, authority, path]),
        ("no path", vec![method, scheme, authority]),
        ("no authority", vec![method, scheme, path]),
        ("empty path", vec![method, scheme, authority, (":path", "")]),
        ("relative path", vec![method, scheme, authority, (":path", "a")]),
        ("absolute path", vec![method, scheme, authority, (":path", "http://other.test/")]),
        ("asterisk for GET", vec![method, scheme, authority, (":path", "*")]),
        ("space in the path", vec![method, scheme, authority, (":path", "/a b")]),
        ("line in the path", vec![method, scheme, authority, (":path", "/a HTTP/1.1\r\nx: y")]),
        ("null in the path", vec![method, scheme, authority, (":path", "/a\0")]),
        ("line in the method", vec![(":method", "GET /b HTTP/1.1\r\nx: y"), scheme, authority, path]),
        ("authority with a user", vec![method, scheme, (":authority", "me@media.tidegate.test"), path]),
        ("authority with a path", vec![method, scheme, (":authority", "media.tidegate.test/x"), path]),
        ("unknown pseudo-header", with(&[(":own", "a")])),
        ("protocol without CONNECT", with(&[(":protocol", "websocket")])),
        ("pseudo-header behind a field", vec![method, scheme, authority, ("a", "b"), path]),
        ("upper case", with(&[("Upper", "case")])),
        ("space in a name", with(&[("a b", "c")])),
        ("empty name", with(&[("", "c")])),
        ("line in a value", with(&[("a", "b\r\nc: d")])),
        ("null in a value", with(&[("a", "b\0")])),
        ("connection", with(&[("connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("a length and chunks", with(&[("content-length", "3"), ("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te", with(&[("te", "gzip")])),
        ("another host", with(&[("host", "other.test")])),
        ("two hosts", vec![method, scheme, path, ("host", HOST), ("host", HOST)]),
        ("two lengths", with(&[("content-length", "1"), ("content-length", "2")])),
        ("signed length", with(&[("content-length", "+1")])),
        ("list of equal lengths", with(&[("content-length", "1, 1")])),
        ("two equal lengths", with(&[("content-length", "1"), ("content-length", "1")])),
        ("leading zeros", with(&[("content-length", "01")])),
        ("overflowing length", with(&[("content-length", "18446744073709551616")])),
    ];
    for (name, fields) in rows {
        let connection = Http3::open(&arena.edge).await;
        let found = outcome(name, &connection, &frame(HEADERS, &section(&fields)), true).await;
        assert!(malformed.contains(&found), "{name}: {found:?}");
        assert!(connection.is_served().await, "{name}: the rest of the connection");
        arena.assert_serves_others(name).await;
    }
    let unknown = vec![method, scheme, (":authority", "other.test"), path];
    let extended = vec![(":method", "CONNECT"), (":protocol", "websocket"), scheme, authority, path];
    let other_scheme = vec![method, (":scheme", "http"), authority, path];
    let unknown_scheme = vec![method, (":scheme", "ftp"), authority, path];
    let options = vec![(":method", "OPTIONS"), scheme, authority, (":path", "*")];
    for (name, fields, expected) in [
        ("unknown host", unknown, vec![Status(421)]),
        // Extended CONNECT (RFC 9220), which is not offered.
        ("WebSocket over HTTP/3", extended, vec![Status(400), Reset(MESSAGE_ERROR)]),
        ("scheme of another connection", other_scheme, vec![Status(421)]),
        ("unknown scheme", unknown_scheme, vec![Status(400)]),
        ("TRACE", request("TRACE", "/a"), vec![Status(405)]),
        ("CONNECT with a path", request("CONNECT", "/a"), vec![Status(405), Status(400), Reset(MESSAGE_ERROR)]),
        ("CONNECT", vec![(":method", "CONNECT"), authority], vec![Status(405)]),
        ("OPTIONS of the server", options, vec![Status(204)]),
    ] {
        let connection = Http3::open(&arena.edge).await;
        let found = outcome(name, &connection, &frame(HEADERS, &section(&fields)), true).await;
        assert!(expected.contains(&found), "{name}: {found:?}");
    }
    assert!(arena.recorder.take().await.is_empty());
}

#[tokio::test]
async fn bounds_are_answered_with_their_status() {
    let arena = Arena::with(|config| {
        config.limits = BOUNDS.map(String::from).into();
    })
    .await;
    let long: &'static str = "x".repeat(5_000).leak();
    let [method, scheme, authority, path] = <[(&str, &str); 4]>::try_from(request("GET", "/a")).unwrap();
    let post = |length: &'static str| {
        frame(HEADERS, &section(&[&request("POST", "/a")[..], &[("content-length", length)]].concat()))
    };
    let fields = |more: &[(&str, &str)]| frame(HEADERS, &section(&[&[method, scheme, authority, path], more].concat()));
    let rows = [
        ("target", Vec::new(), 414),
        ("field", fields(&[("a", long)]), 431),
        ("name", fields(&[(long, "a")]), 431),
        ("fields", fields(&[("a", "b"); 30]), 431),
        ("section that is announced", [integer(HEADERS), integer(1 << 20)].concat(), 431),
        ("length", [post("5000"), frame(DATA, long.as_bytes())].concat(), 413),
        ("section that does not come", fields(&[])[..9].to_vec(), 408),
        ("body that does not come", post("9"), 408),
    ];
    for (name, bytes, expected) in rows {
        let target = format!("/{}", &long[..2_000]);
        let bytes = match name {
            "target" => frame(HEADERS, &section(&[method, scheme, authority, (":path", &target)])),
            _ => bytes,
        };
        let connection = Http3::open(&arena.edge).await;
        let found = outcome(name, &connection, &bytes, expected != 408 && name != "section that is announced").await;
        let stalled = name == "body that does not come" && matches!(found, Reset(_));
        assert!(found == Status(expected) || stalled, "{name}: {found:?}");
        assert!(arena.recorder.take().await.iter().all(|it| !it.whole), "{name} was passed on");
        arena.assert_serves_others(name).await;
    }
    let post = frame(HEADERS, &section(&request("POST", "/a")));
    let connection = Http3::open(&arena.edge).await;
    let found = outcome("body", &connection, &[post, frame(DATA, long.as_bytes())].concat(), true).await;
    assert!(matches!(found, Status(413) | Reset(_)), "{found:?}");
    assert!(arena.recorder.take().await.iter().all(|it| !it.whole), "a body too long was passed on");
    for (status, expected) in [("408", 1.0), ("414", 1.0), ("431", 4.0)] {
        let labels = ["protocol=\"h3\"", &format!("status=\"{status}\"")];
        let refused = arena.edge.metric("tidegate_requests_refused_total", &labels).await;
        assert!((refused - expected).abs() < 0.5, "refusals with {status} are counted: {refused}");
    }
}
