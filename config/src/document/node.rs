//! The node document: where a node listens, what it may use, and every bound it keeps.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shares::PercentText;
use super::units::{ByteSizeText, DurationText};
use crate::units::ByteSize;

/// One edge node. A configuration has exactly one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDocument {
    /// Its name, unique in the fleet.
    pub name: String,
    /// The point of presence it stands in; its region is that one's.
    pub pop: String,
    /// Public listeners, at least one. Default: plaintext HTTP on port 80 of all IPv4 and IPv6 addresses.
    #[serde(default = "listeners")]
    pub listeners: Vec<ListenerFields>,
    /// The operator's listener, for metrics and draining. Default: none, so that nothing is open that nobody asked for.
    #[serde(default)]
    pub admin: Option<AdminFields>,
    /// Bounds of connections and requests.
    #[serde(default)]
    pub limits: LimitFields,
    /// Memory tier of the cache.
    #[serde(default)]
    pub cache: CacheFields,
    /// Threads that serve connections, 1 to 1024. Default: one for each core.
    #[serde(default)]
    pub workers: Option<u32>,
    /// Threads that fetch from origins, 1 to 1024. Default: 1 up to 4 cores, then a quarter of the cores; fetching is
    /// the lesser part of the work of a cache that hits.
    #[serde(default)]
    pub fill_workers: Option<u32>,
    /// How long a graceful stop waits for requests in flight. Default: `30s`, which fits the 90 s that systemd waits.
    #[serde(default = "grace")]
    pub grace: DurationText,
    /// Where the access log goes: `off`, `stdout`, or `{file: path}`; a relative path starts at this file's folder.
    /// Default: `stdout`, where every supervisor collects it.
    #[serde(default)]
    pub access_log: AccessLogField,
    /// Networks of proxies in front of this node, such as `[192.0.2.0/24]`, whose word about their clients is taken, at
    /// most 1000. Default: none, as anyone else could claim any address.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Name of this CDN in `Via` and `CDN-Loop` (RFC 8586), the same on all of its nodes: a token, at most 63
    /// characters, or a host. Default: `tidegate`.
    #[serde(default = "cdn_id")]
    pub cdn_id: String,
    /// DNS servers asked for names of origins: addresses, with a port where it is not 53, at most 8. Default: the
    /// system's.
    #[serde(default)]
    pub resolvers: Vec<String>,
}

/// One public listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerFields {
    /// Address and port, such as `192.0.2.1:443` or `[::]:443`. IPv6 listeners take IPv6 only, so that `0.0.0.0` and
    /// `[::]` stand beside each other. Port 0 lets the system choose one, for tests.
    pub address: String,
    /// What is spoken there: `http` (plaintext HTTP/1.1), `https` (HTTP/1.1 and HTTP/2 over TLS 1.2 and 1.3), or `quic`
    /// (HTTP/3).
    pub protocol: ProtocolField,
    /// What an `http` listener does with a request for a site. Default: `serve`.
    #[serde(default)]
    pub plaintext: Option<PlaintextField>,
    /// With `plaintext: redirect`: the port of the HTTPS URL that clients are sent to, 1 to 65535. Default: none, and an
    /// error when it is needed, as a redirect to a port that nobody listens on would be worse.
    #[serde(default)]
    pub https_port: Option<u16>,
    /// Who must begin connections with a PROXY protocol header, of version 1 or 2; connections of all others are then
    /// closed. Not with `quic`. Default: none, and nobody may send one.
    #[serde(default)]
    pub proxy_protocol: Option<ProxyProtocolFields>,
}

/// Who begins connections with a PROXY protocol header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyProtocolFields {
    /// Networks of the load balancers that do, such as `[192.0.2.0/24]`, 1 to 1000.
    pub from: Vec<String>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolField {
    /// Plaintext HTTP/1.1.
    Http,
    /// HTTP/1.1 and HTTP/2 over TLS.
    Https,
    /// HTTP/3 over QUIC.
    Quic,
}

/// What plaintext HTTP does with a request for a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaintextField {
    /// Serve it.
    Serve,
    /// Answer 308 to `https`.
    Redirect,
}

/// The operator's listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminFields {
    /// Address and port, such as `127.0.0.1:9000`.
    pub address: String,
    /// File with the bearer token that clients from other than loopback addresses must show. A relative path starts at
    /// this file's folder. Default: none; then the address must be a loopback one.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// File with the token that clients show in `Tidegate-Debug` to be told in that field of the response how the cache
    /// came to it: 32 to 4096 visible characters, and another one than `token_file`'s, as it travels to public listeners.
    /// Default: none, and nobody is told.
    #[serde(default)]
    pub debug_token_file: Option<PathBuf>,
}

/// Bounds of connections and requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitFields {
    /// Open connections on all public listeners together, 1 to 1048576. Default: 65536, some 2 GiB when all are TLS
    /// connections in use.
    pub connections: u32,
    /// Open connections from one client address, 1 to 1048576; `null` for no such bound. Default: 512: a household or a
    /// small office behind one address stays far below, one machine cannot take all.
    pub connections_per_address: Option<u32>,
    /// A TLS or QUIC handshake, `100ms` to `5m`. Default: `10s`: slow mobile links need 3 s.
    pub handshake_timeout: DurationText,
    /// From the first byte of a request to the end of its header section, `100ms` to `5m`. Default: `10s`, against
    /// clients that send a byte now and then.
    pub header_timeout: DurationText,
    /// Between two pieces of a request body, `100ms` to `1h`. Default: `30s`, a mobile client between two cells.
    pub body_timeout: DurationText,
    /// For a piece of a response that the client does not take, `100ms` to `1h`; also for less than 256 bytes a second of
    /// it, over that long. Default: `60s`: players that have buffered enough pause longer, but between requests.
    pub write_timeout: DurationText,
    /// A connection without a request, `100ms` to `24h`. Default: `60s`, beyond the pauses of players between segments.
    pub idle_timeout: DurationText,
    /// A connection's whole life, after which it ends as in a drain, `1s` to `30d`. Default: `24h`, so that clients find
    /// new nodes and old snapshots end.
    pub connection_lifetime: DurationText,
    /// A request's header section, names and values together, `1KiB` to `1MiB`. Default: `32KiB`: cookies and tokens of
    /// real sites stay below 16 KiB.
    pub header_bytes: ByteSizeText,
    /// Header fields of a request, 8 to 1000. Default: 100; browsers send up to 30.
    pub header_count: u32,
    /// A request's target, `256B` to `64KiB`. Default: `8KiB`, the least that RFC 9110 section 4.1 asks servers for.
    pub target_bytes: ByteSizeText,
    /// Concurrent streams of one HTTP/2 or HTTP/3 connection, 1 to 1000. Default: 128: RFC 9113 section 6.5.2 advises no
    /// less than 100.
    pub streams: u32,
    /// Requests over one connection, 1 to 4294967295. Default: 100000, beyond a day of segments.
    pub requests_per_connection: u32,
    /// A request body, up to `64GiB`; `0B` refuses all bodies. Default: `64MiB`: uploads are rare behind a cache.
    pub body_bytes: ByteSizeText,
}

impl Default for LimitFields {
    fn default() -> Self {
        Self {
            connections: 65_536,
            connections_per_address: Some(512),
            handshake_timeout: DurationText::seconds(10),
            header_timeout: DurationText::seconds(10),
            body_timeout: DurationText::seconds(30),
            write_timeout: DurationText::seconds(60),
            idle_timeout: DurationText::seconds(60),
            connection_lifetime: DurationText::hours(24),
            header_bytes: ByteSizeText(ByteSize::kib(32)),
            header_count: 100,
            target_bytes: ByteSizeText(ByteSize::kib(8)),
            streams: 128,
            requests_per_connection: 100_000,
            body_bytes: ByteSizeText(ByteSize::mib(64)),
        }
    }
}

/// Memory tier of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheFields {
    /// Bytes of all stored objects, `1MiB` to `16384GiB`. Default: `256MiB`, which the smallest machines have.
    pub capacity: ByteSizeText,
    /// Largest object that is stored; larger ones stream. At most a quarter of the capacity, so that one object cannot
    /// drive out all others. Default: `32MiB`, or that quarter when it is less.
    pub max_object: Option<ByteSizeText>,
    /// Window of a fill that is not stored, and read-ahead of a stored one before anyone reads, `64KiB` to `1GiB`.
    /// Default: `4MiB`: half a second at 64 Mbit/s.
    pub fill_window: ByteSizeText,
    /// Fills at the same time, 1 to 65536. Default: 1024.
    pub fills: u32,
    /// What is stored on disk beneath that, and outlives a restart. Default: nothing.
    pub disk: Option<DiskFields>,
}

/// Disk tier of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskFields {
    /// Where it is kept, 1 to 64 directories, each on a device of its own: what fails with one is fetched anew, the others
    /// go on.
    pub devices: Vec<DeviceFields>,
    /// What is of use for less than this is not written, `0s` to `365d`: segments of live streams would be written, never
    /// read, and wear the device. Uses of what is stale count where the origin states them. Default: `60s`.
    #[serde(default = "min_lifetime")]
    pub min_lifetime: DurationText,
    /// How long a request waits for a device before it goes on without, `10ms` to `1m`. Default: `1s`.
    #[serde(default = "read_timeout")]
    pub read_timeout: DurationText,
    /// How much of all directories together sites have for sure, and at most; at most 1000 sites, each once. Default: every
    /// site has what it fills. Takes effect with a reload.
    #[serde(default)]
    pub shares: Vec<ShareFields>,
}

/// A site's share of the disk tier, in percent of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareFields {
    /// Name of the site.
    pub site: String,
    /// While it has less than this, what it has stays though nobody reads it, `0%` to `100%`; those of all sites together
    /// are at most 100%. Default: `0%`.
    #[serde(default = "nothing")]
    pub floor: PercentText,
    /// When it has this, nothing more of it is stored, `1%` to `100%`, at least the floor. Default: `100%`.
    #[serde(default = "whole")]
    pub ceiling: PercentText,
}

fn nothing() -> PercentText {
    PercentText(0)
}

fn whole() -> PercentText {
    PercentText(100)
}

/// A directory of the disk tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceFields {
    /// The directory, which this node has to itself. It is made where its parent exists.
    pub directory: PathBuf,
    /// Bytes that everything in it may take together, `64MiB` to `1048576GiB`. Never exceeded.
    pub capacity: ByteSizeText,
}

fn min_lifetime() -> DurationText {
    DurationText::seconds(60)
}

fn read_timeout() -> DurationText {
    DurationText::seconds(1)
}

impl Default for CacheFields {
    fn default() -> Self {
        Self {
            capacity: ByteSizeText(ByteSize::mib(256)),
            max_object: None,
            fill_window: ByteSizeText(ByteSize::mib(4)),
            fills: 1024,
            disk: None,
        }
    }
}

/// Where the access log goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogField {
    /// Nowhere.
    Off,
    /// Standard output.
    #[default]
    Stdout,
    /// Appended to this file, opened again on SIGHUP so that it can be rotated.
    File(PathBuf),
}

fn listeners() -> Vec<ListenerFields> {
    ["0.0.0.0:80", "[::]:80"]
        .map(|address| ListenerFields {
            address: address.to_owned(),
            protocol: ProtocolField::Http,
            plaintext: None,
            https_port: None,
            proxy_protocol: None,
        })
        .into()
}

fn cdn_id() -> String {
    "tidegate".to_owned()
}

fn grace() -> DurationText {
    DurationText::seconds(30)
}
