//! The body of one request: read from its stream, measured against `content-length`.
//!
//! Reading is cancel-safe throughout: what was taken off the stream is either returned or kept here.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::task::noop_waker_ref;
use pingora_core::protocols::http::body_buffer::FixedBuffer;

use super::Carrier;

/// Packets of a body are gathered up to this before they go on: each piece costs the pipeline a write to the origin,
/// which is far dearer than copying it. 16 KiB is a TLS record.
const GATHERED_BYTES: usize = 16 * 1024;
/// What a request's body may take in memory so that it can be sent to a second origin: as much as Pingora keeps.
const RETRY_BYTES: usize = 64 * 1024;

/// Why a body cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::listener) enum RequestBodyError<E: std::error::Error> {
    /// The stream broke off or is invalid.
    #[error(transparent)]
    Stream(E),
    /// Shorter or longer than announced: malformed (RFC 9113 section 8.1.1, RFC 9114 section 4.1.2).
    #[error("body disagrees with content-length")]
    Length,
}

/// How far the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Reading,
    Ended,
}

/// The body of one request.
pub(super) struct RequestBody<E: std::error::Error> {
    announced: Option<u64>,
    received: u64,
    /// Taken off the stream, not yet given out.
    ahead: Option<Bytes>,
    /// Met while gathering; given out once `ahead` is.
    failed: Option<RequestBodyError<E>>,
    progress: Progress,
    bytes_read: usize,
    retry: Option<FixedBuffer>,
}

impl<E: std::error::Error> RequestBody<E> {
    /// The body that follows a field section which announces this length.
    pub(super) fn new(announced: Option<u64>) -> Self {
        Self {
            announced,
            received: 0,
            ahead: None,
            failed: None,
            progress: Progress::Reading,
            bytes_read: 0,
            retry: None,
        }
    }

    /// Whether the end of the stream, or some of the body, came with the field section; does not wait.
    pub(super) fn look_ahead(&mut self, carrier: &mut impl Carrier<BodyError = E>) -> bool {
        self.poll_ahead(carrier, &mut Context::from_waker(noop_waker_ref())).is_ready()
    }

    /// Ready once the first bytes, the end or an error of the body are known; they are kept.
    pub(super) fn poll_ahead(&mut self, carrier: &mut impl Carrier<BodyError = E>, cx: &mut Context<'_>) -> Poll<()> {
        if self.ahead.is_some() || self.failed.is_some() || self.progress == Progress::Ended {
            return Poll::Ready(());
        }
        match self.poll_gather(carrier, cx) {
            Poll::Ready(Ok(bytes)) => self.ahead = bytes,
            Poll::Ready(Err(error)) => self.failed = Some(error),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// The next piece; `None` at the end.
    pub(super) fn poll_read(
        &mut self,
        carrier: &mut impl Carrier<BodyError = E>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, RequestBodyError<E>>> {
        if self.poll_ahead(carrier, cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(bytes) = self.ahead.take() {
            self.bytes_read += bytes.len();
            if let Some(retry) = self.retry.as_mut() {
                retry.write_to_buffer(&bytes);
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        match self.failed.take() {
            Some(error) => {
                self.progress = Progress::Ended;
                Poll::Ready(Err(error))
            }
            None => Poll::Ready(Ok(None)),
        }
    }

    /// Takes what has arrived, as one piece.
    fn poll_gather(
        &mut self,
        carrier: &mut impl Carrier<BodyError = E>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, RequestBodyError<E>>> {
        let first = match self.poll_piece(carrier, cx) {
            Poll::Ready(Ok(Some(bytes))) => bytes,
            other => return other,
        };
        let mut gathered = Gathered::One(first);
        while gathered.len() < GATHERED_BYTES {
            match self.poll_piece(carrier, cx) {
                Poll::Ready(Ok(Some(bytes))) => gathered = gathered.with(&bytes),
                Poll::Ready(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                Poll::Ready(Ok(None)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(Some(gathered.into_bytes())))
    }

    /// The next piece as the stream has it.
    fn poll_piece(
        &mut self,
        carrier: &mut impl Carrier<BodyError = E>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, RequestBodyError<E>>> {
        if self.progress == Progress::Ended {
            return Poll::Ready(Ok(None));
        }
        let piece = match carrier.poll_body(cx) {
            Poll::Ready(piece) => piece.map_err(RequestBodyError::Stream)?,
            Poll::Pending => return Poll::Pending,
        };
        self.received += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let at_end = piece.is_none();
        if at_end {
            self.progress = Progress::Ended;
        }
        match self.announced {
            Some(announced) if self.received > announced || (at_end && self.received < announced) => {
                Poll::Ready(Err(RequestBodyError::Length))
            }
            _ => Poll::Ready(Ok(piece)),
        }
    }

    /// Whether nothing is left to read.
    pub(super) fn is_done(&self) -> bool {
        let complete = self.progress == Progress::Ended || self.announced == Some(self.received);
        complete && self.ahead.is_none() && self.failed.is_none()
    }

    /// Whether the request has no body at all.
    pub(super) fn is_empty(&self) -> bool {
        self.received == 0 && self.is_done()
    }

    /// Whether a body is announced.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Bytes given out so far.
    pub(super) fn bytes_read(&self) -> usize {
        self.bytes_read
    }

    /// Keeps what is read from now on, up to a bound, for another try.
    pub(super) fn enable_retry(&mut self) {
        self.retry.get_or_insert_with(|| FixedBuffer::new(RETRY_BYTES));
    }

    /// Whether the body outgrew what is kept for another try.
    pub(super) fn retry_truncated(&self) -> bool {
        self.retry.as_ref().is_some_and(FixedBuffer::is_truncated)
    }

    /// What was read so far, if all of it was kept.
    pub(super) fn retry_buffer(&self) -> Option<Bytes> {
        self.retry.as_ref().filter(|retry| !retry.is_truncated()).and_then(FixedBuffer::get_buffer)
    }
}

/// Pieces that arrived together; a single one is not copied.
enum Gathered {
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn with(self, next: &[u8]) -> Self {
        let mut all = match self {
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(GATHERED_BYTES + next.len());
                all.extend_from_slice(&first);
                all
            }
            Self::Many(all) => all,
        };
        all.extend_from_slice(next);
        Self::Many(all)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
