//! Recognising media and reading playlists.
//!
//! Owns what a response *is* (by content type and first bytes) and what a playlist says about itself. It does not
//! own how long anything is fresh: that is the cache rules'.

mod low_latency;
mod playlist;
mod recognise;

pub use low_latency::Reload;
pub use playlist::{
    Growth, LeftOut, Listing, Location, MAX_PLAYLIST_BYTES, NotFollowed, Piece, PieceKind, PlaylistFacts, Position,
    Track, Unreadable, inspect, list, outline,
};
pub use recognise::{MediaClass, PlaylistKind, USEFUL_FIRST_BYTES, recognise, recognise_error};

/// Whether a presentation is still being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Presentation {
    /// Not known; treated as live, whose lifetimes are the shorter ones.
    #[default]
    Unknown,
    /// Live.
    Live,
    /// On demand: complete and unchanging.
    OnDemand,
}
