//! Responses that are there already.
//!
//! Owns the seam through which the application answers a request at once: on HTTP/1.1 from the bytes of its header
//! section, without a session, and on HTTP/2 while streams are accepted, without a task. Such a response needs nothing
//! from anywhere and never waits but for the client.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::v2::server::HttpSession;

use super::ConnectionInfo;

/// What serves the requests of a listener.
pub trait Application: HttpServerApp + Send + Sync + 'static {
    /// The response to the HTTP/1.1 request with this header section, when it is there and the request is a plain
    /// one. Otherwise the request becomes a session. The connection is that of the task.
    fn ready_response(&self, _head: &[u8]) -> Option<Box<dyn ReadyResponse>> {
        None
    }

    /// Answers a request of HTTP/2 at once, if its response is there.
    fn answer_at_once(self: &Arc<Self>, session: HttpSession, _connection: &Arc<ConnectionInfo>) -> AtOnce {
        AtOnce::NotReady(session)
    }
}

/// What became of a request of HTTP/2.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one turn; a box would be made for every stream")]
pub enum AtOnce {
    /// Its response has been handed to the connection.
    Answered,
    /// Its response is there and too long to be handed over at once: this writes it.
    Ready(BoxFuture<'static, ()>),
    /// It has to be processed.
    NotReady(HttpSession),
}

/// A response whose every byte is in memory. It leaves the connection open for the next request.
pub trait ReadyResponse: Send {
    /// The header section, and behind it as much of the body as is to leave with it; nothing when it cannot be made
    /// after all, and then the request becomes a session.
    fn head(&mut self) -> Option<Vec<u8>>;
    /// The next piece of the body; nothing at its end.
    fn next_piece(&mut self) -> Option<Bytes>;
    /// So many bytes of pieces were written, and this went wrong.
    fn sent(&mut self, body_bytes: u64, error: Option<&io::Error>);
}
