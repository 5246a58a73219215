//! An origin of one object in versions, that breaks off bodies: over HTTP/1.1, TLS and HTTP/2.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tidegate_tests::edge::OriginEntry;
use tidegate_tests::pattern::Pattern;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The name in its certificate.
const NAME: &str = "origin.test";

/// Bytes given to a connection at once.
const PIECE: u64 = 32 * 1024;

/// Longest header section of a request.
const MAX_HEAD: usize = 64 * 1024;

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Http1,
    Http1Tls,
    /// In plaintext, with prior knowledge.
    Http2,
    Http2Tls,
}

/// How an HTTP/2 body breaks off; over HTTP/1.1 the connection ends in both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaking {
    Stream,
    Connection,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) range: Option<String>,
    pub(super) if_range: Option<String>,
    pub(super) if_none_match: Option<String>,
}

/// What it says; to be changed at any time, for requests that come then.
#[derive(Debug)]
pub(super) struct State {
    /// Seed of the pattern, which also names the version.
    pub(super) version: u64,
    pub(super) size: u64,
    pub(super) cache_control: String,
    /// After how many bytes the bodies of the next requests break off.
    pub(super) breaks: VecDeque<u64>,
    pub(super) breaking: Breaking,
    /// Behind each whole body over HTTP/2.
    pub(super) trailers: Vec<(&'static str, &'static str)>,
    pub(super) asked: Vec<Asked>,
    /// Body bytes given to connections.
    pub(super) sent: u64,
}

pub(super) struct BreakingOrigin {
    pub(super) address: SocketAddr,
    transport: Transport,
    pub(super) state: Arc<Mutex<State>>,
    directory: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl BreakingOrigin {
    pub(super) async fn start(transport: Transport, size: u64) -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            version: 0,
            size,
            cache_control: "max-age=60".to_owned(),
            breaks: VecDeque::new(),
            breaking: Breaking::Connection,
            trailers: Vec::new(),
            asked: Vec::new(),
            sent: 0,
        }));
        let directory = tempfile::tempdir().unwrap();
        let acceptor = match transport {
            Transport::Http1Tls => Some(acceptor(&directory, b"http/1.1")),
            Transport::Http2Tls => Some(acceptor(&directory, b"h2")),
            Transport::Http1 | Transport::Http2 => None,
        };
        let task = tokio::spawn(accept(listener, transport, acceptor, Arc::clone(&state)));
        Self { address, transport, state, directory, task }
    }

    /// Itself as one of the origins of a pool.
    pub(super) fn entry(&self, region: &str) -> OriginEntry {
        let ca = self.directory.path().join("ca.pem");
        let tls = format!("tls: {{server_name: {NAME}, ca_file: \"{}\"}}", ca.display());
        let plain = OriginEntry::new(region, &format!("http://{}", self.address));
        let secure = OriginEntry::new(region, &format!("https://{}", self.address)).yaml(&tls);
        match self.transport {
            Transport::Http1 => plain,
            Transport::Http2 => plain.yaml("http_version: \"2\""),
            Transport::Http1Tls => secure,
            Transport::Http2Tls => secure.yaml("http_version: \"2\""),
        }
    }

    /// Breaks the bodies of the next requests after so many bytes.
    pub(super) fn breaks(&self, after: &[u64]) {
        self.state.lock().unwrap().breaks.extend(after);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Drop for BreakingOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(directory: &tempfile::TempDir, protocol: &[u8]) -> TlsAcceptor {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let path: PathBuf = directory.path().join("ca.pem");
    std::fs::write(path, params.self_signed(&authority).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Named, as the crates of the workspace together bring two.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, transport: Transport, acceptor: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                connections.spawn(async move {
                    match acceptor {
                        None => serve(stream, transport, state).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, transport, state).await;
                            }
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<S>(stream: S, transport: Transport, state: Arc<Mutex<State>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match transport {
        Transport::Http1 | Transport::Http1Tls => serve_http1(stream, &state).await,
        Transport::Http2 | Transport::Http2Tls => serve_http2(stream, &state).await,
    }
}

/// What is said to one request.
struct Said {
    status: u16,
    fields: Vec<(&'static str, String)>,
    pattern: Pattern,
    /// Offsets of the bytes that are sent.
    start: u64,
    end: u64,
    /// How it breaks off there, if it does.
    broken: Option<Breaking>,
    trailers: Vec<(&'static str, &'static str)>,
}

fn say(asked: Asked, state: &Mutex<State>) -> Said {
    let mut state = state.lock().unwrap();
    let (version, size) = (state.version, state.size);
    let etag = format!("\"version-{version}\"");
    let mut fields = vec![
        ("etag", etag.clone()),
        ("cache-control", state.cache_control.clone()),
        ("content-type", "video/mp4".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
    ];
    let matches = asked.if_none_match.as_deref() == Some(&etag);
    let wanted = asked.range.as_deref().filter(|_| asked.if_range.as_deref().is_none_or(|tag| tag == etag));
    let part = wanted.and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let last = if last.is_empty() { size - 1 } else { last.parse::<u64>().ok()?.min(size - 1) };
        Some((first.parse::<u64>().ok()?, last + 1)).filter(|(start, end)| start < end)
    });
    state.asked.push(asked);
    let (status, start, end) = match part {
        _ if matches => (304, 0, 0),
        Some((start, end)) => (206, start, end),
        None => (200, 0, size),
    };
    if status == 206 {
        fields.push(("content-range", format!("bytes {start}-{}/{size}", end - 1)));
    }
    if status != 304 {
        fields.push(("content-length", (end - start).to_string()));
    }
    let cut = if status == 304 { None } else { state.breaks.pop_front().filter(|after| start + after < end) };
    let breaking = state.breaking;
    let end = cut.map_or(end, |after| start + after);
    state.sent += end - start;
    let trailers = state.trailers.clone();
    Said { status, fields, pattern: Pattern::new(version), start, end, broken: cut.map(|_| breaking), trailers }
}

async fn serve_http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, state: &Mutex<State>) {
    while let Some(asked) = read_head(&mut stream).await {
        let said = say(asked, state);
        let mut head = format!("HTTP/1.1 {} Said\r\n", said.status);
        said.fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        let mut position = said.start;
        while position < said.end {
            let next = said.end.min(position + PIECE);
            if stream.write_all(&said.pattern.bytes(position, next)).await.is_err() {
                return;
            }
            position = next;
        }
        if said.broken.is_some() {
            let _flushed = stream.flush().await;
            return;
        }
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    Some(Asked { range: field("range"), if_range: field("if-range"), if_none_match: field("if-none-match") })
}

async fn serve_http2<S>(stream: S, state: &Arc<Mutex<State>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let text = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
                let (range, if_range) = (text("range"), text("if-range"));
                let said = say(Asked { range, if_range, if_none_match: text("if-none-match") }, state);
                answers.spawn(answer_http2(said, respond));
            }
            // What was said before must be on its way before the connection ends.
            Some(ended) = answers.join_next() => {
                if let Ok(Some((Breaking::Connection, _still_open))) = ended {
                    let drained = async { while connection.accept().await.is_some() {} };
                    let _in_vain = tokio::time::timeout(std::time::Duration::from_millis(20), drained).await;
                    return;
                }
            }
        }
    }
}

/// How the body broke off, and its stream, which would be reset when it is let go.
async fn answer_http2(
    said: Said,
    mut respond: h2::server::SendResponse<Bytes>,
) -> Option<(Breaking, h2::SendStream<Bytes>)> {
    let mut head = http::Response::builder().status(said.status);
    for (name, value) in &said.fields {
        head = head.header(*name, value);
    }
    let bodiless = said.start == said.end && said.broken.is_none();
    let mut stream = respond.send_response(head.body(()).unwrap(), bodiless).ok()?;
    let mut position = said.start;
    while position < said.end {
        stream.reserve_capacity(usize::try_from(PIECE.min(said.end - position)).unwrap());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await?.ok()? as u64;
        let next = said.end.min(position + room);
        let last = next == said.end && said.broken.is_none() && said.trailers.is_empty();
        stream.send_data(said.pattern.bytes(position, next).into(), last).ok()?;
        position = next;
    }
    if said.broken.is_none() && !said.trailers.is_empty() {
        let fields = said.trailers.iter();
        let fields = fields.map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        stream.send_trailers(fields.collect()).ok()?;
    }
    if said.broken == Some(Breaking::Stream) {
        // What was sent must not be overtaken by the reset.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    }
    said.broken.map(|broken| (broken, stream))
}
