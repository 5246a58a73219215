//! Gathered writes, over a stream that notes what happens to it.

use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// What a stream below was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Write(usize),
    Flush,
    Shutdown,
    Read,
}

/// Notes its calls; takes at most `appetite` bytes a write, and none once `full`.
#[derive(Debug)]
struct Below {
    calls: Vec<Call>,
    written: Vec<u8>,
    appetite: usize,
    full: bool,
    broken: bool,
}

impl Below {
    fn new(appetite: usize) -> Self {
        Self { calls: Vec::new(), written: Vec::new(), appetite, full: false, broken: false }
    }

    fn calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }
}

impl AsyncRead for Below {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.calls.push(Call::Read);
        Poll::Pending
    }
}

impl AsyncWrite for Below {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.full {
            return Poll::Pending;
        }
        let offered: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = offered.len().min(self.appetite);
        self.written.extend_from_slice(&offered[..taken]);
        self.calls.push(Call::Write(taken));
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push(Call::Flush);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push(Call::Shutdown);
        Poll::Ready(Ok(()))
    }
}

fn write(io: &mut CoalescingIo<Below>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(io).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

fn write_all(io: &mut CoalescingIo<Below>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Poll::Ready(Ok(written)) = write(io, bytes) else { panic!("neither full nor broken") };
        bytes = &bytes[written..];
    }
}

fn flush(io: &mut CoalescingIo<Below>) -> Poll<io::Result<()>> {
    Pin::new(io).poll_flush(&mut Context::from_waker(Waker::noop()))
}

fn read(io: &mut CoalescingIo<Below>) -> Poll<io::Result<()>> {
    let mut room = [0; 8];
    Pin::new(io).poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut room))
}

fn shutdown(io: &mut CoalescingIo<Below>) -> Poll<io::Result<()>> {
    Pin::new(io).poll_shutdown(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn header_section_and_short_body_leave_in_one_write() {
    let mut io = CoalescingIo::new(Below::new(usize::MAX));
    write_all(&mut io, &[b'h'; 300]);
    write_all(&mut io, &[b'b'; 1024]);
    assert_eq!(io.inner.calls(), []);
    assert!(flush(&mut io).is_ready());
    assert_eq!(io.inner.calls(), [Call::Write(1324), Call::Flush]);
}

#[test]
fn header_section_and_long_body_leave_in_one_write_without_a_copy() {
    let mut io = CoalescingIo::new(Below::new(usize::MAX));
    write_all(&mut io, &[b'h'; 300]);
    assert!(matches!(write(&mut io, &vec![b'b'; 1 << 20]), Poll::Ready(Ok(written)) if written == 1 << 20));
    assert_eq!(io.inner.calls(), [Call::Write(300 + (1 << 20))]);
}

#[test]
fn gathered_bytes_are_bounded() {
    let mut io = CoalescingIo::new(Below::new(1000));
    io.inner.full = true;
    let mut accepted = 0;
    while let Poll::Ready(written) = write(&mut io, &[b'a'; 700]) {
        accepted += written.unwrap();
        assert!(accepted <= CAPACITY);
    }
    assert!(accepted > CAPACITY - 700);
    io.inner.full = false;
    assert!(shutdown(&mut io).is_ready());
    assert_eq!(io.inner.written.len(), accepted);
    assert!(io.gathered.capacity() <= KEPT_CAPACITY);
}

#[test]
fn shutdown_sends_what_was_gathered_first() {
    let mut io = CoalescingIo::new(Below::new(4));
    write_all(&mut io, b"goodbye");
    assert!(shutdown(&mut io).is_ready());
    assert_eq!(io.inner.calls(), [Call::Write(4), Call::Write(3), Call::Flush, Call::Shutdown]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_arrive_in_order_whatever_is_written_how(
        pieces in proptest::collection::vec((1_usize..40_000, 0_u8..4), 1..12),
        appetite in 1_usize..70_000,
    ) {
        let mut io = CoalescingIo::new(Below::new(appetite.max(100)));
        let mut expected = Vec::new();
        for (length, then) in pieces {
            let piece: Vec<u8> = (0..length).map(|index| (index + expected.len()) as u8).collect();
            write_all(&mut io, &piece);
            expected.extend_from_slice(&piece);
            match then {
                0 => prop_assert!(flush(&mut io).is_ready()),
                1 => prop_assert!(read(&mut io).is_pending()),
                _ => {}
            }
        }
        prop_assert!(shutdown(&mut io).is_ready());
        prop_assert_eq!(&io.inner.written, &expected);
    }
}
