//! What follows what: places of pieces in the playlists that were served.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::Playlist;

/// Bytes of all places, by the lengths of names and targets: some hundred thousand segments, each with the next one.
const CAPACITY: u64 = 32 << 20;

/// Bytes a place takes beside its name and its targets, rounded up.
const OVERHEAD: usize = 160;

/// Bytes a target takes beside itself, rounded up.
const TARGET_OVERHEAD: usize = 32;

/// A place that nobody asked about for so long is forgotten: nobody plays there.
const IDLE: Duration = Duration::from_secs(120);

/// The targets that follow a piece, as many as its policy fetches ahead. Nothing else of its playlist is kept: what has
/// left a live window would keep the whole window that it was in.
type Place = Arc<[Arc<str>]>;

pub(super) struct Places {
    places: Cache<Arc<str>, Place>,
    versions: Cache<Arc<str>, u64>,
}

impl Default for Places {
    fn default() -> Self {
        let weight = |name: &str| u32::try_from(name.len() + OVERHEAD).unwrap_or(u32::MAX);
        let targets = |place: &Place| place.iter().map(|target| target.len() + TARGET_OVERHEAD).sum::<usize>();
        // Targets are shared by the places before them, and weighed with each, as any of these may be the last to go.
        let with_targets = move |name: &Arc<str>, place: &Place| {
            weight(name).saturating_add(u32::try_from(targets(place)).unwrap_or(u32::MAX))
        };
        let places = Cache::builder().max_capacity(CAPACITY).weigher(with_targets).time_to_idle(IDLE).build();
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

    /// Learns the places of a playlist's pieces: what follows each of them, so many pieces ahead.
    pub(super) fn learn(&self, scope: &str, name: &str, playlist: Playlist, ahead: usize) {
        self.versions.insert(name.into(), playlist.version);
        for track in playlist.listing.into_iter().flat_map(|listing| listing.tracks) {
            let targets: Vec<Arc<str>> = track.pieces.into_iter().map(|piece| piece.target.into()).collect();
            for (index, target) in targets.iter().enumerate() {
                let following = targets.iter().skip(index + 1).take(ahead).map(Arc::clone).collect();
                self.places.insert(named(scope, target).into(), following);
            }
        }
    }

    /// The targets that follow this piece.
    pub(super) fn after(&self, name: &str, count: usize) -> impl Iterator<Item = Arc<str>> + use<> {
        let place = self.places.get(name);
        place.into_iter().flat_map(move |following| following.iter().take(count).map(Arc::clone).collect::<Vec<_>>())
    }
}

/// Queries carry sessions and tokens: a piece is known by its path.
fn named(scope: &str, target: &str) -> String {
    format!("{scope}{}", target.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use super::*;
    use crate::media::{Location, PlaylistKind, list};

    /// Bytes of the names and targets that are kept, each once.
    fn kept(places: &Places) -> u64 {
        places.places.run_pending_tasks();
        let mut texts = HashMap::new();
        for (name, following) in &places.places {
            texts.insert(name.as_ptr(), name.len() as u64);
            texts.extend(following.iter().map(|target| (target.as_ptr(), target.len() as u64)));
        }
        texts.values().sum()
    }

    #[test]
    fn places_keep_no_more_than_they_are_weighed_with_whatever_targets_carry() {
        let places = Places::default();
        let place = Location::new("a.test", "/v/index.m3u8").unwrap();
        let signature = "x".repeat(3000);
        // The window of a live playlist moves on by what it holds.
        for version in 0..40_u64 {
            let segments: String =
                (0..500).map(|n| format!("#EXTINF:4,\ns{}.ts?{signature}\n", version * 500 + n)).collect();
            let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n{segments}");
            let listing = list(PlaylistKind::Hls, body.as_bytes(), &place, SystemTime::UNIX_EPOCH).unwrap();
            let playlist = Playlist { version, listing: Some(listing) };
            places.learn("https://a.test", "https://a.test/v/index.m3u8", playlist, 2);
        }
        let kept = kept(&places);
        assert!((1..=CAPACITY).contains(&kept), "{kept} bytes");
    }
}
