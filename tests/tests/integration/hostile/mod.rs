//! Hostile input: what clients and origins may send that could be read in two ways, never ends, or costs more than it
//! should. Each table says what is sent, what comes back, and what the other side got of it.

mod connections;
mod differential;
mod http1;
mod http2;
mod http2_liar;
mod http2_origins;
mod http2_wire;
mod http3;
mod http3_retry;
mod http3_wire;
mod liar;
mod origins;
mod recorder;
mod second_reader;
mod tls_liar;
mod tls_origins;

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::within;

use recorder::Recorder;

/// Limits of an edge whose bounds a test passes.
const BOUNDS: [&str; 6] = [
    "target_bytes: 1KiB",
    "header_bytes: 4KiB",
    "header_count: 20",
    "body_bytes: 1KiB",
    "header_timeout: 500ms",
    "body_timeout: 500ms",
];

/// An edge before a recorder, and a client that must be served whatever others send.
struct Arena {
    edge: Edge,
    recorder: Recorder,
}

impl Arena {
    async fn start() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        let recorder = Recorder::start().await;
        let mut config = EdgeConfig::to_url(&recorder.url());
        // Nothing is stored, so that every request that is let through is seen by the recorder.
        config.policy.push("heuristic: false".to_owned());
        change(&mut config);
        Self { edge: Edge::start(&config).await, recorder }
    }

    /// Others are served: a new connection gets the answer of a health check and one of the origin.
    async fn assert_serves_others(&self, what: &str) {
        let mut raw = self.edge.raw(Protocol::PlainHttp1).await;
        for path in ["/.well-known/tidegate/live", "/witness"] {
            raw.send(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
            let answer = within("an answer for another client", raw.response("GET")).await;
            let status = answer.unwrap_or_else(|error| panic!("{what}: another client: {error:#}")).status;
            assert_eq!(status, 200, "{what}: another client, {path}");
        }
    }
}

/// Status codes of HTTP/1 responses, one after the other; bodies are framed by their length or in one chunk.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status: u16 = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        found.push(status);
        bytes = bytes.get(end + 4 + length..).unwrap_or_default();
    }
    found
}
