//! Slices: how an object is divided, which part of it an origin is asked for, and which answer is the part asked for.
//!
//! Pure arithmetic over offsets. What is stored and what is in flight is the engine's.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tidegate_config::model::SliceRules;

use super::range::{ByteRange, ContentRange, RangeRequest, RangeSpec};

/// Offsets from here on are no part of any object: a range that begins there is not asked for by slices.
const MAX_OFFSET: u64 = 1 << 60;

/// How an object is divided. All slices but the last have the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
    total: u64,
}

impl Layout {
    /// Slices of `size` bytes of an object of `total` bytes.
    #[must_use]
    pub fn new(size: u64, total: u64) -> Self {
        Self { size: size.max(1), total }
    }

    /// Length of the object.
    #[must_use]
    pub fn total(self) -> u64 {
        self.total
    }

    /// Number of slices.
    #[must_use]
    pub fn count(self) -> u64 {
        self.total.div_ceil(self.size)
    }

    /// The slice that this byte is in.
    #[must_use]
    pub fn index_of(self, position: u64) -> u64 {
        position / self.size
    }

    /// First byte of a slice; at most the object's length.
    #[must_use]
    pub fn start(self, index: u64) -> u64 {
        index.saturating_mul(self.size).min(self.total)
    }

    /// The bytes of a slice; none behind the last one.
    #[must_use]
    pub fn range(self, index: u64) -> ByteRange {
        ByteRange { start: self.start(index), end: self.start(index.saturating_add(1)) }
    }

    /// The first slice that begins at this byte or behind it.
    #[must_use]
    pub fn first_from(self, position: u64) -> u64 {
        position.div_ceil(self.size)
    }
}

/// The part that an origin is asked for when nothing of an object is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartAsked {
    /// From a slice's first byte on, to a slice's end or that of the object.
    From {
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: Option<u64>,
        /// What is fetched in any case, whoever is left to read it: up to this byte, where the first slice ends that is read.
        /// Of a large object no more than readers want is taken from an answer that would bring more.
        committed: u64,
    },
    /// So many bytes at the end.
    Suffix(u64),
}

impl PartAsked {
    /// The part that covers where this request begins to read. Whatever begins within the threshold is asked for from
    /// the first byte, so that objects up to the threshold come whole. Nothing for a request without a valid range.
    #[must_use]
    pub fn covering(request: &HeaderMap, rules: &SliceRules) -> Option<Self> {
        let size = rules.size.0.max(1);
        // An If-Range is compared once there is something to compare it with; until then it says what is read if it holds.
        let mut fields = HeaderMap::new();
        for line in request.get_all(header::RANGE) {
            fields.append(header::RANGE, line.clone());
        }
        let spec = match RangeRequest::parse(&fields, None) {
            RangeRequest::Whole => return None,
            RangeRequest::One(spec) => spec,
            RangeRequest::Many(specs) => *specs.first()?,
        };
        let whole_below = rules.threshold.0.div_ceil(size).saturating_mul(size);
        let (first, last) = match spec {
            RangeSpec::Suffix(0) => return None,
            RangeSpec::Suffix(_) => return Some(Self::Suffix(rules.threshold.0.max(1))),
            RangeSpec::From(first) => (first, None),
            RangeSpec::FromTo(first, last) => (first, Some(last)),
        };
        if first >= MAX_OFFSET || whole_below >= MAX_OFFSET {
            return None;
        }
        let end = last.map(|last| last.min(MAX_OFFSET)).map(|last| (last / size + 1).saturating_mul(size));
        if first < rules.threshold.0 {
            let end = end.map(|end| end.max(whole_below));
            return Some(Self::From { start: 0, end, committed: (first / size + 1) * size });
        }
        let start = first / size * size;
        Some(Self::From { start, end, committed: start + size })
    }

    /// As a Range field.
    #[must_use]
    pub fn to_range(self) -> HeaderValue {
        match self {
            Self::From { start, end: Some(end), .. } => range_field(ByteRange { start, end }),
            Self::From { start, end: None, .. } => value(&format!("bytes={start}-")),
            Self::Suffix(length) => value(&format!("bytes=-{length}")),
        }
    }

    /// The part that a 206 brings and the length of the whole, if it is this one or begins like it.
    #[must_use]
    pub fn answered(self, status: StatusCode, fields: &HeaderMap) -> Option<(ByteRange, u64)> {
        let (part, total) = received(status, fields)?;
        let as_asked = match self {
            Self::From { start, end, .. } => part.start == start && end.is_none_or(|end| part.end <= end),
            Self::Suffix(length) => part.end == total && part.length() == length.min(total),
        };
        as_asked.then_some((part, total))
    }
}

/// A Range field for these bytes.
#[must_use]
pub fn range_field(range: ByteRange) -> HeaderValue {
    value(&format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
}

/// What a 206 says that it brings: one part whose length agrees with Content-Length, of a whole of known length.
#[must_use]
pub fn received(status: StatusCode, fields: &HeaderMap) -> Option<(ByteRange, u64)> {
    if status != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let ContentRange { range, total: Some(total) } = ContentRange::from_headers(fields)? else { return None };
    if total > MAX_OFFSET {
        return None;
    }
    let declared = fields.get(header::CONTENT_LENGTH);
    let agrees = declared.is_none_or(|length| length.as_bytes() == range.length().to_string().as_bytes());
    agrees.then_some((range, total))
}

/// The length of the whole that a 416 tells (RFC 9110 section 15.5.17).
#[must_use]
pub fn unsatisfied_total(status: StatusCode, fields: &HeaderMap) -> Option<u64> {
    let mut lines = fields.get_all(header::CONTENT_RANGE).iter();
    let (Some(line), None, StatusCode::RANGE_NOT_SATISFIABLE) = (lines.next(), lines.next(), status) else {
        return None;
    };
    let (unit, total) = line.to_str().ok()?.split_once(" */")?;
    let plain =
        unit.eq_ignore_ascii_case("bytes") && !total.is_empty() && total.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| total.parse().ok())?
}

/// Whether a length is one that an object can have.
#[must_use]
pub fn is_possible_length(total: u64) -> bool {
    total <= MAX_OFFSET
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_config::units::ByteSize;

    use super::*;

    fn rules(size: u64, threshold: u64) -> SliceRules {
        let mut rules = SliceRules::default();
        rules.size = ByteSize(size);
        rules.threshold = ByteSize(threshold);
        rules
    }

    fn fields(lines: &[(header::HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, text)| (name.clone(), HeaderValue::from_str(text).unwrap())).collect()
    }

    fn asked(range: &str) -> Option<String> {
        let part = PartAsked::covering(&fields(&[(header::RANGE, range)]), &rules(10, 40))?;
        Some(part.to_range().to_str().unwrap().to_owned())
    }

    #[test]
    fn small_objects_come_whole_and_seeks_get_what_they_need() {
        let check = |range: &str, expected: Option<&str>| assert_eq!(asked(range).as_deref(), expected, "{range}");
        check("bytes=0-1", Some("bytes=0-39"));
        check("bytes=39-39", Some("bytes=0-39"));
        check("bytes=39-40", Some("bytes=0-49"));
        check("bytes=0-", Some("bytes=0-"));
        check("bytes=40-40", Some("bytes=40-49"));
        check("bytes=49-50", Some("bytes=40-59"));
        check("bytes=12345-", Some("bytes=12340-"));
        check("bytes=-5", Some("bytes=-40"));
        check("bytes=-500", Some("bytes=-40"));
        check("bytes=45-46,3-4", Some("bytes=40-49"));
        check("bytes=-0", None);
        check("bytes=9-1", None);
        check("items=0-1", None);
        check("bytes=18446744073709551615-", None);
        check("bytes=0-18446744073709551615", Some("bytes=0-1152921504606846979"));
    }

    #[test]
    fn range_behind_an_if_range_is_what_is_asked_for_until_the_tag_is_known() {
        let request = fields(&[(header::RANGE, "bytes=100-"), (header::IF_RANGE, "\"a\"")]);
        let expected = PartAsked::From { start: 100, end: None, committed: 110 };
        assert_eq!(PartAsked::covering(&request, &rules(10, 40)), Some(expected));
    }

    #[test]
    fn only_the_part_that_was_asked_for_is_taken() {
        let check = |asked: PartAsked, content_range: &str, length: Option<&str>, taken: bool| {
            let mut answer = fields(&[(header::CONTENT_RANGE, content_range)]);
            if let Some(length) = length {
                answer.insert(header::CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
            }
            let found = asked.answered(StatusCode::PARTIAL_CONTENT, &answer);
            assert_eq!(found.is_some(), taken, "{asked:?} {content_range} {length:?}");
            assert_eq!(asked.answered(StatusCode::OK, &answer), None);
        };
        let part = PartAsked::From { start: 40, end: Some(60), committed: 60 };
        check(part, "bytes 40-59/100", Some("20"), true);
        check(part, "bytes 40-59/100", None, true);
        check(part, "bytes 40-44/45", Some("5"), true);
        check(part, "bytes 40-44/100", Some("5"), true); // less than asked for: the rest is asked for again
        check(part, "bytes 40-59/100", Some("21"), false);
        check(part, "bytes 40-59/100", Some("020"), false);
        check(part, "bytes 39-58/100", Some("20"), false);
        check(part, "bytes 41-59/100", Some("19"), false);
        check(part, "bytes 40-60/100", Some("21"), false);
        check(part, "bytes 40-59/*", Some("20"), false);
        check(part, "bytes 40-59/9223372036854775808", Some("20"), false);
        let suffix = PartAsked::Suffix(40);
        check(suffix, "bytes 60-99/100", Some("40"), true);
        check(suffix, "bytes 0-29/30", Some("30"), true);
        check(suffix, "bytes 61-99/100", Some("39"), false);
        check(suffix, "bytes 50-89/100", Some("40"), false);
    }

    #[test]
    fn unsatisfied_range_tells_the_length() {
        let check = |status: u16, content_range: &str, expected: Option<u64>| {
            let answer = fields(&[(header::CONTENT_RANGE, content_range)]);
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(unsatisfied_total(status, &answer), expected, "{status} {content_range}");
        };
        check(416, "bytes */30", Some(30));
        check(206, "bytes */30", None);
        for odd in ["bytes */", "bytes */*", "bytes */-1", "items */30", "bytes 0-9/30", "bytes */99999999999999999999"]
        {
            check(416, odd, None);
        }
    }

    proptest! {
        /// Slices lie side by side, none is empty, and together they are the object.
        #[test]
        fn slices_cover_an_object_without_gap_or_overlap(size in 1..50_u64, total in 0..2000_u64) {
            let layout = Layout::new(size, total);
            let mut position = 0;
            for index in 0..layout.count() {
                let range = layout.range(index);
                prop_assert_eq!(range.start, position);
                prop_assert!(range.length() > 0 && range.length() <= size);
                prop_assert!((range.start..range.end).all(|byte| layout.index_of(byte) == index));
                position = range.end;
            }
            prop_assert_eq!(position, total);
            prop_assert_eq!(layout.range(layout.count()).length(), 0);
        }

        #[test]
        fn absurd_numbers_overflow_nowhere(size in 1..u64::MAX, total: u64, at: u64) {
            let layout = Layout::new(size, total);
            let range = layout.range(layout.index_of(at));
            prop_assert!(range.start <= range.end && range.end <= total);
            prop_assert!(layout.first_from(at) <= at);
        }

        /// What is asked for begins on a slice's border, ends on one, and covers the first byte that is read.
        #[test]
        fn asked_parts_are_made_of_whole_slices(size in 1..50_u64, threshold in 0..500_u64, first in 0..2000_u64, more in 0..500_u64) {
            let range = format!("bytes={first}-{}", first + more);
            let part = PartAsked::covering(&fields(&[(header::RANGE, &range)]), &rules(size, threshold));
            let Some(PartAsked::From { start, end: Some(end), committed }) = part else { panic!("{part:?}") };
            prop_assert!(start % size == 0 && end % size == 0 && committed % size == 0);
            prop_assert!(start <= first && first + more < end && start < committed && committed <= end);
            prop_assert!(first < committed && committed - first <= size);
            prop_assert!(first >= threshold || (start == 0 && end >= threshold));
        }
    }
}
