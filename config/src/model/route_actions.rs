//! What a route does with a request beside sending it to a pool.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderName, StatusCode};

use super::failover::StickyKey;
use super::geo::{Continent, CountryCode};
use super::media_delivery::CorsRules;
use crate::ids::{OriginName, PoolName, RouteName};
use crate::units::ByteSize;

/// Whose requests a route takes; everybody's where all lists are empty. A client must fit every list that is not
/// empty; one whose place is unknown fits none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientConditions {
    /// Countries.
    pub countries: Vec<CountryCode>,
    /// Continents.
    pub continents: Vec<Continent>,
    /// Autonomous systems.
    pub asns: Vec<u32>,
}

/// What answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// An origin pool.
    Pool {
        /// The pool, of the share that no part of the split takes.
        pool: PoolName,
        /// Parts of the requests that go elsewhere.
        split: Option<Split>,
    },
    /// This node, with a redirect.
    Redirect(Redirect),
    /// This node, with the maintenance page and 503.
    Maintenance,
}

/// A division of requests by share, the same part each time for the same key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Split {
    /// What decides; without a value of its own a request is decided by the client's address.
    pub by: StickyKey,
    /// Other pools and their shares in hundredths of a percent (10,000 is all); at most 10,000 together.
    pub parts: Vec<(u16, PoolName)>,
}

/// A redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308 (default 308).
    pub status: StatusCode,
    /// Where to.
    pub location: Template,
}

/// Another path for the origin. What is matched, keyed and logged stays the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The part of the path that the route's pattern names is replaced by this one; the rest and the query stay.
    Prefix(String),
    /// The whole path is this one; the query stays.
    Path(Template),
}

/// Text with variables: `${host}`, `${path}`, `${query}`, `${scheme}`, `${request_id}`, `${client.address}`,
/// `${client.country}`, `${client.continent}`, `${client.asn}`, `${edge}`. A fact that is unknown is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Arc<[TemplatePart]>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Text(String),
    /// A fact of the request.
    Variable(Variable),
}

/// A fact of a request that a template can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// Canonical host.
    Host,
    /// Path as sent.
    Path,
    /// Query with its `?`, or nothing.
    Query,
    /// `http` or `https`.
    Scheme,
    /// The request's id.
    RequestId,
    /// The client's address. Empty in a fetch of the cache, as every other fact about the client.
    ClientAddress,
    /// Two letters.
    ClientCountry,
    /// Two letters.
    ClientContinent,
    /// A number.
    ClientAsn,
    /// This node's name.
    Edge,
}

impl Variable {
    /// Every variable with the name it is written by.
    pub const ALL: [(&'static str, Self); 10] = [
        ("host", Self::Host),
        ("path", Self::Path),
        ("query", Self::Query),
        ("scheme", Self::Scheme),
        ("request_id", Self::RequestId),
        ("client.address", Self::ClientAddress),
        ("client.country", Self::ClientCountry),
        ("client.continent", Self::ClientContinent),
        ("client.asn", Self::ClientAsn),
        ("edge", Self::Edge),
    ];
}

/// Changes of a header section, in this order: remove, set, add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldActions {
    /// Fields taken away.
    pub remove: Vec<HeaderName>,
    /// Fields that replace what is there.
    pub set: Vec<(HeaderName, Template)>,
    /// Lines after those that are there.
    pub add: Vec<(HeaderName, Template)>,
}

/// A page in place of an error's usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorPage {
    /// Statuses it is for.
    pub statuses: Vec<StatusCode>,
    /// Its content, read with the configuration. `${status}`, `${reason}` and `${request_id}` are replaced.
    pub content: Arc<str>,
    /// Its content type (default `text/html; charset=utf-8`).
    pub content_type: String,
    /// Whether it also replaces the body of such a response of an origin (default no).
    pub replace_origin: bool,
}

/// Copies of requests for another pool, whose answers are thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mirror {
    /// The pool.
    pub pool: PoolName,
    /// Share of requests in hundredths of a percent.
    pub share: u16,
}

/// Bounds of time of one route; the pool's and the node's where absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteTimeouts {
    /// From the request's arrival to the head of the response, all attempts and waiting included.
    pub response: Option<Duration>,
    /// Waiting for the next bytes of an origin's response.
    pub read: Option<Duration>,
}

/// Everything a route does beside its destination.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RouteActions {
    /// Another path for the origin.
    pub rewrite: Option<Rewrite>,
    /// Changes of what origins get.
    pub request_fields: FieldActions,
    /// Changes of what clients get.
    pub response_fields: FieldActions,
    /// Copies for another pool.
    pub mirror: Option<Mirror>,
    /// Bounds of time.
    pub timeouts: RouteTimeouts,
    /// Largest request body; the node's when absent, and never above it.
    pub body_bytes: Option<ByteSize>,
    /// Whether a WebSocket handshake (RFC 6455) is passed through. Refused with 400 where not.
    pub websocket: bool,
    /// Cross-origin sharing answered by this node; none when absent: what the origin says goes to clients as it is.
    pub cors: Option<CorsRules>,
}

/// Something switched on by hand, for a time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KillSwitch {
    /// What it does.
    pub action: KillSwitchAction,
    /// Routes it is for; all of the site when empty.
    pub routes: Vec<RouteName>,
    /// When it ends by itself.
    pub until: SystemTime,
    /// Why, for logs.
    pub reason: String,
}

impl KillSwitch {
    /// Characters of a reason: a line of a log.
    pub const MAX_REASON_LENGTH: usize = 200;
    /// Statuses that may refuse requests.
    pub const BLOCK_STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

    /// Why logs cannot bear it as a reason, if they cannot: what was found and what is expected.
    #[must_use]
    pub fn fault_of_reason(reason: &str) -> Option<(String, String)> {
        let expected = format!("1 to {} printable characters", Self::MAX_REASON_LENGTH);
        let found = match (reason.chars().count(), reason.chars().find(|character| character.is_control())) {
            (0, _) => "an empty text".to_owned(),
            (_, Some(control)) => format!("a control character ({})", control.escape_unicode()),
            (length, None) if length > Self::MAX_REASON_LENGTH => format!("{length} characters"),
            (_, None) => return None,
        };
        Some((found, expected))
    }

    /// One that is switched on by whatever way; who makes it has checked it. It ends with a whole second, the next one,
    /// so that it is in force as long as everything says which shows its end.
    #[must_use]
    pub fn new(action: KillSwitchAction, routes: Vec<RouteName>, until: SystemTime, reason: String) -> Self {
        let since = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(until);
        Self { action, routes, until, reason }
    }

    /// How much of its time is left, in whole seconds of which the last one has begun: none once it is over.
    #[must_use]
    pub fn remaining_seconds(&self, now: SystemTime) -> u64 {
        let left = self.until.duration_since(now).unwrap_or_default();
        left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0))
    }
}

/// What a kill switch does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KillSwitchAction {
    /// Nothing is served from the cache or stored in it.
    BypassCache,
    /// Every request goes to this origin and no other, whatever its health.
    PinOrigin {
        /// Its pool.
        pool: PoolName,
        /// The origin.
        origin: OriginName,
    },
    /// Every request is refused with this status (default 403).
    Block(StatusCode),
    /// Every request gets the maintenance page with 503.
    Maintenance,
}
