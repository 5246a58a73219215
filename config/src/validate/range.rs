//! Numbers, times and sizes within bounds; the message names both bounds.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::document::{ByteSizeText, DurationText};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Tells when a number is out of its range.
pub(super) fn check_number<T: PartialOrd + Display>(
    value: T,
    range: RangeInclusive<T>,
    place: &Place<'_>,
    report: &mut Report,
) -> T {
    if !range.contains(&value) {
        report.at(place, format!("{} to {}", range.start(), range.end()));
    }
    value
}

/// Tells when a list is longer than it may be; it is then not to be looked into.
pub(super) fn check_length(length: usize, most: usize, place: &Place<'_>, report: &mut Report) -> bool {
    if length > most {
        report.found(place, format!("a list of {length}"), format!("at most {most}"));
    }
    length <= most
}

/// Tells when a time is out of its range.
pub(super) fn check_duration(
    value: DurationText,
    range: RangeInclusive<DurationText>,
    place: &Place<'_>,
    report: &mut Report,
) -> Duration {
    if value.0 < range.start().0 || value.0 > range.end().0 {
        report.at(place, format!("{} to {}", range.start().to_text(), range.end().to_text()));
    }
    value.0
}

/// Tells when a size is out of its range.
pub(super) fn check_size(
    value: ByteSizeText,
    range: RangeInclusive<ByteSize>,
    place: &Place<'_>,
    report: &mut Report,
) -> ByteSize {
    if !range.contains(&value.0) {
        report.at(place, format!("{} to {}", range.start(), range.end()));
    }
    value.0
}
