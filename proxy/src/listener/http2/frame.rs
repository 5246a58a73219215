//! HTTP/2 frames (RFC 9113 sections 4 and 6): how they are named, taken apart and written.
//!
//! Pure: bytes in, bytes out. What a frame means is for `receive`.

/// The client's connection preface (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame's header (RFC 9113 section 4.1).
pub(super) const HEADER: usize = 9;

/// The largest payload that we take: what every peer may send without asking (RFC 9113 section 4.2). Larger ones would only
/// hold up what stands behind them.
pub(super) const LARGEST_PAYLOAD: usize = 1 << 14;

/// The largest window (RFC 9113 section 6.9.1), and the largest stream identifier.
pub(super) const LARGEST_WINDOW: i64 = (1 << 31) - 1;
pub(super) const LARGEST_STREAM: u32 = (1 << 31) - 1;

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const PRIORITY: u8 = 0x2;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PUSH_PROMISE: u8 = 0x5;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;
pub(super) const CONTINUATION: u8 = 0x9;
/// RFC 9218 section 7.1.
pub(super) const PRIORITY_UPDATE: u8 = 0x10;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
/// HEADERS begins with a priority, which means nothing any more (RFC 9113 section 5.3).
pub(super) const PRIORITISED: u8 = 0x20;

/// Error codes (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) u32);

impl Reason {
    pub(super) const NO_ERROR: Self = Self(0x0);
    pub(super) const PROTOCOL_ERROR: Self = Self(0x1);
    pub(super) const INTERNAL_ERROR: Self = Self(0x2);
    pub(super) const FLOW_CONTROL_ERROR: Self = Self(0x3);
    pub(super) const STREAM_CLOSED: Self = Self(0x5);
    pub(super) const FRAME_SIZE_ERROR: Self = Self(0x6);
    pub(super) const REFUSED_STREAM: Self = Self(0x7);
    pub(super) const CANCEL: Self = Self(0x8);
    pub(super) const COMPRESSION_ERROR: Self = Self(0x9);
    pub(super) const ENHANCE_YOUR_CALM: Self = Self(0xb);
}

/// What stands before each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Header {
    /// The header at the front, if it is whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes(stream) & LARGEST_STREAM;
        Some(Self { length, kind, flags, stream })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The content of a frame that may be padded (RFC 9113 section 6.1); nothing when there is more padding than frame.
pub(super) fn unpadded<'a>(header: &Header, payload: &'a [u8]) -> Option<&'a [u8]> {
    if !header.has(PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

/// Four bytes as a number.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Writes a frame's header; lengths are those of one frame.
pub(super) fn put_header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&header(length, kind, flags, stream));
}

/// A frame's header.
pub(super) fn header(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEADER] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    [a, b, c, kind, flags, d, e, f, g]
}

/// Writes SETTINGS.
pub(super) fn put_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    put_header(out, settings.len() * 6, SETTINGS, 0, 0);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Acknowledges SETTINGS.
pub(super) fn put_settings_ack(out: &mut Vec<u8>) {
    put_header(out, 0, SETTINGS, ACK, 0);
}

/// Writes PING, or the answer to one.
pub(super) fn put_ping(out: &mut Vec<u8>, flags: u8, opaque: [u8; 8]) {
    put_header(out, opaque.len(), PING, flags, 0);
    out.extend_from_slice(&opaque);
}

/// Widens the window of a stream, or of the connection.
pub(super) fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_header(out, 4, WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Resets a stream.
pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    put_header(out, 4, RST_STREAM, 0, stream);
    out.extend_from_slice(&reason.0.to_be_bytes());
}

/// Says which stream is the last that is served.
pub(super) fn put_goaway(out: &mut Vec<u8>, last: u32, reason: Reason) {
    put_header(out, 8, GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&reason.0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        put_header(&mut out, 0x01_02_03, 0x77, 0x81, 0x7abb_ccdd);
        let expected = Header { length: 0x01_02_03, kind: 0x77, flags: 0x81, stream: 0x7abb_ccdd };
        assert_eq!(Header::parse(&out), Some(expected));
        assert_eq!(Header::parse(&out[..8]), None);
        // The reserved bit means nothing (RFC 9113 section 4.1).
        out[5] |= 0x80;
        assert_eq!(Header::parse(&out), Some(expected));
    }

    #[test]
    fn padding_is_taken_off_and_never_more_than_there_is() {
        let check = |flags: u8, payload: &[u8], expected: Option<&[u8]>| {
            let header = Header { length: payload.len(), kind: DATA, flags, stream: 1 };
            assert_eq!(unpadded(&header, payload), expected, "{payload:?}");
        };
        check(0, b"\x01ab", Some(b"\x01ab"));
        check(PADDED, b"\x01ab", Some(b"a"));
        check(PADDED, b"\x02ab", Some(b""));
        check(PADDED, b"\x03ab", None);
        check(PADDED, b"", None);
    }
}
