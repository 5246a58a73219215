//! A bare connection: sends any bytes, right or wrong, and reads HTTP/1.1 responses strictly.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::http1;
use super::message::{Head, Request, Response};
use super::{Target, tls};

/// Receive buffer of the socket: small, so that a reader which pauses is soon felt at the other side.
const RECEIVE_BUFFER: u32 = 64 * 1024;
/// Read from the connection at once.
const PIECE: usize = 64 * 1024;

/// What HTTP/1.1 runs over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that speaks HTTP/1.1, over TLS or not.
pub struct RawConnection {
    pub(super) reader: RawReader,
    pub(super) writer: WriteHalf<Box<dyn Transport>>,
    session: Option<Session>,
}

/// What a handshake came to.
#[derive(Debug)]
struct Session {
    version: Option<rustls::ProtocolVersion>,
    key_exchange: Option<rustls::NamedGroup>,
    certificate: Option<Vec<u8>>,
}

/// Its receiving half, with what has been read ahead.
pub(super) struct RawReader {
    input: ReadHalf<Box<dyn Transport>>,
    pub(super) buffer: BytesMut,
}

impl RawConnection {
    /// Connects, with TLS when `secure`.
    ///
    /// # Errors
    /// When the server cannot be reached or the handshake fails.
    pub async fn open(target: &Target, secure: bool) -> anyhow::Result<Self> {
        let tcp = connect(target).await.with_context(|| format!("connecting to {}", target.address))?;
        if !secure {
            return Ok(Self::over(Box::new(tcp), None));
        }
        let stream = handshake(tcp, target, "http/1.1").await?;
        let (_, tls) = stream.get_ref();
        let session = Session {
            version: tls.protocol_version(),
            key_exchange: tls.negotiated_key_exchange_group().map(|group| group.name()),
            certificate: tls.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec()),
        };
        Ok(Self::over(Box::new(stream), Some(session)))
    }

    /// Connects with TLS and this protocol, whose frames the caller writes and reads.
    ///
    /// # Errors
    /// When the server cannot be reached or the handshake fails.
    pub async fn speaking(target: &Target, alpn: &str) -> anyhow::Result<Self> {
        let tcp = connect(target).await.with_context(|| format!("connecting to {}", target.address))?;
        Ok(Self::over(Box::new(handshake(tcp, target, alpn).await?), None))
    }

    /// Some more of what comes, taken off; empty at the end.
    ///
    /// # Errors
    /// When the connection is reset.
    pub async fn receive(&mut self) -> anyhow::Result<Bytes> {
        self.reader.fill().await?;
        Ok(self.reader.buffer.split().freeze())
    }

    fn over(stream: Box<dyn Transport>, session: Option<Session>) -> Self {
        let (input, writer) = tokio::io::split(stream);
        Self { reader: RawReader { input, buffer: BytesMut::new() }, writer, session }
    }

    /// Says that nothing more will be sent. A server that has gone already knows.
    pub async fn end(&mut self) {
        drop(self.writer.shutdown().await);
    }

    /// TLS version in use.
    #[must_use]
    pub fn tls_version(&self) -> Option<rustls::ProtocolVersion> {
        self.session.as_ref()?.version
    }

    /// Group of the key exchange.
    #[must_use]
    pub fn key_exchange(&self) -> Option<rustls::NamedGroup> {
        self.session.as_ref()?.key_exchange
    }

    /// The server's own certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.session.as_ref()?.certificate.as_deref()
    }

    /// Sends these bytes as they are.
    ///
    /// # Errors
    /// When the server has gone.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.writer.write_all(bytes).await?;
        Ok(self.writer.flush().await?)
    }

    /// Sends a request and reads its response; the connection can be used again.
    ///
    /// # Errors
    /// When no response head came.
    pub async fn request(&mut self, request: &Request) -> anyhow::Result<Response> {
        self.send(&http1::request_head(request)).await?;
        self.send(&request.body).await?;
        self.response(&request.method).await
    }

    /// Reads the head of a response to this method.
    ///
    /// # Errors
    /// When none came or it is malformed.
    pub async fn head(&mut self, method: &str) -> anyhow::Result<Head> {
        http1::read_head(&mut self.reader, &Request::new(method, "")).await
    }

    /// Reads an interim head (1xx), and returns its status; a final one is returned as well.
    ///
    /// # Errors
    /// When none came or it is malformed.
    pub async fn interim(&mut self) -> anyhow::Result<u16> {
        Ok(http1::read_any_head(&mut self.reader, "POST").await?.status)
    }

    /// Reads a response to this method.
    ///
    /// # Errors
    /// When none came or it is malformed.
    pub async fn response(&mut self, method: &str) -> anyhow::Result<Response> {
        let head = self.head(method).await?;
        http1::read_response(&mut self.reader, head).await
    }

    /// Reads just so many bytes, whatever they are.
    ///
    /// # Errors
    /// When the connection ends before.
    pub async fn read_exactly(&mut self, count: usize) -> anyhow::Result<Bytes> {
        while self.reader.buffer.len() < count {
            anyhow::ensure!(self.reader.fill().await? > 0, "the connection ended");
        }
        Ok(self.reader.buffer.split_to(count).freeze())
    }

    /// Waits for the end of the connection; bytes that still came are returned.
    ///
    /// # Errors
    /// When it is reset: also an end, but not a gentle one.
    pub async fn closed(&mut self) -> anyhow::Result<Bytes> {
        while self.reader.fill().await? > 0 {}
        Ok(self.reader.buffer.split().freeze())
    }
}

impl RawReader {
    /// Reads some more; 0 at the end.
    pub(super) async fn fill(&mut self) -> std::io::Result<usize> {
        self.buffer.reserve(PIECE);
        self.input.read_buf(&mut self.buffer).await
    }
}

/// Connects over TCP with a small receive buffer, and sends the preamble.
pub(super) async fn connect(target: &Target) -> std::io::Result<TcpStream> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let mut stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&target.preamble).await?;
    Ok(stream)
}

/// Makes a TLS handshake that offers this protocol, and insists on getting it.
pub(super) async fn handshake(
    tcp: TcpStream,
    target: &Target,
    alpn: &str,
) -> anyhow::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let config = tls::config(&target.trust, target.versions, alpn)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(target.identity.server_name()?, tcp).await.context("TLS handshake")?;
    let chosen = stream.get_ref().1.alpn_protocol();
    anyhow::ensure!(chosen == Some(alpn.as_bytes()), "ALPN {alpn} was offered, {chosen:?} chosen");
    Ok(stream)
}
