//! HTTP/2 frame by frame, through a pipe of any width, and with time that passes only when nothing happens.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::protocols::Digest;
use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_config::model::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Application, HOST, Observed, limits};
use crate::listener::tcp::ListenerContext;
use crate::listener::{ConnectionInfo, ListenerState, Protocol, connection, http2};

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const PROTOCOL_ERROR: u32 = 0x1;
const STREAM_CLOSED: u32 = 0x5;
const FRAME_SIZE_ERROR: u32 = 0x6;

/// The server's first PING is ours; this is the client's.
const MARK: [u8; 8] = *b"mark-it!";

/// Wide enough that nothing waits.
const WIDE: usize = 1 << 20;

/// Longer than any time-out of the defaults. It passes at once when nobody does anything.
const FOR_EVER: Duration = Duration::from_secs(100_000);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The number that RST_STREAM, WINDOW_UPDATE and GOAWAY begin with.
    fn first(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }

    /// The reason of a GOAWAY.
    fn reason(&self) -> u32 {
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }

    fn is_end(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's field section: GET or POST, https, path and authority.
fn section(method: u8, path: &str) -> Vec<u8> {
    let literal = |index: u8, text: &str| [&[index, text.len() as u8], text.as_bytes()].concat();
    [vec![method, 0x87], literal(0x04, path), literal(0x01, HOST)].concat()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &section(0x82, path))
}

fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &section(0x83, path))
}

fn widen(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn initial_window(size: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &size.to_be_bytes()].concat())
}

/// A client that has said hello, and the server at the other end of the pipe.
struct Wire {
    io: DuplexStream,
    application: Arc<Application>,
    drain: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Wire {
    async fn start(limits: Limits, width: usize) -> Self {
        let (io, theirs) = duplex(width);
        let application = Arc::new(Application { entered: Semaphore::new(0), released: Semaphore::new(0) });
        let (drain, closing) = watch::channel(false);
        let context = ListenerContext {
            app: Arc::clone(&application),
            state: Arc::new(ArcSwap::from_pointee(ListenerState { limits: limits.clone(), tls: None, quic_tls: None })),
            observer: Arc::new(Observed::default()),
            plaintext: None,
            proxy_protocol: None,
        };
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let info = ConnectionInfo {
            peer: nowhere,
            via: None,
            local: nowhere,
            protocol: Protocol::Http2,
            tls: None,
            plaintext: None,
            ending: connection::Ending::default(),
            quic: None,
        };
        let digest = Digest { ssl_digest: None, timing_digest: Vec::new(), proxy_digest: None, socket_digest: None };
        let serving = tokio::spawn(async move {
            http2::serve(&context, theirs, digest, Arc::new(info), &limits, closing).await;
        });
        let mut wire = Self { io, application, drain, serving };
        wire.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat()).await;
        wire
    }

    async fn send(&mut self, bytes: &[u8]) {
        timeout(FOR_EVER, self.io.write_all(bytes)).await.expect("the server reads").unwrap();
    }

    /// The next frame; nothing at the end of the connection.
    async fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        let read = timeout(FOR_EVER, self.io.read_exact(&mut header)).await.expect("the server says something");
        read.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io.read_exact(&mut payload).await.unwrap();
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// Frames up to one that is looked for, and that one.
    async fn up_to(&mut self, is_it: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            let found = is_it(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
        panic!("the connection ended after {frames:?}");
    }

    /// Everything the server says to what was sent, but for SETTINGS and the windows it opens.
    async fn answers(&mut self) -> Vec<Frame> {
        let mut answers = Vec::new();
        // What streams are told follows what the connection is told: the second mark is behind both.
        for _ in 0..2 {
            self.send(&frame(PING, 0, 0, &MARK)).await;
            loop {
                let Some(next) = self.next().await else { return answers };
                match next.kind {
                    PING if next.payload == MARK => break,
                    SETTINGS | WINDOW_UPDATE => {}
                    GOAWAY => return vec![next],
                    _ => answers.push(next),
                }
            }
        }
        answers
    }

    async fn ended(self) {
        timeout(FOR_EVER, self.serving).await.expect("the connection ends").unwrap();
        drop(self.io);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Reset(u32, u32),
    GoAway(u32),
}

/// What the server tells a client that has a request in flight on stream 1 and then sends this.
async fn check(bytes: &[u8], expected: Told) {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&get(1, "/wait")).await;
    wire.application.entered.acquire().await.unwrap().forget();
    wire.send(bytes).await;
    let answers = wire.answers().await;
    let told = match &answers[..] {
        [] => Told::Nothing,
        [frame] if frame.kind == GOAWAY => Told::GoAway(frame.reason()),
        [frame] if frame.kind == RST_STREAM => Told::Reset(frame.stream, frame.first()),
        other => panic!("{bytes:x?}: {other:?}"),
    };
    assert_eq!(told, expected, "{bytes:x?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_on_a_stream_whose_request_is_whole_is_answered_by_a_reset() {
    for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
        check(&frame(HEADERS, flags, 1, &section(0x82, "/")), Told::Reset(1, STREAM_CLOSED)).await;
        check(&frame(HEADERS, flags, 1, b"\x00\x01a\x01b"), Told::Reset(1, STREAM_CLOSED)).await;
    }
    check(&frame(DATA, END_STREAM, 1, b"x"), Told::Reset(1, STREAM_CLOSED)).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_clients_do_not_open_are_never_reset() {
    for stream in [2, 4, 5, 6] {
        check(&widen(stream, 1), Told::GoAway(PROTOCOL_ERROR)).await;
        check(&frame(RST_STREAM, 0, stream, &[0; 4]), Told::GoAway(PROTOCOL_ERROR)).await;
        check(&frame(DATA, 0, stream, b"x"), Told::GoAway(PROTOCOL_ERROR)).await;
        // A priority may come before its stream (RFC 9113 section 6.3).
        check(&frame(PRIORITY, 0, stream, &[0; 5]), Told::Nothing).await;
        check(&frame(PRIORITY, 0, stream, &[0; 4]), Told::GoAway(FRAME_SIZE_ERROR)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_take_little_by_little_get_all_of_it() {
    let mut wire = Wire::start(limits(), 64).await;
    for number in 0..10 {
        wire.send(&get(number * 2 + 1, "/ready")).await;
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        wire.up_to(Frame::is_end).await;
    }
}

/// A connection with a request in flight on stream 1 that was told that it is the last.
async fn leaving() -> Wire {
    let mut wire = Wire::start(limits(), WIDE).await;
    wire.send(&get(1, "/wait")).await;
    wire.application.entered.acquire().await.unwrap().forget();
    wire.drain.send(true).unwrap();
    let first = wire.up_to(|frame| frame.kind == PING).await;
    let ping = first.last().unwrap();
    assert!(first.iter().any(|frame| frame.kind == GOAWAY && frame.first() == u32::MAX >> 1));
    wire.send(&frame(PING, ACK, 0, &ping.payload)).await;
    let last = wire.up_to(|frame| frame.kind == GOAWAY).await;
    assert_eq!(last.last().map(|frame| (frame.first(), frame.reason())), Some((1, 0)));
    wire
}

#[tokio::test(start_paused = true)]
async fn requests_that_cross_the_last_goaway_disturb_nobody() {
    let mut wire = leaving().await;
    wire.send(&post(3, "/up")).await;
    for _ in 0..40 {
        wire.send(&frame(DATA, 0, 3, &[0; 16_000])).await;
    }
    wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x00\x01a\x01b")).await;
    wire.send(&[post(5, "/up"), frame(RST_STREAM, 0, 5, &[0; 4]), widen(5, 1)].concat()).await;
    wire.application.released.add_permits(1);
    let rest = wire.up_to(Frame::is_end).await;
    assert!(rest.iter().all(|frame| frame.kind != GOAWAY && frame.kind != RST_STREAM), "{rest:?}");
    // Its bytes count for the connection all the same (RFC 9113 section 6.8).
    let widened: u32 = rest.iter().filter(|frame| frame.kind == WINDOW_UPDATE).map(Frame::first).sum();
    assert!(widened >= 40 * 16_000 / 2, "{widened}");
    assert!(rest.iter().all(|frame| frame.kind != WINDOW_UPDATE || frame.stream == 0));
    wire.ended().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_stream_is_never_said_to_be_a_later_one() {
    let mut wire = leaving().await;
    wire.send(&[get(3, "/"), frame(PING, 0, 0, b"short")].concat()).await;
    let end = wire.up_to(|frame| frame.kind == GOAWAY).await;
    assert_eq!(end.last().map(|frame| (frame.first(), frame.reason())), Some((1, FRAME_SIZE_ERROR)));
}

/// What a client does between two looks at what has come.
#[derive(Debug, Clone)]
enum Step {
    Ask(&'static str),
    Widen(usize, u32),
    WidenConnection(u32),
    Resize(u32),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop_oneof![1_u32..100, 1_u32..40_000, 1_u32..500_000];
    prop_oneof![
        4 => prop::sample::select(vec!["/ready", "/ready-large", "/large", "/small"]).prop_map(Step::Ask),
        2 => (any::<prop::sample::Index>(), by.clone()).prop_map(|(which, by)| Step::Widen(which.index(64), by)),
        2 => by.prop_map(Step::WidenConnection),
        1 => prop::sample::select(vec![0, 1, 100, 16_384, 65_535, 300_000]).prop_map(Step::Resize),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel(which.index(64))),
    ]
}

/// Windows as the client counts them, and what has come.
struct Ledger {
    connection: i64,
    initial: i64,
    /// SETTINGS that were sent and not acknowledged. The first are the empty ones of the greeting.
    sizes: std::collections::VecDeque<Option<i64>>,
    streams: HashMap<u32, Account>,
}

struct Account {
    window: i64,
    received: usize,
    length: Option<usize>,
    ended: bool,
    cancelled: bool,
}

impl Ledger {
    /// Books one frame; no window may be overdrawn by it.
    fn book(&mut self, frame: &Frame) {
        match frame.kind {
            SETTINGS if frame.flags & ACK != 0 => {
                if let Some(size) = self.sizes.pop_front().expect("one for each") {
                    let by = size - self.initial;
                    self.initial = size;
                    self.streams.values_mut().for_each(|account| account.window += by);
                }
            }
            DATA => {
                let account = self.streams.get_mut(&frame.stream).expect("asked for");
                account.window -= frame.payload.len() as i64;
                self.connection -= frame.payload.len() as i64;
                assert!(frame.payload.is_empty() || (account.window >= 0 && self.connection >= 0), "overdrawn");
                assert!(!account.ended, "more after the end");
                account.received += frame.payload.len();
                account.ended = frame.is_end();
            }
            RST_STREAM | GOAWAY => panic!("{frame:?}"),
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        self.streams.values().all(|account| account.ended || account.cancelled)
    }
}

async fn play(steps: Vec<Step>) {
    let mut wire = Wire::start(limits(), 8 << 10).await;
    let mut ledger = Ledger { connection: 65_535, initial: 65_535, sizes: [None].into(), streams: HashMap::new() };
    let mut asked = Vec::new();
    for step in steps {
        let bytes = match step {
            Step::Ask(path) => {
                let stream = asked.len() as u32 * 2 + 1;
                asked.push(stream);
                let length = path.ends_with("large").then_some(1 << 20);
                let account = Account { window: ledger.initial, received: 0, length, ended: false, cancelled: false };
                ledger.streams.insert(stream, account);
                get(stream, path)
            }
            Step::Widen(which, by) => {
                let Some(stream) = asked.get(which) else { continue };
                ledger.streams.get_mut(stream).unwrap().window += i64::from(by);
                widen(*stream, by)
            }
            Step::WidenConnection(by) => {
                ledger.connection += i64::from(by);
                widen(0, by)
            }
            Step::Resize(size) => {
                ledger.sizes.push_back(Some(i64::from(size)));
                initial_window(size)
            }
            Step::Cancel(which) => {
                let Some(stream) = asked.get(which) else { continue };
                ledger.streams.get_mut(stream).unwrap().cancelled = true;
                frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes())
            }
        };
        wire.send(&[bytes, frame(PING, 0, 0, &MARK)].concat()).await;
        for frame in wire.up_to(|frame| frame.kind == PING).await {
            ledger.book(&frame);
        }
    }
    // With windows as wide as they can be, all of it comes.
    ledger.connection += 1 << 30;
    ledger.sizes.push_back(Some(1 << 30));
    wire.send(&[widen(0, 1 << 30), initial_window(1 << 30)].concat()).await;
    while !ledger.is_done() {
        let frame = wire.next().await.expect("more comes");
        ledger.book(&frame);
    }
    for (stream, account) in ledger.streams {
        let whole = account.length.is_none_or(|length| account.received == length);
        assert!(account.cancelled || (whole && account.received > 0), "{stream}: {}", account.received);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_is_overdrawn_and_everything_comes(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(steps));
    }
}
