//! The `multipart/byteranges` frame around several parts (RFC 9110 section 14.6): heads, tail and total length, all
//! known before the first byte is sent.

use bytes::Bytes;
use http::HeaderValue;

use super::ByteRange;

/// The frame. Send for each part its head and then its bytes, and the tail at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// Content-Type of the 206.
    pub content_type: HeaderValue,
    /// Heads and parts in order.
    pub parts: Vec<(Bytes, ByteRange)>,
    /// What closes the last part.
    pub tail: Bytes,
    /// Content-Length of the 206.
    pub content_length: u64,
}

impl Multipart {
    /// Frames `ranges` of a representation of `total` bytes. `seed` makes the boundary: take it at random, so that
    /// content cannot be prepared to hold it.
    #[must_use]
    pub fn new(ranges: &[ByteRange], total: u64, content_type: Option<&HeaderValue>, seed: u128) -> Self {
        let boundary = format!("{seed:032x}");
        let head = |index: usize, range: &ByteRange| {
            let mut head = Vec::new();
            if index > 0 {
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            if let Some(content_type) = content_type {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"Content-Range: ");
            head.extend_from_slice(range.content_range(total).as_bytes());
            head.extend_from_slice(b"\r\n\r\n");
            Bytes::from(head)
        };
        let parts: Vec<_> = ranges.iter().enumerate().map(|(index, range)| (head(index, range), *range)).collect();
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let framed = parts.iter().map(|(head, range)| (head.len() as u64).saturating_add(range.length()));
        let content_length = framed.fold(tail.len() as u64, u64::saturating_add);
        Self { content_type: media_type(&boundary), parts, tail, content_length }
    }
}

fn media_type(boundary: &str) -> HeaderValue {
    let text = format!("multipart/byteranges; boundary={boundary}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"))
}
