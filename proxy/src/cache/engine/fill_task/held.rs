//! What fills know of live media: the time and the freshness of what origins hold back, what a playlist teaches, and when
//! only first bytes tell a part from a film.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{StatusCode, header};

use super::super::fetch::{FetchError, FetchRequest, InterimListener};
use super::super::live::{HeldBack, Learned, held_too_long};
use super::super::object::Object;
use super::arrival::Arrival;
use super::response::Response;
use super::{FillTask, Starter};
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::live::{hinted_part_times, missing_piece_times, reload_times};
use crate::media::{MediaClass, PlaylistKind, inspect, recognise};

/// Largest live playlist learned from: those of hours of two-second segments are smaller.
const MAX_LIVE_PLAYLIST: usize = 1 << 20;

/// Largest one that is read where fills run: its outline takes less than a millisecond. Larger ones are read elsewhere.
const READ_HERE: usize = 64 << 10;

/// Types of MP4 files, whole or in fragments.
const BOTH_FORMS: [&str; 3] = ["video/mp4", "audio/mp4", "application/mp4"];

impl<R: FetchRequest> FillTask<'_, R> {
    /// Sends a request and waits for the head of its response: as long as the origin may hold it back, if it may. Whose
    /// request it is hears what comes before, where that one waits.
    pub(super) async fn receive(&self, request: R) -> Result<(Response, Arrival), FetchError> {
        let hold = request.hold();
        let request = match self.order.starter {
            Starter::Waits => request.heard_by(Arc::clone(self.fill) as Arc<dyn InterimListener>),
            Starter::Background | Starter::Ahead => request,
        };
        let receiving = Response::receive(self.engine.fetch(request));
        let Some(hold) = hold else { return receiving.await };
        // What is dropped here ends its request to the origin, for whose silence nobody blames it.
        tokio::time::timeout(hold.timeout, receiving).await.unwrap_or_else(|_| Err(held_too_long()))
    }

    /// From when on the time that a response took counts into its age (RFC 9111 section 4.2.3). What was held back was
    /// made when the origin let go of it: to count its waiting would make it stale before anybody has it.
    pub(super) fn request_time(&self, response: &Response) -> SystemTime {
        if self.order.request.hold().is_some() { response.response_time } else { response.request_time }
    }

    /// Whether only the first bytes tell a fragment, as parts and segments are, from a whole film: the type is that of
    /// both, and the name is not one that packagers give to fragments alone.
    pub(super) fn may_be_a_fragment(&self, response: &Response) -> bool {
        let Some(value) = response.fields.get(header::CONTENT_TYPE) else { return false };
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let of_both = BOTH_FORMS.iter().any(|known| essence.eq_ignore_ascii_case(known.as_bytes()));
        let known = || recognise(Some(value), &self.order.path, None);
        of_both
            && response.status == StatusCode::OK
            && self.order.policy.media.is_some()
            && matches!(known(), Some(MediaClass::Progressive | MediaClass::Audio))
    }

    /// Times of a response by what was asked for.
    pub(super) fn held_times(&self, times: StoredTimes, status: StatusCode) -> StoredTimes {
        match self.order.request.hold() {
            None if status.is_success() => {
                self.engine.live.has_come(&self.guard.key.primary);
                times
            }
            None => missing_piece_times(times, status, self.engine.live.pace(&self.guard.key.primary)),
            // That of a playlist follows from its own target duration, once that is here. Until then the one before
            // counts: who waited must not find it stale only because many were woken before.
            Some(hold) if hold.why == HeldBack::Reload => reload_times(times, status, hold.target),
            Some(hold) => hinted_part_times(times, status, hold.target),
        }
    }

    /// Knows by a complete playlist that was held back how long it stays fresh.
    pub(super) fn reloaded(&self, mut object: Object) -> Object {
        if self.order.request.hold().is_some_and(|hold| hold.why == HeldBack::Reload)
            && let Some((PlaylistKind::Hls, first)) = self.playlist(&object)
            && let Some(facts) = inspect(MediaClass::Playlist(PlaylistKind::Hls), first)
        {
            object.meta.times = reload_times(object.meta.times, object.meta.status, facts.target_duration);
        }
        object
    }

    /// Learns from a complete playlist that everyone has who waited for it: from each version once, as what it lists may
    /// take long to read, and fills of all sites run here.
    pub(super) fn learn(&self, object: &Arc<Object>) {
        let Some((kind, first)) = self.playlist(object).filter(|(kind, first)| self.has_to_tell(*kind, first)) else {
            return;
        };
        let of = Learned { key: &self.fill.asked.key, path: &self.order.path, lifetime: object.meta.times.lifetime };
        if self.engine.live.learn_again(of, &object.body) {
            return;
        }
        if first.len() <= READ_HERE {
            return self.engine.live.learn_from(of, &object.body, kind, first);
        }
        // Where too many are being read already, the next version teaches.
        let Some(reading) = self.engine.live.admit_reading() else { return };
        let (engine, object, first) = (Arc::clone(self.engine), Arc::clone(object), first.clone());
        let (key, path) = (of.key.clone(), Arc::clone(&self.order.path));
        tokio::task::spawn_blocking(move || {
            let of = Learned { key: &key, path: &path, lifetime: object.meta.times.lifetime };
            engine.live.learn_from(of, &object.body, kind, &first);
            drop(reading);
        });
    }

    /// Whether it has something to tell that is needed here.
    fn has_to_tell(&self, kind: PlaylistKind, first: &[u8]) -> bool {
        first.len() < MAX_LIVE_PLAYLIST
            && match kind {
                PlaylistKind::Hls if self.order.policy.blocking_reload.is_some() => true,
                PlaylistKind::Hls => memchr::memmem::find(first, b"#EXT-X-PART").is_some(),
                PlaylistKind::Dash => memchr::memmem::find(first, b"availabilityTimeOffset").is_some(),
            }
    }

    fn playlist<'o>(&self, object: &'o Object) -> Option<(PlaylistKind, &'o Bytes)> {
        let policy = &self.order.policy;
        let is_media = policy.media.is_some() || policy.blocking_reload.is_some();
        let first = object.body.blocks().first().filter(|_| is_media && object.meta.status == StatusCode::OK)?;
        match recognise(object.meta.headers.get(header::CONTENT_TYPE), &self.order.path, Some(first))? {
            MediaClass::Playlist(kind) => Some((kind, first)),
            _ => None,
        }
    }
}
