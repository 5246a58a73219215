//! What players say about themselves with their requests: Common Media Client Data (CTA-5004).
//!
//! Owns reading it from the query and the four request fields, and what follows from it for urgency and pace. It is
//! advice of a client that nobody vouches for: bounded here, never part of a key, never sent to origins. What is counted
//! of it is in the metrics; what is fetched ahead for it is not decided here.

mod grammar;
mod next_object;
mod pace;
#[cfg(test)]
mod tests;
mod urgency;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tidegate_config::model::CachePolicy;

pub use next_object::{NextObject, NextRange};
pub use pace::Pace;
pub use urgency::{Content, Urgency, urgency};

use grammar::{Item, members};

/// Fields that carry CMCD (CTA-5004 section 2). Any key may come in any of them: the division is for compression only.
pub static FIELDS: [HeaderName; 4] = [
    HeaderName::from_static("cmcd-request"),
    HeaderName::from_static("cmcd-object"),
    HeaderName::from_static("cmcd-status"),
    HeaderName::from_static("cmcd-session"),
];

/// The argument of the query that carries CMCD (CTA-5004 section 2). Case counts.
const ARGUMENT: &[u8] = b"CMCD=";

/// Bytes of CMCD that are read of one request, all fields together. Players send some hundred; the longest part, the
/// next object's path, is bounded by itself.
const MAX_BYTES: usize = 4096;

/// Keys that are read of one request: CTA-5004 knows 18, and players add a few of their own.
const MAX_KEYS: usize = 64;

/// Largest bitrate or throughput believed, in kbit/s: 100 Gbit/s is more than any client has.
const MAX_KBPS: u64 = 100_000_000;

/// Longest time believed: a day of buffer is no player's.
const MAX_MILLISECONDS: u64 = 24 * 60 * 60 * 1000;

/// What one request said. Keys that were absent, unknown or ill-typed are as if never sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmcd {
    /// `ot`: what is asked for.
    pub object_type: Option<ObjectType>,
    /// `st`: whether the presentation is live.
    pub stream_type: Option<StreamType>,
    /// `br`: bitrate of the encoded media.
    pub bitrate: Option<Kbps>,
    /// `bl`: media in the player's buffer.
    pub buffer_length: Option<Duration>,
    /// `bs`: the buffer ran empty since the last request, so that playing stopped.
    pub buffer_starved: bool,
    /// `su`: needed urgently, because the player starts, seeks, or recovers from an empty buffer.
    pub startup: bool,
    /// `mtp`: throughput that the client has measured.
    pub measured_throughput: Option<Kbps>,
    /// `rtp`: the most that the client has use for.
    pub requested_throughput: Option<Kbps>,
    /// `nor`, `nrr`: what it will ask for next.
    pub next: Option<NextObject>,
}

/// Kilobits a second: of 1000 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kbps(u32);

impl Kbps {
    /// One that may be believed: more than none, and no more than any client has.
    #[must_use]
    pub fn new(kilobits: u64) -> Option<Self> {
        let believed = (1..=MAX_KBPS).contains(&kilobits);
        u32::try_from(kilobits).ok().filter(|_| believed).map(Self)
    }

    /// Bits a second.
    #[must_use]
    pub fn bits(self) -> u64 {
        u64::from(self.0) * 1000
    }

    /// Bytes a second.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0) * 125
    }
}

/// `ot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// `m`: a manifest or playlist.
    Manifest,
    /// `a`: audio.
    Audio,
    /// `v`: video.
    Video,
    /// `av`: both, muxed.
    Muxed,
    /// `i`: an initialisation segment.
    Init,
    /// `c`, `tt`: captions, subtitles, timed text.
    Text,
    /// `k`: a key, licence or certificate.
    Key,
    /// `o`, and every type that is not known.
    Other,
}

impl ObjectType {
    fn from_token(token: &[u8]) -> Self {
        match token {
            b"m" => Self::Manifest,
            b"a" => Self::Audio,
            b"v" => Self::Video,
            b"av" => Self::Muxed,
            b"i" => Self::Init,
            b"c" | b"tt" => Self::Text,
            b"k" => Self::Key,
            _ => Self::Other,
        }
    }
}

/// `st`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamType {
    /// `v`: on demand.
    OnDemand,
    /// `l`: live.
    Live,
}

/// Whether a route of this policy has any use for CMCD.
#[must_use]
pub fn is_used(policy: &CachePolicy) -> bool {
    let rules = &policy.cmcd;
    rules.figures || rules.priority || rules.pacing || policy.prefetch.as_ref().is_some_and(|prefetch| prefetch.cmcd)
}

/// A target in origin form without its argument of CMCD; `None` where it has none.
#[must_use]
pub fn without_argument(target: &[u8]) -> Option<Vec<u8>> {
    let mark = target.iter().position(|byte| *byte == b'?')?;
    let (path, query) = (&target[..mark], &target[mark + 1..]);
    argument(query)?;
    let others = query.split(|byte| *byte == b'&').filter(|argument| !argument.starts_with(ARGUMENT));
    let others = others.collect::<Vec<_>>().join(&b'&');
    Some(if others.is_empty() { path.to_vec() } else { [path, b"?", &others].concat() })
}

impl Cmcd {
    /// What the request with this query (without `?`, as sent) and these fields says; `None` when it sends no CMCD.
    /// Fields go before the query, and within each of them the first mention of a key counts.
    #[must_use]
    pub fn of(query: Option<&[u8]>, fields: &HeaderMap) -> Option<Self> {
        let argument = query.and_then(argument);
        let lines = || FIELDS.iter().flat_map(|name| fields.get_all(name));
        // A look at the few names there are costs less than looking each of these up, and hardly any request has one.
        if argument.is_none() && !fields.keys().any(|name| FIELDS.contains(name)) {
            return None;
        }
        let mut cmcd = Self::default();
        let mut bounds = Bounds { bytes: MAX_BYTES, keys: MAX_KEYS };
        for line in lines() {
            cmcd.take(line.as_bytes(), &mut bounds);
        }
        if let Some(argument) = argument {
            cmcd.take(&decoded(argument), &mut bounds);
        }
        Some(cmcd)
    }

    /// Whether the player is about to run dry, or has.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.startup || self.buffer_starved
    }

    /// Reads one text. One beyond the bounds is not read at all: what is cut could read as another number.
    fn take(&mut self, text: &[u8], bounds: &mut Bounds) {
        let Some(bytes) = bounds.bytes.checked_sub(text.len()) else { return };
        bounds.bytes = bytes;
        for (key, item) in members(text) {
            let Some(keys) = bounds.keys.checked_sub(1) else { return };
            bounds.keys = keys;
            self.set(key, &item);
        }
    }

    fn set(&mut self, key: &[u8], item: &Item<'_>) {
        match (key, item) {
            (b"ot", Item::Token(token)) => keep(&mut self.object_type, Some(ObjectType::from_token(token))),
            (b"st", Item::Token(b"v")) => keep(&mut self.stream_type, Some(StreamType::OnDemand)),
            (b"st", Item::Token(b"l")) => keep(&mut self.stream_type, Some(StreamType::Live)),
            (b"br", Item::Integer(kilobits)) => keep(&mut self.bitrate, Kbps::new(*kilobits)),
            (b"mtp", Item::Integer(kilobits)) => keep(&mut self.measured_throughput, Kbps::new(*kilobits)),
            (b"rtp", Item::Integer(kilobits)) => keep(&mut self.requested_throughput, Kbps::new(*kilobits)),
            (b"bl", Item::Integer(milliseconds)) => keep(&mut self.buffer_length, duration(*milliseconds)),
            (b"bs", Item::Boolean(starved)) => self.buffer_starved |= starved,
            (b"su", Item::Boolean(startup)) => self.startup |= startup,
            (b"nor", Item::String(text)) => {
                if let Some(reference) = next_object::reference(text) {
                    let next = self.next.get_or_insert_default();
                    next.reference.get_or_insert(reference);
                }
            }
            (b"nrr", Item::String(text)) => {
                if let Some(range) = NextRange::parse(text) {
                    let next = self.next.get_or_insert_default();
                    next.range.get_or_insert(range);
                }
            }
            _ => {}
        }
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) {
    *slot = slot.take().or(value);
}

fn duration(milliseconds: u64) -> Option<Duration> {
    (milliseconds <= MAX_MILLISECONDS).then(|| Duration::from_millis(milliseconds))
}

/// What may still be read of a request.
struct Bounds {
    bytes: usize,
    keys: usize,
}

/// The value of the argument in a query, as sent.
fn argument(query: &[u8]) -> Option<&[u8]> {
    query.split(|byte| *byte == b'&').find_map(|argument| argument.strip_prefix(ARGUMENT))
}

/// Without percent-encoding. `+` is itself: CTA-5004 encodes as RFC 3986 does, not as forms do.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode(text).into()
}
