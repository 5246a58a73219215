//! Origin pools: where content comes from.

use std::path::PathBuf;
use std::time::Duration;

use crate::ids::{OriginName, PoolName, RegionName};
use crate::units::Weight;

/// Origins that hold the same content.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OriginPool {
    /// Its name.
    pub name: PoolName,
    /// At least one.
    pub origins: Vec<Origin>,
    /// Bounds of time towards each of them.
    pub timeouts: Timeouts,
    /// Which Host field they get.
    pub host: HostPolicy,
    /// Attempts for a request that may be sent again, over all origins (default 2, from 1 to 5).
    pub attempts: u8,
}

/// One origin.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// Its name, unique in the pool.
    pub name: OriginName,
    /// Host name or address literal (IPv6 without brackets).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Region it stands in.
    pub region: RegionName,
    /// Its share among origins of the same region.
    pub weight: Weight,
    /// TLS towards it, when its URL says `https`.
    pub tls: Option<OriginTls>,
    /// HTTP version spoken to it.
    pub version: HttpVersion,
}

/// TLS towards an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginTls {
    /// Name sent as SNI and checked against its certificate (default: the origin's host).
    pub server_name: String,
    /// PEM bundle of the authorities trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether its certificate is checked. Only ever false when the operator wrote so.
    pub verify: bool,
}

/// HTTP version towards an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, with prior knowledge in plaintext.
    Http2,
    /// HTTP/2 where ALPN offers it over TLS, else HTTP/1.1.
    Auto,
}

/// Which Host field an origin gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// The client's.
    Client,
    /// The origin's own host, with its port when not the scheme's.
    Origin,
    /// This one.
    Fixed(String),
}

/// Bounds of time towards an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Connecting, TLS included (default 3 s).
    pub connect: Duration,
    /// Waiting for the next bytes of a response (default 20 s).
    pub read: Duration,
    /// Writing a piece of a request (default 20 s).
    pub write: Duration,
    /// Keeping an unused connection (default 60 s).
    pub idle: Duration,
}
