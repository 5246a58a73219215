//! Origin pools: where content comes from.

use std::path::PathBuf;
use std::time::Duration;

use super::failover::{Hedging, OriginLimits, OriginOrder, RetryPolicy, StickyKey};
use super::health::{HealthCheck, OutlierEjection};
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
    /// What comes before weight when origins are ordered.
    pub order: OriginOrder,
    /// What ties requests to the same origin, within a distance; by chance when absent.
    pub sticky: Option<StickyKey>,
    /// Active probes.
    pub health: HealthCheck,
    /// Passive ejection.
    pub outlier: OutlierEjection,
    /// Further attempts.
    pub retry: RetryPolicy,
    /// Second requests for slow fills; none when absent (default).
    pub hedging: Option<Hedging>,
    /// The most asked of each origin.
    pub limits: OriginLimits,
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
    /// Whether an operator has taken it out.
    pub duty: OriginDuty,
    /// TLS towards it, when its URL says `https`.
    pub tls: Option<OriginTls>,
    /// HTTP version spoken to it.
    pub version: HttpVersion,
    /// Path in front of every target, without a slash at its end; empty for none.
    pub path_prefix: String,
    /// Whether the host is the name of SRV records (RFC 2782), which then give hosts and ports.
    pub discovery: Discovery,
    /// What it wants to see before it answers.
    pub credentials: Option<Credentials>,
    /// PROXY protocol header at the start of each connection to it; none when absent. Such connections serve one client
    /// connection's requests each and are not shared.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
}

/// Whether an origin may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginDuty {
    /// It may (default).
    Active,
    /// Not while the pool has one that is active.
    Drained,
}

/// How the addresses of an origin are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// The host's A and AAAA records, or the literal (default).
    Address,
    /// SRV records under the host.
    Srv,
}

/// What a private origin wants to see. Files are read with the configuration and again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Signature Version 4 of S3 and what speaks like it.
    S3 {
        /// Region of the signature, such as `eu-central-1`.
        region: String,
        /// File with the access key id.
        access_key_file: PathBuf,
        /// File with the secret access key.
        secret_key_file: PathBuf,
        /// File with the session token, for temporary keys.
        session_token_file: Option<PathBuf>,
    },
    /// Fields with secrets.
    Fields(Vec<(http::HeaderName, PathBuf)>),
}

/// Versions of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocolVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// TLS towards an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OriginTls {
    /// Name sent as SNI and checked against its certificate.
    pub server_name: ServerNamePolicy,
    /// PEM bundle of the authorities trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether its certificate is checked. Only ever false when the operator wrote so.
    pub verify: bool,
    /// PEM files of the chain and key shown to it, when it asks for a client certificate.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// Which name is sent as SNI and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNamePolicy {
    /// This one (default: the origin's host).
    Name(String),
    /// That of the Host field which the origin gets, without its port.
    HostField,
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
    /// Waiting for the next bytes of a response (default 10 s).
    pub read: Duration,
    /// Writing a piece of a request (default 20 s).
    pub write: Duration,
    /// Keeping an unused connection (default 60 s).
    pub idle: Duration,
}
