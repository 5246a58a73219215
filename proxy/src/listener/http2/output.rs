//! What a connection has to send: one buffer for all that is small, and pieces of bodies between it that are not copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// A piece of a body up to this length is copied behind its frame's header: a copy of a page costs less than another
/// buffer to gather.
const COPIED: usize = 4 << 10;

/// What a connection keeps allocated while it has nothing to send: enough for a short response, and at the default
/// limit of 65,536 connections 256 MiB at the very most.
const KEPT_CAPACITY: usize = 4 << 10;

/// Sent bytes that may stay in front of what waits: moved out of the way seldom enough that it costs next to nothing.
const SENT_KEPT: usize = 16 << 10;

/// Buffers of one write. Ten frames with their headers are more than TLS takes at once.
const SLICES: usize = 20;

/// Bytes that wait for the socket.
#[derive(Debug, Default)]
pub(super) struct Output {
    own: Vec<u8>,
    /// How much of `own` is sent.
    sent: usize,
    /// Pieces, and where in `own` each has its place.
    pieces: VecDeque<(usize, Bytes)>,
    /// Bytes of all pieces.
    piece_bytes: usize,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.own.len() - self.sent + self.piece_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where frames are written.
    pub(super) fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// Appends a piece of a body.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.len() <= COPIED {
            return self.own.extend_from_slice(&piece);
        }
        self.piece_bytes += piece.len();
        self.pieces.push_back((self.own.len(), piece));
    }

    /// Shows what is to be sent first to `write`.
    pub(super) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        if self.pieces.is_empty() {
            return write(&[IoSlice::new(&self.own[self.sent..])]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut count, mut from) = (0, self.sent);
        let mut add = |bytes| {
            if count < SLICES && !<[u8]>::is_empty(bytes) {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        for (at, piece) in self.pieces.iter().take(SLICES) {
            add(&self.own[from..*at]);
            add(piece);
            from = *at;
        }
        if self.pieces.len() < SLICES {
            add(&self.own[from..]);
        }
        write(&slices[..count])
    }

    /// Notes that so many bytes are sent.
    pub(super) fn advance(&mut self, mut count: usize) {
        self.drop_sent();
        while let Some((at, piece)) = self.pieces.front_mut() {
            let before = (*at - self.sent).min(count);
            self.sent += before;
            count -= before;
            if self.sent < *at {
                return;
            }
            let taken = piece.len().min(count);
            piece.advance(taken);
            self.piece_bytes -= taken;
            count -= taken;
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.sent = (self.sent + count).min(self.own.len());
        if self.sent == self.own.len() {
            self.own.clear();
            self.own.shrink_to(KEPT_CAPACITY);
            self.sent = 0;
        }
    }

    /// Forgets what was sent before, as a connection that always has something to send is never empty.
    fn drop_sent(&mut self) {
        if self.sent < SENT_KEPT || self.sent < self.own.len() / 2 {
            return;
        }
        self.own.drain(..self.sent);
        for (at, _) in &mut self.pieces {
            *at -= self.sent;
        }
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_sent_is_forgotten_though_something_always_waits() {
        const WAITING: usize = 64 << 10;
        let mut output = Output::default();
        for round in 0..10_000 {
            while output.len() < WAITING {
                output.own().extend_from_slice(&[1; 9]);
                output.push(Bytes::from(vec![2; if round % 3 == 0 { 2 * COPIED } else { COPIED }]));
            }
            output.advance(5_000);
        }
        assert!(output.own.capacity() <= 8 * WAITING, "{}", output.own.capacity());
        assert!(output.pieces.iter().all(|(at, _)| (output.sent..=output.own.len()).contains(at)));
    }

    proptest! {
        #[test]
        fn bytes_leave_in_the_order_in_which_they_came(
            pushed in prop::collection::vec((any::<bool>(), any::<u8>(), 1_usize..9_000), 0..40),
            taken in prop::collection::vec(1_usize..40_000, 1..40),
        ) {
            let (mut output, mut expected) = (Output::default(), Vec::new());
            for (piece, byte, length) in pushed {
                let bytes = vec![byte; length];
                expected.extend_from_slice(&bytes);
                if piece { output.push(bytes.into()) } else { output.own().extend_from_slice(&bytes) }
            }
            let (mut found, mut turns) = (Vec::new(), taken.iter().cycle());
            while !output.is_empty() {
                prop_assert_eq!(output.len() + found.len(), expected.len());
                let most = *turns.next().unwrap();
                let count = output.with_slices(|slices| {
                    let shown: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
                    found.extend_from_slice(&shown);
                    shown.len()
                });
                prop_assert!(count > 0);
                output.advance(count);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
