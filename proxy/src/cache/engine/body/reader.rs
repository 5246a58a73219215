//! One reader of a body.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::growth::{Keeping, Take};
use super::{Body, BodyError};
use crate::cache::engine::slices::SlicedReader;

/// One reader of a [`Body`]; leaving is dropping it.
pub struct Reader {
    pub(super) body: Arc<Body>,
    pub(super) number: usize,
    pub(super) position: u64,
    /// Reads instead where the object is in slices.
    pub(super) sliced: Option<Box<SlicedReader>>,
}

impl Reader {
    /// The next piece of at most `limit` bytes (at least one), `None` at the clean end. Waits while the body grows.
    /// Cancel-safe.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let limit = limit.max(1);
        if let Some(sliced) = &mut self.sliced {
            return sliced.next(limit).await;
        }
        let body = Arc::clone(&self.body);
        body.grown.until(|| self.look(limit)).await
    }

    /// What is there to read; nothing while more is to come.
    fn look(&mut self, limit: usize) -> Option<Result<Option<Bytes>, BodyError>> {
        loop {
            if let Some(whole) = self.body.whole.get() {
                let piece = whole.slice(self.position, limit);
                self.position += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
                return Some(Ok(piece));
            }
            match self.take(limit) {
                None => {} // it has just become whole
                Some(Take::Piece(bytes)) => {
                    self.body.room.notify_waiters();
                    self.position += bytes.len() as u64;
                    return Some(Ok(Some(bytes)));
                }
                Some(Take::End) => return Some(Ok(None)),
                Some(Take::Error(error)) => return Some(Err(error)),
                Some(Take::Later) => return None,
            }
        }
    }

    /// The next piece of a body that is complete, without waiting; `None` at its end, and while it grows.
    pub fn next_stored(&mut self, limit: usize) -> Option<Bytes> {
        let piece = self.body.whole.get()?.slice(self.position, limit.max(1))?;
        self.position += piece.len() as u64;
        Some(piece)
    }

    /// `None` when the body has just become whole: its pieces are gone from the growing part then.
    fn take(&self, limit: usize) -> Option<Take> {
        let mut growth = self.body.growth.lock();
        if self.body.whole.get().is_some() {
            return None;
        }
        Some(growth.take(self.number, self.position, limit))
    }

    /// Whether everything has been read of a body that is complete.
    #[must_use]
    pub fn at_end(&self) -> bool {
        if let Some(sliced) = &self.sliced {
            return sliced.at_end();
        }
        self.body.whole.get().is_some_and(|whole| self.position >= whole.length)
    }

    /// Trailer fields (RFC 9110 section 6.5); all of them once the end has been read.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.body.trailers()
    }

    /// Length of the body, once complete.
    #[must_use]
    pub fn complete_length(&self) -> Option<u64> {
        self.body.length()
    }

    /// Waits until a kept body is complete and tells its length; `None` for a window, which nobody can wait for.
    pub async fn length_when_complete(&self) -> Result<Option<u64>, BodyError> {
        if let Some(sliced) = &self.sliced {
            return Ok(Some(sliced.total()));
        }
        let known = || match self.body.whole.get() {
            Some(whole) => Some(Ok(Some(whole.length))),
            None => {
                let growth = self.body.growth.lock();
                match growth.keeping {
                    _ if growth.failed() => Some(Err(BodyError::Truncated)),
                    Keeping::Window { .. } => Some(Ok(None)),
                    Keeping::Everything => None,
                }
            }
        };
        self.body.grown.until(known).await
    }

    /// Goes on at `position`; forward in a window, anywhere in a body that is kept.
    pub fn move_to(&mut self, position: u64) {
        if let Some(sliced) = &mut self.sliced {
            return sliced.move_to(position);
        }
        let from = std::mem::replace(&mut self.position, position);
        if self.body.whole.get().is_none() {
            self.body.growth.lock().relocate(self.number, from, position);
            self.body.room.notify_waiters();
        }
    }
}

impl Reader {
    /// Says at which byte it will stop, so that not more is fetched for it than it reads.
    pub fn read_until(&mut self, end: u64) {
        if let Some(sliced) = &mut self.sliced {
            sliced.read_until(end);
        }
    }

    /// The reader of slices, where the object is in slices.
    pub(in crate::cache::engine) fn in_slices(&mut self) -> Option<&mut SlicedReader> {
        self.sliced.as_deref_mut()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.sliced.is_some() {
            return;
        }
        if self.body.whole.get().is_none() {
            self.body.growth.lock().leave(self.number, self.position);
            self.body.room.notify_waiters();
        }
    }
}
