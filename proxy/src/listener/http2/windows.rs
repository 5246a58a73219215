//! Flow control (RFC 9113 section 5.2): how much may be on its way, in both directions.

use super::frame::LARGEST_WINDOW;

/// Request body bytes a client may have on the way on one stream before we read them. Uploads are rare at this node:
/// at 100 ms round trip it allows 2.5 MB/s on a stream.
pub(super) const STREAM_WINDOW: u32 = 256 << 10;

/// The same on all streams of a connection together, and thereby the memory that unread bodies of one client take:
/// 64 MiB for 64 such clients.
pub(super) const CONNECTION_WINDOW: u32 = 1 << 20;

/// What every window is before anything is said (RFC 9113 section 6.9.2).
pub(super) const DEFAULT_WINDOW: u32 = 65_535;

/// More was sent than a window allows, or a window grew beyond all bounds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

/// What a client may send.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    left: u32,
    /// Taken out of the way, and not told yet.
    untold: u32,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        Self { size, left: size, untold: 0 }
    }

    /// Notes bytes that have come.
    pub(super) fn receive(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let left = u32::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or(Exceeded)?;
        Ok(())
    }

    /// Notes bytes that are out of the way; tells by how much the client's window is to be widened, if it is time:
    /// half a window at once costs one frame where each piece would cost one.
    pub(super) fn release(&mut self, bytes: usize) -> Option<u32> {
        // No more than was received, which is within the window.
        self.untold = self.untold.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)).min(self.size - self.left);
        if self.untold < self.size / 2 {
            return None;
        }
        self.left += self.untold;
        Some(std::mem::take(&mut self.untold))
    }
}

/// What a client takes. A change of SETTINGS may bring it below nothing (RFC 9113 section 6.9.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// How many bytes may go.
    pub(super) fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// Notes bytes that go, no more than there is room for.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// Makes it wider, or narrower.
    pub(super) fn shift(&mut self, by: i64) -> Result<(), Exceeded> {
        let shifted = self.0 + by;
        if shifted > LARGEST_WINDOW {
            return Err(Exceeded);
        }
        self.0 = shifted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_widened_by_halves_and_never_exceeded() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.receive(60), Ok(()));
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert_eq!(window.receive(90), Ok(()));
        assert_eq!(window.receive(1), Err(Exceeded));
        assert_eq!(window.release(1_000), Some(100));
    }

    #[test]
    fn a_narrowed_window_has_no_room_until_it_is_wide_again() {
        let mut window = SendWindow::new(10);
        window.spend(8);
        assert_eq!((window.shift(-5), window.room()), (Ok(()), 0));
        assert_eq!((window.shift(4), window.room()), (Ok(()), 1));
        assert_eq!(window.shift(LARGEST_WINDOW), Err(Exceeded));
        assert_eq!(window.shift(LARGEST_WINDOW - 1), Ok(()));
    }
}
