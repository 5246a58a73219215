//! Byte ranges (RFC 9110 section 14): what is asked for, what of it exists, and the fields of the answer.

mod content_range;
mod multipart;
mod parse;
mod resolve;

use http::HeaderValue;

pub use content_range::ContentRange;
pub use multipart::Multipart;
pub use parse::{MAX_ASKED_RANGES, RangeRequest, RangeSpec};
pub use resolve::{MAX_PARTS, Resolved};

/// Bytes `start..end` of a representation: `end` is the first byte not sent. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
}

impl ByteRange {
    /// Number of bytes.
    #[must_use]
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The Content-Range of a 206.
    #[must_use]
    pub fn content_range(self, total: u64) -> HeaderValue {
        value(&format!("bytes {}-{}/{total}", self.start, self.end.saturating_sub(1)))
    }
}

/// The Content-Range of a 416.
#[must_use]
pub fn unsatisfied_content_range(total: u64) -> HeaderValue {
    value(&format!("bytes */{total}"))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests;
