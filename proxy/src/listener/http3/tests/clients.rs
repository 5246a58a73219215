//! Clients: h3 over the adapter's client side, and one that writes the bytes of frames itself.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::{ConnectionError, StreamError};
use http::{HeaderMap, Request, Response};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;

use super::super::quic_adapter::{BidiStream, Connection, OpenStreams, Role};
use super::harness::{Listening, within};

/// A client's end of one QUIC connection.
pub(super) async fn connect_quic<A>(
    listening: &Listening<A>,
    certificate: &CertificateDer<'static>,
) -> Result<(quinn::Endpoint, quinn::Connection), quinn::ConnectionError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let connecting = endpoint.connect_with(config, listening.address, "localhost").unwrap();
    let connection = within("a QUIC handshake", connecting).await?;
    Ok((endpoint, connection))
}

/// An h3 client.
pub(super) struct Client {
    pub(super) requests: SendRequest<OpenStreams, Bytes>,
    pub(super) connection: quinn::Connection,
    /// Ends with the connection.
    pub(super) driver: JoinHandle<ConnectionError>,
    _endpoint: quinn::Endpoint,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Response<()>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

pub(super) type Exchange = RequestStream<BidiStream, Bytes>;

impl Client {
    pub(super) async fn connect<A>(listening: &Listening<A>) -> Self {
        Self::taking(listening, u64::from(u32::MAX)).await
    }

    /// A client that takes no larger field sections than this.
    pub(super) async fn taking<A>(listening: &Listening<A>, field_section: u64) -> Self {
        let (endpoint, connection) = connect_quic(listening, &listening.certificate).await.unwrap();
        let adapter = Connection::new(connection.clone(), Role::Client);
        let mut builder = h3::client::builder();
        let opening = builder.max_field_section_size(field_section).build(adapter);
        let (mut driver, requests) = within("opening h3", opening).await.unwrap();
        let driver = tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        Self { requests, connection, driver, _endpoint: endpoint }
    }

    /// Sends a request without its body; the stream stays open for it.
    pub(super) async fn begin(&self, request: Request<()>) -> Result<Exchange, StreamError> {
        self.requests.clone().send_request(request).await
    }

    /// Sends a whole request.
    pub(super) async fn send(&self, request: Request<()>, body: &[Bytes]) -> Result<Exchange, StreamError> {
        let mut exchange = self.begin(request).await?;
        for piece in body {
            exchange.send_data(piece.clone()).await?;
        }
        exchange.finish().await?;
        Ok(exchange)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, StreamError> {
        within(path, async { receive(&mut self.send(request("GET", path), &[]).await?).await }).await
    }
}

pub(super) fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://localhost{path}")).body(()).unwrap()
}

/// Receives the final response.
pub(super) async fn receive(exchange: &mut Exchange) -> Result<Answer, StreamError> {
    let mut head = exchange.recv_response().await?;
    while head.status().is_informational() {
        head = exchange.recv_response().await?;
    }
    let mut body = Vec::new();
    while let Some(mut piece) = exchange.recv_data().await? {
        body.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
    }
    let trailers = exchange.recv_trailers().await?;
    Ok(Answer { head, body, trailers })
}

/// A frame of a request stream; lengths up to 16,383.
pub(super) fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![code];
    frame.extend_from_slice(&(0x4000 | u16::try_from(payload.len()).unwrap()).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field section of literals without Huffman coding (RFC 9204 section 4.5.6).
pub(super) fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        put_length(&mut section, 0x20, 0x07, name.len());
        section.extend_from_slice(name.as_bytes());
        put_length(&mut section, 0x00, 0x7f, value.len());
        section.extend_from_slice(value.as_bytes());
    }
    section
}

fn put_length(output: &mut Vec<u8>, flags: u8, most: u8, length: usize) {
    match length.checked_sub(usize::from(most)) {
        None => output.push(flags | length as u8),
        Some(rest) => {
            output.push(flags | most);
            let mut rest = rest;
            while rest >= 128 {
                output.push((rest % 128) as u8 | 0x80);
                rest /= 128;
            }
            output.push(rest as u8);
        }
    }
}
