//! The h3 crate's transport traits over quinn, written for tests: small rather than fast, one copy each way. It
//! shares no code with the edge's own, so that a mistake in one is not repeated in the other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

/// Read from a stream at once.
const PIECE: usize = 16 * 1024;

type Opening<T> = Option<BoxFuture<'static, Result<T, ConnectionError>>>;
type Bidi = (quinn::SendStream, quinn::RecvStream);

/// A connection.
pub(super) struct QuicConnection {
    connection: quinn::Connection,
    accepting_uni: Opening<quinn::RecvStream>,
    accepting_bidi: Opening<Bidi>,
    opener: Opener,
}

/// Opens streams on it.
pub(super) struct Opener {
    connection: quinn::Connection,
    opening_uni: Opening<quinn::SendStream>,
    opening_bidi: Opening<Bidi>,
}

/// A stream in both directions.
pub(super) struct BidiStream<B: Buf> {
    send: SendStream<B>,
    recv: RecvStream,
}

/// The sending direction.
pub(super) struct SendStream<B: Buf> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
}

/// The receiving direction.
pub(super) struct RecvStream {
    stream: quinn::RecvStream,
}

impl QuicConnection {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let opener = Opener::new(connection.clone());
        Self { connection, accepting_uni: None, accepting_bidi: None, opener }
    }
}

impl Opener {
    fn new(connection: quinn::Connection) -> Self {
        Self { connection, opening_uni: None, opening_bidi: None }
    }
}

impl Clone for Opener {
    fn clone(&self) -> Self {
        Self::new(self.connection.clone())
    }
}

impl<B: Buf> quic::Connection<B> for QuicConnection {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let connection = &self.connection;
        let accepted = drive(&mut self.accepting_uni, context, || {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_uni().await })
        });
        Poll::Ready(ready!(accepted).map(RecvStream::new).map_err(connection_error))
    }

    fn poll_accept_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        let connection = &self.connection;
        let accepted = drive(&mut self.accepting_bidi, context, || {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_bi().await })
        });
        Poll::Ready(ready!(accepted).map(BidiStream::new).map_err(connection_error))
    }

    fn opener(&self) -> Opener {
        self.opener.clone()
    }
}

impl<B: Buf> quic::OpenStreams<B> for QuicConnection {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(context)
    }

    fn poll_open_send(&mut self, context: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        self.opener.poll_open_send(context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.connection, code, reason);
    }
}

impl<B: Buf> quic::OpenStreams<B> for Opener {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(&mut self, context: &mut Context<'_>) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opened = drive(&mut self.opening_bidi, context, || {
            let connection = connection.clone();
            Box::pin(async move { connection.open_bi().await })
        });
        Poll::Ready(ready!(opened).map(BidiStream::new).map_err(on_stream))
    }

    fn poll_open_send(&mut self, context: &mut Context<'_>) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opened = drive(&mut self.opening_uni, context, || {
            let connection = connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        Poll::Ready(ready!(opened).map(SendStream::new).map_err(on_stream))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.connection, code, reason);
    }
}

impl<B: Buf> BidiStream<B> {
    fn new((send, recv): Bidi) -> Self {
        Self { send: SendStream::new(send), recv: RecvStream::new(recv) }
    }
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = SendStream<B>;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream<B>, RecvStream) {
        (self.send, self.recv)
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(context)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(context)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl<B: Buf> SendStream<B> {
    fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: None }
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = &mut self.writing {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, data.chunk()));
            data.advance(written.map_err(write_error)?);
            if !data.has_remaining() {
                self.writing = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        assert!(self.writing.is_none(), "h3 waits for poll_ready between two pieces");
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|closed| StreamErrorIncoming::Unknown(closed.into())))
    }

    fn reset(&mut self, reset_code: u64) {
        // Closed already is reset enough.
        let _closed = self.stream.reset(code(reset_code));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl RecvStream {
    fn new(stream: quinn::RecvStream) -> Self {
        Self { stream }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let mut piece = vec![0; PIECE];
        let length = ready!(self.stream.poll_read(context, &mut piece)).map_err(read_error)?;
        piece.truncate(length);
        Poll::Ready(Ok((length > 0).then(|| piece.into())))
    }

    fn stop_sending(&mut self, error_code: u64) {
        // Closed already needs no stop.
        let _closed = self.stream.stop(code(error_code));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// Polls the future in the slot, made when the slot is empty, and empties it when done.
fn drive<T>(
    slot: &mut Opening<T>,
    context: &mut Context<'_>,
    make: impl FnOnce() -> BoxFuture<'static, Result<T, ConnectionError>>,
) -> Poll<Result<T, ConnectionError>> {
    let result = ready!(slot.get_or_insert_with(make).as_mut().poll(context));
    *slot = None;
    Poll::Ready(result)
}

fn close(connection: &quinn::Connection, reason_code: Code, reason: &[u8]) {
    connection.close(code(reason_code.value()), reason);
}

fn code(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

fn stream_id(id: quinn::StreamId) -> StreamId {
    VarInt::from(id).into_inner().try_into().expect("quinn's stream ids are valid")
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn on_stream(error: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
}

fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        ReadError::ConnectionLost(error) => on_stream(error),
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        WriteError::ConnectionLost(error) => on_stream(error),
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}
