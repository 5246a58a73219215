//! A scripted origin in an operating-system process of its own, to be killed or stopped mid-answer.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Script;
use crate::edge::sibling_binary;

/// The process; it is killed when dropped.
#[derive(Debug)]
pub struct OriginProcess {
    child: Child,
    address: SocketAddr,
}

impl OriginProcess {
    /// Starts one with these scripts by path, and waits until it listens.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(scripts: &BTreeMap<String, Script>) -> Self {
        Self::start_at(SocketAddr::new(crate::address::loopback(), 0), scripts)
    }

    /// Starts one on this address, as that of one that was killed, and waits until it listens.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_at(address: SocketAddr, scripts: &BTreeMap<String, Script>) -> Self {
        let binary = sibling_binary("scripted_origin", "cargo build -p tidegate-tests --bins");
        let scripts = serde_json::to_string(scripts).expect("scripts are plain data");
        let mut child = Command::new(binary)
            .args([address.to_string(), scripts])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the scripted origin starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("it prints its address");
        let address = line.trim().parse().expect("the first line is its address");
        Self { child, address }
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

    /// `kill -9`: its sockets are reset or closed by the kernel.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().expect("the origin runs");
        self.child.wait().expect("the origin can be waited for");
    }

    /// SIGSTOP: its sockets stay open and nothing comes any more.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on where it was stopped.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the origin runs");
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        // Already gone after `kill`.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}
