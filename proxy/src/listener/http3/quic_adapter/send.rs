//! The sending half of a stream: a queue of `Bytes` in front of quinn.
//!
//! Everything to be sent enters the queue at once and leaves it piece by piece, so that a write which is
//! cancelled in the middle loses and repeats nothing: whoever flushes next goes on where it stopped.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{StreamErrorIncoming, StreamId, WriteBuf};
use parking_lot::Mutex;
use quinn::{StoppedError, VarInt, WriteError};

use super::error::{stream_id, variable_integer, write_error};
use crate::listener::priority::Signal;

/// Resolves when the peer stopped the stream, has all of it, or is gone.
pub(crate) type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync>>;

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Finished,
    Reset,
}

/// The sending half of a stream. Dropped while open, it resets the stream: quinn would finish it, and a response
/// that was cut short would look whole.
pub(crate) struct SendHalf {
    stream: quinn::SendStream,
    queue: VecDeque<Bytes>,
    /// Bytes that quinn has taken.
    taken: u64,
    /// Bytes that were pushed and will never be sent.
    lost_bytes: usize,
    phase: Phase,
    priority: Priority,
}

/// What is said of a response's priority.
#[derive(Debug, Default)]
struct Priority {
    /// In the request's field.
    asked: Signal,
    /// Since, in a frame: that goes before the field, whichever came first (RFC 9218 section 7).
    updated: Option<Signal>,
    /// In the response's field.
    decided: Signal,
}

impl SendHalf {
    fn new(stream: quinn::SendStream) -> Self {
        Self {
            stream,
            queue: VecDeque::new(),
            taken: 0,
            lost_bytes: 0,
            phase: Phase::Open,
            priority: Priority::default(),
        }
    }

    /// Appends bytes to what is to be sent; they are not copied.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.phase != Phase::Open {
            self.lost_bytes += bytes.len();
        } else if !bytes.is_empty() {
            self.queue.push_back(bytes);
        }
    }

    /// The client asked for this priority.
    pub(crate) fn ask(&mut self, signal: Signal) {
        self.priority.asked = signal;
        self.prioritise();
    }

    /// The client asks for this one now.
    pub(super) fn update(&mut self, signal: Signal) {
        self.priority.updated = Some(signal);
        self.prioritise();
    }

    /// The response says that it has this one.
    pub(crate) fn decide(&mut self, signal: Signal) {
        self.priority.decided = signal;
        self.prioritise();
    }

    fn prioritise(&self) {
        let client = self.priority.updated.unwrap_or(self.priority.asked);
        let place = self.priority.decided.over(client).place(VarInt::from(self.stream.id()).into_inner());
        // An error says that the stream is over.
        self.stream.set_priority(place).ok();
    }

    /// Whether something waits to be taken by quinn.
    #[must_use]
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many bytes wait to be taken by quinn.
    #[must_use]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum()
    }

    /// How many bytes quinn has taken, as its windows allow.
    #[must_use]
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes were pushed and wait, or were given up; frames' own few among them.
    #[must_use]
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.queued_bytes() + self.lost_bytes
    }

    /// Hands over as much as the peer's flow control and the send window allow; true once all is taken. Ready
    /// after any progress, so that a caller's time-out measures a standstill and not the length of a piece.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, WriteError>> {
        if self.queue.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let pieces = self.queue.make_contiguous();
        let written = ready!(pin!(self.stream.write_chunks(pieces)).poll(cx))?;
        self.taken += written.bytes as u64;
        self.queue.drain(..written.chunks);
        Poll::Ready(Ok(self.queue.is_empty()))
    }

    /// Hands over everything.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        while !ready!(self.poll_write(cx))? {}
        Poll::Ready(Ok(()))
    }

    /// Ends the stream well. What is queued must be flushed before.
    pub(crate) fn finish(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Finished;
            // An error says that the peer stopped or the connection ended; nothing is left to end then.
            self.stream.finish().ok();
        }
    }

    /// Ends the stream so that the peer knows it is incomplete. Without effect after [`Self::finish`], whose data
    /// may still be on its way.
    pub(crate) fn reset(&mut self, code: Code) {
        self.reset_with(code.value());
    }

    fn reset_with(&mut self, code: u64) {
        if self.phase == Phase::Open {
            self.phase = Phase::Reset;
            self.lost_bytes += self.queued_bytes();
            self.queue.clear();
            // An error says that the peer stopped or the connection ended.
            self.stream.reset(variable_integer(code)).ok();
        }
    }

    /// Whether it ended well, so that its delivery can be awaited.
    #[must_use]
    pub(crate) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// A future that resolves when the peer sends STOP_SENDING or the connection ends: the only way a cancelled
    /// request shows while nothing is written (RFC 9114 section 4.1.1).
    /// It also resolves once a finished stream is delivered, but not after a reset.
    #[must_use]
    pub(crate) fn stopped(&self) -> Stopped {
        Box::pin(self.stream.stopped())
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.reset(Code::H3_INTERNAL_ERROR);
    }
}

/// Who moves queued bytes on to quinn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushing {
    /// h3, as its trait asks.
    ByH3,
    /// The session: h3 only encodes field sections into the queue.
    BySession,
}

/// The sending half as h3 holds it.
pub(crate) struct SendStream {
    half: Arc<Mutex<SendHalf>>,
    flushing: Flushing,
    id: StreamId,
}

impl SendStream {
    /// A stream that h3 writes alone.
    pub(super) fn new(stream: quinn::SendStream) -> Self {
        let id = stream_id(stream.id());
        Self { half: Arc::new(Mutex::new(SendHalf::new(stream))), flushing: Flushing::ByH3, id }
    }

    /// The answering half of a request stream, which the session flushes.
    pub(super) fn response(stream: quinn::SendStream) -> Self {
        Self { flushing: Flushing::BySession, ..Self::new(stream) }
    }

    pub(super) fn half(&self) -> Arc<Mutex<SendHalf>> {
        Arc::clone(&self.half)
    }
}

impl h3::quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        match self.flushing {
            Flushing::ByH3 => self.half.lock().poll_flush(cx).map_err(write_error),
            Flushing::BySession => Poll::Ready(Ok(())),
        }
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        let mut data: WriteBuf<Bytes> = data.into();
        // A frame header and a field section: small. Bodies do not come this way on a server.
        let bytes = data.copy_to_bytes(data.remaining());
        self.half.lock().push(bytes);
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let mut half = self.half.lock();
        ready!(half.poll_flush(cx)).map_err(write_error)?;
        half.finish();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, reset_code: u64) {
        self.half.lock().reset_with(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}
