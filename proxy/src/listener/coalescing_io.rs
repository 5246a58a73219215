//! Gathers small writes to a client of HTTP/1 into few system calls (and, over TLS, few records).
//!
//! Owns a bounded buffer between a protocol and the stream below it: what was written since the last flush goes out at the
//! next one, so that a response's header section and a short body leave together. What does not fit is written straight
//! from the caller's memory, gathered with the buffer where the stream below can.
//!
//! It knows nothing of HTTP, time-outs or TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most that a connection gathers: a header section and a short body, and one TLS record (RFC 8446 section
/// 5.1: 2^14 bytes). What is larger gains nothing by another copy.
const CAPACITY: usize = 16 << 10;

/// What a connection keeps allocated while it has nothing to write: enough for a short response, and at the default
/// limit of 65,536 connections 256 MiB at the very most.
const KEPT_CAPACITY: usize = 4 << 10;

/// The stream below with gathered writes.
#[derive(Debug)]
pub(super) struct CoalescingIo<S> {
    inner: S,
    gathered: Vec<u8>,
    /// How much of `gathered` the stream below has taken.
    taken: usize,
    /// Something was written since the last flush.
    unsent: bool,
}

impl<S> CoalescingIo<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, gathered: Vec::new(), taken: 0, unsent: false }
    }

    /// Whether something was written that the stream below may not have sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.unsent
    }

    fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.gathered.len())
    }

    /// Grows in one step where doubling would copy over and over.
    fn reserve(&mut self, more: usize) {
        if self.gathered.len() + more > KEPT_CAPACITY {
            self.gathered.reserve(self.room());
        }
    }

    /// Gathers these as one, however much that is.
    pub(super) fn gather_whole(&mut self, parts: &[&[u8]]) {
        self.unsent = true;
        self.gathered.reserve(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| self.gathered.extend_from_slice(part));
    }
}

impl<S: AsyncWrite + Unpin> CoalescingIo<S> {
    /// Hands all that was gathered to the stream below, which may still hold it until it is flushed.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.gathered[self.taken..]))?;
            self.take(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Notes that the stream below took `written` bytes and returns how many of them were not gathered ones.
    fn take(&mut self, written: usize) -> io::Result<usize> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let waiting = self.gathered.len() - self.taken;
        if written < waiting {
            self.taken += written;
            return Ok(0);
        }
        self.gathered.clear();
        self.gathered.shrink_to(KEPT_CAPACITY);
        self.taken = 0;
        Ok(written - waiting)
    }

    fn poll_all_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.unsent = false;
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes`, which do not fit, behind what was gathered, without copying them.
    fn poll_write_through(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.gathered.is_empty() {
            if !self.inner.is_write_vectored() {
                ready!(self.poll_drain(context))?;
                break;
            }
            let slices = [IoSlice::new(&self.gathered[self.taken..]), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, &slices))?;
            let beyond = self.take(written)?;
            if beyond > 0 {
                return Poll::Ready(Ok(beyond));
            }
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    /// Writes what is whole already, behind what was gathered and without gathering it.
    pub(super) fn poll_write_straight(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unsent = true;
        ready!(self.poll_drain(context))?;
        match slices {
            // One buffer is cheaper for the kernel than a list of one.
            [only] => Pin::new(&mut self.inner).poll_write(context, only),
            _ => Pin::new(&mut self.inner).poll_write_vectored(context, slices),
        }
    }

    /// Copies what fits, once there is room for anything.
    fn poll_gather(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.room() == 0 {
            ready!(self.poll_drain(context))?;
        }
        let mut copied = 0;
        for slice in slices {
            let fitting = slice.len().min(self.room());
            self.reserve(fitting);
            self.gathered.extend_from_slice(&slice[..fitting]);
            copied += fitting;
        }
        Poll::Ready(Ok(copied))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for CoalescingIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CoalescingIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.unsent = true;
        if bytes.len() > self.room() {
            return self.poll_write_through(context, bytes);
        }
        self.poll_gather(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unsent = true;
        self.poll_gather(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_all_out(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_all_out(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
