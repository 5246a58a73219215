//! HTTP/2 as attackers write it (RFC 9113): frame by frame.

use std::time::Duration;

use tidegate_tests::edge::HOST;
use tidegate_tests::within;

use super::http2_wire::*;
use super::{Arena, BOUNDS};

/// What may come of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A response on stream 1.
    Status(u16),
    /// Stream 1 is reset with this code.
    Reset(u32),
    /// GOAWAY with this code, and the end of the connection.
    GoAway(u32),
    /// The end of the connection without a word.
    End,
}
use Outcome::{End, GoAway, Reset, Status};

const PROTOCOL_ERROR: u32 = 0x1;
const FLOW_CONTROL_ERROR: u32 = 0x3;
const STREAM_CLOSED: u32 = 0x5;
const FRAME_SIZE_ERROR: u32 = 0x6;
const CANCEL: u32 = 0x8;
const COMPRESSION_ERROR: u32 = 0x9;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// What comes of stream 1, or of the connection.
async fn outcome(connection: &mut Http2) -> Outcome {
    while let Some(frame) = connection.next().await {
        match frame.kind {
            GOAWAY if frame.code() != Some(0) => {
                let code = frame.code().unwrap();
                while connection.next().await.is_some() {}
                return GoAway(code);
            }
            RST_STREAM if frame.stream == 1 => return Reset(frame.code().unwrap()),
            HEADERS if frame.stream == 1 => return Status(frame.status().unwrap_or(0)),
            _ => {}
        }
    }
    End
}

async fn check(arena: &Arena, name: &str, bytes: &[u8], expected: &[Outcome]) {
    let mut connection = Http2::open(&arena.edge).await;
    // A connection that was ended may not take all of it.
    drop(connection.send(bytes).await);
    arena.assert_serves_others(name).await;
    let found = within(name, outcome(&mut connection)).await;
    assert!(expected.contains(&found), "{name}: {found:?} and not {expected:?}");
    drop(connection);
    let received = arena.recorder.take().await;
    assert!(received.iter().all(|it| !it.whole), "{name}: passed on as {received:?}");
}

fn headers(fields: &[(&str, &str)], flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, &section(fields))
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&request("/a")[..], more].concat()
}

#[tokio::test]
async fn malformed_requests_are_refused_stream_by_stream() {
    let arena = Arena::start().await;
    let [method, scheme, authority, path] =
        [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/a")];
    // Some of them the library takes for an error of the connection.
    let malformed = [Reset(PROTOCOL_ERROR), Status(400), GoAway(PROTOCOL_ERROR)];
    let rows: [(&str, Vec<(&str, &str)>); 33] = [
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
        ("two methods", vec![method, method, scheme, authority, path]),
        ("two paths", vec![method, scheme, authority, path, (":path", "/b")]),
        ("two authorities", vec![method, scheme, authority, authority, path]),
        ("authority with a user", vec![method, scheme, (":authority", "me@media.tidegate.test"), path]),
        ("authority with a path", vec![method, scheme, (":authority", "media.tidegate.test/x"), path]),
        ("line in the method", vec![(":method", "GET /b HTTP/1.1\r\nx: y"), scheme, authority, path]),
        ("pseudo-header behind a field", vec![method, scheme, authority, ("a", "b"), path]),
        ("unknown pseudo-header", with(&[(":own", "a")])),
        ("pseudo-header of responses", with(&[(":status", "200")])),
        ("protocol without CONNECT", with(&[(":protocol", "websocket")])),
        ("upper case", with(&[("Upper", "case")])),
        ("space in a name", with(&[("a b", "c")])),
        ("colon in a name", with(&[("a:b", "c")])),
        ("empty name", with(&[("", "c")])),
        ("line in a value", with(&[("a", "b\r\nc: d")])),
        ("null in a value", with(&[("a", "b\0")])),
        ("connection", with(&[("connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te", with(&[("te", "gzip")])),
        ("another host", with(&[("host", "other.test")])),
        ("two lengths", with(&[("content-length", "1"), ("content-length", "2")])),
    ];
    for (name, fields) in rows {
        check(&arena, name, &headers(&fields, END_STREAM), &malformed).await;
    }
    let unknown = [(":method", "GET"), (":scheme", "https"), (":authority", "other.test"), (":path", "/a")];
    check(&arena, "unknown host", &headers(&unknown, END_STREAM), &[Status(421)]).await;
    // Extended CONNECT (RFC 8441), which is not offered.
    let extended = with(&[(":protocol", "websocket"), ("sec-websocket-version", "13")]);
    let extended: Vec<_> = [(":method", "CONNECT")].into_iter().chain(extended.into_iter().skip(1)).collect();
    check(&arena, "WebSocket over HTTP/2", &headers(&extended, 0), &[Status(405), Reset(PROTOCOL_ERROR)]).await;
    let other_scheme = [(":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/a")];
    check(&arena, "scheme of another connection", &headers(&other_scheme, END_STREAM), &[Status(421)]).await;
    let unknown_scheme = [(":method", "GET"), (":scheme", "ftp"), (":authority", HOST), (":path", "/a")];
    check(&arena, "unknown scheme", &headers(&unknown_scheme, END_STREAM), &[Status(421), Status(400)]).await;
    for method in ["TRACE", "CONNECT"] {
        let fields = [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", "/a")];
        let refused = [Status(405), Status(400), Reset(PROTOCOL_ERROR)];
        check(&arena, method, &headers(&fields, END_STREAM), &refused).await;
    }
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":authority", HOST), (":path", "*")];
    check(&arena, "OPTIONS of another server", &headers(&options, END_STREAM), &[Status(421)]).await;
    let options = [(":method", "OPTIONS"), (":scheme", "https"), (":authority", HOST), (":path", "*")];
    check(&arena, "OPTIONS of the server", &headers(&options, END_STREAM), &[Status(204)]).await;
}

#[tokio::test]
async fn bodies_that_are_not_what_their_length_says_are_refused() {
    let arena = Arena::start().await;
    let post = |length: &'static str| {
        let mut fields = with(&[("content-length", length)]);
        fields[0] = (":method", "POST");
        headers(&fields, 0)
    };
    let malformed = [Reset(PROTOCOL_ERROR), Status(400), Status(502)];
    let data = |flags, bytes: &[u8]| frame(DATA, flags, 1, bytes);
    check(&arena, "longer", &[post("2"), data(END_STREAM, b"abc")].concat(), &malformed).await;
    check(&arena, "shorter", &[post("9"), data(END_STREAM, b"abc")].concat(), &malformed).await;
    check(&arena, "signed", &[post("+3"), data(END_STREAM, b"abc")].concat(), &malformed).await;
    check(&arena, "list", &[post("3, 4"), data(END_STREAM, b"abc")].concat(), &malformed).await;
    // Trailers are read by nobody, what they claim included.
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &section(&[("content-length", "9"), ("host", "b")]));
    let mut connection = Http2::open(&arena.edge).await;
    connection.send(&[post("3"), data(0, b"abc"), trailers].concat()).await.unwrap();
    assert_eq!(within("an answer", outcome(&mut connection)).await, Status(200));
    let received = arena.recorder.take().await;
    let told = String::from_utf8_lossy(&received[0].bytes).into_owned();
    let claimed =
        ["content-length: 9", "host: b"].map(|line| told.to_ascii_lowercase().contains(&format!("\n{line}\r")));
    assert!(received.len() == 1 && told.ends_with("\r\n\r\nabc") && claimed == [false; 2], "{told}");
}

#[tokio::test]
async fn lengths_that_an_origin_could_read_otherwise_are_not_passed_on() {
    let arena = Arena::start().await;
    for lengths in [&["3, 3"][..], &["003"], &["3", "3"], &["3,3"], &["3,"]] {
        let mut fields = with(&[]);
        fields[0] = (":method", "POST");
        fields.extend(lengths.iter().map(|length| ("content-length", *length)));
        let mut connection = Http2::open(&arena.edge).await;
        connection.send(&[headers(&fields, 0), frame(DATA, END_STREAM, 1, b"abc")].concat()).await.unwrap();
        let found = within("an answer", outcome(&mut connection)).await;
        assert!([Reset(PROTOCOL_ERROR), Status(400)].contains(&found), "{lengths:?}: {found:?}");
        assert!(arena.recorder.take().await.is_empty(), "{lengths:?} was passed on");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn broken_frames_end_the_connection() {
    let arena = Arena::start().await;
    let get = headers(&request("/a"), END_STREAM);
    let post = [&[(":method", "POST")], &request("/a")[1..]].concat();
    let settings = |id: u16, value: u32| frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    let protocol = [GoAway(PROTOCOL_ERROR)];
    let size = [GoAway(FRAME_SIZE_ERROR), GoAway(PROTOCOL_ERROR)];
    let closed = [Reset(STREAM_CLOSED), GoAway(STREAM_CLOSED), GoAway(PROTOCOL_ERROR)];
    let compression = [GoAway(COMPRESSION_ERROR), GoAway(PROTOCOL_ERROR)];
    let rows: Vec<(&str, Vec<u8>, &[Outcome])> = vec![
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), &protocol),
        ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0; 4]), &protocol),
        ("WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), &protocol),
        ("even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &section(&request("/a"))), &protocol),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, &section(&request("/a"))), &protocol),
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), &protocol),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), &protocol),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), &protocol),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), &protocol),
        ("CONTINUATION alone", frame(CONTINUATION, END_HEADERS, 1, &[]), &protocol),
        (
            "PING between HEADERS and CONTINUATION",
            [frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])].concat(),
            &protocol,
        ),
        ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5]), &size),
        ("acknowledged SETTINGS with content", frame(SETTINGS, ACK, 0, &[0; 6]), &size),
        ("PING of 7 bytes", frame(PING, 0, 0, &[0; 7]), &size),
        ("frame too large", frame(DATA, 0, 1, &[0; 16_385]), &[GoAway(FRAME_SIZE_ERROR), GoAway(PROTOCOL_ERROR)]),
        ("padding beyond the frame", [headers(&request("/a"), 0), frame(DATA, 0x8, 1, &[9])].concat(), &protocol),
        ("push enabled twice over", settings(0x2, 2), &protocol),
        ("window beyond 2^31", settings(0x4, 0x8000_0000), &[GoAway(FLOW_CONTROL_ERROR), GoAway(PROTOCOL_ERROR)]),
        ("frame size below 2^14", settings(0x5, 100), &protocol),
        ("window that overflows", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), &[GoAway(FLOW_CONTROL_ERROR)]),
        ("window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &protocol),
        ("unknown index", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0x80, 0x01]), &compression),
        ("integer without end", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 64]), &compression),
        ("table beyond its size", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x3f, 0xff, 0xff, 0x7f]), &compression),
        ("string that is not there", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x7f]), &compression),
        (
            "end in Huffman's code",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]),
            &compression,
        ),
        (
            "stream that depends on itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
            &[Reset(PROTOCOL_ERROR), GoAway(PROTOCOL_ERROR)],
        ),
        (
            "window of a stream that overflows",
            [headers(&post, 0), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])].concat(),
            &[Reset(FLOW_CONTROL_ERROR)],
        ),
        (
            "window of nothing for a stream",
            [headers(&post, 0), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
            &[Reset(PROTOCOL_ERROR), GoAway(PROTOCOL_ERROR)],
        ),
        (
            "DATA behind the end",
            [headers(&request("/.well-known/tidegate/live"), END_STREAM), frame(DATA, 0, 1, b"x")].concat(),
            &closed,
        ),
        (
            "older stream",
            [frame(HEADERS, END_HEADERS | END_STREAM, 5, &section(&request("/.well-known/tidegate/live"))), get]
                .concat(),
            &closed,
        ),
    ];
    for (name, bytes, expected) in rows {
        check(&arena, name, &bytes, expected).await;
    }
    let mut connection = Http2::bare(&arena.edge).await;
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(matches!(within("no preface", outcome(&mut connection)).await, GoAway(_) | End));
}

#[tokio::test]
async fn floods_end_their_connection_and_no_other() {
    let arena = Arena::start().await;
    let calm = [GoAway(ENHANCE_YOUR_CALM)];
    let resets: Vec<u8> = (0..10_000_u32)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            let get = frame(HEADERS, END_HEADERS | END_STREAM, stream, &section(&request("/a")));
            [get, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
        })
        .collect();
    let opened = headers(&with(&[]), 0);
    let bomb = {
        // One entry of 4,000 bytes, named again and again by one byte.
        let mut section = section(&request("/a"));
        section.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        section.extend_from_slice(&[b'y'; 4_000]);
        section.extend_from_slice(&[0xbe; 8_000]);
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &section)
    };
    let unlike = |name: &str| section(&[(name, "a")]);
    let continuations = [
        frame(HEADERS, END_STREAM, 1, &section(&request("/a"))),
        frame(CONTINUATION, 0, 1, &unlike("b")).repeat(50_000),
    ];
    let empty_continuations =
        [frame(HEADERS, END_STREAM, 1, &section(&request("/a"))), frame(CONTINUATION, 0, 1, &[]).repeat(50_000)];
    let rows: Vec<(&str, Vec<u8>, &[Outcome])> = vec![
        ("rapid reset", resets, &calm),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[]).repeat(50_000), &calm),
        (
            "acknowledged SETTINGS",
            frame(SETTINGS, ACK, 0, &[]).repeat(50_000),
            &[GoAway(ENHANCE_YOUR_CALM), GoAway(PROTOCOL_ERROR)],
        ),
        ("PING", frame(PING, 0, 0, &[0; 8]).repeat(50_000), &calm),
        ("acknowledged PING", frame(PING, ACK, 0, &[0; 8]).repeat(50_000), &calm),
        ("PRIORITY", frame(PRIORITY, 0, 9, &[0, 0, 0, 3, 0]).repeat(50_000), &calm),
        ("unknown frames", frame(0x77, 0, 0, b"x").repeat(50_000), &calm),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(50_000), &calm),
        ("empty DATA", [opened.clone(), frame(DATA, 0, 1, &[]).repeat(50_000)].concat(), &calm),
        (
            "padding alone",
            [opened, frame(DATA, 0x8, 1, &[3, 0, 0, 0]).repeat(50_000)].concat(),
            &[GoAway(ENHANCE_YOUR_CALM), Reset(FLOW_CONTROL_ERROR), GoAway(FLOW_CONTROL_ERROR)],
        ),
        (
            "CONTINUATION",
            continuations.concat(),
            &[GoAway(ENHANCE_YOUR_CALM), GoAway(COMPRESSION_ERROR), GoAway(PROTOCOL_ERROR), Status(431)],
        ),
        ("empty CONTINUATION", empty_continuations.concat(), &calm),
        (
            "HPACK bomb",
            bomb,
            &[Status(431), Reset(PROTOCOL_ERROR), GoAway(ENHANCE_YOUR_CALM), GoAway(COMPRESSION_ERROR)],
        ),
    ];
    for (name, bytes, expected) in rows {
        check(&arena, name, &bytes, expected).await;
    }
}

#[tokio::test]
async fn bounds_are_answered_with_their_status() {
    let arena = Arena::with(|config| {
        config.limits = BOUNDS.map(String::from).into();
    })
    .await;
    let (long, target) = ("x".repeat(5_000), format!("/{}", "x".repeat(2_000)));
    let post = |length: &str| {
        let mut fields = with(&[]);
        fields[0] = (":method", "POST");
        headers(&[&fields[..], &[("content-length", length)]].concat(), 0)
    };
    let many = with(&[("a", "b"); 30]);
    for (name, bytes, expected) in [
        ("target", headers(&request(&target), END_STREAM), Status(414)),
        ("field", headers(&with(&[("a", &long)]), END_STREAM), Status(431)),
        ("name", headers(&with(&[(&long, "a")]), END_STREAM), Status(431)),
        ("fields", headers(&many, END_STREAM), Status(431)),
        ("length", [post("5000"), frame(DATA, END_STREAM, 1, long.as_bytes())].concat(), Status(413)),
    ] {
        check(&arena, name, &bytes, &[expected]).await;
    }
    for status in ["414", "431"] {
        let labels = ["protocol=\"h2\"", &format!("status=\"{status}\"")];
        let refused = arena.edge.metric("tidegate_requests_refused_total", &labels).await;
        assert!(refused >= 1.0, "refusals with {status} are counted: {refused}");
    }
    let mut fields = with(&[]);
    fields[0] = (":method", "POST");
    let body = [headers(&fields, 0), frame(DATA, END_STREAM, 1, long.as_bytes())].concat();
    check(&arena, "body", &body, &[Status(413), Reset(CANCEL)]).await;
}

#[tokio::test]
async fn clients_that_never_finish_are_left() {
    let arena = Arena::with(|config| {
        config.limits = ["header_timeout: 300ms", "body_timeout: 300ms", "idle_timeout: 300ms", "write_timeout: 300ms"]
            .map(String::from)
            .into();
        // Nobody reads on while an origin may still take what has come.
        config.timeouts = vec!["write: 300ms".to_owned(), "read: 1s".to_owned()];
    })
    .await;
    let fields = section(&request("/a"));
    let begun = frame(HEADERS, END_STREAM, 1, &fields[..fields.len() / 2]);
    check(&arena, "HEADERS without an end", &begun, &[End, GoAway(ENHANCE_YOUR_CALM), Reset(CANCEL)]).await;
    let mut post = with(&[]);
    post[0] = (":method", "POST");
    let stalled = [Reset(CANCEL), Status(408)];
    check(&arena, "body that does not begin", &headers(&post, 0), &stalled).await;
    check(&arena, "body that stops", &[headers(&post, 0), frame(DATA, 0, 1, b"abc")].concat(), &stalled).await;
}

#[tokio::test]
async fn readers_that_take_nothing_are_left() {
    let origin = tidegate_tests::origin::Origin::start().await;
    origin.on("/large", tidegate_tests::origin::Script::cacheable(5_000_000));
    let mut config = tidegate_tests::edge::EdgeConfig::to(&origin);
    config.limits = vec!["write_timeout: 500ms".to_owned()];
    let edge = tidegate_tests::edge::Edge::start(&config).await;
    for window in [0_u32, 1] {
        let mut connection = Http2::open(&edge).await;
        let settings = frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat());
        connection.send(&[settings, headers(&request("/large"), END_STREAM)].concat()).await.unwrap();
        let left = async {
            loop {
                match connection.next().await {
                    Some(frame) if frame.kind == RST_STREAM => break frame.code(),
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        let code = within("the end of a stream that is not read", left).await;
        assert_ne!(code, Some(0), "window {window}: a body that is cut ended well");
    }
    tokio::time::timeout(
        Duration::from_secs(20),
        edge.client(tidegate_tests::client::Protocol::Http2).await.get("/large"),
    )
    .await
    .unwrap()
    .unwrap();
}
