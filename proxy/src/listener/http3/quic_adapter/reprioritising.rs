//! PRIORITY_UPDATE frames of HTTP/3 (RFC 9218 section 7.2), which h3 skips: a client changes its mind about a response.
//!
//! Owns listening to the control stream beside h3, what comes before its request, and the bounds of both. What a priority
//! means is [`super::super::priority`]'s.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use h3::error::Code;
use parking_lot::Mutex;

use super::super::frame::{FrameCursor, Piece, take_integer};
use super::SendHalf;
use super::error::variable_integer;
use crate::listener::priority::Signal;

/// Type of a control stream (RFC 9114 section 6.2.1).
const CONTROL_STREAM: u64 = 0x00;
/// PRIORITY_UPDATE of a request. That of a push is for who pushes; we never do.
const PRIORITY_UPDATE: u64 = 0xf0700;

/// Longest frame that is read: an identifier and a few parameters.
const MAX_FRAME: u64 = 8 + 256;
/// Requests not there yet whose priorities are kept: frames overtake requests by a packet or two, not by hundreds.
const MAX_EARLY: usize = 128;
/// Frames that a connection may send at once, and for each request that it makes. A browser sends one when a response
/// comes into view; each costs us little, but a connection that sends nothing else costs something for nothing
/// (RFC 9218 section 13, on floods).
const FRAMES_AT_ONCE: u32 = 256;
const FRAMES_FOR_A_REQUEST: u32 = 16;

/// The priorities of one connection's requests.
#[derive(Default)]
pub(super) struct Priorities {
    open: HashMap<u64, Weak<Mutex<SendHalf>>>,
    early: HashMap<u64, Signal>,
    /// The first stream that is still to come.
    next: u64,
    spare_frames: u32,
    /// How many streams are noted before those that have ended are let go.
    sweep_at: usize,
}

/// As many streams as connections rarely have at once.
const SWEEP_AT: usize = 128;

/// Shared by the streams of a connection.
pub(super) type SharedPriorities = Arc<Mutex<Priorities>>;

impl Priorities {
    pub(super) fn shared() -> SharedPriorities {
        Arc::new(Mutex::new(Self { spare_frames: FRAMES_AT_ONCE, sweep_at: SWEEP_AT, ..Self::default() }))
    }

    /// Notes a request's stream, and what was said of it before.
    pub(super) fn opened(&mut self, stream: u64, half: &Arc<Mutex<SendHalf>>) {
        if self.open.len() >= self.sweep_at {
            // Those that have ended; seldom enough that each stream is looked at a few times in all.
            self.open.retain(|_, half| half.strong_count() > 0);
            self.sweep_at = SWEEP_AT.max(2 * self.open.len());
        }
        self.open.insert(stream, Arc::downgrade(half));
        self.next = self.next.max(stream.saturating_add(4));
        self.spare_frames = self.spare_frames.saturating_add(FRAMES_FOR_A_REQUEST);
        if let Some(signal) = self.early.remove(&stream) {
            half.lock().update(signal);
        }
    }

    /// A client's word about one of its requests; what it may not say, as the code of an error.
    fn update(&mut self, stream: u64, signal: Signal) -> Result<(), Code> {
        self.spare_frames = self.spare_frames.checked_sub(1).ok_or(Code::H3_EXCESSIVE_LOAD)?;
        if !stream.is_multiple_of(4) {
            return Err(Code::H3_ID_ERROR); // no request stream (RFC 9000 section 2.1)
        }
        match self.open.get(&stream).and_then(Weak::upgrade) {
            Some(half) => half.lock().update(signal),
            None if stream >= self.next && (self.early.len() < MAX_EARLY || self.early.contains_key(&stream)) => {
                self.early.insert(stream, signal);
            }
            // Answered already, or too early by far: it may be discarded (RFC 9218 section 7).
            None => {}
        }
        Ok(())
    }
}

/// Listens to a stream that h3 reads.
pub(super) struct Listening {
    connection: quinn::Connection,
    priorities: SharedPriorities,
    stream: Stream,
}

enum Stream {
    /// Its type has not come whole.
    Untold(Vec<u8>),
    /// The control stream.
    Control { cursor: FrameCursor, frame: Option<Vec<u8>> },
    /// Of no interest.
    Other,
}

impl Listening {
    pub(super) fn new(connection: quinn::Connection, priorities: SharedPriorities) -> Self {
        Self { connection, priorities, stream: Stream::Untold(Vec::new()) }
    }

    /// Hears what h3 is about to read.
    pub(super) fn hear(&mut self, bytes: &Bytes) {
        if let Err(code) = self.stream.hear(bytes.clone(), &self.priorities) {
            self.connection.close(variable_integer(code.value()), b"PRIORITY_UPDATE");
        }
    }
}

impl Stream {
    fn hear(&mut self, mut bytes: Bytes, priorities: &SharedPriorities) -> Result<(), Code> {
        if let Self::Untold(begun) = self {
            begun.extend_from_slice(&bytes);
            let mut rest: &[u8] = begun;
            match take_integer(&mut rest) {
                None => return Ok(()),
                Some(CONTROL_STREAM) => {
                    bytes = Bytes::copy_from_slice(rest);
                    *self = Self::Control { cursor: FrameCursor::default(), frame: None };
                }
                Some(_) => *self = Self::Other,
            }
        }
        let Self::Control { cursor, frame } = self else { return Ok(()) };
        while let Some(piece) = cursor.next(&mut bytes) {
            match piece {
                Piece::Start { header, length, .. } => {
                    let is_update = take_integer(&mut &header[..]) == Some(PRIORITY_UPDATE);
                    *frame = (is_update && length <= MAX_FRAME).then(Vec::new);
                    if is_update && (length == 0 || length > MAX_FRAME) {
                        return Err(Code::H3_FRAME_ERROR);
                    }
                }
                Piece::Payload { bytes, .. } => {
                    if let Some(frame) = frame {
                        frame.extend_from_slice(&bytes);
                    }
                }
            }
            if cursor.at_boundary()
                && let Some(whole) = frame.take()
            {
                let mut value: &[u8] = &whole;
                let stream = take_integer(&mut value).ok_or(Code::H3_FRAME_ERROR)?;
                priorities.lock().update(stream, Signal::parse(value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The type of a control stream, SETTINGS without settings, and what follows.
    fn control(frames: &[u8]) -> Vec<u8> {
        [&[0x00, 0x04, 0x00], frames].concat()
    }

    fn update(stream: u8, value: &str) -> Vec<u8> {
        let mut frame = vec![0x80, 0x0f, 0x07, 0x00, u8::try_from(value.len() + 1).unwrap(), stream];
        frame.extend_from_slice(value.as_bytes());
        frame
    }

    fn heard(bytes: &[u8], cut: usize) -> (Result<(), Code>, HashMap<u64, Signal>) {
        let priorities = Priorities::shared();
        let mut stream = Stream::Untold(Vec::new());
        let told = bytes.chunks(cut).try_for_each(|piece| stream.hear(Bytes::copy_from_slice(piece), &priorities));
        let early = priorities.lock().early.clone();
        (told, early)
    }

    #[test]
    fn updates_are_heard_however_they_are_cut() {
        let bytes =
            control(&[update(0, "u=1"), vec![0x21, 0x02, 0, 0], update(4, "i, u=6"), update(0, "u=2")].concat());
        let expected = HashMap::from([(0, Signal::parse(b"u=2")), (4, Signal::parse(b"i, u=6"))]);
        for cut in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(heard(&bytes, cut), (Ok(()), expected.clone()), "in pieces of {cut}");
        }
    }

    #[test]
    fn other_streams_say_nothing_of_priorities() {
        let bytes = [&[0x02][..], &update(0, "u=1")].concat();
        assert_eq!(heard(&bytes, 1), (Ok(()), HashMap::new()));
    }

    #[test]
    fn floods_and_frames_that_make_no_sense_end_the_connection() {
        let check = |frames: Vec<u8>, expected: Result<(), Code>| {
            assert_eq!(heard(&control(&frames), 64).0, expected);
        };
        check(update(1, "u=1"), Err(Code::H3_ID_ERROR));
        check(vec![0x80, 0x0f, 0x07, 0x00, 0x00], Err(Code::H3_FRAME_ERROR));
        check(vec![0x80, 0x0f, 0x07, 0x00, 0x01, 0x40], Err(Code::H3_FRAME_ERROR));
        check(vec![0x80, 0x0f, 0x07, 0x00, 0x80, 0x01, 0x00, 0x00], Err(Code::H3_FRAME_ERROR));
        let frames = |count: u32| (0..count).flat_map(|_| update(8, "u=1")).collect::<Vec<_>>();
        check(frames(FRAMES_AT_ONCE), Ok(()));
        check(frames(FRAMES_AT_ONCE + 1), Err(Code::H3_EXCESSIVE_LOAD));
    }

    #[test]
    fn priorities_of_requests_to_come_are_bounded() {
        let mut priorities = Priorities { spare_frames: u32::MAX, ..Priorities::default() };
        for stream in 0..1000 {
            priorities.update(4 * stream, Signal::parse(b"u=1")).unwrap();
        }
        assert_eq!(priorities.early.len(), MAX_EARLY);
    }
}
