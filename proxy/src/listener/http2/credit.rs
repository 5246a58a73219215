//! Counts the frames of a client that carry nothing.
//!
//! Owns one bound: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, unknown and empty frames cost work and can be
//! sent without end (RFC 9113 section 10.5). A client has credit for a burst of them, and earns more by what it takes from
//! us and by time; whoever is without credit is told to be calm.

use tokio::time::Instant;

use super::frame::{DATA, END_STREAM, HEADERS, Header, PADDED};

/// Frames without content that may come at once. A page that is left cancels some hundred streams, and each stream may
/// widen its window.
const BURST: u64 = 4_096;

/// Bytes sent for which a client earns one such frame. The busiest clients widen two windows for each 16 KiB.
const BYTES_PER_FRAME: u64 = 512;

/// Frames earned a second: PINGs that measure an idle connection.
const FRAMES_PER_SECOND: u64 = 64;

/// Credit for frames without content.
#[derive(Debug)]
pub(super) struct Credit {
    frames: u64,
    /// Bytes sent that have earned no frame yet.
    bytes: u64,
    earned_until: Instant,
}

impl Credit {
    pub(super) fn new(now: Instant) -> Self {
        Self { frames: BURST, bytes: 0, earned_until: now }
    }

    /// Notes that the client has taken so many bytes.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.earn(self.bytes / BYTES_PER_FRAME);
        self.bytes %= BYTES_PER_FRAME;
    }

    fn earn(&mut self, frames: u64) {
        self.frames = self.frames.saturating_add(frames).min(BURST);
    }

    /// Whether so many frames are within it.
    pub(super) fn spend_all(&mut self, frames: usize, now: Instant) -> bool {
        (0..frames).all(|_| self.spend(now))
    }

    /// Whether one more frame is within it.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let seconds = now.duration_since(self.earned_until).as_secs();
        if seconds > 0 {
            self.earned_until = now;
            self.earn(seconds.saturating_mul(FRAMES_PER_SECOND));
        }
        self.frames = self.frames.saturating_sub(1);
        self.frames > 0
    }
}

/// Padding can make up all of a DATA frame (RFC 9113 section 6.1); clients that pad are rare enough to count them.
pub(super) fn is_without_content(header: &Header) -> bool {
    match header.kind {
        DATA => (header.length == 0 || header.has(PADDED)) && !header.has(END_STREAM),
        HEADERS => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_within_it_and_one_more_is_not() {
        let mut credit = Credit::new(Instant::now());
        assert!((1..BURST).all(|_| credit.spend(Instant::now())));
        assert!(!credit.spend(Instant::now()));
    }

    #[test]
    fn requests_and_bodies_have_content() {
        let check = |kind: u8, flags: u8, length: usize, expected: bool| {
            let header = Header { length, kind, flags, stream: 1 };
            assert_eq!(is_without_content(&header), expected, "{header:?}");
        };
        for (kind, length) in [(0x2, 5), (0x3, 4), (0x4, 0), (0x6, 8), (0x8, 4), (0x9, 0), (0x10, 9), (0xf0, 1)] {
            check(kind, 0, length, true);
        }
        check(DATA, 0, 0, true);
        check(DATA, PADDED, 10, true);
        check(DATA, 0, 1, false);
        check(DATA, END_STREAM, 0, false);
        check(HEADERS, 0x5, 1, false);
    }

    #[tokio::test(start_paused = true)]
    async fn credit_is_earned_by_what_is_taken_and_by_time() {
        let mut credit = Credit { frames: 2, bytes: 0, earned_until: Instant::now() };
        assert!(credit.spend(Instant::now()));
        assert!(!credit.spend(Instant::now()));
        credit.sent(BYTES_PER_FRAME as usize - 1);
        assert!(!credit.spend(Instant::now()));
        credit.sent(BYTES_PER_FRAME as usize * 2 + 1);
        assert!(credit.spend(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(credit.spend(Instant::now()));
    }
}
