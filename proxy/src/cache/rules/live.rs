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

/// Times of an error for a piece of a presentation of low latency that may come with the next part: it must not stand for
/// longer than that takes.
#[must_use]
pub fn missing_piece_times(times: StoredTimes, status: StatusCode, pace: Option<Duration>) -> StoredTimes {
    match (status, pace) {
        (StatusCode::NOT_FOUND, Some(pace)) if pace < times.lifetime => silent(times, pace),
        _ => times,
    }
}

/// What the origin states stays as it is.
fn silent(times: StoredTimes, lifetime: Duration) -> StoredTimes {
    if times.source == FreshnessSource::Media { StoredTimes { lifetime, ..times } } else { times }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn missing_piece_of_low_latency_is_looked_for_again_with_the_next_part() {
        let second = Duration::from_secs(1);
        let check = |source, status, pace: Option<u64>, expected: u64| {
            let times = StoredTimes { source, lifetime: second, ..no_times() };
            let pace = pace.map(Duration::from_millis);
            let found = missing_piece_times(times, status, pace).lifetime;
            assert_eq!(found, Duration::from_millis(expected), "{source:?} {status} {pace:?}");
        };
        check(FreshnessSource::Media, StatusCode::NOT_FOUND, Some(200), 200);
        check(FreshnessSource::Media, StatusCode::NOT_FOUND, Some(4000), 1000);
        check(FreshnessSource::Media, StatusCode::NOT_FOUND, None, 1000);
        check(FreshnessSource::Media, StatusCode::GONE, Some(200), 1000); // it will not come again
        check(FreshnessSource::MaxAge, StatusCode::NOT_FOUND, Some(200), 1000);
        check(FreshnessSource::Negative, StatusCode::NOT_FOUND, Some(200), 1000);
    }

    fn no_times() -> StoredTimes {
        StoredTimes {
            response_time: SystemTime::UNIX_EPOCH,
            corrected_initial_age: Duration::ZERO,
            lifetime: Duration::ZERO,
            source: FreshnessSource::Absent,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: None,
            must_revalidate: false,
            no_cache: false,
            immutable: false,
            authorized_reuse: false,
        }
    }
}
