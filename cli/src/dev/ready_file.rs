//! The ready file: what runs where, for programs. Its form is a contract: members are added, never changed.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::data_directory::DataDirectory;
use super::error::DevError;
use super::plan::{Content, EdgePlan, Fleet, PlacedOrigin, SITE_HOST};
use super::ports::Ports;
use super::start::StartedFleet;

/// Version of the form.
const VERSION: u32 = 1;

/// What runs where.
#[derive(Debug, Serialize)]
pub(super) struct Contract {
    version: u32,
    ca_certificate: PathBuf,
    admin_token_file: PathBuf,
    pub(super) site: SiteEntry,
    pub(super) edges: Vec<EdgeEntry>,
    pub(super) origins: Vec<OriginEntry>,
    /// The control plane, once there is one.
    control: Option<()>,
    /// DNS nodes, once there are some.
    dns: Option<()>,
}

/// The site. Before the user's own origins nobody knows what is to be found there.
#[derive(Debug, Serialize)]
pub(super) struct SiteEntry {
    pub(super) host: &'static str,
    pub(super) page: &'static str,
    pub(super) hls: Option<&'static str>,
    pub(super) dash: Option<&'static str>,
    pub(super) mp4: Option<&'static str>,
    pub(super) mp3: Option<&'static str>,
}

/// An edge node.
#[derive(Debug, Serialize)]
pub(super) struct EdgeEntry {
    /// Not part of the contract: the URLs have it.
    #[serde(skip)]
    pub(super) address: Ipv4Addr,
    pub(super) name: String,
    pub(super) pop: String,
    pub(super) region: &'static str,
    pub(super) pid: u32,
    pub(super) http: String,
    pub(super) https: String,
    pub(super) quic: String,
    pub(super) admin: String,
}

/// An origin; the user's own have no process of ours.
#[derive(Debug, Serialize)]
pub(super) struct OriginEntry {
    pub(super) name: String,
    pub(super) region: &'static str,
    pub(super) pid: Option<u32>,
    pub(super) url: String,
}

/// What is told about a fleet that serves.
pub(super) fn contract(fleet: &Fleet, directory: &DataDirectory, started: &StartedFleet) -> Contract {
    let ports = started.ports();
    let edges = fleet.edges.iter().zip(&started.edge_pids).map(|(edge, &pid)| edge_entry(edge, pid, ports));
    Contract {
        version: VERSION,
        ca_certificate: directory.authority_file(),
        admin_token_file: directory.token_file(),
        site: site_entry(&fleet.content),
        edges: edges.collect(),
        origins: started.origins.iter().map(origin_entry).collect(),
        control: None,
        dns: None,
    }
}

fn site_entry(content: &Content) -> SiteEntry {
    let path = |path: &'static str| match content {
        Content::Demonstration => Some(path),
        Content::Own(_) => None,
    };
    SiteEntry {
        host: SITE_HOST,
        page: "/",
        hls: path("/vod/demo/master.m3u8"),
        dash: path("/vod/demo/manifest.mpd"),
        mp4: path("/vod/demo/demo.mp4"),
        mp3: path("/vod/demo/demo.mp3"),
    }
}

fn edge_entry(edge: &EdgePlan, pid: u32, ports: Ports) -> EdgeEntry {
    let EdgePlan { name, region, address } = edge;
    EdgeEntry {
        address: *address,
        name: name.clone(),
        pop: region.pop(),
        region: region.name(),
        pid,
        http: format!("http://{address}:{}", ports.http),
        https: format!("https://{address}:{}", ports.https),
        quic: format!("{address}:{}", ports.https),
        admin: format!("http://{address}:{}", ports.admin),
    }
}

fn origin_entry(origin: &PlacedOrigin) -> OriginEntry {
    let PlacedOrigin { name, region, url, pid } = origin;
    OriginEntry { name: name.clone(), region: region.name(), pid: *pid, url: url.clone() }
}

/// The file; it is there while the fleet serves, and goes when this is dropped.
#[derive(Debug)]
pub(super) struct ReadyFile {
    path: PathBuf,
}

impl ReadyFile {
    /// One at this path. What is there was left by a fleet that was killed, and would mislead who waits for it.
    pub(super) fn at(path: &Path) -> Result<Self, DevError> {
        match fs::remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(DevError::Write { path: path.to_owned(), source })
            }
            _ => Ok(Self { path: path.to_owned() }),
        }
    }

    /// Writes it beside its place, then moves it there: whoever sees it sees all of it.
    pub(super) fn write(&self, contract: &Contract) -> Result<(), DevError> {
        let refused = |source| DevError::Write { path: self.path.clone(), source };
        let text = serde_json::to_vec(contract).map_err(|error| refused(error.into()))?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = self.path.with_file_name(name);
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.path)).map_err(refused)
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // It may never have been written.
        drop(fs::remove_file(&self.path));
    }
}
