//! The threads that serve connections.
//!
//! TCP: every worker is a thread with a runtime of its own and a socket of its own for each listener, so that a
//! connection stays on one core and nothing is stolen between them. QUIC: one runtime for all connections.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::error::StartError;
use crate::edge_application::EdgeApplication;
use crate::listener::{
    ConnectionLimit, ConnectionObserver, SharedListenerState, Signals, TcpListenerSettings, http3, serve_tcp,
};

/// What every worker gets.
#[derive(Clone)]
pub(super) struct Workers {
    pub(super) app: Arc<EdgeApplication>,
    pub(super) state: SharedListenerState,
    pub(super) signals: Signals,
    pub(super) observer: Arc<dyn ConnectionObserver>,
    pub(super) limit: ConnectionLimit,
}

/// Workers that serve.
pub(super) struct Serving {
    /// Closes when the last worker has ended.
    ended: mpsc::Receiver<()>,
}

impl Serving {
    /// Resolves when every connection of every worker has ended.
    pub(super) async fn ended(mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

type Share = Vec<(TcpListenerSettings, TcpListener)>;

impl Workers {
    /// Starts all workers.
    pub(super) fn start(
        self,
        tcp: Vec<(TcpListenerSettings, Vec<TcpListener>)>,
        quic: Vec<UdpSocket>,
        workers: usize,
    ) -> Result<Serving, StartError> {
        let (alive, ended) = mpsc::channel(1);
        for (number, share) in shares(tcp, workers).into_iter().enumerate() {
            let (this, alive) = (self.clone(), alive.clone());
            let runtime = single("worker")?;
            spawn(format!("worker-{number}"), move || {
                runtime.block_on(this.serve_tcp(share));
                drop(alive);
            })?;
        }
        if !quic.is_empty() {
            let runtime = if workers <= 1 { single("quic")? } else { several("quic", workers)? };
            spawn("quic".to_owned(), move || {
                runtime.block_on(self.serve_quic(quic));
                drop(alive);
            })?;
        }
        Ok(Serving { ended })
    }

    async fn serve_tcp(self, share: Share) {
        let mut listeners = tokio::task::JoinSet::new();
        for (settings, socket) in share {
            let Workers { app, state, signals, observer, limit } = self.clone();
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => drop(listeners.spawn(serve_tcp(socket, settings, app, state, signals, observer, limit))),
                Err(error) => log::error!("a listener cannot be used: {error}"),
            }
        }
        while listeners.join_next().await.is_some() {}
    }

    async fn serve_quic(self, sockets: Vec<UdpSocket>) {
        let mut endpoints = tokio::task::JoinSet::new();
        for socket in sockets {
            let Workers { app, state, signals, observer, limit } = self.clone();
            let closing = signals.drain.clone();
            endpoints.spawn(async move {
                if let Err(error) = http3::serve(socket, app, state, signals, observer, limit, closing).await {
                    log::error!("a QUIC listener ended: {error}");
                }
            });
        }
        while endpoints.join_next().await.is_some() {}
    }
}

/// Deals one socket of every listener to every worker.
fn shares(tcp: Vec<(TcpListenerSettings, Vec<TcpListener>)>, workers: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = (0..workers.max(1)).map(|_| Vec::new()).collect();
    for (settings, sockets) in tcp {
        for (share, socket) in shares.iter_mut().zip(sockets) {
            share.push((settings.clone(), socket));
        }
    }
    shares
}

fn single(name: &'static str) -> Result<Runtime, StartError> {
    Builder::new_current_thread().enable_all().build().map_err(|source| StartError::Threads { name, source })
}

fn several(name: &'static str, threads: usize) -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|source| StartError::Threads { name, source })
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    spawned.map(drop).map_err(|source| StartError::Threads { name: "a worker", source })
}
