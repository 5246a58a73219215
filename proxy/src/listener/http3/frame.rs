//! HTTP/3 frames of a request stream (RFC 9114 section 7): where one begins, what it is, how long it is.
//!
//! Pure: bytes in, pieces out. It decodes no field sections.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// DATA (RFC 9114 section 7.2.1).
const DATA: u64 = 0x0;
/// HEADERS (RFC 9114 section 7.2.2).
const HEADERS: u64 = 0x1;
/// Frames of the control stream, and those of HTTP/2 that HTTP/3 reserves (RFC 9114 sections 7.2 and 7.2.8): none
/// may appear on a request stream.
const FORBIDDEN: [u64; 9] = [0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xd];
/// Type and length, each a variable-length integer of at most 8 bytes (RFC 9000 section 16).
const HEADER_BYTES: usize = 16;

/// What a frame is on a request stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A piece of the body.
    Data,
    /// A field section.
    Headers,
    /// A type that may not stand here: a connection error (RFC 9114 section 4.1).
    Forbidden,
    /// A type without meaning to us, to be skipped (RFC 9114 section 9).
    Unknown,
}

/// What comes next on a request stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A frame begins; `header` is its type and length as they were sent.
    Start { kind: FrameKind, length: u64, header: Bytes },
    /// Bytes of the current frame's payload.
    Payload { kind: FrameKind, bytes: Bytes },
}

/// Walks over the frames of a stream, whatever way the bytes are cut.
#[derive(Debug, Default)]
pub(super) struct FrameCursor {
    header: Vec<u8>,
    current: Option<(FrameKind, u64)>,
}

impl FrameCursor {
    /// The next piece of `input`, whose bytes it takes off; `None` when it needs more.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Option<Piece> {
        match self.current {
            Some((kind, left)) => self.payload(kind, left, input),
            None => self.frame_header(input),
        }
    }

    /// Whether the stream may end here: between two frames (RFC 9114 section 7.1).
    pub(super) fn at_boundary(&self) -> bool {
        self.current.is_none() && self.header.is_empty()
    }

    fn payload(&mut self, kind: FrameKind, left: u64, input: &mut Bytes) -> Option<Piece> {
        if input.is_empty() {
            return None;
        }
        let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let bytes = input.split_to(length);
        let left = left - length as u64;
        self.current = (left > 0).then_some((kind, left));
        Some(Piece::Payload { kind, bytes })
    }

    fn frame_header(&mut self, input: &mut Bytes) -> Option<Piece> {
        while !input.is_empty() {
            self.header.push(input.get_u8());
            debug_assert!(self.header.len() <= HEADER_BYTES, "two integers are at most 16 bytes");
            let mut rest: &[u8] = &self.header;
            let (Some(code), Some(length)) = (take_integer(&mut rest), take_integer(&mut rest)) else {
                continue;
            };
            let kind = kind(code);
            self.current = (length > 0).then_some((kind, length));
            let header = Bytes::copy_from_slice(&self.header);
            self.header.clear();
            return Some(Piece::Start { kind, length, header });
        }
        None
    }
}

fn kind(code: u64) -> FrameKind {
    match code {
        DATA => FrameKind::Data,
        HEADERS => FrameKind::Headers,
        code if FORBIDDEN.contains(&code) => FrameKind::Forbidden,
        _ => FrameKind::Unknown,
    }
}

/// Takes a variable-length integer (RFC 9000 section 16) off the front, if all of it is there.
pub(super) fn take_integer(input: &mut &[u8]) -> Option<u64> {
    let first = *input.first()?;
    let length = 1_usize << (first >> 6);
    if input.len() < length {
        return None;
    }
    let (bytes, rest) = input.split_at(length);
    *input = rest;
    let head = u64::from(first & 0x3f);
    Some(bytes[1..].iter().fold(head, |value, byte| value << 8 | u64::from(*byte)))
}

/// Type and length of a DATA frame with so many bytes.
pub(super) fn data_header(length: usize) -> Bytes {
    let mut header = BytesMut::with_capacity(1 + 8);
    header.put_u8(0x00);
    put_integer(&mut header, length as u64);
    header.freeze()
}

/// A frame with this payload.
pub(super) fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(1 + 8 + payload.len());
    frame.put_u8(kind);
    put_integer(&mut frame, payload.len() as u64);
    frame.put_slice(payload);
    frame.freeze()
}

/// A whole response without fields or body: HEADERS with a literal `:status` (RFC 9204 section 4.5.4, static name
/// 24), for refusing what never became a request. Three digits are taken; others become 400.
pub(super) fn bare_response(status: u16) -> Bytes {
    let status = if (100..1000).contains(&status) { status } else { 400 };
    let mut frame = BytesMut::with_capacity(10);
    frame.put_slice(&[0x01, 0x08, 0x00, 0x00, 0x5f, 0x09, 0x03]);
    frame.put_slice(status.to_string().as_bytes());
    frame.freeze()
}

/// Writes a variable-length integer (RFC 9000 section 16).
fn put_integer(output: &mut BytesMut, value: u64) {
    match value {
        0..=0x3f => output.put_u8(value as u8),
        0x40..=0x3fff => output.put_u16(0x4000 | value as u16),
        0x4000..=0x3fff_ffff => output.put_u32(0x8000_0000 | value as u32),
        _ => output.put_u64(0xc000_0000_0000_0000 | value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stream of frames cut at `cut`, walked to its end: kinds with their payloads.
    fn walk(stream: &[u8], cut: usize) -> (Vec<(FrameKind, Vec<u8>)>, bool) {
        let mut cursor = FrameCursor::default();
        let mut frames: Vec<(FrameKind, Vec<u8>)> = Vec::new();
        for part in stream.chunks(cut) {
            let mut input = Bytes::copy_from_slice(part);
            while let Some(piece) = cursor.next(&mut input) {
                match piece {
                    Piece::Start { kind, .. } => frames.push((kind, Vec::new())),
                    Piece::Payload { kind, bytes } => {
                        let last = frames.last_mut().unwrap();
                        assert_eq!(last.0, kind);
                        last.1.extend_from_slice(&bytes);
                    }
                }
            }
        }
        (frames, cursor.at_boundary())
    }

    fn encode(code: u64, payload: &[u8]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        put_integer(&mut frame, code);
        put_integer(&mut frame, payload.len() as u64);
        frame.extend_from_slice(payload);
        frame.to_vec()
    }

    #[test]
    fn empty_data_frames_are_frames_like_others() {
        let stream = [encode(DATA, b""), encode(DATA, b"abc"), encode(0x21, b"grease")].concat();
        let expected = vec![
            (FrameKind::Data, Vec::new()),
            (FrameKind::Data, b"abc".to_vec()),
            (FrameKind::Unknown, b"grease".to_vec()),
        ];
        assert_eq!(walk(&stream, 2), (expected, true));
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_is_not_at_a_boundary() {
        let stream = encode(DATA, b"abcdef");
        for length in 1..stream.len() {
            assert!(!walk(&stream[..length], 3).1, "cut after {length} bytes");
        }
    }

    #[test]
    fn control_frames_are_forbidden_on_request_streams() {
        for code in FORBIDDEN {
            assert_eq!(walk(&encode(code, b"x"), 9).0[0].0, FrameKind::Forbidden, "type {code:#x}");
        }
    }

    #[test]
    fn a_bare_response_is_one_headers_frame() {
        let (frames, whole) = walk(&bare_response(431), 64);
        assert!(whole);
        assert_eq!(frames, vec![(FrameKind::Headers, b"\x00\x00\x5f\x09\x03431".to_vec())]);
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            payloads in prop::collection::vec((0_u64..0x5000, prop::collection::vec(any::<u8>(), 0..200)), 0..6),
            cut in 1_usize..64,
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|(code, payload)| encode(*code, payload)).collect();
            let expected: Vec<_> = payloads.into_iter().map(|(code, payload)| (kind(code), payload)).collect();
            prop_assert_eq!(walk(&stream, cut), (expected, true));
        }

        #[test]
        fn a_data_header_announces_its_length(length in 0_usize..(1 << 40)) {
            let mut header = data_header(length);
            let piece = FrameCursor::default().next(&mut header);
            let Some(Piece::Start { kind: FrameKind::Data, length: announced, .. }) = piece else {
                panic!("no DATA frame but {piece:?}")
            };
            prop_assert_eq!(announced, length as u64);
        }
    }
}
