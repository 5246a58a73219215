//! HTTP/3 as attackers write it (RFC 9114, RFC 9204): stream by stream.

use std::net::{Ipv4Addr, UdpSocket};

use quinn::VarInt;
use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Body, Origin, Script};
use tidegate_tests::within;

use super::Arena;
use super::http3_wire::*;

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
    for (length, body) in [("2", "abc"), ("9", "abc")] {
        let connection = Http3::open(&arena.edge).await;
        let fields = [&request("POST", "/a")[..], &[("content-length", length)]].concat();
        let bytes = [frame(HEADERS, &section(&fields)), frame(DATA, body.as_bytes())].concat();
        let (mut send, mut receive) = connection.ask(&bytes).await.unwrap();
        drop(send.finish());
        let answer = within("a refusal", receive.read_to_end(64 << 10)).await;
        let refused = answer.as_ref().map_or(true, |answer| status(answer) != Some(200));
        assert!(refused, "{length}: {answer:?}");
        assert!(arena.recorder.take().await.iter().all(|it| !it.whole), "{length} for {body}");
    }
}

#[tokio::test]
async fn storms_of_resets_end_their_connection_and_no_other() {
    let arena = Arena::start().await;
    let head = frame(HEADERS, &section(&request("GET", "/a")));
    for (name, whole) in [("reset before a request", false), ("reset behind a request", true)] {
        let connection = Http3::open(&arena.edge).await;
        let code = VarInt::from_u32(REQUEST_CANCELLED);
        for _ in 0..5_000 {
            let bytes = if whole { &head[..] } else { &head[..3] };
            let Ok((mut send, mut receive)) = connection.ask(bytes).await else { break };
            drop(send.reset(code));
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
    let fields = [&request("POST", "/echo")[..], &[("content-length", "6")]].concat();
    let first = [frame(HEADERS, &section(&fields)), frame(DATA, b"abc")].concat();
    let (mut send, mut receive) = connection.ask(&first).await.unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    connection.endpoint.rebind(socket).unwrap();
    send.write_all(&frame(DATA, b"def")).await.unwrap();
    send.finish().unwrap();
    let answer = within("an answer", receive.read_to_end(64 << 10)).await.unwrap();
    assert_eq!(status(&answer), Some(200));
    assert!(answer.ends_with(b"abcdef"), "{answer:?}");
    assert_eq!(within("another", edge.client(Protocol::Http3).await.get("/echo")).await.unwrap().status, 200);
}
