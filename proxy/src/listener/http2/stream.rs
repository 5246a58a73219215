//! One stream: what waits to be sent on it, what has come and was not read, and how far both directions are.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Bytes, BytesMut};

use super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADER, HEADERS, LARGEST_PAYLOAD, Reason, header, put_header,
};
use super::output::Output;
use super::windows::{ReceiveWindow, STREAM_WINDOW, SendWindow};
use crate::listener::priority::Signal;

/// Where a stream stands among those that have something to send: by its place, and turn by turn in the same.
pub(super) type Turn = (Reverse<i32>, u64, u32);

/// Why nothing can be written or read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Gone {
    #[error("client stopped the request with code {}", .0.0)]
    Stopped(Reason),
    #[error("stream was reset with code {}", .0.0)]
    Reset(Reason),
    #[error("connection ended")]
    Ended,
}

#[derive(Debug)]
enum Item {
    /// A compressed field section.
    Section(Vec<u8>),
    Data(Bytes),
}

/// What is said of a response's priority.
#[derive(Debug, Default)]
pub(super) struct Priority {
    /// In the request's field.
    pub(super) asked: Signal,
    /// Since, in a frame: that goes before the field, whichever came first (RFC 9218 section 7).
    pub(super) updated: Option<Signal>,
    /// In the response's field.
    pub(super) decided: Signal,
}

impl Priority {
    pub(super) fn place(&self, stream: u32) -> i32 {
        let client = self.updated.unwrap_or(self.asked);
        // Places are counted as QUIC counts a client's streams, in steps of four.
        self.decided.over(client).place(u64::from(stream) * 2)
    }
}

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Frame,
    /// The connection's window is empty.
    Held,
}

#[derive(Debug)]
pub(super) struct Stream {
    queue: VecDeque<Item>,
    queued_bytes: usize,
    /// Bytes of the body that were handed over.
    taken: u64,
    /// Bytes of the body that were pushed and will never be sent.
    lost_bytes: usize,
    /// Nothing is queued any more.
    end_queued: bool,
    /// Somebody has begun to answer.
    pub(super) begun: bool,
    /// All of the response is there, though it is queued piece by piece.
    pub(super) stored: bool,
    /// END_STREAM is on its way.
    pub(super) sent_end: bool,
    /// Something was handed over since somebody last asked.
    progressed: bool,
    pub(super) window: SendWindow,
    pub(super) priority: Priority,
    pub(super) turn: Option<Turn>,
    pub(super) received: BytesMut,
    pub(super) receive_window: ReceiveWindow,
    pub(super) received_end: bool,
    pub(super) gone: Option<Gone>,
    /// Both directions are over, as the client counts streams.
    pub(super) closed: bool,
    pub(super) writer: Option<Waker>,
    pub(super) reader: Option<Waker>,
}

impl Stream {
    pub(super) fn new(window: SendWindow, received_end: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            taken: 0,
            lost_bytes: 0,
            end_queued: false,
            begun: false,
            stored: false,
            sent_end: false,
            progressed: false,
            window,
            priority: Priority::default(),
            turn: None,
            received: BytesMut::new(),
            receive_window: ReceiveWindow::new(STREAM_WINDOW),
            received_end,
            gone: None,
            closed: false,
            writer: None,
            reader: None,
        }
    }

    pub(super) fn push_section(&mut self, section: Vec<u8>) {
        if self.takes_more() {
            self.queue.push_back(Item::Section(section));
        }
    }

    pub(super) fn push_data(&mut self, bytes: Bytes) {
        if !self.takes_more() {
            self.lost_bytes += bytes.len();
        } else if !bytes.is_empty() {
            self.queued_bytes += bytes.len();
            self.queue.push_back(Item::Data(bytes));
        }
    }

    pub(super) fn push_end(&mut self) {
        self.end_queued |= self.takes_more();
    }

    fn takes_more(&self) -> bool {
        !self.end_queued && self.gone.is_none()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Bytes of the body that its client has room for, or had.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes that were pushed and are not sent, or never will be.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.queued_bytes + self.lost_bytes
    }

    /// Whether all that was queued is handed over.
    pub(super) fn is_flushed(&self) -> bool {
        self.queue.is_empty() && (!self.end_queued || self.sent_end)
    }

    /// Whether all of the response is there.
    pub(super) fn is_there(&self) -> bool {
        self.stored || self.end_queued
    }

    /// Whether all that was queued is handed over, and more will be.
    pub(super) fn awaits_more(&self) -> bool {
        self.gone.is_none() && self.queue.is_empty() && !self.end_queued
    }

    /// Whether something was handed over since this was last asked.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progressed)
    }

    /// Whether it has something that its own window lets through.
    pub(super) fn is_ready(&self) -> bool {
        match self.queue.front() {
            _ if self.gone.is_some() => false,
            Some(Item::Section(_)) => true,
            Some(Item::Data(_)) => self.window.room() > 0,
            None => self.end_queued && !self.sent_end,
        }
    }

    /// Hands one frame over, or a whole field section.
    pub(super) fn send(
        &mut self,
        id: u32,
        connection: &mut SendWindow,
        output: &mut Output,
        prefix: &mut Prefix,
    ) -> Sent {
        match self.queue.pop_front() {
            Some(Item::Section(section)) => {
                self.sent_end = self.end_queued && self.queue.is_empty();
                put_section(output.own(), id, &section, self.sent_end, prefix);
            }
            Some(Item::Data(mut bytes)) => {
                let most = LARGEST_PAYLOAD.min(self.window.room()).min(connection.room());
                if most == 0 {
                    self.queue.push_front(Item::Data(bytes));
                    return Sent::Held;
                }
                let piece = if bytes.len() > most {
                    let piece = bytes.split_to(most);
                    self.queue.push_front(Item::Data(bytes));
                    piece
                } else {
                    bytes
                };
                self.window.spend(piece.len());
                connection.spend(piece.len());
                self.queued_bytes -= piece.len();
                self.taken += piece.len() as u64;
                self.sent_end = self.end_queued && self.queue.is_empty();
                let flags = if self.sent_end { END_STREAM } else { 0 };
                put_header(output.own(), piece.len(), DATA, flags, id);
                output.push(piece);
            }
            None => {
                self.sent_end = true;
                put_header(output.own(), 0, DATA, END_STREAM, id);
            }
        }
        self.progressed = true;
        Sent::Frame
    }

    /// Notes that nothing comes or goes any more.
    pub(super) fn end(&mut self, gone: Gone) {
        if self.gone.is_none() {
            self.gone = Some(gone);
            self.queue.clear();
            self.lost_bytes += std::mem::take(&mut self.queued_bytes);
        }
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        self.writer.take().into_iter().chain(self.reader.take()).for_each(Waker::wake);
    }
}

/// What stands before the first field section of a connection: nothing will ever be entered into the client's table
/// (RFC 7541 section 6.3), whatever size it allows.
#[derive(Debug)]
pub(super) struct Prefix(&'static [u8]);

impl Prefix {
    /// An update of the table's size to nothing.
    pub(super) const NO_TABLE: Self = Self(&[0x20]);

    fn take(&mut self) -> &'static [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Writes a field section as HEADERS and as much CONTINUATION as it needs.
pub(super) fn put_section(out: &mut Vec<u8>, id: u32, section: &[u8], end: bool, prefix: &mut Prefix) {
    let begun = begin_section(out, id, prefix);
    out.extend_from_slice(section);
    end_section(out, begun, id, end);
}

/// Begins HEADERS whose section is written behind it; tells where it begins.
pub(super) fn begin_section(out: &mut Vec<u8>, id: u32, prefix: &mut Prefix) -> usize {
    let begun = out.len();
    put_header(out, 0, HEADERS, 0, id);
    out.extend_from_slice(prefix.take());
    begun
}

/// Ends the HEADERS that begin there.
pub(super) fn end_section(out: &mut Vec<u8>, begun: usize, id: u32, end: bool) {
    let end_stream = if end { END_STREAM } else { 0 };
    let length = out.len() - begun - HEADER;
    if length <= LARGEST_PAYLOAD {
        out[begun..begun + HEADER].copy_from_slice(&header(length, HEADERS, end_stream | END_HEADERS, id));
        return;
    }
    out[begun..begun + HEADER].copy_from_slice(&header(LARGEST_PAYLOAD, HEADERS, end_stream, id));
    let rest = out.split_off(begun + HEADER + LARGEST_PAYLOAD);
    let mut pieces = rest.chunks(LARGEST_PAYLOAD).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        put_header(out, piece.len(), CONTINUATION, flags, id);
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Header;
    use super::*;

    fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, usize)> {
        let mut frames = Vec::new();
        while let Some(header) = Header::parse(bytes) {
            frames.push((header.kind, header.flags, header.length));
            bytes = &bytes[HEADER + header.length..];
        }
        frames
    }

    #[test]
    fn long_sections_go_on_in_continuations() {
        let check = |length: usize, expected: &[(u8, u8, usize)]| {
            let (mut out, mut prefix) = (b"before".to_vec(), Prefix::NO_TABLE);
            put_section(&mut out, 1, &vec![7; length], true, &mut prefix);
            assert_eq!(frames(&out[6..]), expected, "{length}");
        };
        check(LARGEST_PAYLOAD - 1, &[(HEADERS, END_STREAM | END_HEADERS, LARGEST_PAYLOAD)]);
        check(LARGEST_PAYLOAD, &[(HEADERS, END_STREAM, LARGEST_PAYLOAD), (CONTINUATION, END_HEADERS, 1)]);
        let middle = (CONTINUATION, 0, LARGEST_PAYLOAD);
        let [first, last] = [(HEADERS, END_STREAM, LARGEST_PAYLOAD), (CONTINUATION, END_HEADERS, 3)];
        check(2 * LARGEST_PAYLOAD + 2, &[first, middle, last]);
    }

    #[test]
    fn the_end_is_said_with_the_last_that_goes() {
        let check = |section: bool, data: &[u8], expected: &[(u8, u8, usize)]| {
            let mut stream = Stream::new(SendWindow::new(4), true);
            if section {
                stream.push_section(vec![0x88]);
            }
            stream.push_data(Bytes::copy_from_slice(data));
            stream.push_end();
            let (mut output, mut window, mut prefix) = (Output::default(), SendWindow::new(100), Prefix(&[]));
            while stream.is_ready() {
                assert_eq!(stream.send(1, &mut window, &mut output, &mut prefix), Sent::Frame);
            }
            let found = output.with_slices(|slices| frames(&slices[0]));
            assert_eq!(found, expected, "{section} {data:?}");
        };
        check(true, b"", &[(HEADERS, END_STREAM | END_HEADERS, 1)]);
        check(true, b"abcd", &[(HEADERS, END_HEADERS, 1), (DATA, END_STREAM, 4)]);
        check(false, b"", &[(DATA, END_STREAM, 0)]);
        check(false, b"abcdef", &[(DATA, 0, 4)]);
    }
}
