//! The edge's process: started, watched, signalled, and killed when dropped.

mod disks;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate_certs::{DevelopmentCa, IssuedCertificate};

use super::{EdgeConfig, HOST, Place, tidegate_binary};
use crate::client::{Client, Protocol, RawConnection, Request, Response, ServerIdentity, Target, TlsVersions, Trust};

/// How long an edge may take until it is ready; a debug build takes well under a second on an idle machine.
const START: Duration = Duration::from_secs(10);
/// How long it may take to stop: what is queued for disks is written.
const STOP: Duration = Duration::from_secs(20);
/// Between two looks at something that cannot be awaited: files and processes of others.
const POLL: Duration = Duration::from_millis(20);

/// A running edge.
pub struct Edge {
    child: Child,
    place: Place,
    authority: DevelopmentCa,
    certificate: IssuedCertificate,
    directory: TempDir,
    preamble: Vec<u8>,
    started_by: Option<String>,
}

impl Edge {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// When it is not built, does not start, or is not ready in time; the message has what it wrote.
    pub async fn start(config: &EdgeConfig) -> Self {
        let place = Place::free();
        let directory = TempDir::with_prefix("tidegate-test-").expect("a temporary directory");
        let authority = DevelopmentCa::load_or_create(directory.path()).expect("an authority for the test");
        let certificate = issue(&authority, place, directory.path());
        let file = directory.path().join("edge.yaml");
        fs::write(&file, config.documents(place)).expect("the test's directory can be written");
        write_files(directory.path(), config);
        let (preamble, started_by) = (config.preamble.clone(), config.started_by.clone());
        let child = spawn(directory.path(), &file, started_by.as_deref());
        let mut edge = Self { child, place, authority, certificate, directory, preamble, started_by };
        edge.await_ready().await;
        edge
    }

    async fn await_ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Ok(response) = self.client(Protocol::PlainHttp1).await.get("/.well-known/tidegate/ready").await
                && response.status == 200
            {
                return;
            }
            let exited = self.child.try_wait().expect("a child can be asked");
            let late = started.elapsed() > START;
            assert!(exited.is_none() && !late, "the edge is not ready (exit: {exited:?}):\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    /// A client for the test site.
    ///
    /// # Panics
    /// When it cannot connect.
    pub async fn client(&self, protocol: Protocol) -> Client {
        let connecting = Client::connect(protocol, self.target(protocol));
        let connected = crate::within("a connection to the edge", connecting).await;
        connected.unwrap_or_else(|error| panic!("connecting with {protocol:?}: {error:#}\n{}", self.stderr()))
    }

    /// Where and as whom a client of this protocol finds the test site.
    #[must_use]
    pub fn target(&self, protocol: Protocol) -> Target {
        let port = if protocol == Protocol::PlainHttp1 { self.place.http } else { self.place.https };
        Target {
            address: self.place.at(port),
            authority: HOST.to_owned(),
            identity: ServerIdentity::Name(HOST.to_owned()),
            trust: Trust::Authority(self.authority.certificate_file().to_owned()),
            versions: TlsVersions::All,
            preamble: self.preamble.clone(),
        }
    }

    /// A bare connection for HTTP/1.1, over TLS or not.
    ///
    /// # Panics
    /// When it cannot connect.
    pub async fn raw(&self, protocol: Protocol) -> RawConnection {
        let target = self.target(protocol);
        let opening = RawConnection::open(&target, protocol != Protocol::PlainHttp1);
        crate::within("a connection to the edge", opening).await.expect("a connection to the edge")
    }

    /// Asks the operator's listener.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn admin(&self, method: &str, path: &str) -> Response {
        self.admin_request(Request::new(method, path)).await
    }

    /// Asks the operator's listener with fields or a body.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn admin_request(&self, request: Request) -> Response {
        let address = self.admin_address();
        let authority = address.to_string();
        let target = Target { address, authority, preamble: Vec::new(), ..self.target(Protocol::PlainHttp1) };
        let client = Client::connect(Protocol::PlainHttp1, target).await.expect("plaintext needs no connecting");
        let asking = client.request(request);
        crate::within("the operator's listener", asking).await.expect("an answer of the operator's listener")
    }

    /// Address of the operator's listener.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.place.at(self.place.admin)
    }

    /// Where it listens.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The text of `GET /metrics`.
    pub async fn metrics(&self) -> String {
        self.admin("GET", "/metrics").await.text()
    }

    /// Sum of all samples of this metric whose labels contain all of these (such as `protocol="h3"`); 0 without any.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics().await;
        let samples = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let fits = rest.starts_with([' ', '{']) && labels.iter().all(|label| rest.contains(label));
            if fits { rest.rsplit(' ').next()?.parse::<f64>().ok() } else { None }
        });
        samples.sum()
    }

    /// Waits until no fill runs: what was fetched is stored. A client has all of a body a moment before that.
    ///
    /// # Panics
    /// When fills do not end in time.
    pub async fn until_fills_end(&self) {
        let ended = async {
            while self.metric("tidegate_fills_in_flight", &[]).await > 0.0 {
                tokio::task::yield_now().await;
            }
        };
        crate::within("fills to end", ended).await;
    }

    /// Entries of the access log once there are `count` of them that `wanted` accepts.
    ///
    /// # Panics
    /// When a line is not JSON, or too few come in time.
    pub async fn access_log(
        &self,
        count: usize,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> Vec<serde_json::Value> {
        let file = self.directory.path().join("access.log");
        let reading = async {
            loop {
                let text = fs::read_to_string(&file).unwrap_or_default();
                // The last line may be half written.
                let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
                let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                let found: Vec<_> = whole.lines().map(parse).filter(&wanted).collect();
                if found.len() >= count {
                    return found;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        crate::within("lines of the access log", reading).await
    }

    /// Replaces its configuration file; SIGHUP makes it take effect.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn rewrite(&self, config: &EdgeConfig) {
        write_files(self.directory.path(), config);
        self.rewrite_text(&config.documents(self.place));
    }

    /// Replaces its configuration file by this text.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn rewrite_text(&self, text: &str) {
        fs::write(self.directory.path().join("edge.yaml"), text).expect("the test's directory can be written");
    }

    /// Issues it another certificate in place of the one it has.
    pub fn renew_certificate(&mut self) {
        self.certificate = issue(&self.authority, self.place, self.directory.path());
    }

    /// Base64 of the SHA-256 of its public key, by which Chromium is told to trust it.
    #[must_use]
    pub fn public_key_sha256(&self) -> &str {
        &self.certificate.public_key_sha256
    }

    /// PEM file with the authority of its certificate.
    #[must_use]
    pub fn authority_file(&self) -> &Path {
        self.authority.certificate_file()
    }

    /// A file in its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Stops it in good order and starts it again, with what is in its directory and at the same ports. Standard error
    /// begins anew.
    ///
    /// # Panics
    /// When it does not stop, or does not start again.
    pub async fn restart(&mut self) {
        self.sigterm();
        let status = self.wait_exit(STOP).await;
        assert!(status.success(), "the edge stopped with {status}:\n{}", self.stderr());
        self.start_again().await;
    }

    /// Stops it in good order, has something done to its files, and starts it again.
    ///
    /// # Panics
    /// When it does not stop, or does not start again.
    pub async fn restart_after(&mut self, harm: impl FnOnce(&Self)) {
        self.sigterm();
        let status = self.wait_exit(STOP).await;
        assert!(status.success(), "the edge stopped with {status}:\n{}", self.stderr());
        harm(self);
        self.start_again().await;
    }

    /// Kills it, as `kill -9` does, and starts it again.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn kill_and_restart(&mut self) {
        self.child.kill().expect("the edge runs");
        let _status = self.child.wait().expect("a child can be waited for");
        self.start_again().await;
    }

    async fn start_again(&mut self) {
        self.child = spawn(self.directory.path(), &self.file("edge.yaml"), self.started_by.as_deref());
        self.await_ready().await;
        self.until_disks_work().await;
    }

    /// SIGHUP: take the configuration again.
    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGTERM: stop in good order.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the edge runs");
    }

    /// Waits until it has exited.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(started.elapsed() < timeout, "the edge has not exited after {timeout:?}:\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When it has exited.
    #[must_use]
    pub fn rss(&self) -> u64 {
        memory(self.child.id()).expect("the edge runs")
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }

    /// Waits until standard error contains this text, and returns all of it.
    pub async fn stderr_with(&self, text: &str) -> String {
        let reading = async {
            loop {
                let found = self.stderr();
                if found.contains(text) {
                    return found;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        crate::within(&format!("{text:?} on standard error of the edge"), reading).await
    }
}

fn write_files(directory: &Path, config: &EdgeConfig) {
    for (name, content) in &config.files {
        fs::write(directory.join(name), content).expect("the test's directory can be written");
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // Already gone when the test stopped it.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
        if std::thread::panicking() {
            if std::env::var_os("TIDEGATE_KEEP").is_some() {
                self.directory.disable_cleanup(true);
                eprintln!("the edge's files are kept in {}", self.directory.path().display());
            }
            let log = fs::read_to_string(self.file("access.log")).unwrap_or_default();
            let failed: Vec<_> = log.lines().filter(|line| line.contains("\"error\":\"")).collect();
            eprintln!("--- standard error of the edge ---\n{}", self.stderr());
            eprintln!("--- failed requests in its access log ---\n{}\n--- end ---", failed.join("\n"));
        }
    }
}

fn spawn(directory: &Path, file: &Path, started_by: Option<&str>) -> Child {
    let stderr = File::create(directory.join("stderr")).expect("the test's directory can be written");
    let mut command = match started_by {
        None => Command::new(tidegate_binary()),
        Some(script) => {
            let mut shell = Command::new("unshare");
            if !rustix::process::geteuid().is_root() {
                shell.args(["--user", "--map-root-user"]);
            }
            shell.args(["--mount", "sh", "-c", script, "sh"]).arg(directory).arg(tidegate_binary());
            shell
        }
    };
    command
        .args(["edge", "--config"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("tidegate starts")
}

/// A certificate for the test site and all names below it, in the files that the configuration names.
fn issue(authority: &DevelopmentCa, place: Place, directory: &Path) -> IssuedCertificate {
    let wildcard = format!("*.{HOST}");
    let issued = authority.issue(&[HOST, wildcard.as_str()], &[place.address]).expect("a certificate for the test");
    let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
    issued.write(&chain, &key).expect("the test's directory can be written");
    issued
}

fn memory(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
