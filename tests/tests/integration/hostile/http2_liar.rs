//! An origin that answers HTTP/2 requests with any frames; plaintext with prior knowledge (RFC 9113 section 3.3).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::connections::serve_each;
use super::http2_wire::*;

/// Bytes of one endless answer, against tests without end.
const MOST_BYTES: usize = 1 << 20;

/// What follows the frames of an answer.
#[derive(Debug, Clone)]
pub(super) enum After {
    /// The connection goes on.
    Keep,
    /// It is closed.
    Close,
    /// These bytes again and again.
    Repeat(Vec<u8>),
}

/// What stream 1 would be answered with; other streams get the same under their number.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The frames, made for a stream.
    pub(super) frames: fn(u32) -> Vec<u8>,
    /// What comes then.
    pub(super) after: fn(u32) -> After,
}

pub(super) struct Http2Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
}

impl Http2Liar {
    /// It is honest until told otherwise.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answer: Mutex::new(honest()), asked: AtomicUsize::new(0) });
        let task = tokio::spawn(serve_each(listener, Arc::clone(&shared), serve));
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers everything with this from now on.
    pub(super) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Http2Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer that is stored nowhere.
pub(super) fn honest() -> Answer {
    Answer {
        frames: |stream| {
            let head = [(":status", "200"), ("cache-control", "no-store"), ("content-length", "4")];
            let head = frame(HEADERS, END_HEADERS, stream, &section(&head));
            [head, frame(DATA, END_STREAM, stream, b"good")].concat()
        },
        after: |_| After::Keep,
    }
}

/// Ends with the connection, however that ends.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut preface = vec![0; PREFACE.len()];
    stream.read_exact(&mut preface).await.ok()?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, number @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await.ok()?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.ok()?,
            PING if flags & ACK == 0 => stream.write_all(&frame(PING, ACK, 0, &payload)).await.ok()?,
            // Requests have small heads, and are answered when they end.
            HEADERS | DATA if flags & END_STREAM != 0 => {
                respond(&mut stream, u32::from_be_bytes(number), &shared).await?
            }
            _ => {}
        }
    }
}

/// Nothing when the connection is over.
async fn respond(stream: &mut TcpStream, number: u32, shared: &Shared) -> Option<()> {
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let answer = shared.answer.lock().unwrap().clone();
    stream.write_all(&(answer.frames)(number)).await.ok()?;
    match (answer.after)(number) {
        After::Keep => Some(()),
        After::Close => {
            stream.shutdown().await.ok()?;
            None
        }
        After::Repeat(more) => {
            let more = more.repeat(1 + 8_192 / more.len());
            for _ in 0..MOST_BYTES / more.len() {
                stream.write_all(&more).await.ok()?;
            }
            None
        }
    }
}
