//! What an HTTP/1 connection gathers, within reach of two parties: Pingora, which writes through the stream it was
//! given, and the task of the connection, which sends off what was gathered whenever the request has to wait.
//!
//! Pingora flushes at the end of a response. A response that stalls in the middle (a fill that waits for its origin,
//! a live segment in the making) must not keep back what has arrived: whoever waits for it is the task, so the task
//! flushes just before it goes to sleep. A response that never waits still leaves in one write.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::coalescing_io::CoalescingIo;

/// A stream whose gathered writes can be sent off from outside. The lock is taken for one poll at a time, by one task.
#[derive(Debug)]
pub(super) struct Gathering<S>(Arc<Mutex<CoalescingIo<S>>>);

impl<S> Gathering<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(Arc::new(Mutex::new(CoalescingIo::new(inner))))
    }

    /// A second handle to the same stream.
    pub(super) fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Gathers these as one, however much that is.
    pub(super) fn gather_whole(&self, parts: &[&[u8]]) {
        self.0.lock().gather_whole(parts);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gathering<S> {
    /// Writes all of these and flushes, without gathering them. `sent` counts the bytes that were taken, also when an
    /// error ends it.
    pub(super) async fn send(&self, mut slices: &mut [IoSlice<'_>], sent: &mut u64) -> io::Result<()> {
        poll_fn(|context| {
            let mut io = self.0.lock();
            while !slices.is_empty() {
                let written = ready!(io.poll_write_straight(context, slices))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *sent += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Pin::new(&mut *io).poll_flush(context)
        })
        .await
    }

    /// Runs `work` and, each time it has to wait, sends off what it has written so far.
    pub(super) async fn send_off_while_waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            if polled.is_pending() {
                let mut io = self.0.lock();
                // An error shows again at the next write, to the one who can act on it.
                if io.has_unsent() && Pin::new(&mut *io).poll_flush(context).is_ready() {
                    return Poll::Pending;
                }
            }
            polled
        })
        .await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn what_was_written_before_a_wait_is_sent_before_it_ends() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut stream = Gathering::new(server);
        let handle = stream.handle();
        let go_on = Notify::new();
        let work = async {
            stream.write_all(b"head").await.unwrap();
            go_on.notified().await;
            stream.write_all(b" and tail").await.unwrap();
            stream.flush().await.unwrap();
        };
        let reading = async {
            let mut head = [0; 4];
            client.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"head");
            go_on.notify_one();
            let mut tail = [0; 9];
            client.read_exact(&mut tail).await.unwrap();
            assert_eq!(&tail, b" and tail");
        };
        tokio::join!(handle.send_off_while_waiting(work), reading);
    }

    #[tokio::test]
    async fn what_is_whole_is_sent_behind_what_was_gathered_however_little_is_taken_at_once() {
        let (mut client, server) = tokio::io::duplex(7);
        let mut stream = Gathering::new(server);
        stream.write_all(b"gathered ").await.unwrap();
        let mut sent = 0;
        let sending = async {
            let mut slices = [&b"head "[..], b"first piece ", b"second piece"].map(IoSlice::new);
            stream.send(&mut slices, &mut sent).await.unwrap();
        };
        let mut text = [0; 38];
        let (read, ()) = tokio::join!(client.read_exact(&mut text), sending);
        assert_eq!((read.unwrap(), sent), (38, 29));
        assert_eq!(&text, b"gathered head first piece second piece");
    }

    #[tokio::test]
    async fn what_is_gathered_whole_leaves_in_its_place_however_long_it_is() {
        let (mut client, server) = tokio::io::duplex(7);
        let mut stream = Gathering::new(server);
        let (before, head, after) = ("b".repeat(100), "h".repeat(40_000), "a".repeat(20_000));
        let writing = async {
            stream.write_all(before.as_bytes()).await.unwrap();
            stream.gather_whole(&[b"<", head.as_bytes(), b">"]);
            stream.write_all(after.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        };
        let mut text = vec![0; before.len() + head.len() + after.len() + 2];
        let (read, ()) = tokio::join!(client.read_exact(&mut text), writing);
        read.unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), format!("{before}<{head}>{after}"));
    }

    #[tokio::test]
    async fn what_never_waits_stays_gathered_until_its_flush() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut stream = Gathering::new(server);
        let handle = stream.handle();
        handle
            .send_off_while_waiting(async {
                stream.write_all(b"all ").await.unwrap();
                stream.write_all(b"at once").await.unwrap();
                let mut nothing = [0; 1];
                let waiting = std::pin::pin!(client.read(&mut nothing));
                assert!(futures::poll!(waiting).is_pending(), "nothing is sent before the flush");
                stream.flush().await.unwrap();
            })
            .await;
        let mut text = [0; 11];
        client.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"all at once");
    }
}
