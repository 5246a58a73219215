//! One response as it arrives on a request stream (RFC 9114 sections 4.1 and 7): frames are followed across chunks
//! of any size, body bytes are counted and dropped. Knows nothing of QUIC.

use super::field_section::{self, FieldSectionError};

/// Frame types of RFC 9114 section 7.2.
const DATA: u64 = 0x00;
const HEADERS: u64 = 0x01;
/// Frames that must not stand on a request stream: CANCEL_PUSH, SETTINGS, PUSH_PROMISE (we allow no push), GOAWAY,
/// MAX_PUSH_ID, and the HTTP/2 types that are reserved (section 7.2.8).
const FORBIDDEN: [u64; 9] = [0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0d];

/// Largest field section taken. Servers stay far below; it keeps one response from taking the client's memory.
const LARGEST_FIELD_SECTION: u64 = 64 * 1024;
/// Type and length, two integers of at most eight bytes each.
const LONGEST_FRAME_HEADER: usize = 16;

/// Why a stream is no valid response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseError {
    /// A field section that cannot be read.
    FieldSection(FieldSectionError),
    /// A field section above the bound.
    FieldSectionTooLarge,
    /// A frame of this type stands where none may.
    UnexpectedFrame(u64),
    /// The stream ended before the response was whole.
    Truncated,
}

/// Where in the stream the parser is.
#[derive(Debug)]
enum Position {
    /// In front of or inside a frame's type and length.
    FrameHeader,
    /// Inside a field section of which so many bytes are to come.
    Fields(u64),
    /// Inside a DATA frame of which so many bytes are to come.
    Body(u64),
    /// Inside a frame of an unknown type of which so many bytes are to come.
    Unknown(u64),
}

/// Reads one response.
#[derive(Debug)]
pub(super) struct ResponseReader {
    position: Position,
    frame_header: [u8; LONGEST_FRAME_HEADER],
    frame_header_length: usize,
    /// The section being read, then the final response's header section.
    section: Vec<u8>,
    stage: Stage,
    body_bytes: u64,
}

/// How far the message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The final header section is still to come (interim responses may precede it).
    BeforeHeaders,
    /// The header section with this status has come, then perhaps body.
    Body(u16),
    /// The trailer section has begun.
    Trailers(u16),
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            position: Position::FrameHeader,
            frame_header: [0; LONGEST_FRAME_HEADER],
            frame_header_length: 0,
            section: Vec::new(),
            stage: Stage::BeforeHeaders,
            body_bytes: 0,
        }
    }
}

/// What a whole response was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finished {
    /// Its status.
    pub status: u16,
    /// Bytes of its body.
    pub body_bytes: u64,
}

impl ResponseReader {
    /// Makes ready for the next response; keeps what was allocated.
    pub(super) fn reset(&mut self) {
        let section = std::mem::take(&mut self.section);
        *self = Self { section, ..Self::default() };
        self.section.clear();
    }

    /// Takes the next bytes of the stream.
    pub(super) fn receive(&mut self, mut chunk: &[u8]) -> Result<(), ResponseError> {
        while !chunk.is_empty() {
            chunk = match self.position {
                Position::FrameHeader => self.receive_frame_header(chunk)?,
                Position::Fields(left) => self.receive_fields(chunk, left)?,
                Position::Body(left) => {
                    let (rest, left, taken) = skip(chunk, left);
                    self.body_bytes += taken;
                    self.position = if left == 0 { Position::FrameHeader } else { Position::Body(left) };
                    rest
                }
                Position::Unknown(left) => {
                    let (rest, left, _) = skip(chunk, left);
                    self.position = if left == 0 { Position::FrameHeader } else { Position::Unknown(left) };
                    rest
                }
            };
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn finish(&self) -> Result<Finished, ResponseError> {
        match (&self.position, self.stage) {
            (Position::FrameHeader, Stage::Body(status) | Stage::Trailers(status)) if self.frame_header_length == 0 => {
                Ok(Finished { status, body_bytes: self.body_bytes })
            }
            _ => Err(ResponseError::Truncated),
        }
    }

    /// Fields of the final header section, decoded now; empty before it has come.
    pub(super) fn fields(&self) -> Result<Vec<(String, String)>, ResponseError> {
        field_section::fields(&self.section).map_err(ResponseError::FieldSection)
    }

    fn receive_frame_header<'chunk>(&mut self, chunk: &'chunk [u8]) -> Result<&'chunk [u8], ResponseError> {
        let kept = self.frame_header_length;
        let taken = chunk.len().min(LONGEST_FRAME_HEADER - kept);
        self.frame_header[kept..kept + taken].copy_from_slice(&chunk[..taken]);
        let available = &self.frame_header[..kept + taken];
        let Some((kind, length, size)) = parse_frame_header(available) else {
            self.frame_header_length = kept + taken;
            return Ok(&chunk[taken..]);
        };
        self.frame_header_length = 0;
        self.begin_frame(kind, length)?;
        Ok(&chunk[size - kept..])
    }

    fn begin_frame(&mut self, kind: u64, length: u64) -> Result<(), ResponseError> {
        self.position = match (kind, self.stage) {
            (DATA, Stage::Body(_)) if length == 0 => Position::FrameHeader,
            (DATA, Stage::Body(_)) => Position::Body(length),
            (HEADERS, Stage::BeforeHeaders) if length > LARGEST_FIELD_SECTION => {
                return Err(ResponseError::FieldSectionTooLarge);
            }
            (HEADERS, Stage::BeforeHeaders) if length > 0 => {
                self.section.clear();
                Position::Fields(length)
            }
            (HEADERS, Stage::Body(status)) => {
                self.stage = Stage::Trailers(status);
                if length == 0 { Position::FrameHeader } else { Position::Unknown(length) }
            }
            (DATA | HEADERS, _) => return Err(ResponseError::UnexpectedFrame(kind)),
            (kind, _) if FORBIDDEN.contains(&kind) => return Err(ResponseError::UnexpectedFrame(kind)),
            // Frames of unknown types are ignored (RFC 9114 section 9).
            _ if length == 0 => Position::FrameHeader,
            _ => Position::Unknown(length),
        };
        Ok(())
    }

    fn receive_fields<'chunk>(&mut self, chunk: &'chunk [u8], left: u64) -> Result<&'chunk [u8], ResponseError> {
        let (rest, left, taken) = skip(chunk, left);
        self.section.extend_from_slice(&chunk[..taken as usize]);
        if left > 0 {
            self.position = Position::Fields(left);
            return Ok(rest);
        }
        self.position = Position::FrameHeader;
        let status = field_section::status(&self.section).map_err(ResponseError::FieldSection)?;
        if status >= 200 {
            self.stage = Stage::Body(status);
        }
        Ok(rest)
    }
}

/// What follows after `left` bytes of `chunk`, what is still missing of them, and how many were there.
fn skip(chunk: &[u8], left: u64) -> (&[u8], u64, u64) {
    let taken = left.min(chunk.len() as u64);
    (&chunk[taken as usize..], left - taken, taken)
}

/// Type and length of a frame, and the bytes that the two take.
pub(super) fn parse_frame_header(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    let (kind, after_kind) = parse_integer(bytes)?;
    let (length, size) = parse_integer(&bytes[after_kind..])?;
    Some((kind, length, after_kind + size))
}

/// A variable-length integer (RFC 9000 section 16) and the bytes it takes; `None` when more are needed.
pub(super) fn parse_integer(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let size = 1_usize << (first >> 6);
    let rest = bytes.get(1..size)?;
    Some((rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK_HEADERS: &[u8] = &[0x01, 0x03, 0, 0, 0xd9];

    /// Feeds the stream whole, byte by byte, and in pieces of three: the result must not depend on it.
    fn check(stream: &[u8], expected: Result<(u16, u64), ResponseError>) {
        for size in [stream.len().max(1), 1, 3] {
            let mut reader = ResponseReader::default();
            let result = stream.chunks(size).try_for_each(|chunk| reader.receive(chunk));
            let finished = result.and_then(|()| reader.finish()).map(|done| (done.status, done.body_bytes));
            assert_eq!(finished, expected, "{stream:02x?} in pieces of {size}");
        }
    }

    #[test]
    fn a_response_is_read_in_pieces_of_any_size() {
        check(OK_HEADERS, Ok((200, 0)));
        check(&[OK_HEADERS, &[0x00, 0x03, 1, 2, 3, 0x00, 0x40, 0x02, 4, 5]].concat(), Ok((200, 5)));
        check(&[OK_HEADERS, &[0x00, 0x00, 0x00, 0x01, 7]].concat(), Ok((200, 1)));
    }

    #[test]
    fn interim_responses_unknown_frames_and_trailers_are_passed_over() {
        let interim = [0x01, 0x04, 0, 0, 0xff, 0x00];
        let grease = [0x21, 0x02, 9, 9];
        let trailers = [0x01, 0x03, 0, 0, 0xd9];
        check(&[&interim[..], &grease, OK_HEADERS, &grease, &[0x00, 0x01, 1], &trailers].concat(), Ok((200, 1)));
    }

    #[test]
    fn cut_streams_are_errors() {
        check(&[], Err(ResponseError::Truncated));
        check(&OK_HEADERS[..4], Err(ResponseError::Truncated));
        check(&[OK_HEADERS, &[0x00]].concat(), Err(ResponseError::Truncated));
        check(&[OK_HEADERS, &[0x00, 0x05, 1]].concat(), Err(ResponseError::Truncated));
    }

    #[test]
    fn frames_out_of_place_are_errors() {
        check(&[0x00, 0x01, 1], Err(ResponseError::UnexpectedFrame(DATA)));
        check(&[0x04, 0x00], Err(ResponseError::UnexpectedFrame(0x04)));
        check(&[OK_HEADERS, OK_HEADERS, &[0x00, 0x01, 1]].concat(), Err(ResponseError::UnexpectedFrame(DATA)));
        check(&[OK_HEADERS, OK_HEADERS, OK_HEADERS].concat(), Err(ResponseError::UnexpectedFrame(HEADERS)));
        check(&[0x01, 0x80, 0x01, 0x00, 0x01], Err(ResponseError::FieldSectionTooLarge));
    }
}
