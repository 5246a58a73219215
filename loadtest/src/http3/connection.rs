//! QUIC connections of the load client: how they are made, and one exchange on one of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, EndpointConfig, ReadError, TokioRuntime, TransportConfig, VarInt, WriteError};

use super::request::CONTROL_STREAM;
use super::response::{Finished, ResponseError, ResponseReader};
use super::server_stream::{Said, ServerStreamReader};
use crate::report::FirstResponse;
use crate::tally::Failure;

/// A handshake on a loaded machine takes tens of milliseconds; one that takes longer than this will not end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that says nothing for so long has stopped.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A server needs three unidirectional streams; a few more for reserved types (RFC 9114 section 6.2.3).
const SERVER_STREAMS: u32 = 16;
/// Windows wide enough that the client never holds the server back, and bodies stay in bounded memory.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// Datagrams that wait while the one thread is busy; the kernel may grant less.
const SOCKET_BUFFER: usize = 4 << 20;
/// How long the peer is given to hear that the connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Chunks of a body taken from QUIC at a time: at about 1,200 bytes a packet more than one wake-up brings.
const CHUNKS: usize = 32;

/// Error codes of RFC 9114 section 8.1.
const H3_NO_ERROR: VarInt = VarInt::from_u32(0x100);
const H3_REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);

/// Makes connections to one server.
pub(super) struct Connector {
    config: quinn::ClientConfig,
    address: SocketAddr,
    host: String,
}

impl Connector {
    pub(super) fn new(tls: rustls::ClientConfig, address: SocketAddr, host: &str) -> Result<Self> {
        let tls = QuicClientConfig::try_from(tls).context("the TLS configuration does not suit QUIC")?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(SERVER_STREAMS))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
            .datagram_receive_buffer_size(None)
            .max_idle_timeout(Some(IDLE_TIMEOUT.try_into()?));
        config.transport_config(Arc::new(transport));
        Ok(Self { config, address, host: host.to_owned() })
    }

    /// One connection from a socket of its own, with our control stream opened.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let endpoint = self.endpoint().context("cannot open a UDP socket")?;
        let connecting = endpoint.connect_with(self.config.clone(), self.address, &self.host)?;
        let quic = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.context("no answer")??;
        let mut control = quic.open_uni().await?;
        control.write_all(CONTROL_STREAM).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let listening = tokio::spawn(listen(quic.clone(), Arc::clone(&draining)));
        let ends = Ends { endpoint, _control: control, listening };
        Ok(Connection { quic, draining, ends: Arc::new(ends) })
    }

    fn endpoint(&self) -> std::io::Result<Endpoint> {
        let domain = socket2::Domain::for_address(self.address);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        let any: SocketAddr = match self.address {
            SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        socket.bind(&any.into())?;
        Endpoint::new(EndpointConfig::default(), None, socket.into(), Arc::new(TokioRuntime))
    }
}

/// One connection; clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    quic: quinn::Connection,
    /// The server said GOAWAY.
    draining: Arc<AtomicBool>,
    ends: Arc<Ends>,
}

/// What lives as long as the connection.
struct Ends {
    endpoint: Endpoint,
    /// Closing it would be a connection error (RFC 9114 section 6.2.1).
    _control: quinn::SendStream,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// How an exchange ended without a response.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The server takes no more requests here and has not looked at this one; it can be sent again elsewhere.
    NotProcessed,
    /// It failed.
    Failed(Failure, String),
}

/// What one loop keeps from request to request.
#[derive(Default)]
pub(super) struct Exchange {
    reader: ResponseReader,
    chunks: [Bytes; CHUNKS],
}

impl Connection {
    /// Whether another request may be sent.
    pub(super) fn takes_requests(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.quic.close_reason().is_none()
    }

    /// Whether the server has ended it in good order.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Sends a request and reads the whole response.
    pub(super) async fn fetch(&self, get: &Bytes, exchange: &mut Exchange) -> Result<Finished, ExchangeError> {
        let opened = self.quic.open_bi().await;
        let (mut send, mut receive) = opened.map_err(|error| self.not_opened(&error))?;
        match send.write_chunk(get.clone()).await {
            // A server may answer without reading on (RFC 9114 section 4.1.1).
            Ok(()) | Err(WriteError::Stopped(_)) => {}
            Err(error) => return Err(lost(&error)),
        }
        // Fails only when the stream was stopped, which the response explains.
        send.finish().ok();
        exchange.reader.reset();
        loop {
            let read = receive.read_chunks(&mut exchange.chunks).await;
            let Some(count) = read.map_err(|error| self.not_read(&error))? else { break };
            for chunk in &mut exchange.chunks[..count] {
                exchange.reader.receive(&std::mem::take(chunk)).map_err(invalid)?;
            }
        }
        exchange.reader.finish().map_err(invalid)
    }

    /// Fetches once and keeps the fields.
    pub(super) async fn fetch_once(&self, get: &Bytes) -> Result<FirstResponse> {
        let mut exchange = Exchange::default();
        let finished = self.fetch(get, &mut exchange).await.map_err(|error| match error {
            ExchangeError::NotProcessed => anyhow!("the server takes no requests"),
            ExchangeError::Failed(_, words) => anyhow!(words),
        })?;
        let fields = exchange.reader.fields().map_err(|error| anyhow!("the response's fields: {error:?}"))?;
        Ok(FirstResponse { status: finished.status, body_bytes: finished.body_bytes, fields })
    }

    /// Says goodbye and gives the words time to leave.
    pub(super) async fn close(&self) {
        self.quic.close(H3_NO_ERROR, b"");
        // When the time runs out the server will find out by itself.
        tokio::time::timeout(CLOSE_TIMEOUT, self.ends.endpoint.wait_idle()).await.ok();
    }

    fn not_opened(&self, error: &ConnectionError) -> ExchangeError {
        if self.is_draining() { ExchangeError::NotProcessed } else { lost(error) }
    }

    fn not_read(&self, error: &ReadError) -> ExchangeError {
        match error {
            ReadError::Reset(H3_REQUEST_REJECTED) if self.is_draining() => ExchangeError::NotProcessed,
            ReadError::Reset(code) => {
                ExchangeError::Failed(Failure::Reset, format!("the server reset the stream with code {code}"))
            }
            ReadError::ConnectionLost(error) => lost(error),
            error => lost(error),
        }
    }
}

fn lost(error: &dyn std::error::Error) -> ExchangeError {
    ExchangeError::Failed(Failure::ConnectionLost, format!("the connection was lost: {error}"))
}

fn invalid(error: ResponseError) -> ExchangeError {
    ExchangeError::Failed(Failure::Protocol, format!("the response is not valid: {error:?}"))
}

/// Reads the server's unidirectional streams until the connection ends.
async fn listen(quic: quinn::Connection, draining: Arc<AtomicBool>) {
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..SERVER_STREAMS {
        let Ok(mut stream) = quic.accept_uni().await else { break };
        let draining = Arc::clone(&draining);
        streams.spawn(async move {
            let mut reader = ServerStreamReader::default();
            while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, true).await {
                match reader.receive(&chunk.bytes) {
                    Said::Nothing => {}
                    Said::GoAway => draining.store(true, Ordering::Relaxed),
                    Said::Ignored => break,
                }
            }
        });
    }
    while streams.join_next().await.is_some() {}
}
