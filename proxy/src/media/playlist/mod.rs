//! What a playlist says about itself (whether it will change, and how fast) and what it lists.

mod dash;
mod hls;
mod listing;
mod location;

use std::time::Duration;

pub use dash::Growth;
pub use listing::{LeftOut, Listing, MAX_PLAYLIST_BYTES, Piece, PieceKind, Position, Track, Unreadable, list, outline};
pub use location::{Location, NotFollowed};

use super::{MediaClass, PlaylistKind, Presentation};

/// How much of the beginning is read. The root element of a manifest and the header of a playlist stand there, and
/// live playlists fit whole; a mebibyte of an HLS playlist is some ten hours of segments.
const SCANNED_HEAD: usize = 1024 * 1024;

/// How much of the end is read beyond that: `EXT-X-ENDLIST` stands on the last lines by custom.
const SCANNED_TAIL: usize = 4 * 1024;

/// Facts of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaylistFacts {
    /// Its kind.
    pub kind: PlaylistKind,
    /// Whether it will change; a multivariant playlist does not say.
    pub presentation: Presentation,
    /// Target duration (HLS) or minimum update period (DASH), where stated.
    pub target_duration: Option<Duration>,
}

/// Reads a playlist that was recognised as such; nothing for other media. Looks at a bounded part of the body. What
/// cannot be read, compressed bodies too, has an unknown presentation.
#[must_use]
pub fn inspect(class: MediaClass, body: &[u8]) -> Option<PlaylistFacts> {
    let MediaClass::Playlist(kind) = class else {
        return None;
    };
    let (presentation, target_duration) = match kind {
        PlaylistKind::Hls => hls::inspect(body),
        PlaylistKind::Dash => dash::inspect(body),
    };
    Some(PlaylistFacts { kind, presentation, target_duration })
}

fn head(body: &[u8]) -> &[u8] {
    &body[..body.len().min(SCANNED_HEAD)]
}

/// The end of the body beyond [`head`], without the piece of a line that it begins with.
fn tail(body: &[u8]) -> &[u8] {
    let start = body.len().saturating_sub(SCANNED_TAIL).max(SCANNED_HEAD.min(body.len()));
    let tail = &body[start..];
    let line = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |end| end + 1);
    &tail[line..]
}

#[cfg(test)]
mod tests;
