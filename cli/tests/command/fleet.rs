//! A development fleet as a process with children, ended when dropped.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::calling::tidegate;

/// Until a fleet serves, or has ended. It takes seconds; machines that build besides get more.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at files and processes of others, for which there is no event.
const POLL: Duration = Duration::from_millis(20);
/// For one request.
const ANSWER: Duration = Duration::from_secs(10);

/// A running `tidegate dev`.
pub(crate) struct Fleet {
    command: Child,
    folder: TempDir,
}

impl Fleet {
    /// Starts one in a folder of its own, without waiting.
    pub(crate) fn spawn(arguments: &[&str]) -> Self {
        Self::spawn_in(TempDir::with_prefix("tidegate-dev-").expect("a temporary folder"), arguments)
    }

    pub(crate) fn spawn_in(folder: TempDir, arguments: &[&str]) -> Self {
        let stderr = File::create(folder.path().join("stderr")).expect("a file in the test's folder");
        Self::spawn_telling(folder, arguments, stderr.into())
    }

    /// Starts one whose progress goes there.
    pub(crate) fn spawn_telling(folder: TempDir, arguments: &[&str], stderr: Stdio) -> Self {
        let stdout = File::create(folder.path().join("stdout")).expect("a file in the test's folder");
        let command = tidegate()
            .args(["dev", "--ready-file", "ready.json", "--data-dir", "data"])
            .args(arguments)
            .current_dir(folder.path())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("the program can be started");
        Self { command, folder }
    }

    /// Starts one and waits until it serves; gives what its ready file says too.
    pub(crate) fn start(arguments: &[&str]) -> (Self, Value) {
        let mut fleet = Self::spawn(arguments);
        let ready = fleet.await_ready();
        (fleet, ready)
    }

    pub(crate) fn await_ready(&mut self) -> Value {
        let begin = Instant::now();
        loop {
            if let Ok(text) = fs::read(self.ready_file()) {
                return serde_json::from_slice(&text).expect("a ready file is whole when it appears");
            }
            let ended = self.command.try_wait().expect("a child can be asked");
            let waits = ended.is_none() && begin.elapsed() < PATIENCE;
            assert!(waits, "the fleet is not ready ({ended:?}):\n{}", self.stderr());
            std::thread::sleep(POLL);
        }
    }

    /// Stops listening to its progress, as a terminal does that is closed.
    pub(crate) fn close_stderr(&mut self) {
        drop(self.command.stderr.take());
    }

    pub(crate) fn ready_file(&self) -> PathBuf {
        self.folder.path().join("ready.json")
    }

    pub(crate) fn data_directory(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).unwrap_or_default()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.command.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.command.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the fleet does not end:\n{}", self.stderr());
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Its children end with it; one that has ended already needs neither.
        drop(self.command.kill());
        drop(self.command.wait());
    }
}

/// Sends a signal to a process of the fleet.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is there");
}

/// Process ids of all nodes that the ready file names.
pub(crate) fn node_pids(ready: &Value) -> Vec<u32> {
    let nodes = ["edges", "origins"].into_iter().flat_map(|kind| ready[kind].as_array().expect("a list of nodes"));
    nodes.map(pid_of).collect()
}

/// The process id of one of them.
pub(crate) fn pid_of(node: &Value) -> u32 {
    node["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a node with a process id")
}

/// Whether a process runs; one that has ended and waits for its parent's attention does not.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which stands in parentheses (proc(5)).
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits until none of them runs.
pub(crate) fn assert_all_end(pids: &[u32]) {
    let begin = Instant::now();
    while let Some(pid) = pids.iter().find(|pid| is_running(**pid)) {
        assert!(begin.elapsed() < PATIENCE, "process {pid} was left behind");
        std::thread::sleep(POLL);
    }
}

/// Asks `http://ADDRESS` by HTTP/1.1 and gives the whole answer.
pub(crate) fn ask(url: &str, method: &str, path: &str, host: &str) -> String {
    let address = url.strip_prefix("http://").expect("a plaintext URL");
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(ANSWER)).expect("a time-out can be set");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer with an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Text of a member.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}: {value}"))
}
