//! What fills know of live media: the time and the freshness of what origins hold back, what a playlist teaches, and when
//! only first bytes tell a part from a film.

use std::sync::Arc;
use std::time::SystemTime;

use http::{StatusCode, header};

use super::super::fetch::{FetchError, FetchRequest, InterimListener};
use super::super::live::{HeldBack, held_too_long};
use super::super::object::Object;
use super::FillTask;
use super::arrival::Arrival;
use super::response::Response;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::live::{hinted_part_times, missing_piece_times, reload_times};
use crate::media::{Listing, Location, MediaClass, PlaylistKind, list, recognise};

/// Largest live playlist learned from: those of hours of two-second segments are smaller.
const MAX_LIVE_PLAYLIST: usize = 1 << 20;

/// Types of MP4 files, whole or in fragments.
const BOTH_FORMS: [&str; 3] = ["video/mp4", "audio/mp4", "application/mp4"];

impl<R: FetchRequest> FillTask<'_, R> {
    /// Sends a request and waits for the head of its response: as long as the origin may hold it back, if it may. Who
    /// waits for the fill hears what comes before.
    pub(super) async fn receive(&self, request: R) -> Result<(Response, Arrival), FetchError> {
        let hold = request.hold();
        let listener = Arc::clone(self.fill) as Arc<dyn InterimListener>;
        let receiving = Response::receive(self.engine.fetch(request.heard_by(listener)));
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
            None => missing_piece_times(times, status, self.engine.live.pace(&self.guard.key.primary)),
            // That of a playlist follows from its own target duration, once that is here. Until then the one before
            // counts: who waited must not find it stale only because many were woken before.
            Some(hold) if hold.why == HeldBack::Reload => reload_times(times, status, hold.target),
            Some(hold) => hinted_part_times(times, status, hold.target),
        }
    }

    /// Learns from a complete playlist, and knows by it how long a blocking reload stays fresh.
    pub(super) fn learned(&self, mut object: Object) -> Object {
        let Some(listing) = self.listing_of(&object) else { return object };
        self.engine.live.learn(&self.guard.key.primary, &self.order.path, &listing);
        if self.order.request.hold().is_some_and(|hold| hold.why == HeldBack::Reload) {
            object.meta.times = reload_times(object.meta.times, object.meta.status, listing.target_duration);
        }
        object
    }

    fn listing_of(&self, object: &Object) -> Option<Listing> {
        let policy = &self.order.policy;
        let is_media = policy.media.is_some() || policy.blocking_reload.is_some();
        let first = object.body.blocks().first().filter(|_| is_media && object.meta.status == StatusCode::OK)?;
        let class = recognise(object.meta.headers.get(header::CONTENT_TYPE), &self.order.path, Some(first))?;
        let MediaClass::Playlist(kind) = class else { return None };
        // Others have nothing to tell that is needed here.
        let told = match kind {
            PlaylistKind::Hls if policy.blocking_reload.is_some() => true,
            PlaylistKind::Hls => memchr::memmem::find(first, b"#EXT-X-PART").is_some(),
            PlaylistKind::Dash => memchr::memmem::find(first, b"availabilityTimeOffset").is_some(),
        };
        if first.len() >= MAX_LIVE_PLAYLIST || !told {
            return None;
        }
        // Hosts have no part in it: pieces stay on their own, and those that do not are left out.
        let place = Location::new("this.invalid", &self.order.path)?;
        list(kind, first, &place, SystemTime::now()).ok()
    }
}
