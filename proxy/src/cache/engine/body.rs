//! A response body that one fill writes and any number of clients read, each at its own position.
//!
//! Owns the bytes and who waits for them. A body either *keeps* everything (it will be stored) or is a bounded
//! *window* (too large or not storable), in which bytes behind the slowest reader are let go and the writer
//! waits for room. It knows nothing of HTTP. Bytes are handed out without copying.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Largest piece that one read hands out. Bounds what a single write to a client can hold back.
const MAX_READ: usize = 1 << 20;

/// How long a reader may hold back the window of a body while another reader has nothing left to read. After
/// that it is let go with an error: one stuck player must not stall the others.
const LAGGARD_GRACE: Duration = Duration::from_secs(5);

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
pub struct Abandoned;

/// How the writer keeps what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    Everything,
    Window(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Growing,
    Complete,
    Failed,
}

struct Inner {
    chunks: VecDeque<(u64, Bytes)>,
    /// Offset of the first byte still held.
    start: u64,
    /// Offset behind the last byte written.
    end: u64,
    keeping: Keeping,
    progress: Progress,
    /// Position of every reader while the body grows, by reader number.
    readers: BTreeMap<usize, u64>,
    /// Whether anyone has read yet. Until then a window keeps its first bytes for those who wait for the head.
    opened: bool,
}

/// The body of one response.
pub struct Body {
    inner: Mutex<Inner>,
    grown: Notify,
    room: Notify,
    next_reader: AtomicUsize,
    /// Set once when complete and kept whole: readers then take no lock.
    whole: OnceLock<Whole>,
}

struct Whole {
    blocks: Box<[Bytes]>,
    length: u64,
}

/// Bytes of a complete body lie in blocks of this size, so that an offset finds its block by division.
const BLOCK: u64 = MAX_READ as u64;

impl Body {
    /// An empty body that will be stored, growing.
    #[must_use]
    pub fn growing() -> Arc<Self> {
        Arc::new(Self::with(Keeping::Everything))
    }

    /// An empty body that will not be stored and holds at most `window` bytes.
    #[must_use]
    pub fn windowed(window: usize) -> Arc<Self> {
        Arc::new(Self::with(Keeping::Window(window.max(1))))
    }

    /// A complete body.
    #[must_use]
    pub fn complete(bytes: Bytes) -> Arc<Self> {
        let body = Self::with(Keeping::Everything);
        let length = bytes.len() as u64;
        {
            let mut inner = body.inner.lock();
            inner.end = length;
            inner.progress = Progress::Complete;
        }
        let whole = Whole { blocks: into_blocks(std::iter::once(bytes)), length };
        if body.whole.set(whole).is_err() {
            unreachable!("a new body has no bytes yet");
        }
        Arc::new(body)
    }

    fn with(keeping: Keeping) -> Self {
        Self {
            inner: Mutex::new(Inner {
                chunks: VecDeque::new(),
                start: 0,
                end: 0,
                keeping,
                progress: Progress::Growing,
                readers: BTreeMap::new(),
                opened: false,
            }),
            grown: Notify::new(),
            room: Notify::new(),
            next_reader: AtomicUsize::new(0),
            whole: OnceLock::new(),
        }
    }

    /// Total length, once complete.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.whole.get().map(|whole| whole.length)
    }

    /// Whether bytes that every reader has passed are let go: such a body cannot be read from the start later.
    #[must_use]
    pub fn is_windowed(&self) -> bool {
        self.whole.get().is_none() && matches!(self.inner.lock().keeping, Keeping::Window(_))
    }

    /// All bytes of a complete stored body in order; empty while it grows.
    pub fn blocks(&self) -> &[Bytes] {
        self.whole.get().map_or(&[], |whole| &whole.blocks)
    }

    /// Appends a piece. A window waits for room; `Err` when nobody reads a window any more.
    pub async fn write(&self, bytes: Bytes) -> Result<(), Abandoned> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.wait_for_room().await?;
        {
            let mut inner = self.inner.lock();
            let start = inner.end;
            inner.end += bytes.len() as u64;
            inner.chunks.push_back((start, bytes));
        }
        self.grown.notify_waiters();
        Ok(())
    }

    async fn wait_for_room(&self) -> Result<(), Abandoned> {
        let mut laggards_at = None;
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let room = self.inner.lock().room();
            let starved = match room {
                Room::Free => return Ok(()),
                Room::NobodyReads => return Err(Abandoned),
                Room::Unopened => {
                    tokio::time::timeout(OPENING_GRACE, freed).await.map_err(|_| Abandoned)?;
                    continue;
                }
                Room::Full { starved } => starved,
            };
            if !starved {
                laggards_at = None;
                freed.await;
                continue;
            }
            let deadline = *laggards_at.get_or_insert_with(|| tokio::time::Instant::now() + LAGGARD_GRACE);
            if tokio::time::timeout_at(deadline, freed).await.is_err() {
                self.inner.lock().drop_laggards();
                self.grown.notify_waiters();
                laggards_at = None;
            }
        }
    }

    /// Ends the body cleanly. A stored body is gathered into blocks, so that each later read is one slice.
    pub fn finish(&self) {
        let kept = {
            let mut inner = self.inner.lock();
            if inner.progress != Progress::Growing {
                return;
            }
            inner.progress = Progress::Complete;
            (inner.keeping == Keeping::Everything).then(|| (inner.chunks.clone(), inner.end))
        };
        if let Some((chunks, length)) = kept {
            let blocks = into_blocks(chunks.into_iter().map(|(_, bytes)| bytes));
            if self.whole.set(Whole { blocks, length }).is_ok() {
                self.inner.lock().chunks = VecDeque::new();
            }
        }
        self.grown.notify_waiters();
    }

    /// Ends the body with an error: no reader will see a clean end.
    pub fn fail(&self) {
        {
            let mut inner = self.inner.lock();
            if inner.progress == Progress::Growing {
                inner.progress = Progress::Failed;
            }
        }
        self.grown.notify_waiters();
    }

    /// From now on this body is a window: it has turned out too large to be stored.
    pub fn become_window(&self, window: usize) {
        {
            let mut inner = self.inner.lock();
            inner.keeping = Keeping::Window(window.max(1));
            inner.release();
        }
        self.room.notify_waiters();
        self.grown.notify_waiters();
    }

    /// A reader at `position`, or `None` when those bytes are gone already or the body has failed.
    pub fn reader(self: &Arc<Self>, position: u64) -> Option<Reader> {
        let number = self.next_reader.fetch_add(1, Ordering::Relaxed);
        if self.whole.get().is_none() {
            let mut inner = self.inner.lock();
            if position < inner.start || inner.progress == Progress::Failed {
                return None;
            }
            inner.readers.insert(number, position);
            inner.opened = true;
        }
        Some(Reader { body: Arc::clone(self), number, position })
    }

    /// Bytes from `position` on: `Ok(Some)` a piece, `Ok(None)` the clean end, or an error; waits while it grows.
    async fn read(&self, number: usize, position: u64, limit: usize) -> Result<Option<Bytes>, BodyError> {
        loop {
            if let Some(whole) = self.whole.get() {
                return Ok(whole.slice(position, limit));
            }
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if self.whole.get().is_some() {
                continue;
            }
            match self.inner.lock().take(number, position, limit) {
                Take::Piece(bytes) => return Ok(Some(bytes)),
                Take::End => return Ok(None),
                Take::Error(error) => return Err(error),
                Take::Later => {}
            }
            grown.await;
        }
    }
}

enum Room {
    Free,
    Full { starved: bool },
    Unopened,
    NobodyReads,
}

enum Take {
    Piece(Bytes),
    End,
    Error(BodyError),
    Later,
}

impl Inner {
    fn room(&self) -> Room {
        let Keeping::Window(window) = self.keeping else { return Room::Free };
        if self.readers.is_empty() && self.opened {
            return Room::NobodyReads;
        }
        let held = usize::try_from(self.end - self.start).unwrap_or(usize::MAX);
        if held < window {
            return Room::Free;
        }
        if !self.opened {
            return Room::Unopened;
        }
        Room::Full { starved: self.readers.values().any(|&position| position >= self.end) }
    }

    /// Lets go of what every reader of a window has passed.
    fn release(&mut self) {
        if !matches!(self.keeping, Keeping::Window(_)) || !self.opened {
            return;
        }
        let slowest = self.readers.values().copied().min().unwrap_or(self.end);
        while let Some((start, bytes)) = self.chunks.front() {
            let behind = start + bytes.len() as u64;
            if behind > slowest {
                break;
            }
            self.start = behind;
            self.chunks.pop_front();
        }
    }

    /// Lets go of readers that hold back the first piece of the window.
    fn drop_laggards(&mut self) {
        let Some((start, bytes)) = self.chunks.front() else { return };
        let first_end = start + bytes.len() as u64;
        self.readers.retain(|_, position| *position >= first_end);
        self.release();
    }

    fn take(&mut self, number: usize, position: u64, limit: usize) -> Take {
        if matches!(self.keeping, Keeping::Window(_)) && !self.readers.contains_key(&number) {
            return Take::Error(BodyError::Lagging);
        }
        if position < self.end {
            return self.piece(position, limit).map_or(Take::Error(BodyError::Lagging), Take::Piece);
        }
        match self.progress {
            Progress::Growing => Take::Later,
            Progress::Complete => Take::End,
            Progress::Failed => Take::Error(BodyError::Truncated),
        }
    }

    fn piece(&self, position: u64, limit: usize) -> Option<Bytes> {
        let index = self.chunks.partition_point(|(start, bytes)| start + bytes.len() as u64 <= position);
        let (start, bytes) = self.chunks.get(index)?;
        let offset = usize::try_from(position.checked_sub(*start)?).ok()?;
        let end = bytes.len().min(offset.saturating_add(limit.min(MAX_READ)));
        Some(bytes.slice(offset..end))
    }
}

impl Whole {
    fn slice(&self, position: u64, limit: usize) -> Option<Bytes> {
        let block = self.blocks.get(usize::try_from(position / BLOCK).ok()?)?;
        let offset = usize::try_from(position % BLOCK).ok()?;
        let end = block.len().min(offset.saturating_add(limit));
        (offset < end).then(|| block.slice(offset..end))
    }
}

/// Gathers pieces into blocks of [`BLOCK`] bytes, the last one shorter. A single piece that fits is not copied.
fn into_blocks(pieces: impl Iterator<Item = Bytes>) -> Box<[Bytes]> {
    let pieces: Vec<Bytes> = pieces.collect();
    if let [only] = pieces.as_slice() {
        return slice_blocks(only);
    }
    let mut blocks = Vec::new();
    let total: usize = pieces.iter().map(Bytes::len).sum();
    let mut current = BytesMut::with_capacity(total.min(MAX_READ));
    let mut left = total;
    for mut piece in pieces {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(MAX_READ - current.len()));
            current.extend_from_slice(&part);
            left -= part.len();
            if current.len() == MAX_READ {
                blocks.push(std::mem::replace(&mut current, BytesMut::with_capacity(left.min(MAX_READ))).freeze());
            }
        }
    }
    if !current.is_empty() {
        blocks.push(current.freeze());
    }
    blocks.into_boxed_slice()
}

fn slice_blocks(bytes: &Bytes) -> Box<[Bytes]> {
    (0..bytes.len()).step_by(MAX_READ).map(|start| bytes.slice(start..bytes.len().min(start + MAX_READ))).collect()
}

/// One reader of a [`Body`]; leaving is dropping it.
pub struct Reader {
    body: Arc<Body>,
    number: usize,
    position: u64,
}

impl Reader {
    /// The next piece of at most `limit` bytes, `None` at the clean end. Cancel-safe.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let piece = self.body.read(self.number, self.position, limit).await?;
        if let Some(bytes) = &piece {
            self.move_to(self.position + bytes.len() as u64);
        }
        Ok(piece)
    }

    /// Whether everything has been read of a body that is complete.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.body.whole.get().is_some_and(|whole| self.position >= whole.length)
    }

    /// Waits until a kept body is complete and tells its length; `None` for a window, which nobody can wait for.
    pub async fn length_when_complete(&self) -> Result<Option<u64>, BodyError> {
        loop {
            let grown = self.body.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if let Some(whole) = self.body.whole.get() {
                return Ok(Some(whole.length));
            }
            {
                let inner = self.body.inner.lock();
                match (inner.keeping, inner.progress) {
                    (Keeping::Window(_), _) => return Ok(None),
                    (_, Progress::Failed) => return Err(BodyError::Truncated),
                    _ => {}
                }
            }
            grown.await;
        }
    }

    /// Goes on at `position`; forward in a window, anywhere in a body that is kept.
    pub fn move_to(&mut self, position: u64) {
        self.position = position;
        if self.body.whole.get().is_some() {
            return;
        }
        {
            let mut inner = self.body.inner.lock();
            if let Some(known) = inner.readers.get_mut(&self.number) {
                *known = position;
            }
            inner.release();
        }
        self.body.room.notify_waiters();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.body.whole.get().is_none() {
            let mut inner = self.body.inner.lock();
            inner.readers.remove(&self.number);
            inner.release();
            drop(inner);
            self.body.room.notify_waiters();
        }
    }
}
