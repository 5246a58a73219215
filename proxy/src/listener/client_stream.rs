//! A client's connection as Pingora sees it.
//!
//! Owns what Pingora asks of a stream (addresses, TLS facts, shutdown) and, for HTTP/1, the bytes read past the
//! request that is being served. Those stay here and are never shown to Pingora: a pipelined request (RFC 9112
//! section 9.3.2) waits in `unread` until its turn. Pingora reads the body of a request from here, and in between
//! probes with one byte whether the client is still there. What Pingora writes goes out as it is, but for the Date of a
//! response, which is put in its place here.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::ConnectionInfo;
use super::gathering::Gathering;
use super::http1::ChunkScanner;
use super::response_date::ResponseDate;

/// One read of a request's header section: nearly all fit, and an idle connection holds no more than this.
const READ_SIZE: usize = 4 << 10;

/// One read of a chunked body, as large as what asks for it.
const CHUNKS_READ_SIZE: usize = 64 << 10;

/// How long, and how much of, a request body is read and thrown away after the response when the client still sends
/// it. Closing at once would reset the connection, and the reset may overtake the response (RFC 9112 section 9.6).
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

/// How the rest of the current request on an HTTP/1 connection ends, as far as reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// There is no body, or it has been read: what follows is the next request.
    None,
    /// This much of it is still to come.
    Length(u64),
    /// Ends where its last chunk says.
    Chunked,
}

/// Facts that do not change while the connection lives.
#[derive(Debug)]
pub(super) struct StreamIdentity {
    id: UniqueIDType,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    alpn: Option<ALPN>,
    response_date: ResponseDate,
}

impl StreamIdentity {
    /// The addresses are known, so that nobody asks the kernel for them again.
    pub(super) fn new(descriptor: RawFd, info: &ConnectionInfo, tls: Option<(SslDigest, ALPN)>) -> Self {
        let mut digest = SocketDigest::from_raw_fd(descriptor);
        digest.peer_addr = Some(info.peer.into()).into();
        digest.local_addr = Some(info.local.into()).into();
        let (tls, alpn) = tls.map(|(digest, alpn)| (Arc::new(digest), alpn)).unzip();
        let response_date = info.response_date.clone().unwrap_or_default();
        Self { id: descriptor, socket: Arc::new(digest), tls, alpn, response_date }
    }

    /// The same as sessions know it.
    pub(super) fn into_digest(self) -> Digest {
        Digest { ssl_digest: self.tls, timing_digest: Vec::new(), proxy_digest: None, socket_digest: Some(self.socket) }
    }
}

/// The stream handed to Pingora.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    inner: S,
    identity: StreamIdentity,
    unread: BytesMut,
    framing: BodyFraming,
    chunks: ChunkScanner,
    lingering: Option<Lingering>,
}

#[derive(Debug)]
struct Lingering {
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl<S> ClientStream<S> {
    pub(super) fn new(inner: S, identity: StreamIdentity) -> Self {
        Self {
            inner,
            identity,
            unread: BytesMut::new(),
            framing: BodyFraming::None,
            chunks: ChunkScanner::default(),
            lingering: None,
        }
    }

    /// What was received and belongs to no request yet.
    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Throws away the first `count` unread bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.unread.advance(count.min(self.unread.len()));
    }

    /// Takes a request's header section of `length` bytes; its body, framed so, may be read next.
    pub(super) fn take_head(&mut self, length: usize, framing: BodyFraming) -> BytesMut {
        self.framing = framing;
        if framing == BodyFraming::Chunked {
            self.chunks = ChunkScanner::default();
        }
        if length >= self.unread.len() {
            // Nearly always: the buffer itself goes, without becoming a shared one.
            return std::mem::take(&mut self.unread);
        }
        self.unread.split_to(length)
    }

    /// Takes back the memory of a header section that was read, unless the next request has begun.
    pub(super) fn reuse_buffer(&mut self, mut head: BytesMut) {
        if self.unread.capacity() == 0 {
            head.clear();
            self.unread = head;
        }
    }

    /// Notes that the client is still sending something that nobody will read.
    pub(super) fn expect_rest(&mut self) {
        self.framing = BodyFraming::Chunked;
    }

    /// Notes that the current request is over.
    pub(super) fn end_request(&mut self) {
        self.framing = BodyFraming::None;
    }

    /// Notes that the response of a session is over.
    pub(super) fn end_session(&mut self) {
        self.identity.response_date.forget();
        self.end_request();
    }
}

impl<S> ClientStream<Gathering<S>> {
    /// What this connection gathers.
    pub(super) fn gathering(&self) -> &Gathering<S> {
        &self.inner
    }

    /// A handle to it.
    pub(super) fn gathered(&self) -> Gathering<S> {
        self.inner.handle()
    }
}

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Reads once more into `unread`; zero at the end of the stream.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.unread.reserve(READ_SIZE);
        pin!(self.inner.read_buf(&mut self.unread)).poll(context)
    }

    /// The probe whether the client is there: pending while it is, an end when it is not.
    fn poll_probe(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_fill(context))? {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Reads of the body, no further than it goes.
    fn poll_body(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.framing == BodyFraming::Chunked {
            return self.poll_chunks(context, buffer);
        }
        if self.unread.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
            self.count_body(buffer.filled().len() - before);
            return Poll::Ready(Ok(()));
        }
        let most = match self.framing {
            BodyFraming::Length(left) => usize::try_from(left).unwrap_or(usize::MAX),
            BodyFraming::None | BodyFraming::Chunked => usize::MAX,
        };
        let length = self.hand_out(most, buffer);
        self.count_body(length);
        Poll::Ready(Ok(()))
    }

    /// Reads of a chunked body. What is not framed as it should never reaches the decoder.
    fn poll_chunks(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            self.unread.reserve(CHUNKS_READ_SIZE);
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let most = self.unread.len().min(buffer.remaining());
        let length = self.chunks.advance(&self.unread[..most])?;
        self.hand_out(length, buffer);
        if self.chunks.has_ended() {
            self.framing = BodyFraming::None;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves the first unread bytes, at most so many, to the reader.
    fn hand_out(&mut self, most: usize, buffer: &mut ReadBuf<'_>) -> usize {
        let length = most.min(self.unread.len()).min(buffer.remaining());
        buffer.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        length
    }

    fn count_body(&mut self, length: usize) {
        if let BodyFraming::Length(left) = self.framing {
            let left = left.saturating_sub(length as u64);
            self.framing = if left == 0 { BodyFraming::None } else { BodyFraming::Length(left) };
        }
    }

    /// Reads and throws away what the client still sends, within bounds.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.framing == BodyFraming::None {
            return Poll::Ready(());
        }
        let mut lingering = self
            .lingering
            .take()
            .unwrap_or_else(|| Lingering { until: Box::pin(tokio::time::sleep(LINGER_TIME)), left: LINGER_BYTES });
        loop {
            self.unread.clear();
            match self.poll_fill(context) {
                Poll::Ready(Ok(read)) if read > 0 && read < lingering.left => lingering.left -= read,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let over = lingering.until.as_mut().poll(context);
        self.lingering = Some(lingering);
        over
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Pingora reads bodies with large buffers, except for the last byte of one whose length is known.
        let probing = buffer.remaining() == 1 && !matches!(self.framing, BodyFraming::Length(_));
        if probing { self.poll_probe(context) } else { self.poll_body(context, buffer) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<Gathering<S>> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some((date, place)) = self.identity.response_date.take_for(bytes) {
            // Pingora writes a head in one piece, which is taken as one: its rest would not be known as such.
            self.inner.gather_whole(&[&bytes[..place.start], date.as_bytes(), &bytes[place.end..]]);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        }
        self.poll_linger(context).map(Ok)
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Shutdown for ClientStream<Gathering<S>> {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            log::debug!(error:%; "client was gone at shutdown");
        }
    }
}

impl<S> UniqueID for ClientStream<S> {
    fn id(&self) -> UniqueIDType {
        self.identity.id
    }
}

impl<S> Ssl for ClientStream<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.identity.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.identity.alpn.clone()
    }
}

impl<S> GetTimingDigest for ClientStream<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for ClientStream<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for ClientStream<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.identity.socket))
    }
}

impl<S> Peek for ClientStream<S> {}
