//! Listeners over loopback, in front of a small application instead of the proxy.

mod http1;
mod http2;
mod http2_wire;
mod proxy_protocol;
mod tls;

use std::collections::HashMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use ipnet::IpNet;
use parking_lot::Mutex;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tidegate_certs::{CertificateFiles, DevelopmentCa, SessionTickets, SniResolver, Transport, server_config};
use tidegate_config::model::{Limits, PlaintextMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::proxy_protocol::ProxyProtocolError;
use super::{
    CONNECTION, ConnectionInfo, ConnectionLimit, ConnectionObserver, HandshakeOutcome, ListenerState, PortSharing,
    Protocol, ReadyStream, Refusal, Signal, Signals, StreamRequest, TcpListenerSettings, bind_tcp, serve_tcp,
};

/// Bound of every wait in these tests: far above what a slow machine needs, far below for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// The site's name in these tests.
const HOST: &str = "media.tidegate.test";

/// Answers with what it knows of the connection; `/wait` only once released, `/early` without reading the body.
struct Application {
    entered: Semaphore,
    released: Semaphore,
}

impl Application {
    async fn respond(&self, session: &mut ServerSession) -> pingora_error::Result<()> {
        let mut received = 0;
        if session.req_header().uri.path() == "/early" {
            return session.respond_error(413).await;
        }
        while let Some(bytes) = session.read_request_body().await? {
            received += bytes.len();
        }
        let path = session.req_header().uri.path().to_owned();
        if path == "/wait" {
            self.entered.add_permits(1);
            self.released.acquire().await.expect("never closed").forget();
        }
        let is_large = matches!(&*path, "/large" | "/urgent");
        let body = if is_large { Bytes::from(vec![b'x'; 1 << 20]) } else { describe(&path, received) };
        let mut response = ResponseHeader::build(200, None)?;
        if path == "/urgent" {
            response.insert_header("priority", "u=0")?;
        }
        response.insert_header("content-length", body.len())?;
        session.write_response_header(Box::new(response)).await?;
        session.write_response_body(body, true).await
    }
}

fn describe(path: &str, received: usize) -> Bytes {
    CONNECTION.with(|connection| {
        if path == "/peer" {
            let via = connection.via.map_or("nobody".to_owned(), |via| via.ip().to_string());
            return format!("{} via {via}", connection.peer).into();
        }
        let tls = connection.tls.as_ref();
        let name = tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or("-");
        let version = tls.map_or("-", |tls| tls.version);
        format!("{} {version} {name} {path} {received}", connection.protocol.label()).into()
    })
}

impl crate::listener::Application for Application {
    /// `/ready` is short enough to leave at once, `/ready-large` is not.
    fn ready_stream(
        self: &Arc<Self>,
        request: &mut StreamRequest,
        _connection: &Arc<ConnectionInfo>,
    ) -> Option<Box<dyn ReadyStream>> {
        let body = match &request.target[..] {
            b"/ready" => Bytes::from_static(b"ready"),
            b"/ready-short" => Bytes::from_static(&[b'x'; 1 << 10]),
            b"/ready-large" | b"/ready-urgent" => Bytes::from(vec![b'x'; 1 << 20]),
            _ => return None,
        };
        let urgent = request.target.ends_with(b"urgent");
        Some(Box::new(Ready { length: body.len() as u64, body: Some(body), urgent }))
    }
}

struct Ready {
    length: u64,
    body: Option<Bytes>,
    urgent: bool,
}

impl ReadyStream for Ready {
    fn length(&self) -> u64 {
        self.length
    }

    fn write_section(&mut self, section: &mut Vec<u8>) -> bool {
        section.push(0x88); // `:status: 200`
        true
    }

    fn priority(&self) -> Option<Signal> {
        self.urgent.then(|| Signal::parse(b"u=0"))
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.body.take()
    }

    fn sent(&mut self, body_bytes: u64, error: Option<&dyn Display>) {
        if error.is_none() {
            assert_eq!(body_bytes, self.length);
        }
    }
}

#[async_trait]
impl HttpServerApp for Application {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        self.respond(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

/// What was observed, and how often.
#[derive(Default)]
struct Observed {
    counts: Mutex<HashMap<String, usize>>,
}

impl Observed {
    fn count(&self, what: &str) -> usize {
        self.counts.lock().get(what).copied().unwrap_or_default()
    }

    fn note(&self, what: String) {
        *self.counts.lock().entry(what).or_default() += 1;
    }
}

impl ConnectionObserver for Observed {
    fn opened(&self, protocol: Protocol) {
        self.note(format!("opened {}", protocol.label()));
    }

    fn closed(&self, protocol: Protocol) {
        self.note(format!("closed {}", protocol.label()));
    }

    fn handshake(&self, _quic: bool, outcome: HandshakeOutcome) {
        self.note(format!("{outcome:?}"));
    }

    fn refused(&self, reason: Refusal) {
        self.note(format!("{reason:?}"));
    }

    fn rejected(&self, protocol: Protocol, status: u16) {
        self.note(format!("{} {status}", protocol.label()));
    }

    fn proxy_protocol_failed(&self, error: ProxyProtocolError) {
        self.note(error.label().to_owned());
    }
}

/// A running listener.
struct Server {
    address: SocketAddr,
    application: Arc<Application>,
    observed: Arc<Observed>,
    drain: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    ca: Option<DevelopmentCa>,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn plaintext(limits: Limits) -> Self {
        Self::start(limits, Some(PlaintextMode::Serve), None)
    }

    async fn tls(limits: Limits) -> Self {
        Self::start(limits, None, None)
    }

    /// One that takes PROXY protocol headers from these networks.
    async fn proxied(limits: Limits, plaintext: Option<PlaintextMode>, networks: &[&str]) -> Self {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Self::start(limits, plaintext, Some(networks))
    }

    fn start(limits: Limits, plaintext: Option<PlaintextMode>, proxy_protocol: Option<Arc<[IpNet]>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ca, tls) = plaintext.is_none().then(|| certified(folder.path().into())).unzip();
        let listener = bind_tcp(SocketAddr::from(([127, 0, 0, 1], 0)), PortSharing::Shared).unwrap();
        let address = listener.local_addr().unwrap();
        let application = Arc::new(Application { entered: Semaphore::new(0), released: Semaphore::new(0) });
        let observed = Arc::new(Observed::default());
        let (drain, drain_signal) = watch::channel(false);
        let (stop, stop_signal) = watch::channel(false);
        let serving = tokio::spawn(serve_tcp(
            tokio::net::TcpListener::from_std(listener).unwrap(),
            TcpListenerSettings { plaintext, proxy_protocol },
            Arc::clone(&application),
            Arc::new(ArcSwap::from_pointee(ListenerState { limits, tls, quic_tls: None })),
            Signals { drain: drain_signal, stop: stop_signal },
            Arc::clone(&observed) as Arc<dyn ConnectionObserver>,
            ConnectionLimit::new(),
        ));
        Self { address, application, observed, drain, stop, serving, ca, _folder: folder }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until a request for `/wait` is being served.
    async fn entered(&self) {
        within(self.application.entered.acquire()).await.unwrap().forget();
    }

    fn release(&self, requests: usize) {
        self.application.released.add_permits(requests);
    }

    /// Waits until the listener has ended with all its connections.
    async fn ended(self) {
        within(self.serving).await.unwrap();
    }
}

/// The limits of the example configuration, which are the defaults.
fn limits() -> Limits {
    let text = include_str!("../../../../config/examples/edge.yaml").to_owned();
    tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]).unwrap().node.limits
}

fn certified(folder: PathBuf) -> (DevelopmentCa, Arc<ServerConfig>) {
    let ca = DevelopmentCa::load_or_create(&folder).unwrap();
    let (chain_file, key_file) = (folder.join("site.pem"), folder.join("site.key"));
    ca.issue(&[HOST], &[]).unwrap().write(&chain_file, &key_file).unwrap();
    let files = [CertificateFiles { name: "site".to_owned(), chain_file, key_file, default: true }];
    let resolver = SniResolver::load(&files).unwrap().resolver;
    (ca, server_config(resolver, Transport::Tcp, &SessionTickets::new().unwrap()).unwrap())
}

fn root_of(ca: &DevelopmentCa) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

/// A response as text: its header section and its body.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    head: String,
    body: String,
}

impl Response {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

async fn get<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str) -> Response {
    send(stream, &format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    receive(stream).await.expect("an answer")
}

/// The next response; absent when the connection has ended instead.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Response> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    within(stream.read_exact(&mut body)).await.unwrap();
    Some(Response { head, body: String::from_utf8(body).unwrap() })
}

/// Asserts that the server closes without another byte.
async fn expect_end<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut rest = Vec::new();
    match within(stream.read_to_end(&mut rest)).await {
        Ok(_) => assert_eq!(String::from_utf8_lossy(&rest), ""),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}
