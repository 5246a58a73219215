//! A scripted origin: an HTTP/1.1 server written by hand, so that it can stall, lie and break off.
//!
//! Each path has a [`Script`]; every request is recorded. A test steers a running response through [`Gate`]s.

mod gate;
mod process;
mod record;
mod resource;
mod script;
mod server;
mod wire;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use gate::Gate;
pub use process::OriginProcess;
pub use record::{Outcome, Recorded};
pub use script::{Body, Framing, Script, Semantics, Step};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use gate::Gates;
use record::Records;

/// A running origin; it ends when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

/// What its connections share.
#[derive(Debug, Default)]
struct State {
    scripts: Mutex<Scripts>,
    gates: Gates,
    records: Records,
}

/// Answers by host, where one is named, and path.
type Scripts = HashMap<(Option<String>, String), Arc<Turns>>;

/// Answers that are given one after another.
#[derive(Debug)]
struct Turns {
    scripts: Vec<Script>,
    given: AtomicUsize,
}

impl Turns {
    fn next(&self) -> Option<Script> {
        let turn = self.given.fetch_add(1, Ordering::Relaxed);
        self.scripts.get(turn).or(self.scripts.last()).cloned()
    }
}

impl Origin {
    /// Listens on a loopback address of its own.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        Self::listen(crate::address::loopback(), 0).await
    }

    /// Listens on this address and port.
    ///
    /// # Panics
    /// When they are taken.
    pub async fn listen(address: IpAddr, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).await.expect("a free port for the origin");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(State::default());
        let task = tokio::spawn(server::accept(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers this path, whatever the host and the query, by this script.
    pub fn on(&self, path: &str, script: Script) {
        self.state.put(None, path, script);
    }

    /// Answers this path of this host by this script; goes before one without a host.
    pub fn on_host(&self, host: &str, path: &str, script: Script) {
        self.state.put(Some(host.to_owned()), path, script);
    }

    /// Answers the first request for any of these paths of this host by the first of these scripts, the next request by
    /// the next, and all beyond the last one by that.
    pub fn on_host_in_turn(&self, host: &str, paths: &[String], scripts: Vec<Script>) {
        let turns = Arc::new(Turns { scripts, given: AtomicUsize::new(0) });
        let mut known = self.state.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(paths.iter().map(|path| ((Some(host.to_owned()), path.clone()), Arc::clone(&turns))));
    }

    /// The gate that steps name; the same each time.
    #[must_use]
    pub fn gate(&self, name: &str) -> Gate {
        self.state.gates.gate(name)
    }

    /// Requests for this path (query not regarded), in order of arrival.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<Recorded> {
        self.state.records.select(|request| request.path() == path)
    }

    /// Requests for this path of this host, in order of arrival.
    #[must_use]
    pub fn requests_of(&self, host: &str, path: &str) -> Vec<Recorded> {
        self.state.records.select(|request| request.path() == path && request.host() == host)
    }

    /// Waits until the answers to `count` requests for this path have ended, whole or not, and returns all
    /// requests for it.
    pub async fn ended(&self, path: &str, count: usize) -> Vec<Recorded> {
        let ended = |request: &Recorded| request.path() == path && request.outcome != Outcome::Running;
        crate::within("answers of the origin to end", self.state.records.wait_for(count, ended)).await;
        self.requests(path)
    }

    /// Waits until `count` requests for this path have arrived, and returns them.
    pub async fn arrived(&self, path: &str, count: usize) -> Vec<Recorded> {
        let arrived = self.state.records.wait_for(count, |request| request.path() == path);
        crate::within("requests to arrive at the origin", arrived).await;
        self.requests(path)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn put(&self, host: Option<String>, path: &str, script: Script) {
        let turns = Turns { scripts: vec![script], given: AtomicUsize::new(0) };
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert((host, path.to_owned()), Arc::new(turns));
    }

    /// The script for this request; an unknown path gets a plain 404.
    fn script_for(&self, host: &str, path: &str) -> Script {
        let scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let with_host = scripts.get(&(Some(host.to_owned()), path.to_owned()));
        let found = with_host.or_else(|| scripts.get(&(None, path.to_owned())));
        let script = found.and_then(|turns| turns.next());
        script.unwrap_or_else(|| Script::status(404).text("the origin has no script for this path"))
    }
}
