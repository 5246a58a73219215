//! The receiving half of a stream.
//!
//! On a server's request streams, h3 is shown exactly the first HEADERS frame, and the session reads what follows
//! from the same half. h3 itself would buffer a field section of any length before it looks at the limit, take an
//! empty DATA frame for the end of the body, and take a stream that ends inside a frame for a whole one.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::error::Code;
use h3::quic::{StreamErrorIncoming, StreamId};
use parking_lot::Mutex;
use quinn::ReadError;

use super::super::frame::{FrameCursor, FrameKind, Piece};
use super::error::{read_error, stream_id, variable_integer};
use super::reprioritising::Listening;

/// Bytes of frames without meaning that a request may carry. Grease is a few bytes; more is only work for us.
const SKIPPED_BYTES: u64 = 64 * 1024;
/// Frames that carry nothing (empty or unknown) that a request may carry, so that a stream of two-byte frames does
/// not keep a worker busy for ever.
const EMPTY_FRAMES: u32 = 4_096;

/// Why a request stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client reset it, or its connection ended.
    #[error("request stream broke off: {0}")]
    Read(#[source] ReadError),
    /// It ended inside a frame: a connection error (RFC 9114 section 7.1).
    #[error("request stream ended inside a frame")]
    Truncated,
    /// A frame that may not stand there: a connection error (RFC 9114 section 4.1).
    #[error("unexpected frame on a request stream")]
    UnexpectedFrame,
    /// Its field section is longer than allowed.
    #[error("encoded field section is too large")]
    FieldSectionTooLarge,
    /// More padding than any client needs.
    #[error("too many frames without content")]
    ExcessiveLoad,
}

impl BodyError {
    /// The code that tells the client; for some of them the whole connection is to be closed with it.
    #[must_use]
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Read(_) => Code::H3_REQUEST_CANCELLED,
            Self::Truncated => Code::H3_FRAME_ERROR,
            Self::UnexpectedFrame => Code::H3_FRAME_UNEXPECTED,
            Self::FieldSectionTooLarge | Self::ExcessiveLoad => Code::H3_EXCESSIVE_LOAD,
        }
    }

    /// Whether it is an error of the connection and not of the stream alone.
    #[must_use]
    pub(crate) fn closes_connection(&self) -> bool {
        matches!(self, Self::Truncated | Self::UnexpectedFrame)
    }
}

/// What may come next on a request stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The field section that makes the request.
    Head,
    /// DATA, or trailers.
    Body,
    /// Nothing that has a meaning.
    Trailers,
    /// The end was read.
    Ended,
}

/// A request stream's frames.
struct RequestFrames {
    cursor: FrameCursor,
    stage: Stage,
    field_section_bytes: u64,
    skipped_bytes: u64,
    empty_frames: u32,
}

/// The receiving half of a stream. Dropped before its end, it asks the peer to stop, without blaming it
/// (RFC 9114 section 4.1: H3_NO_ERROR once the response is complete).
pub(crate) struct ReceiveHalf {
    stream: quinn::RecvStream,
    buffered: Bytes,
    frames: Option<RequestFrames>,
    at_end: bool,
    /// Why the field section could not be given to h3; h3's own error does not tell.
    refused: Option<BodyError>,
    /// The field section as it came; what h3 makes of it does not tell all.
    section: Vec<u8>,
    /// Who hears what h3 reads alone.
    listening: Option<Listening>,
}

impl ReceiveHalf {
    /// A stream that h3 reads alone.
    pub(super) fn whole(stream: quinn::RecvStream) -> Self {
        Self::new(stream, None)
    }

    /// A stream that h3 reads and somebody hears.
    pub(super) fn heard(stream: quinn::RecvStream, listening: Listening) -> Self {
        let mut half = Self::new(stream, None);
        half.listening = Some(listening);
        half
    }

    fn new(stream: quinn::RecvStream, frames: Option<RequestFrames>) -> Self {
        Self {
            stream,
            buffered: Bytes::new(),
            frames,
            at_end: false,
            refused: None,
            section: Vec::new(),
            listening: None,
        }
    }

    /// A request stream.
    pub(super) fn request(stream: quinn::RecvStream, field_section_bytes: u64) -> Self {
        let frames = RequestFrames {
            cursor: FrameCursor::default(),
            stage: Stage::Head,
            field_section_bytes,
            skipped_bytes: 0,
            empty_frames: 0,
        };
        Self::new(stream, Some(frames))
    }

    /// Why the stream never became a request, when it was for what it contained.
    pub(crate) fn take_refusal(&mut self) -> Option<BodyError> {
        self.refused.take()
    }

    /// The field section that made the request, still encoded.
    pub(crate) fn take_section(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.section)
    }

    /// The next bytes of the body; `None` at its end. Trailers are checked for their place and skipped: nothing
    /// behind us could take them.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let Some(piece) = ready!(self.poll_piece(cx))? else { return Poll::Ready(Ok(None)) };
            if let Piece::Payload { kind: FrameKind::Data, bytes } = piece {
                return Poll::Ready(Ok(Some(bytes)));
            }
        }
    }

    /// Asks the peer to send no more.
    pub(crate) fn stop(&mut self, code: Code) {
        self.stop_with(code.value());
    }

    fn stop_with(&mut self, code: u64) {
        if !self.at_end {
            self.at_end = true;
            // An error says that the stream is already over.
            self.stream.stop(variable_integer(code)).ok();
        }
    }

    /// The next piece that is allowed where it stands; `None` at a clean end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>, BodyError>> {
        loop {
            let Some(frames) = self.frames.as_mut() else { return Poll::Ready(Ok(None)) };
            if let Some(piece) = frames.cursor.next(&mut self.buffered) {
                frames.admit(&piece)?;
                return Poll::Ready(Ok(Some(piece)));
            }
            if frames.stage == Stage::Ended {
                return Poll::Ready(Ok(None));
            }
            match ready!(read(&mut self.stream, cx)) {
                Ok(Some(bytes)) => self.buffered = bytes,
                Ok(None) => {
                    self.at_end = true;
                    if !frames.cursor.at_boundary() {
                        return Poll::Ready(Err(BodyError::Truncated));
                    }
                    frames.stage = Stage::Ended;
                }
                Err(error) => {
                    self.at_end = true;
                    return Poll::Ready(Err(BodyError::Read(error)));
                }
            }
        }
    }

    /// What h3 may see: all of a stream it reads alone, of a request the first HEADERS frame.
    fn poll_for_h3(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.frames.is_none() {
            let read = ready!(read(&mut self.stream, cx));
            self.at_end = !matches!(read, Ok(Some(_)));
            if let (Ok(Some(bytes)), Some(listening)) = (&read, &mut self.listening) {
                listening.hear(bytes);
            }
            return Poll::Ready(read.map_err(read_error));
        }
        loop {
            match ready!(self.poll_piece(cx)) {
                Ok(Some(Piece::Start { kind: FrameKind::Headers, header, .. })) => {
                    return Poll::Ready(Ok(Some(header)));
                }
                Ok(Some(Piece::Payload { kind: FrameKind::Headers, bytes })) => {
                    // Within the bound that the start of the frame was held against.
                    self.section.extend_from_slice(&bytes);
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(BodyError::Read(error)) => return Poll::Ready(Err(read_error(error))),
                Err(error) => {
                    let told = StreamErrorIncoming::Unknown(error.to_string().into());
                    self.refused = Some(error);
                    return Poll::Ready(Err(told));
                }
            }
        }
    }
}

impl RequestFrames {
    /// Checks a piece against its place and the bounds (RFC 9114 section 4.1).
    fn admit(&mut self, piece: &Piece) -> Result<(), BodyError> {
        match piece {
            Piece::Start { kind: FrameKind::Headers, length, .. } => {
                if *length > self.field_section_bytes {
                    return Err(BodyError::FieldSectionTooLarge);
                }
                self.stage = match self.stage {
                    Stage::Head => Stage::Body,
                    Stage::Body => Stage::Trailers,
                    Stage::Trailers | Stage::Ended => return Err(BodyError::UnexpectedFrame),
                };
            }
            Piece::Start { kind: FrameKind::Data, length, .. } => {
                if self.stage != Stage::Body {
                    return Err(BodyError::UnexpectedFrame);
                }
                self.count_empty(*length == 0)?;
            }
            Piece::Start { kind: FrameKind::Forbidden, .. } => return Err(BodyError::UnexpectedFrame),
            Piece::Start { kind: FrameKind::Unknown, .. } => self.count_empty(true)?,
            Piece::Payload { kind: FrameKind::Unknown, bytes } => {
                self.skipped_bytes += bytes.len() as u64;
                if self.skipped_bytes > SKIPPED_BYTES {
                    return Err(BodyError::ExcessiveLoad);
                }
            }
            Piece::Payload { .. } => {}
        }
        Ok(())
    }

    fn count_empty(&mut self, empty: bool) -> Result<(), BodyError> {
        self.empty_frames += u32::from(empty);
        if self.empty_frames > EMPTY_FRAMES { Err(BodyError::ExcessiveLoad) } else { Ok(()) }
    }
}

/// Reads what has arrived, without copying it. The future holds no state, so that dropping it loses nothing.
fn read(stream: &mut quinn::RecvStream, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
    let chunk = ready!(pin!(stream.read_chunk(usize::MAX, true)).poll(cx))?;
    Poll::Ready(Ok(chunk.map(|chunk| chunk.bytes)))
}

impl Drop for ReceiveHalf {
    fn drop(&mut self) {
        self.stop(Code::H3_NO_ERROR);
    }
}

/// The receiving half as h3 holds it.
pub(crate) struct RecvStream {
    half: Arc<Mutex<ReceiveHalf>>,
    id: StreamId,
}

impl RecvStream {
    pub(super) fn new(half: ReceiveHalf) -> Self {
        let id = stream_id(half.stream.id());
        Self { half: Arc::new(Mutex::new(half)), id }
    }

    pub(super) fn half(&self) -> Arc<Mutex<ReceiveHalf>> {
        Arc::clone(&self.half)
    }
}

impl h3::quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.half.lock().poll_for_h3(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.half.lock().stop_with(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}
