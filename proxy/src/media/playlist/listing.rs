//! What a playlist lists: other playlists, and the pieces of media in the order in which players ask for them.
//!
//! Owns the types and their bounds; `hls` and `dash` fill them in. Every reference is resolved against the playlist's
//! own place, and only what stays on its host is kept: a playlist must not send this node anywhere else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::location::{Location, NotFollowed};
use super::{Growth, PlaylistKind, Presentation, dash, hls};

/// Largest playlist that is read for what it lists: a day of two-second segments has less than three mebibytes.
pub const MAX_PLAYLIST_BYTES: usize = 8 * 1024 * 1024;

/// Most pieces kept of one playlist, over all its tracks: a day of two-second segments.
const MAX_PIECES: usize = 43_200;

/// Most bytes of their targets: enough for that day with signed queries. What is written short may be long when it is
/// resolved against its base.
const MAX_PIECE_BYTES: usize = 16 * 1024 * 1024;

/// Most tracks kept of one manifest; the richest ladders with all their languages have some dozens.
const MAX_TRACKS: usize = 256;

/// Most playlists kept of one multivariant playlist, for the same reason.
const MAX_PLAYLISTS: usize = 256;

/// Newest pieces of a track in an outline: a player of the shortest parts begins three seconds behind the live edge.
pub(super) const OUTLINED: usize = 16;

/// How much of what a playlist lists is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All, within the bounds.
    Whole,
    /// See [`outline`].
    Outline,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// An initialisation segment.
    Init,
    /// A whole segment.
    Segment,
    /// A part of a segment (RFC 8216bis section 4.4.4.9).
    Part,
}

/// Something that players fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Path and query on the playlist's host.
    pub target: Box<str>,
    /// What it is.
    pub kind: PieceKind,
}

/// Pieces that follow each other. Byte ranges of one file are one piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Track {
    /// In the order of playing.
    pub pieces: Vec<Piece>,
    /// Where further ones come with time alone.
    pub growth: Option<Arc<Growth>>,
    /// Whether it is a manifest's only track of video, or of audio, so that whoever plays it plays this.
    pub is_alone: bool,
}

/// How far a live playlist has come (RFC 8216bis section 6.2.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Media sequence number of the last segment that is there, whole or in part.
    pub sequence: u64,
    /// How many of its parts are there, when it is not whole.
    pub parts: u32,
}

/// References that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// To other hosts, or in other schemes.
    pub foreign: usize,
    /// No references at all, or with variables that only players resolve.
    pub malformed: usize,
    /// Beyond the bounds.
    pub beyond: usize,
}

/// What a playlist lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its kind.
    pub kind: PlaylistKind,
    /// Whether it will change.
    pub presentation: Presentation,
    /// Target duration of HLS.
    pub target_duration: Option<Duration>,
    /// Target duration of parts; of DASH, that of chunks where segments can be asked for before they end.
    pub part_target: Option<Duration>,
    /// Whether its server holds back requests with `_HLS_msn` (`CAN-BLOCK-RELOAD`).
    pub blocks_reload: bool,
    /// How far it has come.
    pub position: Option<Position>,
    /// Playlists of renditions.
    pub playlists: Vec<Box<str>>,
    /// Playlists of other renditions, and how far those have come (`EXT-X-RENDITION-REPORT`).
    pub reports: Vec<(Box<str>, Position)>,
    /// Parts that do not exist yet (`EXT-X-PRELOAD-HINT`).
    pub hints: Vec<Box<str>>,
    /// What is played.
    pub tracks: Vec<Track>,
    /// What is not in here.
    pub left_out: LeftOut,
}

impl Listing {
    /// Bytes that it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let pieces = self.tracks.iter().flat_map(|track| &track.pieces).map(|piece| &piece.target);
        let reports = self.reports.iter().map(|(target, _)| target);
        let targets = self.playlists.iter().chain(&self.hints).chain(reports).chain(pieces);
        size_of::<Self>()
            + self.tracks.len() * size_of::<Track>()
            + targets.map(|target| size_of::<Piece>() + target.len()).sum::<usize>()
    }
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is larger than [`MAX_PLAYLIST_BYTES`].
    #[error("the playlist is larger than {} MiB", MAX_PLAYLIST_BYTES >> 20)]
    TooLarge,
    /// It is something else.
    #[error("it is no playlist")]
    NoPlaylist,
    /// It has a document type declaration. No manifest needs one, and entities can be made to grow without end.
    #[error("the manifest declares a document type, which is not read")]
    DocumentType,
    /// It is nested deeper than any manifest.
    #[error("the manifest is nested too deep")]
    TooDeep,
    /// It has more representations than any manifest.
    #[error("the manifest has too many representations")]
    TooMany,
    /// It breaks the rules of XML.
    #[error("the manifest is no well-formed XML")]
    Malformed,
}

/// Reads what the playlist at this place lists. `now` says what of a live presentation is there already.
///
/// # Errors
/// When it cannot be read. Single references that cannot be followed are counted, not errors.
pub fn list(kind: PlaylistKind, body: &[u8], place: &Location, now: SystemTime) -> Result<Listing, Unreadable> {
    read(kind, body, Collector::new(kind, place.clone(), Extent::Whole), now)
}

/// The same in outline: what a playlist says of itself, how far it is, and of each track no more than its newest pieces;
/// of a manifest's, one that tells where they are. No playlists. What it takes follows from the length of the text alone,
/// whatever window it stands for.
///
/// # Errors
/// When it cannot be read.
pub fn outline(kind: PlaylistKind, body: &[u8], place: &Location, now: SystemTime) -> Result<Listing, Unreadable> {
    read(kind, body, Collector::new(kind, place.clone(), Extent::Outline), now)
}

fn read(kind: PlaylistKind, body: &[u8], collector: Collector, now: SystemTime) -> Result<Listing, Unreadable> {
    if body.len() > MAX_PLAYLIST_BYTES {
        return Err(Unreadable::TooLarge);
    }
    match kind {
        PlaylistKind::Hls => hls::list(body, collector),
        PlaylistKind::Dash => dash::list(body, collector, now),
    }
}

/// A listing in the making: resolves and bounds.
pub(super) struct Collector {
    pub(super) place: Location,
    pub(super) listing: Listing,
    pub(super) extent: Extent,
    pieces: usize,
    bytes: usize,
}

impl Collector {
    fn new(kind: PlaylistKind, place: Location, extent: Extent) -> Self {
        let listing = Listing {
            kind,
            presentation: Presentation::Unknown,
            target_duration: None,
            part_target: None,
            blocks_reload: false,
            position: None,
            playlists: Vec::new(),
            reports: Vec::new(),
            hints: Vec::new(),
            tracks: Vec::new(),
            left_out: LeftOut::default(),
        };
        Self { place, listing, extent, pieces: 0, bytes: 0 }
    }

    /// How many pieces there is room for yet, if they are short enough.
    pub(super) fn room(&self) -> usize {
        if self.bytes > MAX_PIECE_BYTES { 0 } else { MAX_PIECES - self.pieces }
    }

    /// Resolves a reference against `base`; one that cannot be followed is counted.
    pub(super) fn resolve(&mut self, base: &Location, reference: &str) -> Option<Box<str>> {
        match base.join(reference) {
            Ok(location) => Some(location.into_target()),
            Err(NotFollowed::Foreign) => {
                self.listing.left_out.foreign += 1;
                None
            }
            Err(NotFollowed::Malformed) => {
                self.malformed();
                None
            }
        }
    }

    /// The same against the playlist's own place.
    pub(super) fn own(&mut self, reference: &str) -> Option<Box<str>> {
        let place = self.place.clone();
        self.resolve(&place, reference)
    }

    pub(super) fn malformed(&mut self) {
        self.listing.left_out.malformed += 1;
    }

    pub(super) fn beyond(&mut self, count: usize) {
        self.listing.left_out.beyond = self.listing.left_out.beyond.saturating_add(count);
    }

    /// Adds another playlist.
    pub(super) fn playlist(&mut self, reference: &str) {
        if self.extent == Extent::Outline {
            return;
        }
        let Some(target) = self.own(reference) else { return };
        if self.listing.playlists.contains(&target) {
            return; // variants share audio
        }
        if self.listing.playlists.len() == MAX_PLAYLISTS {
            return self.beyond(1);
        }
        self.listing.playlists.push(target);
    }

    /// Adds a piece to a track that is not in the listing yet.
    pub(super) fn piece(&mut self, track: &mut Track, base: &Location, reference: &str, kind: PieceKind) {
        if self.room() == 0 {
            return self.beyond(1);
        }
        let Some(target) = self.resolve(base, reference) else { return };
        if track.pieces.last().is_some_and(|last| last.target == target) {
            return; // another range of the same file
        }
        self.bytes += target.len();
        if self.bytes > MAX_PIECE_BYTES {
            return self.beyond(1); // and so are all that follow, which are not even resolved
        }
        self.pieces += 1;
        track.pieces.push(Piece { target, kind });
    }

    /// Adds a track.
    pub(super) fn track(&mut self, track: Track) {
        if track.pieces.is_empty() {
            return;
        }
        if self.listing.tracks.len() == MAX_TRACKS {
            return self.beyond(track.pieces.len());
        }
        self.listing.tracks.push(track);
    }
}
