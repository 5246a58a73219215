//! What a stream of HTTP/2 or HTTP/3 can do for the request on it.

use std::error::Error;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use tokio::time::{Instant, timeout};

use super::request_body::RequestBodyError;
use crate::listener::priority::Signal;
use crate::listener::slow_reader::{SlowReader, Taken};

/// Why a field section cannot be sent.
pub(in crate::listener) type FieldsError = Box<dyn Error + Send + Sync>;

/// Why a response is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Abandoned {
    /// The client does not take it.
    NotTaken,
    /// It cannot be made whole.
    Broken,
}

/// A stream that carries one request and its response. Nothing here waits but what is polled: what is pushed is queued,
/// and `poll_write` hands it over. Dropped before the response has ended, it tells the client that it is incomplete.
pub(in crate::listener) trait Carrier: Send + Sync + Unpin + 'static {
    /// Why a body cannot be read on.
    type BodyError: Error + Send + Sync + Unpin + 'static;
    /// Why a response cannot be written on.
    type WriteError: Error + Send + Sync + 'static;
    /// The protocol, for messages.
    const PROTOCOL: &'static str;

    /// The next piece of the body as it came; nothing at its end.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Self::BodyError>>;
    /// Tells the client that its body is not what it must be, or cannot be read on.
    fn refuse_body(&mut self, error: &RequestBodyError<Self::BodyError>);
    /// Asks the client to send no more of the body, without blaming it.
    fn stop_body(&mut self);

    /// Queues a field section: an interim one, or that of the response.
    fn push_fields(&mut self, header: &ResponseHeader) -> Result<(), FieldsError>;
    /// Queues a piece of the body; it is not copied.
    fn push_body(&mut self, bytes: Bytes);
    /// Queues trailers, which end the response.
    fn push_trailers(&mut self, trailers: HeaderMap) -> Result<(), FieldsError>;
    /// Says that nothing is pushed any more.
    fn push_end(&mut self) {}
    /// Ends the stream well. Everything queued has been handed over.
    fn finish(&mut self);
    /// Ends the stream so that the client knows it is incomplete.
    fn reset(&mut self, why: Abandoned);

    /// The response says that it has this priority.
    fn decide(&mut self, signal: Signal);
    /// Whether something waits to be handed over.
    fn has_queued(&self) -> bool;
    /// How many bytes wait.
    fn queued_bytes(&self) -> usize;
    /// How many bytes that were pushed never left: those that wait, and those that were given up.
    fn unsent_bytes(&self) -> usize;
    /// Hands over what can go; true once all is. Ready after any progress, so that a caller's time-out measures a
    /// standstill and not the length of a piece.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Self::WriteError>>;
    /// What the client has taken until now.
    fn taken(&self) -> Taken;
    /// What kind of error that is for the proxy.
    fn kind_of(error: &Self::WriteError) -> ErrorType;

    /// Ready, and why, when the client gave the response up or its connection ended. Once the response is delivered, only
    /// the connection can still end.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<String>;
}

/// Hands over what can go, as [`Carrier::poll_write`] does; nothing when the client takes too little.
pub(in crate::listener) async fn write_patiently<C: Carrier>(
    carrier: &mut C,
    reader: &mut SlowReader,
    patience: Duration,
) -> Option<Result<bool, C::WriteError>> {
    // Most of what is written can go at once.
    if let Poll::Ready(written) = poll_fn(|context| Poll::Ready(carrier.poll_write(context))).await {
        return Some(written);
    }
    loop {
        let (before, begun) = (carrier.taken(), Instant::now());
        let wait = reader.may_wait(patience, before);
        let written = timeout(wait, poll_fn(|context| carrier.poll_write(context))).await;
        let after = carrier.taken();
        reader.waited(begun.elapsed(), before, after);
        match written {
            Ok(written) => return Some(written),
            Err(_) if reader.goes_on(patience, after) => {}
            Err(_) => return None,
        }
    }
}
