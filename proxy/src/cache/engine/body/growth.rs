//! The state of a body that grows: what is held, who reads where, and who holds back whom.
//!
//! Pure: it neither waits nor wakes. Every operation costs at most the logarithm of readers or pieces.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::BodyError;
use super::blocks::BLOCK;

/// How long a reader may stand still at the front of a full window while another has nothing left to read. After
/// that it is let go with an error: one stuck player must not stall the others.
const STANDSTILL_GRACE: Duration = Duration::from_secs(5);

/// How long others may have nothing to read, all in all, while one window's worth of bytes goes by. With the default
/// window of 4 MiB a reader must keep about 2 Mbit/s, but only while a faster one reads the same fill: it bounds how
/// far a trickling player slows the others down, which standing still alone would not.
const STARVATION_PER_WINDOW: Duration = Duration::from_secs(15);

/// How the writer keeps what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// All of it.
    Everything,
    /// About `size` bytes: at most one piece more.
    Window {
        /// Bytes.
        size: usize,
        /// When bytes leave that every reader has passed.
        retention: Retention,
    },
}

/// When a window lets go of bytes that every reader has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache::engine) enum Retention {
    /// At once: nobody else will come.
    UntilRead,
    /// When their room is needed, so that others can still join at the start.
    WhileThereIsRoom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Growing,
    Complete,
    Failed,
}

/// Whether there is room for a piece.
pub(super) enum Room {
    /// There is.
    Free,
    /// The window is full, and every reader has something to read.
    Full,
    /// The window is full and a reader has nothing left to read. Those who hold it back have this long.
    Starving { patience: Duration },
    /// The window is full and nobody has read yet.
    Unopened,
    /// All readers have left.
    NobodyReads,
}

/// What a read finds.
pub(super) enum Take {
    Piece(Bytes),
    End,
    Error(BodyError),
    Later,
}

pub(super) struct Growth {
    pub(super) keeping: Keeping,
    pieces: VecDeque<(u64, Bytes)>,
    /// Offset of the first byte still held.
    start: u64,
    /// Offset behind the last byte written.
    end: u64,
    progress: Progress,
    /// Every reader's position and number.
    readers: BTreeSet<(u64, usize)>,
    /// Whether anyone has read yet. Until then a window keeps its first bytes for those who wait for the head.
    opened: bool,
    starvation: Starvation,
}

/// For how long readers had nothing to read because others held back the window.
#[derive(Default)]
struct Starvation {
    /// Since the front piece became the front.
    at_front: Duration,
    /// Since the window began at `window_start`.
    in_window: Duration,
    window_start: u64,
}

impl Growth {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            pieces: VecDeque::new(),
            start: 0,
            end: 0,
            progress: Progress::Growing,
            readers: BTreeSet::new(),
            opened: false,
            starvation: Starvation::default(),
        }
    }

    pub(super) fn held(&self) -> u64 {
        self.end - self.start
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        let start = self.end;
        self.end += bytes.len() as u64;
        self.pieces.push_back((start, bytes));
    }

    /// Looks for room in a window, making some where every reader has passed.
    pub(super) fn room(&mut self) -> Room {
        let Keeping::Window { size, .. } = self.keeping else { return Room::Free };
        if self.readers.is_empty() && self.opened {
            return Room::NobodyReads;
        }
        self.release_to(size as u64);
        if self.held() < size as u64 {
            return Room::Free;
        }
        if !self.opened {
            return Room::Unopened;
        }
        let starving = self.readers.last().is_some_and(|(position, _)| *position >= self.end);
        if !starving {
            return Room::Full;
        }
        let standstill = STANDSTILL_GRACE.saturating_sub(self.starvation.at_front);
        let trickle = STARVATION_PER_WINDOW.saturating_sub(self.starvation.in_window);
        Room::Starving { patience: standstill.min(trickle) }
    }

    /// Lets go of pieces that every reader has passed until less than `limit` bytes are held.
    fn release_to(&mut self, limit: u64) {
        if !self.opened {
            return;
        }
        let slowest = self.readers.first().map_or(self.end, |(position, _)| *position);
        while self.held() >= limit {
            let Some((start, bytes)) = self.pieces.front() else { return };
            let behind = start + bytes.len() as u64;
            if behind > slowest {
                return;
            }
            self.pieces.pop_front();
            self.start = behind;
            self.starvation.at_front = Duration::ZERO;
        }
    }

    fn release_read(&mut self) {
        if let Keeping::Window { retention: Retention::UntilRead, .. } = self.keeping {
            self.release_to(0);
        }
    }

    pub(super) fn note_starvation(&mut self, elapsed: Duration) {
        let Keeping::Window { size, .. } = self.keeping else { return };
        if self.start >= self.starvation.window_start + size as u64 {
            self.starvation.window_start = self.start;
            self.starvation.in_window = Duration::ZERO;
        }
        self.starvation.at_front += elapsed;
        self.starvation.in_window += elapsed;
    }

    /// Lets go of readers that hold back the first piece of the window.
    pub(super) fn drop_laggards(&mut self) {
        let Some((start, bytes)) = self.pieces.front() else { return };
        let behind = start + bytes.len() as u64;
        self.readers = self.readers.split_off(&(behind, 0));
        self.starvation = Starvation { window_start: self.start, ..Starvation::default() };
    }

    /// Ends cleanly. The pieces, when all were kept; they stay here too until the whole is made of them.
    pub(super) fn complete(&mut self) -> Option<Vec<Bytes>> {
        if self.progress != Progress::Growing {
            return None;
        }
        self.progress = Progress::Complete;
        (self.keeping == Keeping::Everything).then(|| self.pieces.iter().map(|(_, bytes)| bytes.clone()).collect())
    }

    pub(super) fn let_go_of_everything(&mut self) {
        self.pieces = VecDeque::new();
        self.readers = BTreeSet::new();
    }

    pub(super) fn fail(&mut self) {
        if self.progress == Progress::Growing {
            self.progress = Progress::Failed;
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress == Progress::Complete && self.keeping == Keeping::Everything
    }

    /// Whether the body will never be whole.
    pub(super) fn failed(&self) -> bool {
        self.progress == Progress::Failed
    }

    pub(super) fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Fails what nobody reads.
    pub(super) fn give_up(&mut self) -> bool {
        let unread = !self.is_read();
        if unread {
            self.fail();
        }
        unread
    }

    /// Registers a reader, if its bytes can still be had.
    pub(super) fn enter(&mut self, number: usize, position: u64) -> bool {
        if position < self.start || self.failed() {
            return false;
        }
        self.opened = true;
        self.readers.insert((position, number))
    }

    pub(super) fn leave(&mut self, number: usize, position: u64) {
        if self.readers.remove(&(position, number)) {
            self.release_read();
        }
    }

    /// Moves a reader. One that was let go of stays away.
    pub(super) fn relocate(&mut self, number: usize, from: u64, to: u64) {
        if self.readers.remove(&(from, number)) {
            self.readers.insert((to, number));
            self.release_read();
        }
    }

    /// What is there for a reader at `position`, which moves behind it.
    pub(super) fn take(&mut self, number: usize, position: u64, limit: usize) -> Take {
        if !self.readers.contains(&(position, number)) {
            return Take::Error(BodyError::Lagging);
        }
        if position < self.end {
            let Some(bytes) = self.piece(position, limit) else { return Take::Error(BodyError::Lagging) };
            self.relocate(number, position, position + bytes.len() as u64);
            return Take::Piece(bytes);
        }
        match self.progress {
            Progress::Growing => Take::Later,
            Progress::Complete => Take::End,
            Progress::Failed => Take::Error(BodyError::Truncated),
        }
    }

    fn piece(&self, position: u64, limit: usize) -> Option<Bytes> {
        let index = self.pieces.partition_point(|(start, bytes)| start + bytes.len() as u64 <= position);
        let (start, bytes) = self.pieces.get(index)?;
        let offset = usize::try_from(position.checked_sub(*start)?).ok()?;
        let end = bytes.len().min(offset.saturating_add(limit.min(BLOCK)));
        Some(bytes.slice(offset..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention::WhileThereIsRoom;

    /// A full window of two pieces, with a reader at the end of it and one at its front.
    fn starving() -> Growth {
        let mut growth = Growth::new(Keeping::Window { size: 20, retention: RETENTION });
        growth.push(Bytes::from_static(&[0; 10]));
        growth.push(Bytes::from_static(&[0; 10]));
        assert!(growth.enter(1, 0) && growth.enter(2, 20));
        growth
    }

    fn patience(growth: &mut Growth) -> Option<Duration> {
        match growth.room() {
            Room::Starving { patience } => Some(patience),
            _ => None,
        }
    }

    #[test]
    fn patience_with_one_who_stands_still_runs_out() {
        let mut growth = starving();
        assert_eq!(patience(&mut growth), Some(STANDSTILL_GRACE));
        growth.note_starvation(Duration::from_secs(2));
        assert_eq!(patience(&mut growth), Some(STANDSTILL_GRACE - Duration::from_secs(2)));
        growth.note_starvation(STANDSTILL_GRACE);
        assert_eq!(patience(&mut growth), Some(Duration::ZERO));
        growth.drop_laggards();
        assert!(matches!(growth.room(), Room::Free));
        assert!(matches!(growth.take(1, 0, 10), Take::Error(BodyError::Lagging)));
        assert!(matches!(growth.take(2, 20, 10), Take::Later));
    }

    #[test]
    fn one_who_moves_on_in_time_is_waited_for() {
        let mut growth = starving();
        growth.note_starvation(Duration::from_secs(4));
        growth.relocate(1, 0, 10);
        assert!(matches!(growth.room(), Room::Free));
        growth.push(Bytes::from_static(&[0; 10]));
        growth.relocate(2, 20, 30);
        assert_eq!(patience(&mut growth), Some(STANDSTILL_GRACE));
    }

    /// Each piece comes within the grace of a standstill, but all in all the others only ever wait.
    #[test]
    fn patience_with_one_who_trickles_runs_out_too() {
        let mut growth = Growth::new(Keeping::Window { size: 1000, retention: RETENTION });
        for _ in 0..100 {
            growth.push(Bytes::from_static(&[0; 10]));
        }
        assert!(growth.enter(1, 0) && growth.enter(2, 1000));
        let (mut slow, mut fast, mut waited) = (0, 1000, Duration::ZERO);
        while let Some(left) = patience(&mut growth) {
            if left.is_zero() {
                assert!(waited >= STARVATION_PER_WINDOW && waited < 2 * STARVATION_PER_WINDOW);
                return;
            }
            let pause = left.min(Duration::from_secs(1));
            growth.note_starvation(pause);
            waited += pause;
            growth.relocate(1, slow, slow + 10);
            slow += 10;
            assert!(matches!(growth.room(), Room::Free));
            growth.push(Bytes::from_static(&[0; 10]));
            growth.relocate(2, fast, fast + 10);
            fast += 10;
            assert!(waited < Duration::from_secs(60), "it is waited for without end");
        }
        panic!("nobody starves");
    }

    #[test]
    fn nobody_is_cut_while_everyone_has_something_to_read() {
        let mut growth = starving();
        growth.relocate(2, 20, 15);
        assert!(matches!(growth.room(), Room::Full));
    }
}
