//! One client for three protocols, strict about how bodies end.
//!
//! A test asks a [`Client`] and gets a [`Response`] with its fields in lower case and an [`End`] that tells a whole
//! body from a cut one. For slow and leaving readers there is [`Streaming`].

mod http1;
mod http2;
mod http3;
mod message;
mod quic_adapter;
mod raw;
mod tls;

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;

pub use http3::quic;
pub use message::{End, Head, Interim, Request, Response};
pub use raw::RawConnection;
pub use tls::{ServerIdentity, TlsVersions, Trust};

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1 in plaintext.
    PlainHttp1,
    /// HTTP/1.1 over TLS.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Protocol {
    /// The protocols of an HTTPS site.
    pub const SECURE: [Self; 3] = [Self::Http1, Self::Http2, Self::Http3];

    /// A short name, fit for a host label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::PlainHttp1 => "p1",
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

/// Whom a client talks to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Address and port.
    pub address: SocketAddr,
    /// Host that requests name unless they say otherwise.
    pub authority: String,
    /// Whom TLS takes for the server.
    pub identity: ServerIdentity,
    /// What it believes.
    pub trust: Trust,
    /// TLS versions it offers over TCP.
    pub versions: TlsVersions,
    /// What it sends first over TCP, before TLS: a PROXY protocol header, or nothing.
    pub preamble: Vec<u8>,
}

/// A client with (over HTTP/2 and HTTP/3) one connection; over HTTP/1.1 each request has its own.
pub struct Client {
    target: Target,
    connection: Connection,
}

enum Connection {
    Plain,
    Tls,
    Http2(http2::Connection),
    Http3(http3::Connection),
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached or the handshake fails.
    pub async fn connect(protocol: Protocol, target: Target) -> anyhow::Result<Self> {
        let connection = match protocol {
            Protocol::PlainHttp1 => Connection::Plain,
            Protocol::Http1 => Connection::Tls,
            Protocol::Http2 => Connection::Http2(http2::Connection::open(&target).await.context("HTTP/2")?),
            Protocol::Http3 => Connection::Http3(http3::Connection::open(&target).await.context("HTTP/3")?),
        };
        Ok(Self { target, connection })
    }

    /// What it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.connection {
            Connection::Plain => Protocol::PlainHttp1,
            Connection::Tls => Protocol::Http1,
            Connection::Http2(_) => Protocol::Http2,
            Connection::Http3(_) => Protocol::Http3,
        }
    }

    /// Sends a request and reads the whole response. A body that was cut is no error here: [`Response::end`] says so.
    ///
    /// # Errors
    /// When no response head came.
    pub async fn request(&self, request: Request) -> anyhow::Result<Response> {
        self.open(request).await?.finish().await
    }

    /// Sends a GET for this path and reads the whole response.
    ///
    /// # Errors
    /// When no response head came.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.request(Request::get(path)).await
    }

    /// Sends a request and reads the head of its response.
    ///
    /// # Errors
    /// When no response head came.
    pub async fn open(&self, mut request: Request) -> anyhow::Result<Streaming> {
        if request.authority.is_empty() {
            request.authority.clone_from(&self.target.authority);
        }
        let body = match &self.connection {
            Connection::Plain | Connection::Tls => {
                let secure = matches!(self.connection, Connection::Tls);
                let raw = RawConnection::open(&self.target, secure).await?;
                let (head, body) = http1::open(raw, &request).await?;
                return Ok(Streaming { head, received: Vec::new(), body: BodyReader::Http1(body), ended: None });
            }
            Connection::Http2(connection) => connection.request(&request).await.map(|(h, b)| (h, BodyReader::Http2(b))),
            Connection::Http3(connection) => connection.request(&request).await.map(|(h, b)| (h, BodyReader::Http3(b))),
        };
        let (head, body) = body?;
        Ok(Streaming { head, received: Vec::new(), body, ended: None })
    }

    /// Waits until the server has closed the connection; HTTP/1.1 keeps none and returns at once.
    pub async fn closed(&self) {
        match &self.connection {
            Connection::Plain | Connection::Tls => {}
            Connection::Http2(connection) => connection.closed().await,
            Connection::Http3(connection) => connection.closed().await,
        }
    }
}

/// A response whose body is being read.
pub struct Streaming {
    /// Its head.
    pub head: Head,
    received: Vec<u8>,
    body: BodyReader,
    /// How it ended, once it has: a body is not read beyond its end.
    ended: Option<(End, Vec<(String, String)>)>,
}

enum BodyReader {
    Http1(http1::Body),
    Http2(http2::Body),
    Http3(http3::Body),
}

/// One event of a body.
pub(crate) enum Piece {
    /// Some bytes.
    Data(Bytes),
    /// Nothing more; trailers, if there were any.
    End(End, Vec<(String, String)>),
}

impl Streaming {
    /// Reads until at least so many bytes of the body have come, and returns how many have.
    ///
    /// # Errors
    /// When the body ends before, or stalls for longer than [`PATIENCE`](crate::PATIENCE).
    pub async fn read_at_least(&mut self, bytes: usize) -> anyhow::Result<usize> {
        while self.received.len() < bytes {
            let received = self.received.len();
            let Ok(piece) = tokio::time::timeout(crate::PATIENCE, self.next()).await else {
                anyhow::bail!("the body stalled after {received} of {bytes} bytes");
            };
            match piece {
                Piece::Data(data) => self.received.extend_from_slice(&data),
                Piece::End(end, _) => {
                    anyhow::bail!("the body ended ({end:?}) after {received} of {bytes} bytes");
                }
            }
        }
        Ok(self.received.len())
    }

    /// What has come so far.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// Never at present; a cut body is told by [`Response::end`].
    pub async fn finish(mut self) -> anyhow::Result<Response> {
        loop {
            match self.next().await {
                Piece::Data(data) => self.received.extend_from_slice(&data),
                Piece::End(end, trailers) => {
                    let end = self.head.check_length(end, self.received.len() as u64);
                    let Head { status, fields, interim, .. } = self.head;
                    return Ok(Response { status, fields, body: Bytes::from(self.received), trailers, end, interim });
                }
            }
        }
    }

    /// Reads to the end, handing each piece to `consume` with its offset and keeping none; returns the length.
    ///
    /// # Errors
    /// What `consume` returns.
    pub async fn consume(
        mut self,
        mut consume: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<(u64, End)> {
        let mut position = self.received.len() as u64;
        consume(0, &self.received)?;
        loop {
            match self.next().await {
                Piece::Data(data) => {
                    consume(position, &data)?;
                    position += data.len() as u64;
                }
                Piece::End(end, _) => return Ok((position, self.head.check_length(end, position))),
            }
        }
    }

    /// Leaves: closes the connection (HTTP/1.1) or cancels the stream, and that alone.
    pub fn cancel(self) {
        match self.body {
            BodyReader::Http1(body) => drop(body),
            BodyReader::Http2(body) => body.cancel(),
            BodyReader::Http3(body) => body.cancel(),
        }
    }

    async fn next(&mut self) -> Piece {
        if let Some((end, trailers)) = &self.ended {
            return Piece::End(end.clone(), trailers.clone());
        }
        let piece = match &mut self.body {
            BodyReader::Http1(body) => body.next().await,
            BodyReader::Http2(body) => body.next().await,
            BodyReader::Http3(body) => body.next().await,
        };
        if let Piece::End(end, trailers) = &piece {
            self.ended = Some((end.clone(), trailers.clone()));
        }
        piece
    }
}
