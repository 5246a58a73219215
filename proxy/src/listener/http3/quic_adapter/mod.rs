//! `h3::quic` over quinn: how HTTP/3's control layer reaches QUIC.
//!
//! Owns the mapping of streams, errors and closing. Each half of a stream is shared between h3, which writes
//! field sections and reads the first one, and the session, which moves bodies itself ([`SendHalf`],
//! [`ReceiveHalf`]): bodies then travel as `Bytes` without a copy, writes can be cancelled at any point, and a
//! peer's STOP_SENDING is visible while nothing is written. It knows nothing of requests or responses.

mod error;
mod receive;
mod reprioritising;
mod send;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::{Stream, StreamExt, unfold};
use h3::error::Code;
use h3::quic::{ConnectionErrorIncoming, StreamErrorIncoming};
use parking_lot::Mutex;

pub(crate) use error::variable_integer;
use error::{connection_error, stream_lost};
pub(crate) use receive::{BodyError, ReceiveHalf, RecvStream};
use reprioritising::{Listening, Priorities, SharedPriorities};
pub(crate) use send::{SendHalf, SendStream, Stopped};

/// A stream the peer or we opened, boxed once a connection.
type Incoming<T> = Pin<Box<dyn Stream<Item = Result<T, quinn::ConnectionError>> + Send + Sync>>;

/// Which end of the connection this is, and how much of a field section it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Requests come in; h3 is handed no more of a request stream than its first HEADERS frame.
    Server {
        /// Largest encoded field section; a longer one is refused before it is buffered.
        field_section_bytes: u64,
    },
    /// Requests go out; h3 reads whole streams.
    #[cfg(test)]
    Client,
}

/// Both halves of the request stream that was accepted last, for the session.
#[derive(Clone)]
pub(crate) struct StreamHalves {
    /// Its sending half.
    pub(crate) send: Arc<Mutex<SendHalf>>,
    /// Its receiving half.
    pub(crate) receive: Arc<Mutex<ReceiveHalf>>,
}

/// Where a connection leaves the halves of each stream it accepts, for who called `accept` to pick up.
pub(crate) type AcceptedHalves = Arc<Mutex<Option<StreamHalves>>>;

/// A QUIC connection as h3 sees it.
pub(crate) struct Connection {
    opener: OpenStreams,
    incoming_bidi: Incoming<(quinn::SendStream, quinn::RecvStream)>,
    incoming_uni: Incoming<quinn::RecvStream>,
    accepted: AcceptedHalves,
    priorities: SharedPriorities,
}

impl Connection {
    /// Takes over a connection whose handshake is done.
    #[must_use]
    pub(crate) fn new(connection: quinn::Connection, role: Role) -> Self {
        let bidi = unfold(connection.clone(), |connection| async { Some((connection.accept_bi().await, connection)) });
        let uni = unfold(connection.clone(), |connection| async { Some((connection.accept_uni().await, connection)) });
        Self {
            opener: OpenStreams { connection, role, opening_bidi: None, opening_uni: None },
            incoming_bidi: Box::pin(bidi),
            incoming_uni: Box::pin(uni),
            accepted: Arc::new(Mutex::new(None)),
            priorities: Priorities::shared(),
        }
    }

    /// Where the halves of the stream accepted last are left.
    #[must_use]
    pub(crate) fn accepted(&self) -> AcceptedHalves {
        Arc::clone(&self.accepted)
    }
}

impl h3::quic::Connection<Bytes> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = OpenStreams;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(next(&mut self.incoming_uni, cx))?;
        let half = match self.opener.role {
            Role::Server { .. } => {
                let listening = Listening::new(self.opener.connection.clone(), Arc::clone(&self.priorities));
                ReceiveHalf::heard(stream, listening)
            }
            #[cfg(test)]
            Role::Client => ReceiveHalf::whole(stream),
        };
        Poll::Ready(Ok(RecvStream::new(half)))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, ConnectionErrorIncoming>> {
        let (send, receive) = ready!(next(&mut self.incoming_bidi, cx))?;
        let number = quinn::VarInt::from(send.id()).into_inner();
        let receive = match self.opener.role {
            Role::Server { field_section_bytes } => ReceiveHalf::request(receive, field_section_bytes),
            #[cfg(test)]
            Role::Client => ReceiveHalf::whole(receive),
        };
        let stream = BidiStream { send: SendStream::response(send), receive: RecvStream::new(receive) };
        self.priorities.lock().opened(number, &stream.send.half());
        *self.accepted.lock() = Some(StreamHalves { send: stream.send.half(), receive: stream.receive.half() });
        Poll::Ready(Ok(stream))
    }

    fn opener(&self) -> OpenStreams {
        self.opener.clone()
    }
}

/// Waits for the next stream of the peer.
fn next<T>(incoming: &mut Incoming<T>, cx: &mut Context<'_>) -> Poll<Result<T, ConnectionErrorIncoming>> {
    match ready!(incoming.poll_next_unpin(cx)) {
        Some(Ok(stream)) => Poll::Ready(Ok(stream)),
        Some(Err(error)) => Poll::Ready(Err(connection_error(error))),
        None => Poll::Ready(Err(ConnectionErrorIncoming::InternalError("no more streams".to_owned()))),
    }
}

/// A stream being opened: it waits for the peer's credit.
type Opening<T> = Pin<Box<dyn Future<Output = Result<T, quinn::ConnectionError>> + Send + Sync>>;

/// Opens streams towards the peer.
pub(crate) struct OpenStreams {
    connection: quinn::Connection,
    role: Role,
    opening_bidi: Option<Opening<(quinn::SendStream, quinn::RecvStream)>>,
    opening_uni: Option<Opening<quinn::SendStream>>,
}

impl Clone for OpenStreams {
    fn clone(&self) -> Self {
        Self { connection: self.connection.clone(), role: self.role, opening_bidi: None, opening_uni: None }
    }
}

impl h3::quic::OpenStreams<Bytes> for OpenStreams {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        let opening = self.opening_bidi.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.open_bi().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening_bidi = None;
        let (send, receive) = opened.map_err(stream_lost)?;
        Poll::Ready(Ok(BidiStream {
            send: SendStream::new(send),
            receive: RecvStream::new(ReceiveHalf::whole(receive)),
        }))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        let opening = self.opening_uni.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening_uni = None;
        Poll::Ready(opened.map(SendStream::new).map_err(stream_lost))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(variable_integer(code.value()), reason);
    }
}

impl h3::quic::OpenStreams<Bytes> for Connection {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

/// A request stream, both directions.
pub(crate) struct BidiStream {
    send: SendStream,
    receive: RecvStream,
}

impl h3::quic::BidiStream<Bytes> for BidiStream {
    type SendStream = SendStream;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream, RecvStream) {
        (self.send, self.receive)
    }
}

impl h3::quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<h3::quic::WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> h3::quic::StreamId {
        self.send.send_id()
    }
}

impl h3::quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.receive.stop_sending(error_code);
    }

    fn recv_id(&self) -> h3::quic::StreamId {
        self.receive.recv_id()
    }
}
