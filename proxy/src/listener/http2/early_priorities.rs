//! Priorities of requests that have not come yet: PRIORITY_UPDATE may overtake its request (RFC 9218 section 7.1).

use super::frame::Reason;
use super::streams::Fault;
use crate::listener::priority::Signal;

/// What was said of streams that nobody has opened.
#[derive(Debug, Default)]
pub(super) struct EarlyPriorities(Vec<(u32, Signal)>);

impl EarlyPriorities {
    /// Keeps what is said last of each, as long as there is room for as many streams.
    pub(super) fn note(&mut self, id: u32, signal: Signal, room: usize) -> Result<(), Fault> {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == id) {
            *known = signal;
            return Ok(());
        }
        if self.0.len() >= room {
            return Err(Fault::Connection(Reason::PROTOCOL_ERROR));
        }
        self.0.push((id, signal));
        Ok(())
    }

    /// What was said of a stream that is opened. Those before it will never be (RFC 9113 section 5.1.1).
    pub(super) fn take(&mut self, id: u32) -> Option<Signal> {
        let signal = self.0.iter().find(|(known, _)| *known == id).map(|(_, signal)| *signal);
        self.0.retain(|(known, _)| *known > id);
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_streams_that_were_left_out_are_forgotten() {
        let signal = |value: &str| Signal::parse(value.as_bytes());
        let mut early = EarlyPriorities::default();
        for (id, value) in [(3, "u=1"), (5, "u=2"), (5, "u=5"), (9, "i")] {
            early.note(id, signal(value), 3).unwrap();
        }
        assert_eq!(early.note(11, signal("u=0"), 3), Err(Fault::Connection(Reason::PROTOCOL_ERROR)));
        assert_eq!(early.take(5), Some(signal("u=5")));
        assert_eq!(early.take(7), None);
        early.note(11, signal("u=0"), 2).unwrap();
        assert_eq!(early.take(11), Some(signal("u=0")));
        assert!(early.0.is_empty());
    }
}
