//! The server's unidirectional streams (RFC 9114 section 6.2): all that matters to a load client is whether the
//! control stream says GOAWAY. Knows nothing of QUIC.

use super::response::{parse_frame_header, parse_integer};

const CONTROL: u64 = 0x00;
const GOAWAY: u64 = 0x07;

/// What a stream has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing that matters.
    Nothing,
    /// The server takes no more requests on this connection.
    GoAway,
    /// Nothing, and nothing that follows can matter.
    Ignored,
}

/// Reads one stream of the server.
#[derive(Debug, Default)]
pub(super) struct ServerStreamReader {
    /// Bytes of an unfinished stream type or frame header: at most 15.
    pending: Vec<u8>,
    is_control: bool,
    /// Bytes of the current frame's payload that are still to come.
    payload: u64,
}

impl ServerStreamReader {
    /// Takes the next bytes of the stream.
    pub(super) fn receive(&mut self, chunk: &[u8]) -> Said {
        for byte in chunk {
            if self.payload > 0 {
                self.payload -= 1;
                continue;
            }
            self.pending.push(*byte);
            match self.advance() {
                Said::Nothing => {}
                said => return said,
            }
        }
        Said::Nothing
    }

    fn advance(&mut self) -> Said {
        if !self.is_control {
            match parse_integer(&self.pending) {
                Some((CONTROL, _)) => (self.is_control, self.pending) = (true, Vec::new()),
                Some(_) => return Said::Ignored,
                None => {}
            }
            return Said::Nothing;
        }
        match parse_frame_header(&self.pending) {
            Some((GOAWAY, _, _)) => Said::GoAway,
            Some((_, length, _)) => {
                self.pending.clear();
                self.payload = length;
                Said::Nothing
            }
            None => Said::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &[u8], expected: Said) {
        let mut reader = ServerStreamReader::default();
        assert_eq!(reader.receive(stream), expected, "{stream:02x?}");
        let mut reader = ServerStreamReader::default();
        let said = stream.chunks(1).map(|byte| reader.receive(byte)).find(|said| *said != Said::Nothing);
        assert_eq!(said.unwrap_or(Said::Nothing), expected, "{stream:02x?} byte by byte");
    }

    #[test]
    fn goaway_is_seen_behind_settings_and_unknown_frames() {
        check(&[0x00, 0x04, 0x02, 0x06, 0x07, 0x21, 0x00, 0x07, 0x01, 0x00], Said::GoAway);
        check(&[0x40, 0x00, 0x04, 0x00], Said::Nothing);
    }

    #[test]
    fn other_streams_are_ignored() {
        check(&[0x02, 0x07, 0x01, 0x00], Said::Ignored);
        check(&[0x40, 0x54], Said::Ignored);
        check(&[], Said::Nothing);
    }
}
