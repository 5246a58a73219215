//! Counts the frames of an HTTP/2 client that carry nothing.
//!
//! Owns one bound that the `h2` crate has not: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, unknown and empty
//! frames cost work and can be sent without end (RFC 9113 section 10.5). A client has credit for a burst of them, and
//! earns more by what it takes from us and by time; whoever is without credit is not read from any more, and the
//! connection's driver ends it. Frames are only walked over here; `h2` reads them.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Frames without content that may come at once. A page that is left cancels some hundred streams, and each stream may
/// widen its window.
const BURST: u64 = 4_096;

/// Bytes sent for which a client earns one such frame. The busiest clients widen two windows for each 16 KiB.
const BYTES_PER_FRAME: u64 = 512;

/// Frames earned a second: PINGs that measure an idle connection.
const FRAMES_PER_SECOND: u64 = 64;

/// The client's connection preface (RFC 9113 section 3.4) and a frame's header (section 4.1).
const PREFACE: u32 = 24;
const HEADER: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;

/// Whether a connection's credit is used up; shared with who ends it.
#[derive(Debug, Clone, Default)]
pub(in crate::listener) struct Flooded(Arc<AtomicBool>);

impl Flooded {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Credit for frames without content.
#[derive(Debug)]
struct Credit {
    frames: u64,
    /// Bytes sent that have earned no frame yet.
    bytes: u64,
    earned_until: Instant,
}

impl Credit {
    fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.earn(self.bytes / BYTES_PER_FRAME);
        self.bytes %= BYTES_PER_FRAME;
    }

    fn earn(&mut self, frames: u64) {
        self.frames = self.frames.saturating_add(frames).min(BURST);
    }

    /// Whether one more frame is within it.
    fn spend(&mut self, now: Instant) -> bool {
        let seconds = now.duration_since(self.earned_until).as_secs();
        if seconds > 0 {
            self.earned_until = now;
            self.earn(seconds.saturating_mul(FRAMES_PER_SECOND));
        }
        self.frames = self.frames.saturating_sub(1);
        self.frames > 0
    }
}

/// A connection whose incoming frames are counted.
#[derive(Debug)]
pub(in crate::listener) struct FrameMeter<S> {
    inner: S,
    credit: Credit,
    flooded: Flooded,
    /// Bytes of the preface or of a payload that are still to come.
    skip: u32,
    header: [u8; HEADER],
    header_length: usize,
}

impl<S> FrameMeter<S> {
    pub(in crate::listener) fn new(inner: S, flooded: Flooded) -> Self {
        let credit = Credit { frames: BURST, bytes: 0, earned_until: Instant::now() };
        Self { inner, credit, flooded, skip: PREFACE, header: [0; HEADER], header_length: 0 }
    }

    fn count(&mut self, mut bytes: &[u8]) {
        let mut now = None;
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.skip as usize);
            // No more than `skip`, which is a u32.
            self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
            bytes = &bytes[skipped..];
            if self.skip > 0 {
                return;
            }
            let taken = bytes.len().min(HEADER - self.header_length);
            self.header[self.header_length..self.header_length + taken].copy_from_slice(&bytes[..taken]);
            self.header_length += taken;
            bytes = &bytes[taken..];
            if self.header_length < HEADER {
                return;
            }
            self.header_length = 0;
            let [a, b, c, kind, flags, ..] = self.header;
            self.skip = u32::from_be_bytes([0, a, b, c]);
            if is_without_content(self.skip, kind, flags) && !self.credit.spend(*now.get_or_insert_with(Instant::now)) {
                self.flooded.0.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Padding can make up all of a DATA frame (RFC 9113 section 6.1); clients that pad are rare enough to count them.
fn is_without_content(length: u32, kind: u8, flags: u8) -> bool {
    match kind {
        DATA => (length == 0 || flags & PADDED != 0) && flags & END_STREAM == 0,
        HEADERS => false,
        _ => true,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameMeter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flooded.is_set() {
            // The driver, which polls this, looks at the flag next.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.count(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameMeter<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.credit.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, slices))?;
        self.credit.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Whether so many of these frames are too many, however they are cut.
    fn is_flood(frame: &[u8], times: u64) -> bool {
        let preface = [0; PREFACE as usize];
        let bytes = [&preface[..], &frame.repeat(usize::try_from(times).unwrap())].concat();
        let found = [1, 7, 16_384, bytes.len()].map(|cut| {
            let mut meter = FrameMeter::new(tokio::io::empty(), Flooded::default());
            bytes.chunks(cut).for_each(|piece| meter.count(piece));
            meter.flooded.is_set()
        });
        assert!(found.iter().all(|it| *it == found[0]), "{found:?}");
        found[0]
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_content_are_a_flood_beyond_the_burst() {
        for frame in [
            frame(0x6, 0, &[0; 8]),
            frame(0x4, 0, &[]),
            frame(0x2, 0, &[0; 5]),
            frame(0x3, 0, &[0; 4]),
            frame(0x8, 0, &[0; 4]),
            frame(0x9, 0, &[]),
            frame(0xf0, 0, b"x"),
            frame(DATA, 0, &[]),
            frame(DATA, PADDED, &[9; 10]),
        ] {
            assert!(!is_flood(&frame, BURST - 1), "{frame:?}");
            assert!(is_flood(&frame, BURST), "{frame:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_and_bodies_are_none() {
        for frame in [frame(HEADERS, 0x5, &[0x82]), frame(DATA, 0, b"x"), frame(DATA, END_STREAM, b"")] {
            assert!(!is_flood(&frame, 3 * BURST), "{frame:?}");
        }
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
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!(credit.spend(Instant::now()));
    }
}
