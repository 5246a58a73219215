//! Reading Content-Range (RFC 9110 section 14.4).

use http::{HeaderMap, header};

use super::ByteRange;

/// What the Content-Range of a 206 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes that follow.
    pub range: ByteRange,
    /// Length of the whole, where the sender knows it.
    pub total: Option<u64>,
}

impl ContentRange {
    /// The Content-Range of a response; nothing when there is none, several, or one that is no range of bytes.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::CONTENT_RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return None };
        Self::parse(line.to_str().ok()?)
    }

    /// `bytes 0-9/10` or `bytes 0-9/*`. A range of nothing, one that ends behind the whole, and numbers that do not fit
    /// are none.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, rest) = value.trim_matches([' ', '\t']).split_once(' ')?;
        let (range, size) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if size == "*" { None } else { Some(number(size)?) };
        let end = last.checked_add(1)?;
        let sound = unit.eq_ignore_ascii_case("bytes") && first <= last && total.is_none_or(|total| end <= total);
        sound.then_some(Self { range: ByteRange { start: first, end }, total })
    }
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read_only_where_it_is_one() {
        let check = |value: &str, expected: Option<(u64, u64, Option<u64>)>| {
            let found = ContentRange::parse(value).map(|it| (it.range.start, it.range.end, it.total));
            assert_eq!(found, expected, "{value}");
        };
        check("bytes 0-9/10", Some((0, 10, Some(10))));
        check("Bytes 5-5/*", Some((5, 6, None)));
        check("bytes 0-18446744073709551614/*", Some((0, u64::MAX, None)));
        for wrong in [
            "",
            "bytes",
            "bytes */10",
            "bytes 0-10/10",
            "bytes 9-0/10",
            "bytes 0-9",
            "bytes 0-/10",
            "bytes -9/10",
            "bytes +0-9/10",
            "bytes 0-9/10, bytes 0-9/10",
            "bytes 0-9/99999999999999999999",
            "bytes 0-18446744073709551615/*",
            "items 0-9/10",
            "bytes=0-9/10",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn several_content_ranges_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(ContentRange::from_headers(&headers), None);
        headers.append(header::CONTENT_RANGE, "bytes 0-9/10".parse().unwrap());
        assert!(ContentRange::from_headers(&headers).is_some());
        headers.append(header::CONTENT_RANGE, "bytes 0-9/10".parse().unwrap());
        assert_eq!(ContentRange::from_headers(&headers), None);
    }
}
