//! From asked ranges to existing ones (RFC 9110 sections 14.1.2 and 15.3.7).

use super::{ByteRange, RangeRequest, RangeSpec};

/// Most parts of one multipart answer, after joining. Each part costs a head and a seek.
pub const MAX_PARTS: usize = 16;

/// Ranges nearer than this are sent as one, as the head of another part is about as long (RFC 9110 section 15.3.7.2).
const JOINED_GAP: u64 = 80;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// The whole, as 200.
    Whole,
    /// One part, as 206 with Content-Range.
    Single(ByteRange),
    /// Several disjoint parts, as 206 `multipart/byteranges`.
    Multi(Vec<ByteRange>),
    /// None of it exists: 416 with `bytes */length`.
    Unsatisfiable,
    /// Cannot be told before the length is known.
    NeedsLength,
}

pub(super) fn resolve(request: &RangeRequest, length: Option<u64>) -> Resolved {
    let specs = match request {
        RangeRequest::Whole => return Resolved::Whole,
        RangeRequest::One(spec) => std::slice::from_ref(spec),
        RangeRequest::Many(specs) => specs,
    };
    let Some(length) = length else {
        return Resolved::NeedsLength;
    };
    // Nothing of an empty representation can be named by a Content-Range, although suffixes count as satisfiable.
    if length == 0 && specs.iter().any(|spec| matches!(spec, RangeSpec::Suffix(1..))) {
        return Resolved::Whole;
    }
    let existing: Vec<ByteRange> = specs.iter().filter_map(|spec| existing(*spec, length)).collect();
    answer(join(existing))
}

fn answer(ranges: Vec<ByteRange>) -> Resolved {
    match ranges.as_slice() {
        [] => Resolved::Unsatisfiable,
        [one] => Resolved::Single(*one),
        many if many.len() > MAX_PARTS => Resolved::Whole,
        _ => Resolved::Multi(ranges),
    }
}

fn existing(spec: RangeSpec, length: u64) -> Option<ByteRange> {
    let (start, end) = match spec {
        RangeSpec::FromTo(first, last) => (first, last.saturating_add(1).min(length)),
        RangeSpec::From(first) => (first, length),
        RangeSpec::Suffix(count) => (length.saturating_sub(count), length),
    };
    if start < end { Some(ByteRange { start, end }) } else { None }
}

/// Joins what overlaps or nearly touches, and keeps the asked order otherwise.
fn join(ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut joined: Vec<ByteRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut merged = range;
        let mut place = joined.len();
        // What is kept so far is pairwise apart, but the growing range may bridge several of them.
        while let Some(index) = joined.iter().position(|kept| near(*kept, merged)) {
            let kept = joined.remove(index);
            merged = ByteRange { start: kept.start.min(merged.start), end: kept.end.max(merged.end) };
            place = place.min(index).min(joined.len());
        }
        joined.insert(place.min(joined.len()), merged);
    }
    joined
}

fn near(left: ByteRange, right: ByteRange) -> bool {
    left.start <= right.end.saturating_add(JOINED_GAP) && right.start <= left.end.saturating_add(JOINED_GAP)
}
