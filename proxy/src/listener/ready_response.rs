//! Responses that are there already.
//!
//! Owns the seam through which the application answers a request at once: on HTTP/1.1 from the bytes of its header
//! section, without a session, and on HTTP/2 from its decoded fields, without a session and without a task. Such a
//! response needs nothing from anywhere and never waits but for the client.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora_core::apps::HttpServerApp;

use super::ConnectionInfo;

/// What serves the requests of a listener.
pub trait Application: HttpServerApp + Send + Sync + 'static {
    /// The response to the HTTP/1.1 request with this header section, when it is there and the request is a plain
    /// one. Otherwise the request becomes a session. The connection is that of the task.
    fn ready_response(&self, _head: &[u8]) -> Option<Box<dyn ReadyResponse>> {
        None
    }

    /// The response to this request of HTTP/2, which has no body, when it is there. Then the request may have been taken
    /// out of `request`; otherwise it is untouched and becomes a session.
    fn ready_stream(
        self: &Arc<Self>,
        _request: &mut StreamRequest,
        _connection: &Arc<ConnectionInfo>,
    ) -> Option<Box<dyn ReadyStream>> {
        None
    }
}

/// A request of HTTP/2 that was checked.
#[derive(Debug, Default)]
pub struct StreamRequest {
    /// Its method.
    pub method: Method,
    /// Its target in origin form, as sent.
    pub target: Bytes,
    /// Its fields, among them one `Host`, which is its authority.
    pub fields: HeaderMap,
}

/// A response of HTTP/1.1 whose every byte is in memory. It leaves the connection open for the next request.
pub trait ReadyResponse: Send {
    /// The header section, and behind it as much of the body as is to leave with it; nothing when it cannot be made
    /// after all, and then the request becomes a session.
    fn head(&mut self) -> Option<Vec<u8>>;
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// So many bytes of pieces were written, and this went wrong.
    fn sent(&mut self, body_bytes: u64, error: Option<&io::Error>);
}

/// A response of HTTP/2 whose every byte is in memory.
pub trait ReadyStream: Send {
    /// Bytes of the body.
    fn length(&self) -> u64;
    /// Appends the compressed field section (RFC 7541, without the dynamic table). False when it cannot be made after
    /// all; nothing was appended then, and the response is over.
    fn write_section(&mut self, section: &mut Vec<u8>) -> bool;
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// So many bytes of pieces were handed over, and this went wrong. Called once.
    fn sent(&mut self, body_bytes: u64, error: Option<&dyn Display>);
}
