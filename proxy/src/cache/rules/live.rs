//! Freshness of what origins hold back (RFC 8216bis section 6.2.5.2), where they do not say themselves.
//!
//! The content of a blocking reload never changes for the worse: whoever asks for the same segment and part is served by
//! it, long after. An error may be over with the next segment or part.

use std::time::Duration;

use http::StatusCode;

use super::freshness::{FreshnessSource, StoredTimes};

/// For how many target durations a playlist that was held back may be kept.
const TARGETS: u32 = 6;

/// Target duration where none is known, as for errors on the first request for a playlist.
const UNKNOWN_TARGET: Duration = Duration::from_secs(2);

/// Times of a blocking reload's response.
#[must_use]
pub fn reload_times(times: StoredTimes, status: StatusCode, target: Option<Duration>) -> StoredTimes {
    let lifetime = match target.unwrap_or(UNKNOWN_TARGET) {
        target if status == StatusCode::OK => target.saturating_mul(TARGETS),
        target => target,
    };
    silent(times, lifetime)
}

/// Times of a response to a request for a part that was announced.
#[must_use]
pub fn hinted_part_times(times: StoredTimes, status: StatusCode, part_target: Option<Duration>) -> StoredTimes {
    match (status, part_target) {
        (StatusCode::NOT_FOUND | StatusCode::GONE, Some(target)) => silent(times, target),
        _ => times,
    }
}

/// What the origin states stays as it is.
fn silent(times: StoredTimes, lifetime: Duration) -> StoredTimes {
    if times.source == FreshnessSource::Media { StoredTimes { lifetime, ..times } } else { times }
}
