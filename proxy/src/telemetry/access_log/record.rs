//! What one line of the access log says. Field names are a contract with whoever reads the log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde::Serialize;
use tidegate_config::ids::{Generation, NodeName, OriginName, RegionName, RouteName, SiteName};
use tidegate_config::model::{Continent, CountryCode};

use crate::listener::Protocol;
use crate::telemetry::metrics::CacheOutcome;
use crate::telemetry::request_id::RequestId;
use crate::telemetry::timestamp::Timestamp;

/// Text from a client, cut to `MAX` bytes when it is taken over, so that a queue full of records stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedText<const MAX: usize>(Box<str>);

impl<const MAX: usize> BoundedText<MAX> {
    /// Takes over at most `MAX` bytes; bytes that are no UTF-8 become replacement characters.
    #[must_use]
    pub fn new<T: AsRef<[u8]> + ?Sized>(text: &T) -> Self {
        let bytes = text.as_ref();
        let cut = bytes.get(..MAX).unwrap_or(bytes);
        match String::from_utf8_lossy(cut) {
            Cow::Borrowed(text) => Self(text.into()),
            // A replacement character is longer than what it replaces.
            Cow::Owned(text) => Self(text[..text.floor_char_boundary(MAX)].into()),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest path that is logged. Longer ones are rare and mostly hostile.
pub(super) const MAX_PATH: usize = 2 * 1024;
/// Longest host that is valid (RFC 1035 section 2.3.4), with brackets and port.
pub(super) const MAX_HOST: usize = 262;
/// User agents of browsers and players end well before this.
pub(super) const MAX_USER_AGENT: usize = 256;
/// Enough for origin and path of the page.
pub(super) const MAX_REFERER: usize = 512;
/// An error and its cause in one sentence.
pub(super) const MAX_ERROR: usize = 256;

/// One attempt to get a response from an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptWord {
    /// The status that the origin answered with.
    Status(u16),
    /// What happened instead.
    Word(&'static str),
}

/// One finished request.
#[derive(Debug, Clone)]
pub struct AccessRecord {
    /// When its head was complete.
    pub time: SystemTime,
    /// Its id.
    pub request_id: RequestId,
    /// The trace it belongs to.
    pub trace_id: u128,
    /// The client, as far as it can be believed.
    pub client: IpAddr,
    /// The other end of the connection when that is a proxy.
    pub connection_peer: Option<IpAddr>,
    /// The client's country.
    pub country: Option<CountryCode>,
    /// The client's continent.
    pub continent: Option<Continent>,
    /// The client's autonomous system.
    pub asn: Option<u32>,
    /// Region of the fleet that the client counts to.
    pub client_region: Option<RegionName>,
    /// What the client spoke.
    pub protocol: Protocol,
    /// `TLSv1.2` or `TLSv1.3`; absent in plaintext.
    pub tls_version: Option<&'static str>,
    /// Its method.
    pub method: Method,
    /// The host as canonical as it got.
    pub host: Option<BoundedText<MAX_HOST>>,
    /// The path as sent, without the query, which may carry secrets.
    pub path: BoundedText<MAX_PATH>,
    /// Whether there was a query.
    pub has_query: bool,
    /// Status sent.
    pub status: StatusCode,
    /// Body bytes sent.
    pub bytes_sent: u64,
    /// Body bytes received.
    pub bytes_received: u64,
    /// From the head to the last byte of the response.
    pub duration: Duration,
    /// From the head to the first byte of the response.
    pub time_to_first_byte: Option<Duration>,
    /// The cache's part.
    pub cache: CacheOutcome,
    /// Site that answered.
    pub site: Option<SiteName>,
    /// Route that answered.
    pub route: Option<RouteName>,
    /// Origin that was asked last.
    pub origin: Option<OriginName>,
    /// Every attempt for it, those of a fill that it started included.
    pub attempts: Box<[(OriginName, AttemptWord)]>,
    /// What went wrong.
    pub error: Option<BoundedText<MAX_ERROR>>,
    /// User-Agent.
    pub user_agent: Option<BoundedText<MAX_USER_AGENT>>,
    /// Referer, without the query.
    pub referer: Option<BoundedText<MAX_REFERER>>,
    /// Generation of the snapshot that the request used.
    pub generation: Generation,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: String,
    trace_id: String,
    edge: &'a str,
    client: IpAddr,
    connection_peer: Option<IpAddr>,
    country: Option<&'a str>,
    continent: Option<&'static str>,
    asn: Option<u32>,
    client_region: Option<&'a str>,
    protocol: &'a str,
    tls_version: Option<&'a str>,
    method: &'a str,
    host: Option<&'a str>,
    path: &'a str,
    query: bool,
    status: u16,
    bytes_sent: u64,
    bytes_received: u64,
    duration_us: u64,
    ttfb_us: Option<u64>,
    cache: &'a str,
    site: Option<&'a str>,
    route: Option<&'a str>,
    origin: Option<&'a str>,
    attempts: Vec<AttemptLine<'a>>,
    error: Option<&'a str>,
    user_agent: Option<&'a str>,
    referer: Option<&'a str>,
    generation: u64,
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

impl<'a> AttemptLine<'a> {
    fn new((origin, word): &'a (OriginName, AttemptWord)) -> Self {
        let origin = origin.as_str();
        match *word {
            AttemptWord::Status(status) => Self { origin, status: Some(status), failure: None },
            AttemptWord::Word(word) => Self { origin, status: None, failure: Some(word) },
        }
    }
}

impl AccessRecord {
    /// Appends the record as a line. Every line has every field; what is not known is `null`.
    pub(super) fn append_line(&self, edge: &NodeName, buffer: &mut Vec<u8>) -> serde_json::Result<()> {
        let line = Line {
            time: Timestamp(self.time).to_string(),
            request_id: self.request_id.to_string(),
            trace_id: format!("{:032x}", self.trace_id),
            edge: edge.as_str(),
            client: self.client.to_canonical(),
            connection_peer: self.connection_peer.map(|peer| peer.to_canonical()),
            country: self.country.as_ref().map(CountryCode::as_str),
            continent: self.continent.map(Continent::as_str),
            asn: self.asn,
            client_region: self.client_region.as_ref().map(RegionName::as_str),
            protocol: self.protocol.label(),
            tls_version: self.tls_version,
            method: self.method.as_str(),
            host: self.host.as_ref().map(BoundedText::as_str),
            path: self.path.as_str(),
            query: self.has_query,
            status: self.status.as_u16(),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            duration_us: microseconds(self.duration),
            ttfb_us: self.time_to_first_byte.map(microseconds),
            cache: self.cache.label(),
            site: self.site.as_ref().map(SiteName::as_str),
            route: self.route.as_ref().map(RouteName::as_str),
            origin: self.origin.as_ref().map(OriginName::as_str),
            attempts: self.attempts.iter().map(AttemptLine::new).collect(),
            error: self.error.as_ref().map(BoundedText::as_str),
            user_agent: self.user_agent.as_ref().map(BoundedText::as_str),
            referer: self.referer.as_ref().map(BoundedText::as_str),
            generation: self.generation.0,
        };
        serde_json::to_writer(&mut *buffer, &line)?;
        buffer.push(b'\n');
        Ok(())
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
