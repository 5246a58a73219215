//! One reader of an object in slices: goes from slice to slice, stored, on their way, or fetched for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::super::body::{BodyError, Reader};
use super::super::budget::Admission;
use super::fetching::Launch;
use super::flights::Wish;
use super::run::PATIENCE;
use super::{Opened, Pace, Sliced};

/// How often in a row a slice is asked for that does not come, before whoever has got nothing yet is told by a status.
const MOST_SETBACKS: u32 = 3;

/// The same for readers in the midst of a body, who can only be cut: a quarter of a minute of pauses outlives
/// most faults of origins, and players have as much in hand.
const MOST_SETBACKS_MIDWAY: u32 = 8;

/// Pause after the first of them; after each further one it is twice as long, up to the longest.
const SETBACK_PAUSE: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long readers wait for a place among the fills, or for memory, before they have got anything.
const FIRST_TURN: Duration = Duration::from_millis(700);

/// The same in the midst of a body.
const TURN: Duration = Duration::from_secs(30);

/// For how many slices a reader counts as slow after one that took it too long. Buffers on the way to a client swallow
/// several slices at once, and then none for a while.
const SLOW_FOR: u8 = 4;

/// How often it is looked for memory.
const MEMORY_PAUSE: Duration = Duration::from_millis(200);

/// Where the slices come from that a reader has opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Whether one of them was fetched by another's run.
    pub(super) joined: bool,
    /// Whether one of them was fetched for this reader.
    pub(super) fetched: bool,
}

/// Why nothing could be fetched for a reader, when asking again now does not mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// Too many fills run.
    Fills,
    /// Fills hold all the memory that they may.
    Memory,
    /// The origin has something to say to this client, not of the object.
    Refusal,
}

pub(in crate::cache::engine) struct SlicedReader {
    sliced: Arc<Sliced>,
    number: u64,
    position: u64,
    /// Byte behind the last one that it wants.
    until: u64,
    /// The slice that it reads.
    current: Option<(u64, Reader)>,
    /// The slice where it is registered.
    registered: Option<u64>,
    /// Slices that it has read before that one without a gap.
    passed: u64,
    /// When it came there from the slice before.
    entered: Option<Instant>,
    /// For how many further slices it counts as slow.
    slow_for: u8,
    /// The slice behind which it has been looked for what is missing.
    looked_behind: Option<u64>,
    /// Bytes that were waited for and not yet handed out.
    ahead: Option<Bytes>,
    launcher: Option<Arc<dyn Launch>>,
    pub(super) sources: Sources,
    pub(super) hindrance: Option<Hindrance>,
    setbacks: u32,
    /// Since when there is no memory for what it wants.
    without_memory: Option<Instant>,
    /// A place among the fills that it has waited for.
    turn: Option<Admission>,
    /// Whether it has got anything.
    is_midway: bool,
}

impl SlicedReader {
    pub(in crate::cache::engine) fn new(sliced: &Arc<Sliced>, position: u64) -> Self {
        Self {
            sliced: Arc::clone(sliced),
            number: sliced.number(),
            position,
            until: sliced.total(),
            current: None,
            registered: None,
            passed: 0,
            entered: None,
            slow_for: 0,
            looked_behind: None,
            ahead: None,
            launcher: None,
            sources: Sources::default(),
            hindrance: None,
            setbacks: 0,
            without_memory: None,
            turn: None,
            is_midway: false,
        }
    }

    /// Says who fetches what is missing. Without, it only reads what is stored or on its way.
    pub(super) fn fetch_by(&mut self, launcher: Arc<dyn Launch>) {
        self.launcher = Some(launcher);
    }

    pub(in crate::cache::engine) fn total(&self) -> u64 {
        self.sliced.total()
    }

    pub(in crate::cache::engine) fn at_end(&self) -> bool {
        self.ahead.is_none() && self.position >= self.sliced.total()
    }

    /// Whether the version it reads is one that no more will come of.
    pub(super) fn is_gone(&self) -> bool {
        self.sliced.is_gone()
    }

    /// Goes on at `position`.
    pub(in crate::cache::engine) fn move_to(&mut self, position: u64) {
        let handed_out = self.position - self.ahead.as_ref().map_or(0, |bytes| bytes.len() as u64);
        if position == handed_out {
            return;
        }
        self.ahead = None;
        self.current = None;
        self.position = position;
    }

    /// Says where it will stop reading.
    pub(in crate::cache::engine) fn read_until(&mut self, until: u64) {
        self.until = until.min(self.sliced.total());
        if let Some(index) = self.registered {
            self.sliced.arrive((index, self.number), self.wish());
        }
    }

    fn wish(&self) -> Wish {
        Wish { until: self.until, passed: self.passed }
    }

    fn pace(&self) -> Pace {
        if self.slow_for > 0 { Pace::Slow } else { Pace::Fast }
    }

    /// Waits until there is something to read, or the end.
    pub(super) async fn ready(&mut self) -> Result<(), BodyError> {
        if self.ahead.is_none() {
            self.ahead = self.next(usize::MAX).await?;
        }
        Ok(())
    }

    /// The next piece; `None` at the end. Boxed, as the readers of single slices are of the type that holds this one.
    pub(in crate::cache::engine) fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        async move {
            if let Some(ahead) = &mut self.ahead {
                let piece = ahead.split_to(ahead.len().min(limit.max(1)));
                if ahead.is_empty() {
                    self.ahead = None;
                }
                return Ok(Some(piece));
            }
            while self.position < self.sliced.total() {
                let piece = match self.current().await? {
                    Some(reader) => reader.next(limit).await,
                    None => Err(BodyError::Truncated),
                };
                // A slice that ends is read to its end: its reader is then let go of, and never asked again.
                if let Ok(Some(bytes)) = piece {
                    self.position += bytes.len() as u64;
                    (self.setbacks, self.without_memory, self.hindrance) = (0, None, None);
                    self.is_midway = true;
                    self.look_behind();
                    return Ok(Some(bytes));
                }
                self.set_back().await?;
            }
            self.unregister();
            Ok(None)
        }
        .boxed()
    }

    /// The reader of the slice where it is; `None` when the slice did not come.
    async fn current(&mut self) -> Result<Option<&mut Reader>, BodyError> {
        let index = self.sliced.layout.index_of(self.position);
        if self.current.as_ref().is_none_or(|(at, _)| *at != index) {
            self.current = None;
            self.register(index);
            self.current = self.open()?.map(|reader| (index, reader));
        }
        Ok(self.current.as_mut().map(|(_, reader)| reader))
    }

    fn open(&mut self) -> Result<Option<Reader>, BodyError> {
        let turn = self.turn.take();
        match self.sliced.open(self.position, self.number, self.until, self.pace()) {
            Opened::Stored(reader) => Ok(Some(reader)),
            Opened::Arriving(reader) => {
                self.sources.joined = true;
                Ok(Some(reader))
            }
            Opened::Deposited(raise, reader) => {
                raise.start();
                Ok(Some(reader))
            }
            Opened::Missing(run, reader) => {
                self.sources.fetched = true;
                let Some(launcher) = &self.launcher else { return Err(BodyError::Truncated) };
                if Arc::clone(launcher).launch(run, turn) {
                    return Ok(Some(reader));
                }
                self.hindrance = Some(Hindrance::Fills);
                Ok(None)
            }
            Opened::NoMemory => {
                self.hindrance = Some(Hindrance::Memory);
                Ok(None)
            }
            Opened::Gone => Err(BodyError::Truncated),
        }
    }

    /// In the middle of a slice, has the next one fetched that is missing: it is there when the reader comes to it.
    fn look_behind(&mut self) {
        let Some(index) = self.registered.filter(|index| self.looked_behind != Some(*index)) else { return };
        let range = self.sliced.layout.range(index);
        if self.position < range.start + range.length() / 2 {
            return;
        }
        self.looked_behind = Some(index);
        if let Some(raise) = self.sliced.raise_ahead(index + 1, self.until) {
            return raise.start();
        }
        let Some(launcher) = &self.launcher else { return };
        if let Some((run, turn)) = self.sliced.prepare((index, self.number), self.until, self.pace()) {
            Arc::clone(launcher).launch(run, Some(turn));
        }
    }

    /// A slice did not come: waits until it may be asked for again, within bounds.
    async fn set_back(&mut self) -> Result<(), BodyError> {
        self.current = None;
        if self.launcher.as_ref().is_some_and(|launcher| launcher.is_refused()) {
            self.hindrance = Some(Hindrance::Refusal);
            return Err(BodyError::Truncated);
        }
        if self.is_gone() {
            return Err(BodyError::Truncated);
        }
        match self.hindrance {
            Some(Hindrance::Fills) => self.wait_for_turn().await,
            Some(Hindrance::Memory) => self.wait_for_memory().await,
            Some(Hindrance::Refusal) | None => self.pause().await,
        }
    }

    /// How long it waits for what others have.
    fn patience(&self) -> Duration {
        if self.is_midway { TURN } else { FIRST_TURN }
    }

    async fn wait_for_turn(&mut self) -> Result<(), BodyError> {
        self.turn = self.sliced.budget.turn(self.patience()).await;
        if self.turn.is_none() {
            return Err(BodyError::Truncated);
        }
        self.hindrance = None;
        Ok(())
    }

    async fn wait_for_memory(&mut self) -> Result<(), BodyError> {
        if self.without_memory.get_or_insert_with(Instant::now).elapsed() >= self.patience() {
            return Err(BodyError::Truncated);
        }
        tokio::time::sleep(MEMORY_PAUSE).await;
        self.hindrance = None;
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), BodyError> {
        self.setbacks += 1;
        if self.setbacks > if self.is_midway { MOST_SETBACKS_MIDWAY } else { MOST_SETBACKS } {
            return Err(BodyError::Truncated);
        }
        tokio::time::sleep((SETBACK_PAUSE * (1 << (self.setbacks - 1))).min(LONGEST_PAUSE)).await;
        Ok(())
    }

    fn register(&mut self, index: u64) {
        if self.registered == Some(index) {
            return;
        }
        let goes_on = index.checked_sub(1).is_some_and(|before| self.registered == Some(before));
        if goes_on {
            let now = Instant::now();
            // What a whole slice took: of the one that it began in, only a part was read.
            if let Some(entered) = self.entered.replace(now) {
                let was_slow = now - entered >= PATIENCE;
                self.slow_for = if was_slow { SLOW_FOR } else { self.slow_for.saturating_sub(1) };
            }
            self.passed += 1;
        } else {
            (self.passed, self.entered) = (0, None);
        }
        // The new place first: in between, runs must not find that nobody reads.
        self.sliced.arrive((index, self.number), self.wish());
        self.unregister();
        self.registered = Some(index);
    }

    fn unregister(&mut self) {
        if let Some(index) = self.registered.take() {
            self.sliced.leave((index, self.number));
        }
    }
}

impl Drop for SlicedReader {
    fn drop(&mut self) {
        // The slice's own reader first.
        self.current = None;
        self.unregister();
    }
}
