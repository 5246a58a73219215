//! Responses that are there already.
//!
//! Owns the seam through which the application answers a request at once: on HTTP/1.1 from the bytes of its header
//! section, without a session, and on HTTP/2 from its decoded fields, without a session and without a task. Such a
//! response needs nothing from anywhere and never waits but for the client.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pingora_core::apps::HttpServerApp;

use super::ConnectionInfo;
use super::priority::Signal;

/// What serves the requests of a listener.
pub trait Application: HttpServerApp + Send + Sync + 'static {
    /// What answers requests of an HTTP/1.1 connection at once, for as long as it lives. Without it every request
    /// becomes a session.
    fn ready_responses(self: &Arc<Self>, _connection: &Arc<ConnectionInfo>) -> Option<Box<dyn ReadyResponses>> {
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

/// The header section of a request of HTTP/1.1 without a body, as the listener accepted it.
#[derive(Debug, Clone, Copy)]
pub struct PlainHead<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// Its target, in origin form and of ASCII.
    pub target: &'a [u8],
    /// The lines of its fields, and the empty line behind them.
    pub fields: &'a [u8],
    /// Which fields these are on their connection: where it is the same, so is every byte of them. Most clients send the
    /// same ones again and again. Absent for those that are too long to be told again.
    pub known_as: Option<FieldsNumber>,
    /// When it was there.
    pub arrived: Instant,
}

/// Tells the header fields of one connection apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldsNumber(pub u64);

/// Responses whose every byte is in memory, for one connection. Each leaves it open for the next request.
pub trait ReadyResponses: Send {
    /// Finds the response to this request, when it is there and the request is a plain one. Writes its header section
    /// and behind it as much of the body as is to leave with it. Otherwise nothing is written, and the request becomes
    /// a session.
    fn begin(&mut self, request: &PlainHead<'_>, text: &mut Vec<u8>) -> bool;
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// The response to this request is over: so many bytes of pieces were written until then, and this went wrong.
    fn sent(&mut self, request: &PlainHead<'_>, body_bytes: u64, ended: Instant, error: Option<&io::Error>);
}

/// A response of HTTP/2 whose every byte is in memory.
pub trait ReadyStream: Send {
    /// Bytes of the body.
    fn length(&self) -> u64;
    /// Appends the compressed field section (RFC 7541, without the dynamic table). False when it cannot be made after
    /// all; nothing was appended then, and the response is over.
    fn write_section(&mut self, section: &mut Vec<u8>) -> bool;
    /// What its fields say of its priority, if they do.
    fn priority(&self) -> Option<Signal> {
        None
    }
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// The client has left before all of it was sent; [`Self::sent`] follows.
    fn client_left(&mut self) {}
    /// So many bytes of pieces were handed over, and this went wrong. Called once.
    fn sent(&mut self, body_bytes: u64, error: Option<&dyn Display>);
}
