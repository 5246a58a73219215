//! An origin that answers with any bytes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::connections::serve_each;

/// Bytes of one endless answer, against tests without end.
const MOST_BYTES: usize = 64 << 20;

/// What follows the bytes of an answer.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// The connection goes on.
    Keep,
    /// It is closed.
    Close,
    /// These bytes again and again.
    Repeat(&'static str),
    /// Nothing for a moment, then these bytes though nobody asked.
    Later(&'static str),
}

pub(super) struct Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answers: Mutex<HashMap<String, (Vec<u8>, Then)>>,
    asked: Mutex<HashMap<String, usize>>,
    /// Answers that were followed by what nobody asked for, which the edge has noticed.
    followed: tokio::sync::Semaphore,
}

impl Liar {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            asked: Mutex::default(),
            followed: tokio::sync::Semaphore::new(0),
        });
        let task = tokio::spawn(serve_each(listener, Arc::clone(&shared), serve));
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn on(&self, path: &str, answer: &[u8], then: Then) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), (answer.to_vec(), then));
    }

    /// Waits until what nobody asked for has followed an answer and the edge has closed the connection; once for each.
    pub(super) async fn followed(&self) {
        let followed = self.shared.followed.acquire();
        tidegate_tests::within("the end of a connection with more than was asked for", followed)
            .await
            .unwrap()
            .forget();
    }

    /// Requests for this path so far.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends with the connection, however that ends.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut received = Vec::new();
    loop {
        let path = next_path(&mut stream, &mut received).await?;
        *shared.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
        let found = shared.answers.lock().unwrap().get(&path).cloned();
        let (answer, then) =
            found.unwrap_or((b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), Then::Keep));
        stream.write_all(&answer).await.ok()?;
        match then {
            Then::Keep => {}
            Then::Close => return stream.shutdown().await.ok(),
            Then::Repeat(more) => {
                let more = more.repeat(1 + 8_192 / more.len());
                for _ in 0..MOST_BYTES / more.len() {
                    stream.write_all(more.as_bytes()).await.ok()?;
                }
                return stream.shutdown().await.ok();
            }
            Then::Later(more) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.write_all(more.as_bytes()).await.ok()?;
                // Who has noticed closes; a request that crosses it on its way could be mixed up by anybody.
                let mut request = [0; 1_024];
                let noticed = !matches!(stream.read(&mut request).await, Ok(1..));
                shared.followed.add_permits(usize::from(noticed));
                return None;
            }
        }
    }
}

/// Reads a request without a body, or with one of known length, and returns its path without the query.
async fn next_path(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let whole = end + 4 + length.unwrap_or(0_usize);
            if received.len() >= whole {
                received.drain(..whole);
                let target = head.split(' ').nth(1)?;
                return Some(target.split('?').next()?.to_owned());
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}
