//! An origin that lies in TLS: with its certificate, in the handshake, and in how a connection ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{Accept, TlsAcceptor};

use super::connections::serve_each;

/// The name that the edge asks for.
pub(super) const NAME: &str = "origin.test";

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Right,
    /// It was valid until a year ago.
    Expired,
    /// It will be valid.
    NotYetValid,
    WrongName,
    /// Another authority, of the same name, has issued it.
    UnknownAuthority,
    SelfSigned,
}

/// What a connection comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Talk {
    /// A handshake with this certificate; then this answer and the end that follows it.
    Tls(Shown, &'static [u8], Ending),
    /// These bytes in the place of a handshake, and the end.
    Plain(&'static [u8]),
    /// Nothing at all, for ever.
    Silence,
    /// The first bytes of a handshake, and the end.
    HalfAHandshake,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As TLS has it: with close_notify.
    Notified,
    /// TCP ends, TLS does not.
    Truncated,
    /// With a record that nobody can read.
    Garbled,
}

pub(super) struct TlsLiar {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    authority: PathBuf,
    _directory: tempfile::TempDir,
}

struct Shared {
    talk: Mutex<Talk>,
    accepted: AtomicUsize,
    right: Authority,
    wrong: Authority,
}

/// An answer that is stored nowhere.
pub(super) const HONEST: Talk = Talk::Tls(
    Shown::Right,
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: no-store\r\nConnection: close\r\n\r\ngood",
    Ending::Notified,
);

impl TlsLiar {
    /// It is honest until told otherwise.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((tidegate_tests::address::loopback(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (right, wrong) = (Authority::new(), Authority::new());
        let authority = directory.path().join("ca.pem");
        std::fs::write(&authority, &right.pem).unwrap();
        let shared = Shared { talk: Mutex::new(HONEST), accepted: AtomicUsize::new(0), right, wrong };
        let shared = Arc::new(shared);
        let task = tokio::spawn(serve_each(listener, Arc::clone(&shared), serve));
        Self { address, shared, task, authority, _directory: directory }
    }

    /// PEM file of the authority that it should be known by.
    pub(super) fn authority(&self) -> &Path {
        &self.authority
    }

    /// Treats connections like this from now on.
    pub(super) fn talk(&self, talk: Talk) {
        *self.shared.talk.lock().unwrap() = talk;
    }

    /// Connections so far.
    pub(super) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for TlsLiar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

impl Shared {
    fn acceptor(&self, shown: Shown) -> TlsAcceptor {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let name = if shown == Shown::WrongName { "other.test" } else { NAME };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        match shown {
            Shown::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Shown::NotYetValid => params.not_before = date_time_ymd(3000, 1, 1),
            _ => {}
        }
        let certificate = match shown {
            Shown::SelfSigned => params.self_signed(&key),
            Shown::UnknownAuthority => params.signed_by(&key, &self.wrong.issuer),
            _ => params.signed_by(&key, &self.right.issuer),
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // Named, as the crates of the workspace together bring two.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.unwrap().der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Ends with the connection, however that ends.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    shared.accepted.fetch_add(1, Ordering::Relaxed);
    let talk = *shared.talk.lock().unwrap();
    // The hello is read, so that closing resets nothing.
    let mut hello = vec![0; 16 << 10];
    match talk {
        Talk::Tls(shown, answer, ending) => tell(shared.acceptor(shown).accept(stream), answer, ending).await,
        Talk::Plain(bytes) => {
            let _length = stream.read(&mut hello).await.ok()?;
            stream.write_all(bytes).await.ok()?;
            stream.shutdown().await.ok()
        }
        Talk::Silence => {
            while stream.read(&mut hello).await.ok()? > 0 {}
            Some(())
        }
        Talk::HalfAHandshake => {
            let _length = stream.read(&mut hello).await.ok()?;
            // A ServerHello of 100 bytes, of which there are two.
            stream.write_all(b"\x16\x03\x03\x00\x64\x02\x00\x00\x60\x03\x03").await.ok()?;
            stream.shutdown().await.ok()
        }
    }
}

async fn tell(accepting: Accept<TcpStream>, answer: &[u8], ending: Ending) -> Option<()> {
    let mut stream = accepting.await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    stream.write_all(answer).await.ok()?;
    stream.flush().await.ok()?;
    if ending == Ending::Notified {
        return stream.shutdown().await.ok();
    }
    let (mut bare, _) = stream.into_inner();
    if ending == Ending::Garbled {
        bare.write_all(&[&b"\x17\x03\x03\x00\x20"[..], &[0x5a; 32]].concat()).await.ok()?;
    }
    // Behind what may still come, or closing would reset what was sent.
    bare.shutdown().await.ok()?;
    while bare.read(&mut [0; 1024]).await.ok()? > 0 {}
    Some(())
}
