//! A client's TCP socket that gives up on a client who takes nothing.
//!
//! Owns the write time-out of a connection and the reset of one that is broken off, whatever is spoken on it: when the kernel accepted no byte for that long,
//! writing fails. It stands below TLS, so that it sees bytes on the wire and never mistakes a large response for a
//! stalled one. A write that succeeds at once costs nothing more than the system call.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connection::Ending;

#[derive(Debug)]
pub(super) struct StallingSocket {
    socket: TcpStream,
    patience: Duration,
    ending: Ending,
    /// Present while the kernel's buffer is full: when to give up.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl StallingSocket {
    pub(super) fn new(socket: TcpStream, patience: Duration, ending: Ending) -> Self {
        Self { socket, patience, ending, stalled: None }
    }

    /// Passes the outcome of a write on, unless nothing could be written for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for StallingSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for StallingSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.ending.is_broken_off() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ending.is_broken_off() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_broken_off() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl Drop for StallingSocket {
    fn drop(&mut self) {
        if self.ending.is_broken_off()
            && let Err(error) = self.socket.set_zero_linger()
        {
            log::debug!(error:%; "a connection could not be reset");
        }
    }
}
