//! From a plan to a fleet that serves: files, origins, edge nodes, readiness, each step after the one before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tidegate_config::load_files;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::time::timeout_at;

use crate::output::tell;

use super::children::{Children, Role};
use super::data_directory::DataDirectory;
use super::documents::{access_log_file, configuration_file, edge_documents};
use super::error::DevError;
use super::plan::{Content, EdgePlan, Fleet, PlacedOrigin, Region, place_own};
use super::ports::{self, ClaimedPorts, Ports};
use super::readiness::until_ready;

/// For all origins, then for all edge nodes. A node takes well under a second; a machine that is busy building
/// something else is given more.
const START: Duration = Duration::from_secs(10);

/// How often the fleet moves because an address was taken between our look at it and the node's start.
const MAX_MOVES: usize = 5;

/// The one line that an origin prints.
const MAX_LINE_BYTES: u64 = 1024;

/// A fleet about to start.
pub(super) struct Starting<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) directory: &'a DataDirectory,
    pub(super) children: &'a mut Children,
}

/// A fleet that serves.
pub(super) struct StartedFleet {
    claimed: ClaimedPorts,
    pub(super) origins: Vec<PlacedOrigin>,
    /// Process ids, in the order of the plan.
    pub(super) edge_pids: Vec<u32>,
    /// Of the site's certificate: base64 of the SHA-256 of its public key.
    pub(super) public_key_sha256: String,
}

impl StartedFleet {
    /// The ports of all edge nodes.
    pub(super) fn ports(&self) -> Ports {
        self.claimed.ports
    }
}

/// What `tidegate origin --output json` prints.
#[derive(Deserialize)]
struct OriginServes {
    url: String,
}

impl Starting<'_> {
    /// Starts everything and waits until all of it serves.
    pub(super) async fn start(mut self) -> Result<StartedFleet, DevError> {
        let addresses: Vec<Ipv4Addr> = self.fleet.addresses().collect();
        let claimed = ports::claim(&addresses)?;
        let public_key_sha256 = self.directory.issue_certificate(&addresses)?;
        self.directory.write_token()?;
        let origins = self.start_origins().await?;
        let (claimed, edge_pids) = self.start_edges(claimed, &addresses, &origins).await?;
        Ok(StartedFleet { claimed, origins, edge_pids, public_key_sha256 })
    }

    /// Starts all edge nodes; when one ends because its address was taken meanwhile, all of them move.
    async fn start_edges(
        &mut self,
        mut claimed: ClaimedPorts,
        addresses: &[Ipv4Addr],
        origins: &[PlacedOrigin],
    ) -> Result<(ClaimedPorts, Vec<u32>), DevError> {
        for _ in 0..MAX_MOVES {
            let pids = self.spawn_edges(claimed.ports, origins)?;
            let failure = match self.wait_for_edges(claimed.ports).await {
                Ok(()) => return Ok((claimed, pids)),
                Err(failure @ DevError::ChildEnded { .. }) => failure,
                Err(failure) => return Err(failure),
            };
            self.children.kill_edges().await;
            claimed = claimed.moved_if_busy(addresses)?.ok_or(failure)?;
        }
        Err(DevError::NoPorts(claimed.ports.http))
    }

    async fn start_origins(&mut self) -> Result<Vec<PlacedOrigin>, DevError> {
        if let Content::Own(own) = &self.fleet.content {
            return Ok(place_own(own));
        }
        let mut started = Vec::new();
        for region in Region::ALL {
            let name = format!("{region}-origin");
            let arguments = ["origin", "--listen", "127.0.0.1:0", "--name", &name, "--output", "json"];
            let child = self.children.start(&name, Role::Origin, &arguments)?;
            started.push((name, region, child));
        }
        let mut placed = Vec::new();
        for (name, region, child) in started {
            let url = self.url_of(&name, child.stdout).await?;
            tell(&format!("{name} serves on {url}"));
            placed.push(PlacedOrigin { name, region, url, pid: Some(child.pid) });
        }
        Ok(placed)
    }

    /// Reads where an origin serves; its first and only line says so.
    async fn url_of(&mut self, name: &str, stdout: Option<ChildStdout>) -> Result<String, DevError> {
        let log = self.children.log_of(name);
        let silent = || DevError::SilentOrigin { name: name.to_owned(), limit: START, log };
        let Some(stdout) = stdout else { return Err(silent()) };
        let mut line = String::new();
        let mut reader = BufReader::new(stdout.take(MAX_LINE_BYTES));
        tokio::select! {
            read = tokio::time::timeout(START, reader.read_line(&mut line)) => match read {
                // It ended: that is told by name, once its end is seen.
                Ok(Ok(0)) => return Err(self.children.first_to_end().await),
                Ok(_) => {}
                Err(_) => return Err(silent()),
            },
            ended = self.children.first_to_end() => return Err(ended),
        }
        serde_json::from_str::<OriginServes>(&line).map(|serves| serves.url).map_err(|_not_it| silent())
    }

    fn spawn_edges(&mut self, ports: Ports, origins: &[PlacedOrigin]) -> Result<Vec<u32>, DevError> {
        for edge in &self.fleet.edges {
            let file = configuration_file(edge);
            self.directory.write(&file, &edge_documents(self.fleet, edge, ports, origins))?;
            self.directory.empty_file(&access_log_file(edge))?;
            load_files(&[self.directory.path().join(file)]).map_err(DevError::Configuration)?;
        }
        let start = |edge: &EdgePlan| {
            let arguments = ["edge", "--config", &configuration_file(edge)];
            self.children.start(&edge.name, Role::Edge, &arguments).map(|started| started.pid)
        };
        self.fleet.edges.iter().map(start).collect()
    }

    async fn wait_for_edges(&mut self, ports: Ports) -> Result<(), DevError> {
        let begin = Instant::now();
        let deadline = tokio::time::Instant::now() + START;
        for edge in &self.fleet.edges {
            let address = SocketAddr::new(IpAddr::V4(edge.address), ports.http);
            let mut answer = String::new();
            let ready = tokio::select! {
                ready = timeout_at(deadline, until_ready(address, &mut answer)) => ready.is_ok(),
                ended = self.children.first_to_end() => return Err(ended),
            };
            if !ready {
                let (name, log) = (edge.name.clone(), self.children.log_of(&edge.name));
                return Err(DevError::NotReady { name, limit: START, answer, log });
            }
            tell(&format!("{} is ready on {address} ({:.1} s)", edge.name, begin.elapsed().as_secs_f32()));
        }
        Ok(())
    }
}
