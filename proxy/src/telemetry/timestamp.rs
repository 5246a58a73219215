//! Points of time as the logs write them: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::time::SystemTime;

use time::OffsetDateTime;

/// Displays a point of time as `2026-11-21T08:00:00.000Z`.
pub struct Timestamp(pub SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from(self.0);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second, millisecond) = (time.hour(), time.minute(), time.second(), time.millisecond());
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn time_is_written_in_utc_with_milliseconds() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (1_795_248_059_999, "2026-11-21T08:00:59.999Z"),
        ] {
            assert_eq!(Timestamp(UNIX_EPOCH + Duration::from_millis(milliseconds)).to_string(), expected);
        }
    }
}
