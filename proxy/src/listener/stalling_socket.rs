//! A client's TCP socket that gives up on a client who takes nothing.
//!
//! Owns the write time-out of a connection and the reset of one that is broken off, whatever is spoken on it: when the
//! kernel accepted no byte for that long, or too few (see `slow_reader`), and the client has acknowledged none either,
//! writing fails. The kernel takes more only when a third of its buffer is free, which on a slow line may take longer than
//! the time-out. It stands below TLS, so that it sees bytes on the wire and never mistakes a large response for a
//! stalled one. A write that succeeds at once costs nothing more than the system call.

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora_core::protocols::l4::ext::get_tcp_info;
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
    /// The client took too little for too long.
    given_up: bool,
}

/// How long nothing could be written.
#[derive(Debug)]
struct Watch {
    patience: Duration,
    reader: SlowReader,
    /// Bytes that the kernel accepted, and that the client was seen to acknowledge while it accepted none.
    taken: u64,
    /// Present while the kernel's buffer is full.
    stall: Option<Stall>,
}

#[derive(Debug)]
struct Stall {
    since: Instant,
    /// Bytes that the client had acknowledged then.
    acknowledged: u64,
    /// When to give up, or to look closer.
    end: Pin<Box<Sleep>>,
}

impl StallingSocket {
    pub(super) fn new(socket: TcpStream, patience: Duration, ending: Ending) -> Self {
        Self { socket, ending, watch: Watch::new(patience), given_up: false }
    }

    fn pass(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let socket = &self.socket;
        // What the kernel does not tell is taken for nothing.
        let acknowledged = || get_tcp_info(socket.as_raw_fd()).map_or(0, |facts| facts.tcpi_bytes_acked);
        let stalled = matches!(outcome, Poll::Pending);
        let passed = self.watch.pass(context, outcome, acknowledged);
        self.given_up |= stalled && passed.is_ready();
        passed
    }
}

impl Watch {
    fn new(patience: Duration) -> Self {
        Self { patience, reader: SlowReader::default(), taken: 0, stall: None }
    }

    fn taken(&self) -> Taken {
        Taken { own: self.taken, all: self.taken, turn: Turn::Client }
    }

    /// Passes the outcome of a write on, unless too little could be written for too long.
    fn pass(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
        acknowledged: impl Fn() -> u64,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = outcome {
            self.resume(written.as_ref().map_or(0, |written| *written as u64));
            return Poll::Ready(written);
        }
        loop {
            let stall = match &mut self.stall {
                Some(stall) => stall,
                None => self.begin(acknowledged()),
            };
            if stall.end.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let passed = acknowledged().saturating_sub(stall.acknowledged);
            self.resume(passed);
            if !self.reader.goes_on(self.patience, self.taken()) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    fn begin(&mut self, acknowledged: u64) -> &mut Stall {
        let wait = self.reader.may_wait(self.patience, self.taken());
        self.stall.insert(Stall { since: Instant::now(), acknowledged, end: Box::pin(sleep(wait)) })
    }

    /// The client has taken so much more.
    fn resume(&mut self, bytes: u64) {
        let before = self.taken();
        self.taken += bytes;
        if let Some(stall) = self.stall.take() {
            self.reader.waited(stall.since.elapsed(), before, self.taken());
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
        self.pass(context, outcome)
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
        self.pass(context, outcome)
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
        // What the kernel still holds for who takes nothing is megabytes, kept for long after an orderly end.
        if (self.given_up || self.ending.is_broken_off())
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

    /// Seconds after which a client is given up, of an hour, for which the kernel takes so many bytes each time after so many
    /// seconds, while the client acknowledges so many each second.
    async fn given_up(every: u64, bytes: usize, acknowledged: u64) -> Option<u64> {
        let (mut watch, begun) = (Watch::new(Duration::from_secs(60)), Instant::now());
        let acknowledged = || begun.elapsed().as_secs() * acknowledged;
        while begun.elapsed() < Duration::from_secs(3_600) {
            let full = poll_fn(|context| watch.pass(context, Poll::Pending, acknowledged));
            if let Ok(outcome) = timeout(Duration::from_secs(every), full).await {
                assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
                return Some(begun.elapsed().as_secs());
            }
            let written = poll_fn(|context| watch.pass(context, Poll::Ready(Ok(bytes)), acknowledged)).await;
            assert_eq!(written.unwrap(), bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_that_take_a_byte_now_and_then_are_given_up_and_slow_ones_are_not() {
        assert_eq!(given_up(70, 1 << 20, 0).await, Some(60));
        assert_eq!(given_up(50, 1, 0).await, Some(60));
        assert_eq!(given_up(10, 100, 10).await, Some(60));
        assert_eq!(given_up(1, 8_000, 8_000).await, None);
        assert_eq!(given_up(50, 400_000, 8_000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_empty_a_long_buffer_slowly_are_waited_for() {
        assert_eq!(given_up(110, 880_000, 8_000).await, None);
        assert_eq!(given_up(1_000, 300_000, 300).await, None);
        assert_eq!(given_up(1_000, 100_000, 100).await, Some(60));
    }
}
