//! Range requests (RFC 9110, section 14): which bytes of a file are asked for. Pure.

use std::ops::RangeInclusive;

/// More ranges than any player asks for at once; more still get the whole file, which section 14.2 allows, so that
/// nobody makes us send thousands of small parts.
const MAX_RANGES: usize = 16;

/// Ranges closer to each other than this many bytes are sent as one: the header of a part costs about as much.
const MERGE_GAP: u64 = 80;

/// Which bytes to send. Ranges are inclusive at both ends and lie within the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// No usable range was asked for: the whole file.
    Whole,
    /// One range.
    Single(RangeInclusive<u64>),
    /// Several, in the order they were asked for unless some overlapped.
    Several(Vec<RangeInclusive<u64>>),
    /// None of the ranges lies within the file.
    Unsatisfiable,
}

/// Reads a `Range` field for a file of this length in bytes. What is malformed, or in another unit than bytes, is
/// ignored (section 14.2).
pub(crate) fn select(field: &str, length: u64) -> Selection {
    let Some((unit, ranges)) = field.split_once('=') else {
        return Selection::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Selection::Whole;
    }
    let mut selected = Vec::new();
    let mut asked_for = 0;
    // A list may contain empty elements (section 5.6.1.2).
    for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        asked_for += 1;
        let Some(range) = Asked::parse(range) else {
            return Selection::Whole;
        };
        if asked_for > MAX_RANGES {
            return Selection::Whole;
        }
        selected.extend(range.within(length));
    }
    let mut selected = merge_if_overlapping(selected);
    match (asked_for, selected.len()) {
        (0, _) => Selection::Whole,
        (_, 0) => Selection::Unsatisfiable,
        (_, 1) => Selection::Single(selected.remove(0)),
        _ => Selection::Several(selected),
    }
}

/// One element of the list, as written (section 14.1.2).
enum Asked {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

impl Asked {
    fn parse(range: &str) -> Option<Self> {
        let (first, last) = range.split_once('-')?;
        match (first.trim_end(), last.trim_start()) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The part of the range that the file has, if any.
    fn within(&self, length: u64) -> Option<RangeInclusive<u64>> {
        let end = length.checked_sub(1)?;
        match *self {
            Self::From(first) => (first <= end).then_some(first..=end),
            Self::FromTo(first, last) => (first <= end).then(|| first..=last.min(end)),
            Self::Last(0) => None,
            Self::Last(count) => Some(length.saturating_sub(count)..=end),
        }
    }
}

/// Digits only: the standard parser would take a sign as well. Numbers beyond 64 bits lie beyond every file.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Ranges that overlap or nearly touch are sorted and joined; others keep their order (section 15.3.7.2).
fn merge_if_overlapping(ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    let mut sorted = ranges.clone();
    sorted.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(MERGE_GAP) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    if merged.len() == ranges.len() { ranges } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_the_bytes_that_the_file_has() {
        use Selection::{Several, Single, Unsatisfiable, Whole};
        let check = |field: &str, length: u64, expected: Selection| {
            assert_eq!(select(field, length), expected, "{field} of {length}");
        };
        check("bytes=0-0", 1000, Single(0..=0));
        check("bytes=0-499", 1000, Single(0..=499));
        check("bytes=500-", 1000, Single(500..=999));
        check("bytes=-200", 1000, Single(800..=999));
        check("bytes=-2000", 1000, Single(0..=999));
        check("bytes=900-99999999999999999999999", 1000, Single(900..=999));
        check("Bytes = 0-1", 1000, Single(0..=1));
        check("bytes=0-0,,500-500", 1000, Several(vec![0..=0, 500..=500]));
        check("bytes=500-500, 0-0", 1000, Several(vec![500..=500, 0..=0]));
        check("bytes=0-99,50-149,500-500", 1000, Several(vec![0..=149, 500..=500]));
        check("bytes=0-99,100-199", 1000, Single(0..=199));
        check("bytes=0-0,5000-", 1000, Single(0..=0));
        check("bytes=1000-", 1000, Unsatisfiable);
        check("bytes=-0", 1000, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-1", 0, Unsatisfiable);
        check("bytes=5-4", 1000, Whole);
        check("bytes=+1-2", 1000, Whole);
        check("bytes=a-b", 1000, Whole);
        check("bytes=", 1000, Whole);
        check("bytes=-", 1000, Whole);
        check("bytes", 1000, Whole);
        check("seconds=0-1", 1000, Whole);
    }

    #[test]
    fn too_many_ranges_get_the_whole_file() {
        let ranges = |count: usize| (0..count).map(|at| format!("{0}-{0}", at * 1000)).collect::<Vec<_>>().join(",");
        let check = |count: usize, expected: fn(&Selection) -> bool| {
            assert!(expected(&select(&format!("bytes={}", ranges(count)), 1_000_000)), "{count}");
        };
        check(MAX_RANGES, |selection| matches!(selection, Selection::Several(_)));
        check(MAX_RANGES + 1, |selection| *selection == Selection::Whole);
    }
}
