//! An origin that tells of connections: which one a request came by, what was sent before HTTP, who showed which
//! certificate.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preface {
    /// HTTP, or TLS.
    None,
    /// A line.
    Line,
    /// Sixteen bytes, the last two of which say how many follow.
    Binary,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Number of the connection.
    pub(super) connection: usize,
    /// What came before HTTP.
    pub(super) preface: Vec<u8>,
    /// The client's certificate.
    pub(super) certificate: Option<Vec<u8>>,
    /// The server name asked for.
    pub(super) server_name: Option<String>,
    /// Its target.
    pub(super) target: String,
}

#[derive(Clone)]
pub(super) struct ConnectionOrigin {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ConnectionOrigin {
    pub(super) async fn start(preface: Preface, tls: Option<ServerConfig>) -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let (accepting, connections) = (origin.clone(), AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(accepting.clone().serve(stream, number, preface, acceptor.clone()));
            }
        });
        origin
    }

    /// All requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream, connection: usize, preface: Preface, tls: Option<TlsAcceptor>) {
        let Some(preface) = read_preface(&mut stream, preface).await else { return };
        let mut asked = Asked { connection, preface, certificate: None, server_name: None, target: String::new() };
        match tls {
            None => self.answer(stream, asked).await,
            Some(acceptor) => {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let session = stream.get_ref().1;
                let chain = session.peer_certificates();
                asked.certificate = chain.and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
                asked.server_name = session.server_name().map(str::to_owned);
                self.answer(stream, asked).await;
            }
        }
    }

    /// Answers requests whose bodies have no bytes, one after another.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S, asked: Asked) {
        let mut head = Vec::new();
        while let Ok(byte) = stream.read_u8().await {
            head.push(byte);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            if head == b"0\r\n\r\n" {
                // The end of a body without bytes.
                head.clear();
                continue;
            }
            let text = String::from_utf8_lossy(&head).into_owned();
            let target = text.split(' ').nth(1).unwrap_or_default().to_owned();
            self.asked.lock().unwrap().push(Asked { target, ..asked.clone() });
            head.clear();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

async fn read_preface(stream: &mut TcpStream, preface: Preface) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match preface {
        Preface::None => {}
        Preface::Line => {
            while !bytes.ends_with(b"\r\n") {
                bytes.push(stream.read_u8().await.ok()?);
            }
        }
        Preface::Binary => {
            bytes = vec![0; 16];
            stream.read_exact(&mut bytes).await.ok()?;
            let mut rest = vec![0; usize::from(u16::from_be_bytes([bytes[14], bytes[15]]))];
            stream.read_exact(&mut rest).await.ok()?;
            bytes.extend(rest);
        }
    }
    Some(bytes)
}
