//! Responses that are there already.
//!
//! Owns the seam through which the application answers a request on HTTP/1.1 from the bytes of its header section,
//! without a session: such a response needs nothing from anywhere and never waits but for the client.

use std::io;

use bytes::Bytes;
use pingora_core::apps::HttpServerApp;

/// What serves the requests of a listener.
pub trait Application: HttpServerApp + Send + Sync + 'static {
    /// The response to the HTTP/1.1 request with this header section, when it is there and the request is a plain
    /// one. Otherwise the request becomes a session. The connection is that of the task.
    fn ready_response(&self, _head: &[u8]) -> Option<Box<dyn ReadyResponse>> {
        None
    }
}

/// A response whose every byte is in memory. It leaves the connection open for the next request.
pub trait ReadyResponse: Send {
    /// The header section; nothing when it cannot be made after all, and then the request becomes a session.
    fn head(&mut self) -> Option<Vec<u8>>;
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// So many bytes of the body were written, and this went wrong.
    fn sent(&mut self, body_bytes: u64, error: Option<&io::Error>);
}
