//! What is different in a fill that its origin may hold back: its time, its freshness, and what its playlist teaches.

use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;

use super::super::fetch::{FetchError, FetchRequest};
use super::super::live::{HeldBack, held_too_long};
use super::super::object::Object;
use super::FillTask;
use super::arrival::Arrival;
use super::response::Response;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::live::{hinted_part_times, reload_times};
use crate::media::{Location, MediaClass, PlaylistKind, list};

/// Largest live playlist learned from: those of hours of two-second segments are smaller.
const MAX_LIVE_PLAYLIST: usize = 1 << 20;

impl<R: FetchRequest> FillTask<'_, R> {
    /// Sends a request and waits for the head of its response: as long as the origin may hold it back, if it may.
    pub(super) async fn receive(&self, request: R) -> Result<(Response, Arrival), FetchError> {
        let hold = request.hold();
        let receiving = Response::receive(self.engine.fetch(request));
        let Some(hold) = hold else { return receiving.await };
        // What is dropped here ends its request to the origin, for whose silence nobody blames it.
        tokio::time::timeout(hold.timeout, receiving).await.unwrap_or_else(|_| Err(held_too_long()))
    }

    /// Times of a response by what was asked for.
    pub(super) fn held_times(&self, times: StoredTimes, status: StatusCode) -> StoredTimes {
        match self.order.request.hold() {
            None => times,
            // That of a playlist follows from its own target duration, once that is here.
            Some(hold) if hold.why == HeldBack::Reload && status == StatusCode::OK => times,
            Some(hold) if hold.why == HeldBack::Reload => reload_times(times, status, hold.target),
            Some(hold) => hinted_part_times(times, status, hold.target),
        }
    }

    /// Learns from a complete playlist, and knows by it how long a blocking reload stays fresh.
    pub(super) fn learn(&self, object: &mut Object, class: Option<MediaClass>, first: &Bytes) {
        let is_hls = class == Some(MediaClass::Playlist(PlaylistKind::Hls)) && object.meta.status == StatusCode::OK;
        let low_latency = self.order.policy.blocking_reload.is_some();
        if !is_hls || !low_latency || first.len() >= MAX_LIVE_PLAYLIST {
            return;
        }
        // Hosts have no part in it: hints stay on their own, and those that do not are left out.
        let Some(place) = Location::new("this.invalid", &self.order.path) else { return };
        let Ok(listing) = list(PlaylistKind::Hls, first, &place, SystemTime::now()) else { return };
        self.engine.live.learn(&self.guard.key.primary, &self.order.path, &listing);
        if self.order.request.hold().is_some_and(|hold| hold.why == HeldBack::Reload) {
            object.meta.times = reload_times(object.meta.times, object.meta.status, listing.target_duration);
        }
    }
}
