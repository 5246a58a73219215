//! Slices, compression, fetching ahead and low-latency HLS of a policy.

use super::range::{check_duration, check_number, check_size};
use crate::document::{BlockingReloadFields, CmcdFields, CompressionFields, DurationText, PrefetchFields, SliceFields};
use crate::model::{BlockingReload, CmcdRules, CompressionRules, PrefetchRules, SliceRules};
use crate::source::{Place, Report};
use crate::units::ByteSize;

/// Sizes of slices. Smaller ones cost a request each for a second of video, larger ones fetch what a seek does not need.
const SLICE_SIZES: [ByteSize; 3] = [ByteSize::mib(1), ByteSize::mib(2), ByteSize::mib(4)];
/// Objects that are always stored in slices: no memory tier holds one of this size whole.
const MOST_THRESHOLD: ByteSize = ByteSize::mib(1024);
/// A coded body below is larger than the plain one.
const LEAST_MIN: ByteSize = ByteSize(64);
/// What compressing is for is smaller than this.
const MOST_MIN: ByteSize = ByteSize::mib(1);
/// Compressing more takes seconds of a core.
const MOST_MAX: ByteSize = ByteSize::mib(64);
/// Segments ahead: what is further away is seldom played.
const MOST_AHEAD: u8 = 8;
/// Fetches ahead a second of one site: as many as a node can make.
const MOST_RATE: u32 = 10_000;
/// The longest that a player waits for a playlist is a few target durations; nobody's is longer than half a minute.
const MOST_BLOCKING: DurationText = DurationText::seconds(120);

pub(super) fn check_slices(fields: &SliceFields, place: &Place<'_>, report: &mut Report) {
    if !SLICE_SIZES.contains(&fields.size.0) {
        report.at(&place.field("size"), "1MiB, 2MiB or 4MiB");
    } else {
        check_size(fields.threshold, fields.size.0..=MOST_THRESHOLD, &place.field("threshold"), report);
    }
}

pub(super) fn convert_slices(fields: &SliceFields) -> SliceRules {
    SliceRules { threshold: fields.threshold.0, size: fields.size.0 }
}

pub(super) fn check_compression(fields: &CompressionFields, place: &Place<'_>, report: &mut Report) {
    let list = place.field("codings");
    if fields.codings.is_empty() {
        report.at(&list, "at least one of zstd, br and gzip (`compression: null` switches it off)");
    }
    for (index, coding) in fields.codings.iter().enumerate() {
        let place = list.element(index);
        if fields.codings[..index].contains(coding) && place.is_sound() {
            report.at(&place, "each coding once");
        }
    }
    let min = check_size(fields.min, LEAST_MIN..=MOST_MIN, &place.field("min"), report);
    check_size(fields.max, min.clamp(LEAST_MIN, MOST_MIN)..=MOST_MAX, &place.field("max"), report);
}

pub(super) fn convert_compression(fields: &CompressionFields) -> CompressionRules {
    let codings = fields.codings.iter().copied().map(Into::into).collect();
    CompressionRules { codings, min: fields.min.0, max: fields.max.0 }
}

pub(super) fn check_prefetch(fields: &PrefetchFields, place: &Place<'_>, report: &mut Report) {
    check_number(fields.ahead, 1..=MOST_AHEAD, &place.field("ahead"), report);
    check_number(fields.rate, 1..=MOST_RATE, &place.field("rate"), report);
}

pub(super) fn convert_prefetch(fields: &PrefetchFields) -> PrefetchRules {
    PrefetchRules { ahead: fields.ahead, rate: fields.rate, cmcd: fields.cmcd }
}

pub(super) fn convert_cmcd(fields: &CmcdFields) -> CmcdRules {
    CmcdRules { figures: fields.figures, priority: fields.priority, pacing: fields.pacing }
}

pub(super) fn check_blocking_reload(fields: &BlockingReloadFields, place: &Place<'_>, report: &mut Report) {
    check_duration(fields.timeout, DurationText::seconds(1)..=MOST_BLOCKING, &place.field("timeout"), report);
}

pub(super) fn convert_blocking_reload(fields: &BlockingReloadFields) -> BlockingReload {
    BlockingReload { timeout: fields.timeout.0 }
}
