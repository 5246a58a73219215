//! Low-latency HLS in the engine: requests that their origin holds back until what they ask for exists (RFC 8216bis
//! section 6.2.5.2).
//!
//! Owns what is known of live playlists, how many fills may be held back and how many may wait for them. A request that
//! is held back is a fill like any other, only that its silence is no failure: it has a budget of its own, so that it
//! takes no place from fills that work, and its own time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use moka::sync::Cache;

use super::budget::{Admission, Budget};
use super::fetch::FetchError;
use super::held_places::{HeldPlace, HeldPlaces};
use crate::cache::key::CacheKey;
use crate::media::{Listing, PieceKind, Position, Presentation};

/// Requests held back at origins at the same time: a rendition has one for its playlist and one for its next part, so
/// that this is enough for some hundred live channels. Each is a connection of its own over HTTP/1.1. Who may have how
/// many of them stands in `held_places`.
const MAX_HELD: usize = 1024;

/// Clients that wait for them at the same time. The listeners bound connections; this bounds what streams of HTTP/2 and
/// HTTP/3 multiply them to.
const MAX_WAITERS: usize = 65_536;

/// Bytes of what is known, by the lengths of names.
const CAPACITY: u64 = 8 << 20;

/// Bytes an entry takes beside its name, rounded up.
const OVERHEAD: usize = 192;

/// A live playlist that was not seen for so long is forgotten. Longer than target durations are by far.
const MEMORY: Duration = Duration::from_secs(120);

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

/// What is known of all of them.
pub(super) struct LivePlaylists {
    playlists: Cache<Arc<str>, KnownPlaylist>,
    hints: Cache<Arc<str>, Duration>,
    /// Parts that are at the live edge.
    edge: Cache<Arc<str>, ()>,
    /// Of directories with pieces of low latency, how long the next one takes to come.
    paces: Cache<Arc<str>, Duration>,
    held: Arc<HeldPlaces>,
    waiters: Arc<Budget>,
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
        let paces = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, _: &Duration| weight(name))
            .time_to_live(MEMORY)
            .build();
        Self { playlists, hints, edge, paces, held: HeldPlaces::new(MAX_HELD), waiters: Budget::new(MAX_WAITERS, 0) }
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
        self.paces.get(directory(key.without_query()))
    }

    /// Learns from a playlist that has just come. `path` is its own.
    pub(super) fn learn(&self, key: &CacheKey, path: &str, listing: &Listing) {
        let name = key.without_query();
        if listing.presentation != Presentation::Live {
            self.playlists.invalidate(name); // it has ended: nobody is held back any more
            return;
        }
        let Some(site) = name.strip_suffix(path) else { return };
        self.learn_pace(site, listing);
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
    }

    /// Where the pieces of a presentation of low latency are, as far as they have directories of their own.
    fn learn_pace(&self, site: &str, listing: &Listing) {
        let Some(pace) = listing.part_target else { return };
        let last = listing.tracks.iter().filter_map(|track| track.pieces.last()).map(|piece| &piece.target);
        for target in last.chain(&listing.hints) {
            let name = named(site, target);
            self.paces.insert(directory(&name).into(), pace.max(FASTEST));
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
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::cache::key::Scheme;
    use crate::media::{Location, PlaylistKind, list};

    fn key(path: &str, query: Option<&str>) -> CacheKey {
        CacheKey::new(Scheme::Https, "a.test", path, query.map(str::as_bytes))
    }

    fn learn(live: &LivePlaylists, body: &str) {
        let place = Location::new("a.test", "/live/v.m3u8").unwrap();
        let listing = list(PlaylistKind::Hls, body.as_bytes(), &place, SystemTime::now()).unwrap();
        live.learn(&key("/live/v.m3u8", Some("_HLS_msn=1")), "/live/v.m3u8", &listing);
    }

    const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p7.1.mp4?x=1\"\n";

    #[test]
    fn playlist_is_known_whatever_its_query_and_so_is_the_part_that_it_hints_at() {
        let live = LivePlaylists::default();
        learn(&live, LIVE);
        let known = live.playlist(&key("/live/v.m3u8", None)).unwrap();
        assert_eq!((known.position, known.target), (Position { sequence: 7, parts: 1 }, Duration::from_secs(4)));
        assert_eq!(live.hinted(&key("/live/p7.1.mp4", Some("x=1"))), Some(Duration::from_millis(200)));
        assert_eq!(live.hinted(&key("/live/p7.0.mp4", None)), None);
        assert_eq!(live.playlist(&key("/live/w.m3u8", None)), None);
    }

    #[test]
    fn parts_at_the_live_edge_are_known_and_how_soon_the_next_one_comes() {
        let live = LivePlaylists::default();
        let parts: String = (0..40).map(|n| format!("#EXT-X-PART:DURATION=0.2,URI=\"a/p6.{n}.mp4?x\"\n")).collect();
        learn(&live, &LIVE.replace("#EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n", &parts));
        let check = |path: &str, edge: bool, pace: Option<u64>| {
            let key = key(path, Some("session=1"));
            assert_eq!((live.is_at_edge(&key), live.pace(&key)), (edge, pace.map(Duration::from_millis)), "{path}");
        };
        check("/live/p7.1.mp4", true, Some(200)); // announced
        check("/live/a/p6.39.mp4", true, Some(200));
        check("/live/a/p6.24.mp4", true, Some(200));
        check("/live/a/p6.23.mp4", false, Some(200)); // whoever asks for it is behind
        check("/live/a/p6.40.mp4", false, Some(200));
        check("/live/b/p6.39.mp4", false, None);
        check("/vod/p6.39.mp4", false, None);
    }

    #[test]
    fn manifest_of_low_latency_tells_how_soon_the_next_chunk_comes() {
        let check = |attributes: &str, expected: Option<u64>| {
            let live = LivePlaylists::default();
            let body = format!(
                "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period><AdaptationSet>\
                <SegmentTemplate timescale='1000' media='v/$Number$.m4s' {attributes}/><Representation id='1'/>\
                </AdaptationSet></Period></MPD>"
            );
            let place = Location::new("a.test", "/live/x.mpd").unwrap();
            let listing = list(PlaylistKind::Dash, body.as_bytes(), &place, SystemTime::now()).unwrap();
            live.learn(&key("/live/x.mpd", None), "/live/x.mpd", &listing);
            let pace = live.pace(&key("/live/v/99999999.m4s", None));
            assert_eq!(pace, expected.map(Duration::from_millis), "{attributes}");
        };
        check("duration='2000'", None);
        check("duration='2000' availabilityTimeOffset='1.5'", Some(500));
        check("duration='2000' availabilityTimeOffset='1.999'", Some(100));
        check("duration='2000' availabilityTimeOffset='INF'", None);
        check("duration='2000' availabilityTimeOffset='-1'", None);
        check("duration='2000' availabilityTimeOffset='x'", None);
    }

    #[test]
    fn playlist_that_has_ended_is_forgotten() {
        let live = LivePlaylists::default();
        learn(&live, LIVE);
        learn(&live, &format!("{LIVE}#EXT-X-ENDLIST\n"));
        assert_eq!(live.playlist(&key("/live/v.m3u8", None)), None);
    }
}
