//! HTTP/2 frame by frame, through a pipe of any width, and with time that passes only when nothing happens.

mod faults;
mod floods;
mod priorities;
mod windows;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::protocols::Digest;
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
            response_date: None,
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
