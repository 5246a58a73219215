//! A listener on a free port of loopback, its certificate, and what its observer was told.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora_core::apps::HttpServerApp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate_config::model::Limits;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{ServeError, serve};
use super::application::Application;
use crate::listener::{
    ConnectionLimit, ConnectionObserver, HandshakeOutcome, ListenerState, Protocol, Refusal, SharedListenerState,
    Signals,
};

/// No step of a test takes this long unless something hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must happen.
pub(super) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

/// What the listener told.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) opened: AtomicUsize,
    pub(super) closed: AtomicUsize,
    pub(super) handshakes: Mutex<Vec<HandshakeOutcome>>,
    pub(super) refused: Mutex<Vec<Refusal>>,
    pub(super) rejected: Mutex<Vec<u16>>,
}

impl ConnectionObserver for Observed {
    fn opened(&self, protocol: Protocol) {
        assert_eq!(protocol, Protocol::Http3);
        self.opened.fetch_add(1, Ordering::SeqCst);
    }

    fn closed(&self, _protocol: Protocol) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }

    fn handshake(&self, quic: bool, outcome: HandshakeOutcome) {
        assert!(quic);
        self.handshakes.lock().push(outcome);
    }

    fn refused(&self, reason: Refusal) {
        self.refused.lock().push(reason);
    }

    fn rejected(&self, protocol: Protocol, status: u16) {
        assert_eq!(protocol, Protocol::Http3);
        self.rejected.lock().push(status);
    }
}

/// A certificate for `localhost` and the TLS configuration that shows it.
pub(super) fn identity() -> (CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (certificate, Arc::new(config))
}

/// The default limits but for these, as a node document has them.
pub(super) fn limits(changes: &str) -> Limits {
    let limits = if changes.is_empty() { String::new() } else { format!("limits: {{ {changes} }}\n") };
    let text = format!(
        "kind: node\nname: n\npop: p\nlisteners: [{{ address: \"127.0.0.1:0\", protocol: http, plaintext: serve }}]\n\
         {limits}---\nkind: region\nname: r\n---\nkind: pop\nname: p\nregion: r\n"
    );
    let model = tidegate_config::load_texts(&[(PathBuf::from("node.yaml"), text)]);
    model.unwrap_or_else(|problems| panic!("{problems:?}")).node.limits
}

/// A listener that runs.
pub(super) struct Listening<A = Application> {
    pub(super) address: SocketAddr,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) state: SharedListenerState,
    pub(super) drain: watch::Sender<bool>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) observed: Arc<Observed>,
    pub(super) application: Arc<A>,
    pub(super) serving: JoinHandle<Result<(), ServeError>>,
    _shutdown: watch::Sender<bool>,
}

/// Starts one before the application of these tests, with the default limits but for these.
pub(super) fn listen(changes: &str) -> Listening {
    listen_for(Application::default(), changes)
}

/// Starts one before this application.
pub(super) fn listen_for<A>(application: A, changes: &str) -> Listening<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let (certificate, tls) = identity();
    let state = ListenerState { limits: limits(changes), tls: None, quic_tls: Some(tls) };
    let state = Arc::new(ArcSwap::from_pointee(state));
    let (drain, drain_receiver) = watch::channel(false);
    let (stop, stop_receiver) = watch::channel(false);
    let (shutdown, shutdown_receiver) = watch::channel(false);
    let observed = Arc::new(Observed::default());
    let application = Arc::new(application);
    let serving = tokio::spawn(serve(
        socket,
        Arc::clone(&application),
        Arc::clone(&state),
        Signals { drain: drain_receiver, stop: stop_receiver },
        Arc::clone(&observed) as Arc<dyn ConnectionObserver>,
        ConnectionLimit::new(),
        shutdown_receiver,
    ));
    Listening { address, certificate, state, drain, stop, observed, application, serving, _shutdown: shutdown }
}
