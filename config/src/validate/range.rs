//! Numbers, times and sizes within bounds; the message names both bounds.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::document::{ByteSizeText, DurationText, PercentText, StatusRange};
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

/// Tells when a share is out of its range.
pub(super) fn check_percent(
    value: PercentText,
    range: RangeInclusive<u8>,
    place: &Place<'_>,
    report: &mut Report,
) -> u8 {
    if !range.contains(&value.0) {
        report.at(place, format!("{}% to {}%", range.start(), range.end()));
    }
    value.0
}

/// Ranges of statuses in one list: as many as could ever be told apart.
const MAX_STATUS_RANGES: usize = 64;

/// Tells of statuses out of their range, and of a list without any.
pub(super) fn check_statuses(
    statuses: &[StatusRange],
    range: RangeInclusive<u16>,
    list: &Place<'_>,
    report: &mut Report,
) -> Vec<RangeInclusive<u16>> {
    if statuses.is_empty() {
        report.at(list, "at least one status");
    }
    if !check_length(statuses.len(), MAX_STATUS_RANGES, list, report) {
        return Vec::new();
    }
    for (index, StatusRange { first, last }) in statuses.iter().enumerate() {
        if first > last || !range.contains(first) || !range.contains(last) {
            report.at(&list.element(index), format!("{} to {}, the lesser first", range.start(), range.end()));
        }
    }
    statuses.iter().map(|StatusRange { first, last }| *first..=*last).collect()
}
