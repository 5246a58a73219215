//! What comes on the streams of a connection: bodies of requests, and how far their windows are opened for more.

use bytes::{Buf, Bytes, BytesMut};

use super::super::frame::{Reason, put_window_update};
use super::super::windows::Exceeded;
use super::{Fault, Streams};

/// What is handed out of a body at once, unless little more is there. The window is given back with it, and several pieces
/// wait in the proxy for a slow origin: as large as the window, they would multiply what one connection holds.
const PIECE: usize = 16 << 10;

impl Streams {
    /// Notes what has come of a body; `length` is that of the frame, its padding included.
    pub(in crate::listener::http2) fn receive(
        &mut self,
        id: u32,
        bytes: &[u8],
        length: usize,
        end: bool,
    ) -> Result<(), Fault> {
        self.receive_window.receive(length).map_err(|Exceeded| Fault::Connection(Reason::FLOW_CONTROL_ERROR))?;
        let Some(stream) = self.table.get_mut(&id).filter(|stream| stream.gone.is_none()) else {
            self.release_connection(length);
            return Ok(());
        };
        if stream.received_end {
            self.release_connection(length);
            return Err(Fault::Stream(Reason::STREAM_CLOSED));
        }
        if stream.receive_window.receive(length).is_err() {
            self.release_connection(length);
            return Err(Fault::Stream(Reason::FLOW_CONTROL_ERROR));
        }
        // Copied together: a piece of its own for each frame would cost more than the bytes of a small one.
        stream.received.extend_from_slice(bytes);
        stream.received_end = end;
        if let Some(reader) = stream.reader.take() {
            reader.wake();
        }
        // Padding is out of the way at once.
        let padding = length - bytes.len();
        if padding > 0 {
            self.release(id, padding);
        }
        self.note_progress(id);
        Ok(())
    }

    /// Notes that the client's body ends without another byte.
    pub(in crate::listener::http2) fn receive_end(&mut self, id: u32) -> Result<(), Fault> {
        let Some(stream) = self.table.get_mut(&id).filter(|stream| stream.gone.is_none()) else { return Ok(()) };
        if stream.received_end {
            return Err(Fault::Stream(Reason::STREAM_CLOSED));
        }
        stream.received_end = true;
        if let Some(reader) = stream.reader.take() {
            reader.wake();
        }
        self.note_progress(id);
        Ok(())
    }

    /// Widens the windows by what was read.
    fn release(&mut self, id: u32, bytes: usize) {
        let stream = self.table.get_mut(&id).filter(|stream| !stream.received_end && stream.gone.is_none());
        if let Some(by) = stream.and_then(|stream| stream.receive_window.release(bytes)) {
            put_window_update(&mut self.control, id, by);
        }
        self.release_connection(bytes);
    }

    pub(super) fn release_connection(&mut self, bytes: usize) {
        if let Some(by) = self.receive_window.release(bytes) {
            put_window_update(&mut self.control, 0, by);
        }
    }

    /// Takes the next piece of a body.
    pub(in crate::listener::http2) fn take_received(&mut self, id: u32) -> Option<Bytes> {
        let received = &mut self.table.get_mut(&id)?.received;
        if received.is_empty() {
            return None;
        }
        let piece = next_piece(received);
        let before = self.control.len();
        self.release(id, piece.len());
        if self.control.len() > before {
            self.wake_driver();
        }
        Some(piece)
    }
}

/// Takes the next piece out of what has come. Long ones are copied: a part of the buffer would keep all of it.
fn next_piece(received: &mut BytesMut) -> Bytes {
    if received.capacity() <= 2 * PIECE {
        return std::mem::take(received).freeze();
    }
    let piece = Bytes::copy_from_slice(&received[..received.len().min(PIECE)]);
    received.advance(piece.len());
    if received.is_empty() {
        *received = BytesMut::new();
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::super::super::windows::STREAM_WINDOW;
    use super::*;

    #[test]
    fn bodies_are_handed_out_piece_by_piece_and_so_is_the_window() {
        let mut streams = Streams::new();
        streams.insert(1, false);
        let body: Vec<u8> = (0..STREAM_WINDOW).map(|at| (at / 251) as u8).collect();
        for frame in body.chunks(16_000) {
            streams.receive(1, frame, frame.len(), false).unwrap();
        }
        let (mut taken, mut told) = (Vec::new(), 0);
        while let Some(piece) = streams.take_received(1) {
            assert!(piece.len() <= PIECE, "{}", piece.len());
            taken.extend_from_slice(&piece);
            // Of the window, no more is given back than was handed out.
            let widened = std::mem::take(&mut streams.control);
            told += widened.chunks(13).filter(|frame| frame[8] == 1).map(increment).sum::<usize>();
            assert!(told <= taken.len(), "{told} of {}", taken.len());
        }
        assert_eq!(taken, body);
        assert!(told >= body.len() / 2, "{told}");
        let left = streams.get(1).map(|stream| stream.received.capacity());
        assert_eq!(left, Some(0), "nothing is kept for what was taken");
    }

    fn increment(window_update: &[u8]) -> usize {
        u32::from_be_bytes(window_update[9..13].try_into().unwrap()) as usize
    }

    #[test]
    fn small_bodies_are_handed_out_as_they_are() {
        let mut received = BytesMut::from(&b"abc"[..]);
        let at = received.as_ptr();
        assert_eq!(next_piece(&mut received).as_ptr(), at, "not copied");
        assert_eq!(received.capacity(), 0);
    }
}
