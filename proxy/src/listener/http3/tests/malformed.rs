//! What clients may not send: answered with a status, a stream error or a connection error, and nobody else harmed.

use quinn::{ConnectionError, ReadToEndError, VarInt};

use super::clients::{connect_quic, frame, section};
use super::harness::{Listening, listen, within};

/// More than any answer here.
const ANSWER_BYTES: usize = 64 * 1024;

/// A client that writes bytes of a request stream itself.
pub(super) struct Raw {
    pub(super) connection: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    _endpoint: quinn::Endpoint,
}

impl Raw {
    /// Connects and opens one request stream; control streams are left out, which HTTP/3 servers tolerate at first.
    pub(super) async fn open<A>(listening: &Listening<A>) -> Self {
        let (endpoint, connection) = connect_quic(listening, &listening.certificate).await.unwrap();
        let (send, receive) = connection.open_bi().await.unwrap();
        Self { connection, send, receive, _endpoint: endpoint }
    }

    /// Opens the next request stream.
    async fn next_stream(&mut self) {
        (self.send, self.receive) = self.connection.open_bi().await.unwrap();
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        within("sending", self.send.write_all(bytes)).await.unwrap();
    }

    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, ReadToEndError> {
        within("the answer", self.receive.read_to_end(ANSWER_BYTES)).await
    }

    pub(super) async fn finish_and_receive(&mut self) -> Result<Vec<u8>, ReadToEndError> {
        self.send.finish().unwrap();
        self.receive().await
    }

    async fn closed_with(&self) -> Option<u64> {
        match within("the end of the connection", self.connection.closed()).await {
            ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
            _ => None,
        }
    }
}

/// The status of a bare refusal.
fn bare_status(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.strip_prefix(&[0x01, 0x08, 0x00, 0x00, 0x5f, 0x09, 0x03])?).ok()?.parse().ok()
}

/// How a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Status(u16),
    Reset(u64),
}

const MESSAGE_ERROR: Refused = Refused::Reset(0x10e);

async fn refusal(raw: &mut Raw, fields: &[(&str, &str)]) -> Refused {
    raw.send(&frame(1, &section(fields))).await;
    match raw.finish_and_receive().await {
        Ok(answer) => Refused::Status(bare_status(&answer).unwrap_or(200)),
        Err(ReadToEndError::Read(quinn::ReadError::Reset(code))) => Refused::Reset(code.into_inner()),
        Err(error) => panic!("{fields:?}: {error}"),
    }
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "https");
const AUTHORITY: (&str, &str) = (":authority", "localhost");
const PATH: (&str, &str) = (":path", "/");

#[tokio::test]
async fn malformed_requests_are_refused_one_by_one() {
    let long_path = format!("/{}", "a".repeat(1024));
    let cases: Vec<(Vec<(&str, &str)>, Refused)> = vec![
        (vec![METHOD, SCHEME, AUTHORITY, PATH], Refused::Status(200)),
        (vec![SCHEME, AUTHORITY, PATH], MESSAGE_ERROR),
        (vec![METHOD, AUTHORITY, PATH], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, PATH], MESSAGE_ERROR),
        (vec![METHOD, METHOD, SCHEME, AUTHORITY, PATH], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, (":path", "/other")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, ("a", "b"), PATH], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("Upper", "case")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, (":unknown", "x")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("x", "a\r\nb")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("host", "other")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, (":authority", ""), PATH], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, (":path", "")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, (":path", "/a b")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, (":path", "/a\nb")], MESSAGE_ERROR),
        (vec![METHOD, SCHEME, AUTHORITY, (":path", "*")], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, (":path", &long_path)], Refused::Status(414)),
        (vec![METHOD, SCHEME, PATH, ("host", "localhost"), ("host", "localhost")], Refused::Status(400)),
        (vec![METHOD, SCHEME, (":authority", "a@localhost"), PATH], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("connection", "close")], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("transfer-encoding", "chunked")], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("te", "gzip")], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "x")], Refused::Status(400)),
        (vec![METHOD, SCHEME, AUTHORITY, PATH, ("content-length", "1"), ("content-length", "2")], Refused::Status(400)),
    ];
    let listening = listen("target_bytes: 1KiB");
    let mut raw = Raw::open(&listening).await;
    let mut statuses = Vec::new();
    for (fields, expected) in cases {
        assert_eq!(refusal(&mut raw, &fields).await, expected, "{fields:?}");
        if let Refused::Status(status @ 400..) = expected {
            statuses.push(status);
        }
        raw.next_stream().await;
    }
    assert_eq!(*listening.observed.rejected.lock(), statuses, "what is answered is told");
}

#[tokio::test]
async fn absolute_form_paths_are_refused() {
    let listening = listen("");
    let mut raw = Raw::open(&listening).await;
    for path in ["http://other.test/", "https://localhost/", "other.test/"] {
        let refused = refusal(&mut raw, &[METHOD, SCHEME, AUTHORITY, (":path", path)]).await;
        assert!(refused == Refused::Status(400) || refused == MESSAGE_ERROR, "{path}: {refused:?}");
        raw.next_stream().await;
    }
}

#[tokio::test]
async fn options_asterisk_reaches_the_pipeline() {
    let listening = listen("");
    let mut raw = Raw::open(&listening).await;
    let fields = [(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")];
    assert_eq!(refusal(&mut raw, &fields).await, Refused::Status(200));
}

#[tokio::test]
async fn field_sections_beyond_the_limits_are_refused() {
    let listening = listen("header_bytes: 1KiB, header_count: 10");
    let mut raw = Raw::open(&listening).await;
    let base = [METHOD, SCHEME, AUTHORITY, PATH];
    let long = "v".repeat(300);
    let many: Vec<(&str, &str)> = base.into_iter().chain(std::iter::repeat_n(("a", "b"), 11)).collect();
    assert_eq!(refusal(&mut raw, &many).await, Refused::Status(431));
    raw.next_stream().await;
    let large: Vec<(&str, &str)> = base.into_iter().chain(std::iter::repeat_n(("a", long.as_str()), 5)).collect();
    assert_eq!(refusal(&mut raw, &large).await, Refused::Status(431));
    raw.next_stream().await;
    // Only announced: nobody waits for the gibibyte.
    raw.send(&[0x01, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]).await;
    assert_eq!(bare_status(&raw.receive().await.unwrap()), Some(431));
    assert_eq!(*listening.observed.rejected.lock(), [431; 3]);
}

#[tokio::test]
async fn a_field_section_that_does_not_come_is_not_waited_for() {
    let listening = listen("header_timeout: 200ms");
    let mut raw = Raw::open(&listening).await;
    raw.send(&[0x01]).await;
    assert_eq!(bare_status(&raw.receive().await.unwrap()), Some(408));
    assert_eq!(*listening.observed.rejected.lock(), [408]);
}

#[tokio::test]
async fn broken_frames_close_the_connection() {
    let head = frame(1, &section(&[(":method", "POST"), SCHEME, AUTHORITY, (":path", "/echo")]));
    let truncated = [head.clone(), vec![0x00, 0x05, b'a', b'b']].concat();
    let cases: [(&str, Vec<u8>, u64); 5] = [
        ("DATA before HEADERS", frame(0, b"abc"), 0x105),
        ("SETTINGS on a request stream", frame(4, b""), 0x105),
        ("DATA after trailers", [head.clone(), frame(1, &section(&[("t", "1")])), frame(0, b"x")].concat(), 0x105),
        ("an end inside a DATA frame", truncated, 0x106),
        ("an end inside a frame's header", [head, vec![0x00]].concat(), 0x106),
    ];
    for (what, stream, code) in cases {
        let listening = listen("");
        let mut raw = Raw::open(&listening).await;
        raw.send(&stream).await;
        raw.send.finish().unwrap();
        assert_eq!(raw.closed_with().await, Some(code), "{what}");
    }
}

#[tokio::test]
async fn padding_without_end_is_stopped() {
    let listening = listen("");
    let mut raw = Raw::open(&listening).await;
    let padding = frame(0x21, &[0; 16_000]);
    for _ in 0..5 {
        // The server may stop us before we are done.
        if raw.send.write_all(&padding).await.is_err() {
            break;
        }
    }
    let error = raw.receive().await.unwrap_err();
    let code = VarInt::from_u32(0x107);
    assert!(matches!(error, ReadToEndError::Read(quinn::ReadError::Reset(reset)) if reset == code), "{error}");
}

#[tokio::test]
async fn a_client_that_sends_only_nonsense_is_disconnected() {
    let listening = listen("");
    let mut raw = Raw::open(&listening).await;
    for _ in 0..40 {
        raw.send.write_all(&frame(1, &section(&[METHOD]))).await.ok();
        raw.send.finish().ok();
        raw.receive.read_to_end(ANSWER_BYTES).await.ok();
        match raw.connection.open_bi().await {
            Ok((send, receive)) => (raw.send, raw.receive) = (send, receive),
            Err(_) => break,
        }
    }
    assert_eq!(raw.closed_with().await, Some(0x107));
}
