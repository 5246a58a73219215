//! A response body that one fill writes and any number of clients read, each at its own position.
//!
//! Owns the bytes and who waits for them. A body either *keeps* everything (it will be stored) or is a bounded
//! *window* (too large or not storable), in which bytes behind the slowest reader are let go and the writer
//! waits for room. It knows nothing of HTTP. Bytes are handed out without copying.

mod blocks;
mod growth;
mod reader;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bell::Bell;
use super::coded::Forms;
use super::disk::Deposit;
use blocks::Whole;
use growth::{Growth, Keeping, Room};

use super::slices::{Sliced, SlicedReader};
pub(super) use growth::Retention;
pub use reader::Reader;

/// How long a window waits for its first reader. Waiters attach within microseconds of the head; this bounds the
/// case that all of them left just then.
const OPENING_GRACE: Duration = Duration::from_secs(5);

/// Why a body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The origin broke off; what was delivered is a prefix of the whole.
    #[error("the fill ended before the body was complete")]
    Truncated,
    /// This reader fell behind the window while others waited.
    #[error("the reader fell behind the window of a body that is not stored")]
    Lagging,
}

/// Nobody reads any more and the body would not be stored: the fill may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abandoned;

/// The body of one response.
pub struct Body {
    growth: Mutex<Growth>,
    /// Told when there is more to read, or an end.
    grown: Bell,
    /// Told when a reader of a window has moved or left.
    room: Notify,
    next_reader: AtomicUsize,
    /// Set once when complete and kept whole: readers then take no lock.
    whole: OnceLock<Whole>,
    /// The same content in other codings.
    pub(super) forms: Forms,
    /// What is known of its place on disk.
    pub(super) deposit: Deposit,
    /// Trailer fields, set before the end.
    trailers: OnceLock<Box<HeaderMap>>,
    /// Of an object in slices: these have its bytes, and nothing above is used.
    sliced: Option<Arc<Sliced>>,
}

impl Body {
    /// An empty body that will be stored, growing.
    pub(super) fn growing() -> Arc<Self> {
        Self::with(Keeping::Everything, None)
    }

    /// The body of an object in slices.
    pub(super) fn sliced(sliced: Arc<Sliced>) -> Arc<Self> {
        Self::with(Keeping::Everything, Some(sliced))
    }

    /// Its slices, where it is in slices.
    pub(super) fn in_slices(&self) -> Option<&Arc<Sliced>> {
        self.sliced.as_ref()
    }

    /// An empty body that will not be stored and holds about `size` bytes.
    pub(super) fn windowed(size: usize, retention: Retention) -> Arc<Self> {
        Self::with(Keeping::Window { size: size.max(1), retention }, None)
    }

    fn with(keeping: Keeping, sliced: Option<Arc<Sliced>>) -> Arc<Self> {
        Arc::new(Self {
            growth: Mutex::new(Growth::new(keeping)),
            grown: Bell::default(),
            room: Notify::new(),
            next_reader: AtomicUsize::new(0),
            whole: OnceLock::new(),
            forms: Forms::new(),
            deposit: Deposit::default(),
            trailers: OnceLock::new(),
            sliced,
        })
    }

    /// Total length, once complete and in one place: of an object in slices its metadata tells.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.whole.get().map(|whole| whole.length)
    }

    /// Whether bytes that every reader has passed are let go: such a body cannot be read from the start later.
    #[must_use]
    pub fn is_windowed(&self) -> bool {
        self.whole.get().is_none() && matches!(self.growth.lock().keeping, Keeping::Window { .. })
    }

    /// Whether all of it has arrived and is kept.
    pub(super) fn is_complete(&self) -> bool {
        self.whole.get().is_some() || self.growth.lock().is_complete()
    }

    /// All bytes of a complete stored body in order; empty while it grows.
    #[must_use]
    pub fn blocks(&self) -> &[Bytes] {
        self.whole.get().map_or(&[], |whole| &whole.blocks)
    }

    /// Appends a piece. A window waits for room; `Err` when nobody reads a window any more.
    pub(super) async fn write(&self, bytes: Bytes) -> Result<(), Abandoned> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.wait_for_room().await?;
        self.growth.lock().push(bytes);
        self.grown.ring();
        Ok(())
    }

    /// Appends a piece to a body that is kept, which has always room.
    pub(super) fn put(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.growth.lock().push(bytes);
            self.grown.ring();
        }
    }

    async fn wait_for_room(&self) -> Result<(), Abandoned> {
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            // Listens before it looks: a reader that moves in between is not missed.
            freed.as_mut().enable();
            let room = self.growth.lock().room();
            match room {
                Room::Free => return Ok(()),
                Room::NobodyReads => return Err(Abandoned),
                Room::Unopened => tokio::time::timeout(OPENING_GRACE, freed).await.map_err(|_| Abandoned)?,
                Room::Full => freed.await,
                Room::Starving { patience } => {
                    let began = Instant::now();
                    let moved = tokio::time::timeout(patience, freed).await.is_ok();
                    self.starved(began.elapsed(), moved);
                }
            }
        }
    }

    /// Notes that readers had nothing to read for so long because others hold back the window.
    fn starved(&self, elapsed: Duration, moved: bool) {
        {
            let mut growth = self.growth.lock();
            growth.note_starvation(elapsed);
            if !moved {
                growth.drop_laggards();
            }
        }
        if !moved {
            self.grown.ring();
        }
    }

    /// Ends the body cleanly. A stored body is gathered into blocks, so that each later read is one slice.
    pub(super) fn finish(&self) {
        self.finish_by(Whole::gather);
    }

    /// The same for a body that came in records, which were read whole: of these it keeps the buffers instead of copying them.
    pub(super) fn finish_with_records(&self) {
        self.finish_by(Whole::cut);
    }

    fn finish_by(&self, make_whole: fn(Vec<Bytes>) -> Whole) {
        let kept = self.growth.lock().complete();
        if let Some(pieces) = kept {
            // Without holding the lock, as it may copy: until the whole is there, readers go on with the pieces.
            if self.whole.set(make_whole(pieces)).is_ok() {
                self.growth.lock().let_go_of_everything();
            }
        }
        self.grown.ring_out();
    }

    /// Ends the body with an error: no reader will see a clean end. No effect on a body that has ended.
    pub(super) fn fail(&self) {
        self.growth.lock().fail();
        self.grown.ring_out();
    }

    /// Whether anybody reads it at this moment, or waits to.
    pub(super) fn is_read(&self) -> bool {
        self.growth.lock().is_read()
    }

    /// Fails a body that nobody reads; not one that somebody has just begun to.
    pub(super) fn give_up(&self) -> bool {
        self.growth.lock().give_up()
    }

    /// Keeps what came behind the body; to be called before its end.
    pub(super) fn keep_trailers(&self, fields: Option<HeaderMap>) {
        if let Some(fields) = fields {
            // Set by the one writer, once.
            let _first = self.trailers.set(Box::new(fields));
        }
    }

    /// Trailer fields (RFC 9110 section 6.5); all of them once the end has been read.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.get().map(|fields| &**fields)
    }

    /// From now on this body is a window: it has turned out too large to be stored.
    pub(super) fn become_window(&self, size: usize) {
        self.growth.lock().keeping = Keeping::Window { size: size.max(1), retention: Retention::WhileThereIsRoom };
        self.grown.ring();
    }

    /// A reader at `position`, or `None` when those bytes are gone already or the body has failed.
    #[must_use]
    pub fn reader(self: &Arc<Self>, position: u64) -> Option<Reader> {
        let number = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let sliced = self.sliced.as_ref().map(|sliced| Box::new(SlicedReader::new(sliced, position)));
        let reader = Reader { body: Arc::clone(self), number, position, sliced };
        if reader.sliced.is_some() {
            return Some(reader);
        }
        if self.whole.get().is_some() {
            return Some(reader);
        }
        let mut growth = self.growth.lock();
        // Once more under the lock: a body that has just become whole needs no registration.
        let entered = self.whole.get().is_some() || growth.enter(number, position);
        drop(growth);
        // Outside the lock, which a reader that is dropped takes.
        entered.then_some(reader)
    }

    /// Bytes held at this moment.
    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.growth.lock().held()
    }
}
