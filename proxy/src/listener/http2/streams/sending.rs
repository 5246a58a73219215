//! What leaves on the streams of a connection: whose turn it is, and how far windows let it go.

use std::cmp::Reverse;
use std::ops::Bound::{Excluded, Unbounded};

use super::super::frame::Reason;
use super::super::output::Output;
use super::super::stream::{Prefix, Priority, Sent};
use super::super::windows::Exceeded;
use super::{Fault, Streams};
use crate::listener::priority::Signal;

impl Streams {
    /// Takes so much of a short response's room as its body needs, if there is as much on a new stream.
    pub(in crate::listener::http2) fn spend_at_once(&mut self, bytes: usize) -> bool {
        // Whoever waits for the connection's window goes first.
        let fits = bytes <= self.window.room() && bytes <= self.initial_window as usize && self.ready.is_empty();
        if fits {
            self.window.spend(bytes);
            self.taken += bytes as u64;
        }
        fits
    }

    /// Gives back what a short response did not need of that room.
    pub(in crate::listener::http2) fn give_back(&mut self, bytes: usize) {
        // It was taken out of the same window, which it cannot exceed.
        self.window.shift(i64::try_from(bytes).unwrap_or(0)).ok();
    }

    /// The client takes more of one stream's body.
    pub(in crate::listener::http2) fn widen_stream(&mut self, id: u32, by: i64) -> Result<(), Fault> {
        let Some(stream) = self.table.get_mut(&id) else { return Ok(()) };
        stream.window.shift(by).map_err(|Exceeded| Fault::Stream(Reason::FLOW_CONTROL_ERROR))?;
        self.place(id);
        Ok(())
    }

    /// The client takes more on the connection.
    pub(in crate::listener::http2) fn widen_connection(&mut self, by: i64) -> Result<(), Fault> {
        self.window.shift(by).map_err(|Exceeded| Fault::Connection(Reason::FLOW_CONTROL_ERROR))
    }

    /// The client changes the windows of all streams (RFC 9113 section 6.9.2).
    pub(in crate::listener::http2) fn resize(&mut self, window: u32) -> Result<(), Fault> {
        let by = i64::from(window) - i64::from(self.initial_window);
        self.initial_window = window;
        let ids: Vec<u32> = self.table.keys().copied().collect();
        for id in ids {
            let shifted = self.table.get_mut(&id).map(|stream| stream.window.shift(by));
            if shifted == Some(Err(Exceeded)) {
                return Err(Fault::Connection(Reason::FLOW_CONTROL_ERROR));
            }
            self.place(id);
        }
        Ok(())
    }

    /// Puts a stream among those that can send, or takes it out.
    pub(super) fn place(&mut self, id: u32) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        match (stream.turn, stream.is_ready()) {
            (None, true) => {
                let turn = (Reverse(stream.priority.place(id)), self.turns, id);
                self.turns += 1;
                stream.turn = Some(turn);
                self.ready.insert(turn);
            }
            (Some(turn), false) => {
                stream.turn = None;
                self.ready.remove(&turn);
            }
            _ => {}
        }
    }

    /// Changes what is said of a stream's priority.
    pub(in crate::listener::http2) fn prioritise(&mut self, id: u32, change: impl FnOnce(&mut Priority)) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        change(&mut stream.priority);
        if let Some(turn) = stream.turn.take() {
            self.ready.remove(&turn);
            self.place(id);
        }
    }

    /// The client asks for this priority now (RFC 9218 section 7.1).
    pub(in crate::listener::http2) fn update_priority(&mut self, id: u32, signal: Signal) {
        self.prioritise(id, |priority| priority.updated = Some(signal));
    }

    /// Moves what is to be sent to `output`, until that is so long.
    pub(in crate::listener::http2) fn fill(&mut self, output: &mut Output, most: usize, prefix: &mut Prefix) {
        if !self.control.is_empty() {
            output.own().extend_from_slice(&self.control);
            self.control.clear();
        }
        let mut held = None;
        while output.len() < most {
            let next = match held {
                None => self.ready.first(),
                Some(turn) => self.ready.range((Excluded(turn), Unbounded)).next(),
            };
            let Some(turn) = next.copied() else { return };
            let id = turn.2;
            let Some(stream) = self.table.get_mut(&id) else {
                self.ready.remove(&turn);
                continue;
            };
            let before = stream.taken();
            if stream.send(id, &mut self.window, output, prefix) == Sent::Held {
                // Another may have a field section to send, which no window holds up.
                held = Some(turn);
                continue;
            }
            self.taken += stream.taken() - before;
            if let Some(writer) = stream.writer.take() {
                writer.wake();
            }
            if !stream.is_ready() || self.ready.len() > 1 {
                stream.turn = None;
                self.ready.remove(&turn);
                self.place(id);
            }
            self.note_progress(id);
        }
    }
}
