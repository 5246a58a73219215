//! Low-latency HLS in the engine: requests that their origin holds back until what they ask for exists (RFC 8216bis
//! section 6.2.5.2).
//!
//! Owns what is known of live playlists, how many fills may be held back and how many may wait for them. A request that
//! is held back is a fill like any other, only that its silence is no failure: it has a budget of its own, so that it
//! takes no place from fills that work, and its own time.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use moka::sync::Cache;

use super::body::Body;
use super::budget::{Admission, Budget};
use super::clock;
use super::fetch::FetchError;
use super::held_places::{HeldPlace, HeldPlaces};
use crate::cache::key::CacheKey;
use crate::media::{Listing, Location, PieceKind, PlaylistKind, Position, Presentation, outline};

/// Requests held back at origins at the same time: a rendition has one for its playlist and one for its next part, so
/// that this is enough for some hundred live channels. Each is a connection of its own over HTTP/1.1. Who may have how
/// many of them stands in `held_places`.
const MAX_HELD: usize = 1024;

/// Clients that wait for them at the same time. The listeners bound connections; this bounds what streams of HTTP/2 and
/// HTTP/3 multiply them to.
const MAX_WAITERS: usize = 65_536;

/// Large playlists that are read at the same time.
const MAX_READINGS: usize = 4;

/// Bytes of what is known, by the lengths of names.
const CAPACITY: u64 = 8 << 20;

/// Bytes an entry takes beside its name, rounded up.
const OVERHEAD: usize = 192;

/// A live playlist that was not seen for so long is forgotten. Longer than target durations are by far.
const MEMORY: Duration = Duration::from_secs(120);

/// The longest freshness of a manifest that counts for how long its pace is believed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a hinted part is expected, and a part counts as one at the live edge.
const EXPECTED: Duration = Duration::from_secs(30);

/// Parts of a playlist that are at the live edge, by the end: a player of the shortest ones begins three seconds behind.
const PARTS_AT_EDGE: usize = 16;

/// The shortest time between pieces that is believed: what is missing must not become a request at each blink.
const FASTEST: Duration = Duration::from_millis(100);

/// Why a request may be held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// It asks for a version of a playlist that is to come.
    Reload,
    /// It asks for a part that a playlist has announced.
    HintedPart,
}

/// A request that its origin may hold back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub why: HeldBack,
    /// How long the response is waited for.
    pub timeout: Duration,
    /// Target duration of the playlist, or of its parts, where known.
    pub target: Option<Duration>,
}

/// What is known of a live playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPlaylist {
    /// How far it was.
    pub position: Position,
    /// When.
    pub at: Instant,
    /// Its target duration.
    pub target: Duration,
    /// That of its parts.
    pub part_target: Option<Duration>,
}

/// How long the next piece takes to come, and until when that is believed.
#[derive(Clone, Copy)]
struct Pace {
    pace: Duration,
    until: SystemTime,
}

/// What a playlist has told, for when the origin says that it is still the same.
#[derive(Clone)]
struct Lesson {
    of: Weak<Body>,
    listing: Arc<Listing>,
}

/// Whose playlist is learned from, and for how long it is fresh.
#[derive(Clone, Copy)]
pub(super) struct Learned<'a> {
    /// Its key.
    pub(super) key: &'a CacheKey,
    /// Its path.
    pub(super) path: &'a str,
    /// Its freshness: players and caches keep it as long.
    pub(super) lifetime: Duration,
}

/// What is known of all of them.
pub(super) struct LivePlaylists {
    playlists: Cache<Arc<str>, KnownPlaylist>,
    hints: Cache<Arc<str>, Duration>,
    /// Parts that are at the live edge.
    edge: Cache<Arc<str>, ()>,
    /// Of directories with pieces of low latency, how long the next one takes to come.
    paces: Cache<Arc<str>, Pace>,
    /// By whole keys: another query may have another body.
    lessons: Cache<Arc<str>, Lesson>,
    held: Arc<HeldPlaces>,
    waiters: Arc<Budget>,
    readings: Arc<Budget>,
}

impl Default for LivePlaylists {
    fn default() -> Self {
        let weight = |name: &str| u32::try_from(name.len() + OVERHEAD).unwrap_or(u32::MAX);
        let playlists = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, _: &KnownPlaylist| weight(name))
            .time_to_live(MEMORY)
            .build();
        let hints = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, _: &Duration| weight(name))
            .time_to_live(EXPECTED)
            .build();
        let edge = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, (): &()| weight(name))
            .time_to_live(EXPECTED)
            .build();
        let paces =
            Cache::builder().max_capacity(CAPACITY).weigher(move |name: &Arc<str>, _: &Pace| weight(name)).build();
        let lessons = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, lesson: &Lesson| {
                let kept = size_of::<Body>() + lesson.listing.weight(); // the place of a body lasts as long as whoever knows it
                weight(name).saturating_add(u32::try_from(kept).unwrap_or(u32::MAX))
            })
            .build();
        Self {
            playlists,
            hints,
            edge,
            paces,
            lessons,
            held: HeldPlaces::new(MAX_HELD),
            waiters: Budget::new(MAX_WAITERS, 0),
            readings: Budget::new(MAX_READINGS, 0),
        }
    }
}

impl LivePlaylists {
    /// What is known of this playlist, whatever the query.
    pub(super) fn playlist(&self, key: &CacheKey) -> Option<KnownPlaylist> {
        self.playlists.get(key.without_query())
    }

    /// The target duration of the part that is asked for, if a playlist has announced it.
    pub(super) fn hinted(&self, key: &CacheKey) -> Option<Duration> {
        self.hints.get(key.without_query())
    }

    /// Whether it is a part that players ask for as soon as it is there.
    pub(super) fn is_at_edge(&self, key: &CacheKey) -> bool {
        self.edge.contains_key(key.without_query())
    }

    /// How long the next piece takes to come where this one belongs, if that is a presentation of low latency.
    pub(super) fn pace(&self, key: &CacheKey) -> Option<Duration> {
        self.paces
            .get(directory(key.without_query()))
            .filter(|known| known.until > clock::now())
            .map(|known| known.pace)
    }

    /// Notes that a piece has come: the pace of those beside it goes on to be believed, as players may go on for hours with
    /// the manifest that they began with.
    pub(super) fn has_come(&self, key: &CacheKey) {
        let name = directory(key.without_query());
        let (now, until) = (clock::now(), clock::now() + MEMORY);
        if let Some(known) = self.paces.get(name).filter(|known| known.until > now && known.until < until) {
            self.paces.insert(name.into(), Pace { until, ..known });
        }
    }

    /// Learns once more from a playlist that the origin says is the same. Whether it was learned from before.
    pub(super) fn learn_again(&self, of: Learned<'_>, body: &Arc<Body>) -> bool {
        let known = self.lessons.get(of.key.as_str()).filter(|lesson| lesson.of.as_ptr() == Arc::as_ptr(body));
        known.inspect(|lesson| self.learn(of, &lesson.listing)).is_some()
    }

    /// Learns from a playlist that has just come, and keeps what it has told.
    pub(super) fn learn_from(&self, of: Learned<'_>, body: &Arc<Body>, kind: PlaylistKind, text: &[u8]) {
        // Hosts have no part in it: pieces stay on their own, and those that do not are left out.
        let Some(place) = Location::new("this.invalid", of.path) else { return };
        let Ok(listing) = outline(kind, text, &place, SystemTime::now()) else { return };
        self.learn(of, &listing);
        self.lessons.insert(of.key.as_str().into(), Lesson { of: Arc::downgrade(body), listing: Arc::new(listing) });
    }

    /// Admits one more playlist that takes long to read.
    pub(super) fn admit_reading(&self) -> Option<Admission> {
        self.readings.admit()
    }

    fn learn(&self, of: Learned<'_>, listing: &Listing) {
        let name = of.key.without_query();
        if listing.presentation != Presentation::Live {
            self.playlists.invalidate(name); // it has ended: nobody is held back any more
            return;
        }
        let Some(site) = name.strip_suffix(of.path) else { return };
        self.learn_pace(site, listing, of.lifetime);
        let (Some(position), Some(target)) = (listing.position, listing.target_duration) else { return };
        let known = KnownPlaylist { position, at: Instant::now(), target, part_target: listing.part_target };
        self.playlists.insert(name.into(), known);
        let part = listing.part_target.unwrap_or(target);
        for hint in &listing.hints {
            self.hints.insert(named(site, hint), part);
            self.edge.insert(named(site, hint), ());
        }
        let parts = listing.tracks.iter().flat_map(|track| &track.pieces).filter(|piece| piece.kind == PieceKind::Part);
        for piece in parts.rev().take(PARTS_AT_EDGE) {
            self.edge.insert(named(site, &piece.target), ());
        }
        // Parts may be ranges of the segment that they make up: once it is whole, only who is behind asks for it.
        let pieces = listing.tracks.iter().flat_map(|track| &track.pieces);
        for piece in pieces.filter(|piece| piece.kind == PieceKind::Segment) {
            self.edge.invalidate(&named(site, &piece.target));
        }
    }

    /// Where the pieces of a presentation of low latency are, as far as they have directories of their own.
    fn learn_pace(&self, site: &str, listing: &Listing, lifetime: Duration) {
        let Some(pace) = listing.part_target else { return };
        let until = clock::now() + lifetime.clamp(MEMORY, LONGEST);
        let last = listing.tracks.iter().filter_map(|track| track.pieces.last()).map(|piece| &piece.target);
        for target in last.chain(&listing.hints) {
            let name = named(site, target);
            self.paces.insert(directory(&name).into(), Pace { pace: pace.max(FASTEST), until });
        }
    }

    /// Admits one more fill of this site that is held back.
    pub(super) fn admit(&self, site: &str, key: &CacheKey) -> Option<HeldPlace> {
        self.held.admit(site, key.without_query())
    }

    /// Admits one more client that waits for one.
    pub(super) fn admit_waiter(&self) -> Option<Admission> {
        self.waiters.admit()
    }
}

/// The name of a target of this site: queries carry sessions and tokens.
fn named(site: &str, target: &str) -> Arc<str> {
    format!("{site}{}", target.split('?').next().unwrap_or_default()).into()
}

/// What a name has in common with those beside it.
fn directory(name: &str) -> &str {
    name.rfind('/').map_or(name, |end| &name[..=end])
}

/// The server of a playlist answers so when it has held a request back for too long (RFC 8216bis section 6.2.5.2), and
/// so does this node in its place.
pub(super) fn held_too_long() -> FetchError {
    let reason = "what the request asks for did not come within blocking_reload.timeout".to_owned();
    FetchError { status: StatusCode::SERVICE_UNAVAILABLE, reason }
}

/// More than one playlist, or one site, may have held back.
pub(super) fn too_many_held() -> FetchError {
    let reason = "too many different requests for this playlist or part, or of its site, are held back".to_owned();
    FetchError { status: StatusCode::SERVICE_UNAVAILABLE, reason }
}

/// More than may wait.
pub(super) fn too_many_waiters() -> FetchError {
    let reason = "too many requests wait for what is to come".to_owned();
    FetchError { status: StatusCode::SERVICE_UNAVAILABLE, reason }
}

#[cfg(test)]
mod tests;
