//! A client's TCP socket that gives up on a client who takes nothing.
//!
//! Owns the write time-out of a connection and the reset of one that is broken off, whatever is spoken on it: when the
//! kernel accepted no byte for that long, or too few (see `slow_reader`), writing fails. It stands below TLS, so that it sees bytes on the wire and never mistakes a large response for a
//! stalled one. A write that succeeds at once costs nothing more than the system call.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::connection::Ending;
use super::slow_reader::{SlowReader, Taken, Turn};

#[derive(Debug)]
pub(super) struct StallingSocket {
    socket: TcpStream,
    ending: Ending,
    watch: Watch,
}

/// How long nothing could be written.
#[derive(Debug)]
struct Watch {
    patience: Duration,
    reader: SlowReader,
    /// Bytes that the kernel accepted.
    written: u64,
    /// Present while the kernel's buffer is full: since when, and when to give up.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl StallingSocket {
    pub(super) fn new(socket: TcpStream, patience: Duration, ending: Ending) -> Self {
        Self { socket, ending, watch: Watch::new(patience) }
    }
}

impl Watch {
    fn new(patience: Duration) -> Self {
        Self { patience, reader: SlowReader::default(), written: 0, stalled: None }
    }

    fn taken(&self) -> Taken {
        Taken { own: self.written, all: self.written, turn: Turn::Client }
    }

    /// Passes the outcome of a write on, unless too little could be written for too long.
    fn pass(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let before = self.taken();
        if let Poll::Ready(written) = outcome {
            self.written += written.as_ref().map_or(0, |written| *written as u64);
            if let Some((since, _)) = self.stalled.take() {
                self.reader.waited(since.elapsed(), before, self.taken());
            }
            return Poll::Ready(written);
        }
        let (patience, reader) = (self.patience, &mut self.reader);
        let stalled = self.stalled.get_or_insert_with(|| {
            let wait = reader.may_wait(patience, before);
            (Instant::now(), Box::pin(sleep(wait)))
        });
        match stalled.1.as_mut().poll(context) {
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
        self.watch.pass(context, outcome)
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
        self.watch.pass(context, outcome)
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    /// Seconds after which a client is given up, of an hour, that takes so many bytes each time after so many seconds.
    async fn given_up(every: u64, bytes: usize) -> Option<u64> {
        let (mut watch, begun) = (Watch::new(Duration::from_secs(60)), Instant::now());
        while begun.elapsed() < Duration::from_secs(3_600) {
            let full = poll_fn(|context| watch.pass(context, Poll::Pending));
            if let Ok(outcome) = timeout(Duration::from_secs(every), full).await {
                assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
                return Some(begun.elapsed().as_secs());
            }
            let written = poll_fn(|context| watch.pass(context, Poll::Ready(Ok(bytes)))).await;
            assert_eq!(written.unwrap(), bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_that_take_a_byte_now_and_then_are_given_up_and_slow_ones_are_not() {
        assert_eq!(given_up(70, 1 << 20).await, Some(60));
        assert_eq!(given_up(50, 1).await, Some(60));
        assert_eq!(given_up(10, 100).await, Some(60));
        assert_eq!(given_up(1, 8_000).await, None);
        assert_eq!(given_up(50, 400_000).await, None);
    }
}
