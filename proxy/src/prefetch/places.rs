//! What follows what: places of pieces in the playlists that were served.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::Playlist;
use crate::media::{Piece, Track};

/// Bytes of all places, by the lengths of names: some hundred thousand segments.
const CAPACITY: u64 = 32 << 20;

/// Bytes a place takes beside its name, rounded up; its track is shared.
const OVERHEAD: usize = 160;

/// A place that nobody asked about for so long is forgotten: nobody plays there.
const IDLE: Duration = Duration::from_secs(120);

#[derive(Clone)]
struct Place {
    track: Arc<Track>,
    index: usize,
}

pub(super) struct Places {
    places: Cache<Arc<str>, Place>,
    versions: Cache<Arc<str>, u64>,
}

impl Default for Places {
    fn default() -> Self {
        let weight = |name: &str| u32::try_from(name.len() + OVERHEAD).unwrap_or(u32::MAX);
        let places = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |name: &Arc<str>, _: &Place| weight(name))
            .time_to_idle(IDLE)
            .build();
        let versions = Cache::builder()
            .max_capacity(CAPACITY / 16)
            .weigher(move |name: &Arc<str>, _: &u64| weight(name))
            .time_to_idle(IDLE)
            .build();
        Self { places, versions }
    }
}

impl Places {
    /// The version of a playlist that is known.
    pub(super) fn version(&self, name: &str) -> Option<u64> {
        self.versions.get(name)
    }

    /// Whether a piece is known.
    pub(super) fn knows(&self, scope: &str, target: &str) -> bool {
        self.places.contains_key(named(scope, target).as_str())
    }

    /// Learns the places of a playlist's pieces.
    pub(super) fn learn(&self, scope: &str, name: &str, playlist: Playlist) {
        self.versions.insert(name.into(), playlist.version);
        for track in playlist.listing.into_iter().flat_map(|listing| listing.tracks) {
            let track = Arc::new(track);
            for (index, piece) in track.pieces.iter().enumerate() {
                let place = Place { track: Arc::clone(&track), index };
                self.places.insert(named(scope, &piece.target).into(), place);
            }
        }
    }

    /// The pieces that follow this one.
    pub(super) fn after(&self, name: &str, count: usize) -> impl Iterator<Item = Piece> + use<> {
        let place = self.places.get(name);
        place.into_iter().flat_map(move |place| {
            let following = place.track.pieces.iter().skip(place.index + 1).take(count);
            following.cloned().collect::<Vec<_>>()
        })
    }
}

/// Queries carry sessions and tokens: a piece is known by its path.
fn named(scope: &str, target: &str) -> String {
    format!("{scope}{}", target.split('?').next().unwrap_or_default())
}
