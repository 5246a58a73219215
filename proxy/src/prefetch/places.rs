//! What follows what: places of pieces in the playlists that were served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use moka::sync::Cache;

use super::Playlist;
use crate::media::{Growth, Piece, PieceKind, Presentation};

/// Bytes of all places, by the lengths of names and targets: some hundred thousand segments, each with the next one.
const CAPACITY: u64 = 32 << 20;

/// Bytes a place takes beside its name and its targets, rounded up.
const OVERHEAD: usize = 160;

/// Bytes a target takes beside itself, rounded up.
const TARGET_OVERHEAD: usize = 32;

/// A place that nobody asked about for so long is forgotten: nobody plays there.
const IDLE: Duration = Duration::from_secs(120);

/// How long it counts that somebody has asked for a piece: as long as players are at it, or near.
const ASKED: Duration = Duration::from_secs(30);

/// Segments looked at for the one that was asked for, where further ones come with time alone: a player may be so many
/// behind the newest.
const LOOKED_AT: usize = 32;

/// The targets that follow a piece, as many as its policy fetches ahead. Nothing else of its playlist is kept: what has
/// left a live window would keep the whole window that it was in.
type Place = Arc<[Arc<str>]>;

pub(super) struct Places {
    places: Cache<Arc<str>, Place>,
    versions: Cache<Arc<str>, u64>,
    /// What comes behind the last pieces that are known.
    growing: Cache<Arc<str>, Arc<Growth>>,
    /// Pieces that somebody has asked for a moment ago.
    asked: Cache<Arc<str>, ()>,
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
        let growing = Cache::builder()
            .max_capacity(CAPACITY / 4)
            .weigher(move |name: &Arc<str>, growth: &Arc<Growth>| {
                weight(name).saturating_add(u32::try_from(growth.weight()).unwrap_or(u32::MAX))
            })
            .time_to_idle(IDLE)
            .build();
        let asked = Cache::builder()
            .max_capacity(CAPACITY / 4)
            .weigher(move |name: &Arc<str>, (): &()| weight(name))
            .time_to_live(ASKED)
            .build();
        Self { places, versions, growing, asked }
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
        let Some(listing) = playlist.listing else { return };
        let is_complete = listing.presentation == Presentation::OnDemand;
        for track in listing.tracks {
            // What players ask for after the initialisation segment of a live presentation is at its end.
            let pieces = track.pieces.into_iter().skip_while(|piece| !is_complete && piece.kind == PieceKind::Init);
            let targets: Vec<Arc<str>> = pieces.map(|piece| piece.target.into()).collect();
            self.learn_track(scope, &targets, track.growth.as_ref(), ahead);
        }
    }

    fn learn_track(&self, scope: &str, targets: &[Arc<str>], growth: Option<&Arc<Growth>>, ahead: usize) {
        for (index, target) in targets.iter().enumerate() {
            let following: Place = targets.iter().skip(index + 1).take(ahead).map(Arc::clone).collect();
            let name: Arc<str> = named(scope, target).into();
            if let Some(growth) = growth.filter(|_| following.len() < ahead) {
                self.growing.insert(Arc::clone(&name), Arc::clone(growth));
            }
            self.places.insert(name, following);
        }
    }

    /// The targets that follow this piece, which somebody has asked for now. Where too few are known of a track that grows
    /// by itself, it is looked for more.
    pub(super) fn after(&self, scope: &str, name: &str, count: usize, now: SystemTime) -> Vec<Arc<str>> {
        let Some(mut following) = self.places.get(name) else { return Vec::new() };
        self.asked.insert(name.into(), ());
        if following.len() < count
            && let Some(growth) = self.growing.get(name)
        {
            let newest: Vec<Arc<str>> = growth.newest(now, LOOKED_AT).into_iter().map(Arc::from).collect();
            let own = newest.iter().position(|target| named(scope, target) == name);
            // One more than before, beside its own: a manifest may name what is not believed to be there yet.
            if let Some(track) = own.and_then(|own| newest.get(own..)).filter(|track| track.len() > following.len() + 1)
            {
                self.learn_track(scope, track, Some(&growth), count);
                following = self.places.get(name).unwrap_or(following);
            }
        }
        following.iter().take(count).map(Arc::clone).collect()
    }

    /// The pieces of a track that follow the last one that somebody has asked for a moment ago.
    pub(super) fn behind_players<'t>(&self, scope: &str, pieces: &'t [Piece], count: usize) -> &'t [Piece] {
        let asked = pieces.iter().rposition(|piece| self.asked.contains_key(named(scope, &piece.target).as_str()));
        let following = asked.map_or(&[][..], |last| &pieces[last + 1..]);
        &following[..following.len().min(count)]
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

    /// Half an hour into a live presentation in segments of two seconds, numbered from 1: 899 and what will be 900.
    #[test]
    fn segments_that_come_with_time_follow_without_a_new_manifest() {
        let (places, scope) = (Places::default(), "https://a.test");
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
        let body = "<MPD type='dynamic' availabilityStartTime='2027-01-15T08:00:00Z' timeShiftBufferDepth='PT1H'><Period>\
            <AdaptationSet><SegmentTemplate duration='2' initialization='$RepresentationID$/i.mp4' \
            media='$RepresentationID$/$Number$.m4s?t=1'/><Representation id='v1'/><Representation id='v2'/>\
            </AdaptationSet></Period></MPD>";
        let place = Location::new("a.test", "/live/x.mpd").unwrap();
        let listing = list(PlaylistKind::Dash, body.as_bytes(), &place, at(1800)).unwrap();
        places.learn(scope, "https://a.test/live/x.mpd", Playlist { version: 1, listing: Some(listing) }, 2);
        let check = |name: &str, seconds: u64, expected: &[&str]| {
            let found = places.after(scope, &format!("{scope}/live/{name}"), 2, at(seconds));
            let expected: Vec<String> = expected.iter().map(|name| format!("/live/{name}?t=1")).collect();
            assert_eq!(found.iter().map(|target| &**target).collect::<Vec<_>>(), expected, "{name} at {seconds}");
        };
        check("v1/i.mp4", 1800, &[]);
        check("v1/897.m4s", 1800, &["v1/898.m4s", "v1/899.m4s"]);
        check("v1/899.m4s", 1800, &["v1/900.m4s"]); // listed, and over by now
        check("v1/900.m4s", 1802, &[]); // 901 has just ended
        check("v1/900.m4s", 1804, &["v1/901.m4s"]);
        check("v1/901.m4s", 1808, &["v1/902.m4s", "v1/903.m4s"]);
        // Hours later, step by step, and never what nobody has come to.
        for number in 902..5000_u64 {
            let next = number + 1;
            check(&format!("v1/{number}.m4s"), 2 * next + 1, &[&format!("v1/{next}.m4s")]);
        }
        check("v2/4000.m4s", 9999, &[]);
        check("v1/5000.m4s", 20_000, &[]); // it paused for too long
    }
}
