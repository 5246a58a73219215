//! HTTP/3 by the h3 crate over quinn.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::{Buf as _, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::Code;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::sync::watch;

use super::message::{End, Head, Request, from_map};
use super::quic_adapter::{Opener, QuicConnection, RecvStream, SendStream};
use super::tls::TlsVersions;
use super::{Piece, Target, tls};

/// Window of one stream: small, so that a reader which pauses is soon felt at the other side.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Sent as one DATA frame.
const BODY_PIECE: usize = 64 * 1024;

pub(super) struct Connection {
    sender: tokio::sync::Mutex<SendRequest<Opener, Bytes>>,
    closed: watch::Receiver<bool>,
    quic: quinn::Connection,
    driver: tokio::task::JoinHandle<()>,
    _endpoint: quinn::Endpoint,
}

/// A QUIC connection for HTTP/3, of which nothing is spoken yet.
///
/// # Errors
/// When the server cannot be reached or the handshake fails.
pub async fn quic(target: &Target) -> anyhow::Result<(quinn::Endpoint, quinn::Connection)> {
    let any: IpAddr = match target.address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let endpoint = quinn::Endpoint::client(SocketAddr::new(any, 0))?;
    let tls = tls::config(&target.trust, TlsVersions::All, "h3")?;
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(STREAM_WINDOW.into());
    config.transport_config(Arc::new(transport));
    let connecting = endpoint.connect_with(config, target.address, &target.identity.text())?;
    let quic = connecting.await.context("QUIC handshake")?;
    Ok((endpoint, quic))
}

impl Connection {
    pub(super) async fn open(target: &Target) -> anyhow::Result<Self> {
        let (endpoint, quic) = quic(target).await?;
        let (mut connection, sender) = h3::client::new(QuicConnection::new(quic.clone())).await?;
        let (ended, closed) = watch::channel(false);
        let driver = tokio::spawn(async move {
            // Its errors reach the streams; here only the end counts.
            let _end = connection.wait_idle().await;
            ended.send_replace(true);
        });
        Ok(Self { sender: tokio::sync::Mutex::new(sender), closed, quic, driver, _endpoint: endpoint })
    }

    pub(super) async fn request(&self, request: &Request) -> anyhow::Result<(Head, Body)> {
        let stream = self.sender.lock().await.send_request(request.to_http()?).await?;
        let (sending, mut receiving) = stream.split();
        // Beside the reading: a server may answer before it has read all.
        let sending = tokio::spawn(send_body(sending, request.body.clone()));
        let mut response = receiving.recv_response().await?;
        let mut interim = Vec::new();
        while response.status().is_informational() {
            let head = Head::from_http(&request.method, response.status(), response.headers());
            interim.push(head.into_interim(request));
            response = receiving.recv_response().await?;
        }
        let head = Head::from_http(&request.method, response.status(), response.headers()).behind(interim);
        Ok((head, Body { stream: receiving, sending }))
    }

    pub(super) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the driver is gone, which is an end too.
        let _end = closed.wait_for(|closed| *closed).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
        self.quic.close(0_u32.into(), b"");
    }
}

type Sending = RequestStream<SendStream<Bytes>, Bytes>;

pub(super) struct Body {
    stream: RequestStream<RecvStream, Bytes>,
    sending: tokio::task::JoinHandle<Sending>,
}

impl Body {
    pub(super) async fn next(&mut self) -> Piece {
        let received = match self.stream.recv_data().await {
            Ok(Some(mut data)) => Ok(Some(data.copy_to_bytes(data.remaining()))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match received {
            Ok(Some(data)) => Piece::Data(data),
            Ok(None) => self.end().await,
            Err(error) => Piece::End(End::Broken(error.to_string()), Vec::new()),
        }
    }

    async fn end(&mut self) -> Piece {
        match self.stream.recv_trailers().await {
            Ok(trailers) => Piece::End(End::Clean, trailers.as_ref().map(from_map).unwrap_or_default()),
            Err(error) => Piece::End(End::Broken(error.to_string()), Vec::new()),
        }
    }

    /// RFC 9114 section 4.1.1: aborts reading, and what is still being sent.
    pub(super) fn cancel(mut self) {
        self.stream.stop_sending(Code::H3_REQUEST_CANCELLED);
        self.sending.abort();
    }
}

async fn send_body(mut stream: Sending, mut body: Bytes) -> Sending {
    while !body.is_empty() {
        let piece = body.split_to(BODY_PIECE.min(body.len()));
        if stream.send_data(piece).await.is_err() {
            // The server has answered without the rest.
            return stream;
        }
    }
    let _finished = stream.finish().await;
    stream
}
