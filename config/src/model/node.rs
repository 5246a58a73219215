//! The node document: where this node listens, what it may use, and every bound it keeps.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::ids::{NodeName, PopName, RegionName, SiteName};
use crate::units::ByteSize;

/// One edge node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// The point of presence it stands in.
    pub pop: PopName,
    /// The region of that point of presence.
    pub region: RegionName,
    /// Public listeners.
    pub listeners: Vec<Listener>,
    /// The operator's listener, when there is one.
    pub admin: Option<AdminListener>,
    /// Bounds.
    pub limits: Limits,
    /// Memory tier of the cache.
    pub cache: CacheMemory,
    /// Worker threads that serve connections (default: one a core).
    pub workers: usize,
    /// Threads that fetch from origins (default 1 up to 4 cores, then a quarter of them).
    pub fill_workers: usize,
    /// How long a graceful stop waits for requests in flight (default 30 s).
    pub grace: Duration,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Networks of proxies whose word about their clients is taken (default none).
    pub trusted_proxies: Vec<IpNet>,
    /// Name of this CDN in `Via` and `CDN-Loop` (RFC 8586; default `tidegate`).
    pub cdn_id: String,
    /// DNS servers asked for origins' names; the system's when empty (default).
    pub resolvers: Vec<SocketAddr>,
}

/// One public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Address and port; IPv6 listeners are IPv6 only.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: ListenerProtocol,
    /// Networks whose connections must begin with a PROXY protocol header (versions 1 and 2); all others are then
    /// closed. Without it nobody may send one (default). TCP only.
    pub proxy_protocol: Option<Vec<IpNet>>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// Plaintext HTTP/1.1.
    Http(PlaintextMode),
    /// HTTP/1.1 and HTTP/2 over TLS 1.2 and 1.3.
    Https,
    /// HTTP/3 over QUIC.
    Quic,
}

/// What plaintext HTTP does with a request for a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaintextMode {
    /// Serve it.
    Serve,
    /// Answer 308 to `https`, on this port.
    Redirect {
        /// Port of the HTTPS URL; 443 is left out of it.
        https_port: u16,
    },
}

/// The operator's listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminListener {
    /// Address and port.
    pub address: SocketAddr,
    /// File with the bearer token that clients from other than loopback addresses must show.
    pub token_file: Option<PathBuf>,
    /// File with the token of clients that are told how the cache came to a response.
    pub debug_token_file: Option<PathBuf>,
}

/// Every bound of the listeners. The defaults and why they are what they are stand at the document's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Open connections on all public listeners together (default 65,536).
    pub connections: usize,
    /// Open connections from one client address (default 512); none when absent.
    pub connections_per_address: Option<usize>,
    /// TLS or QUIC handshake (default 10 s).
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its header section (default 10 s).
    pub header_timeout: Duration,
    /// Between two pieces of a request body (default 30 s).
    pub body_timeout: Duration,
    /// A piece of a response that the client does not take (default 60 s).
    pub write_timeout: Duration,
    /// A connection without a request (default 60 s).
    pub idle_timeout: Duration,
    /// A connection's whole life; it then ends as in a drain (default 24 h).
    pub connection_lifetime: Duration,
    /// Request header section, names and values together (default 32 KiB).
    pub header_bytes: ByteSize,
    /// Request header fields (default 100).
    pub header_count: usize,
    /// Request target (default 8 KiB).
    pub target_bytes: ByteSize,
    /// Concurrent streams of one HTTP/2 or HTTP/3 connection (default 128).
    pub streams: u32,
    /// Requests over one connection (default 100,000).
    pub requests_per_connection: u32,
    /// Request body (default 64 MiB).
    pub body_bytes: ByteSize,
}

/// Memory tier of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheMemory {
    /// Bytes of all stored objects (default 256 MiB).
    pub capacity: ByteSize,
    /// Largest object that is stored; larger ones stream (default 32 MiB, at most a quarter of the capacity).
    pub max_object: ByteSize,
    /// Window of a fill that is not stored, and read-ahead of a stored one before anyone reads (default 4 MiB).
    pub fill_window: ByteSize,
    /// Fills at the same time (default 1,024).
    pub fills: usize,
    /// What is stored on disk beneath it, where anything is.
    pub disk: Option<CacheDisk>,
}

/// Disk tier of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheDisk {
    /// Where it is kept; never none.
    pub devices: Vec<CacheDevice>,
    /// What is of use for less than this is not written (default a minute).
    pub min_lifetime: Duration,
    /// How long a request waits for a device (default a second).
    pub read_timeout: Duration,
    /// Shares of sites; others have neither floor nor ceiling.
    pub shares: BTreeMap<SiteName, DiskShare>,
}

/// A site's share of the disk tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskShare {
    /// What stays though nobody reads it, in percent of the tier.
    pub floor: u8,
    /// What is the most, in percent of the tier.
    pub ceiling: u8,
}

/// A directory of the disk tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDevice {
    /// The directory.
    pub directory: PathBuf,
    /// Bytes that it may take.
    pub capacity: ByteSize,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file, opened again on SIGHUP so that it can be rotated.
    File(PathBuf),
}
