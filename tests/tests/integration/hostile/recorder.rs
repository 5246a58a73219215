//! An origin that notes every byte it gets, answers one request a connection, and closes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::connections::serve_each;
use super::second_reader::{Unread, read_one};

/// More than any test sends.
const MOST_BYTES: usize = 4 << 20;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nok";

/// Path of requests that only show that others are served; they are not recorded.
const WITNESS: &[u8] = b"GET /witness ";

/// What came on one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// Whether a whole request was in it, or what is none and never will be.
    pub(super) whole: bool,
    /// Whether the peer has closed.
    pub(super) over: bool,
}

pub(super) struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Received>>,
    changed: Notify,
}

impl Recorder {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(serve_each(listener, Arc::clone(&shared), serve));
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came since the last call, once the edge has let go of all of it.
    pub(super) async fn take(&self) -> Vec<Received> {
        let settled = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.shared.connections.lock().unwrap().iter().all(|connection| connection.over) {
                    break;
                }
                changed.await;
            }
        };
        tidegate_tests::within("the edge to let go of its connections to the origin", settled).await;
        let connections = std::mem::take(&mut *self.shared.connections.lock().unwrap());
        connections.into_iter().filter(|it| !it.bytes.is_empty() && !it.bytes.starts_with(WITNESS)).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let (mut received, mut place) = (Received::default(), None);
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        received.bytes.extend_from_slice(&piece[..read]);
        received.over = read == 0 || received.bytes.len() > MOST_BYTES;
        let answer = !received.whole && is_whole(&received.bytes);
        received.whole |= answer;
        note(&shared, &mut place, &received);
        if received.over {
            return;
        }
        // The edge closes once it has the answer, and what it sends until then is noted as well.
        if answer && stream.write_all(ANSWER).await.is_err() {
            continue;
        }
    }
}

/// Keeps the record; it is taken away while a connection is open at most between two tests.
fn note(shared: &Shared, place: &mut Option<usize>, received: &Received) {
    let mut connections = shared.connections.lock().unwrap();
    match place.and_then(|place| connections.get_mut(place)) {
        Some(record) => *record = received.clone(),
        None => {
            *place = Some(connections.len());
            connections.push(received.clone());
        }
    }
    drop(connections);
    shared.changed.notify_waiters();
}

/// Whether a request with its body is there, or something that never will be one, which an origin may take for one.
fn is_whole(bytes: &[u8]) -> bool {
    !matches!(read_one(bytes), Err(Unread::Partial))
}
