//! A socket that writes down what it is given, and may be full or fail.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// One send as the kernel would get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: SocketAddr,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) from: Option<IpAddr>,
    /// The datagrams that it would be cut into.
    pub(super) datagrams: Vec<Vec<u8>>,
}

/// What the next sends meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Takes,
    IsFull,
    Fails,
}

#[derive(Debug)]
pub(super) struct Recorder {
    sent: Mutex<Vec<Sent>>,
    kernel: Mutex<Kernel>,
    waiting: Mutex<Vec<Waker>>,
    segments: AtomicUsize,
}

impl Recorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            sent: Mutex::default(),
            kernel: Mutex::new(Kernel::Takes),
            waiting: Mutex::default(),
            segments: AtomicUsize::new(64),
        })
    }

    /// From now on; who waits for room is woken.
    pub(super) fn becomes(&self, kernel: Kernel) {
        *self.kernel.lock() = kernel;
        self.waiting.lock().drain(..).for_each(Waker::wake);
    }

    /// How many datagrams a send may have from now on.
    pub(super) fn cuts(&self, segments: usize) {
        self.segments.store(segments, Ordering::Relaxed);
    }

    /// How many tasks wait for room.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// What was sent since the last look.
    pub(super) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock())
    }

    /// Waits until something was sent, then takes it.
    pub(super) async fn sent(&self) -> Vec<Sent> {
        poll_fn(|context| {
            if self.sent.lock().is_empty() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.take())
        })
        .await
    }
}

impl AsyncUdpSocket for Recorder {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match *self.kernel.lock() {
            Kernel::Takes => {}
            Kernel::IsFull => return Err(ErrorKind::WouldBlock.into()),
            Kernel::Fails => return Err(io::Error::from(ErrorKind::PermissionDenied)),
        }
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        let datagrams: Vec<_> = transmit.contents.chunks(size.max(1)).map(<[u8]>::to_vec).collect();
        assert!(datagrams.len() <= self.segments.load(Ordering::Relaxed), "the kernel cannot cut {}", datagrams.len());
        assert!(transmit.contents.len() <= 65_487, "too long for one packet: {}", transmit.contents.len());
        self.sent.lock().push(Sent { to: transmit.destination, ecn: transmit.ecn, from: transmit.src_ip, datagrams });
        Ok(())
    }

    fn poll_recv(
        &self,
        _context: &mut Context<'_>,
        _buffers: &mut [IoSliceMut<'_>],
        _received: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 443)))
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments.load(Ordering::Relaxed)
    }
}

/// Waits for room.
#[derive(Debug)]
struct Room(Arc<Recorder>);

impl UdpPoller for Room {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if *self.0.kernel.lock() == Kernel::IsFull {
            self.0.waiting.lock().push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// A transmit as quinn makes it: datagrams of one size, the last of which may be shorter.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) to: u8,
    pub(super) ecn: Option<EcnCodepoint>,
    pub(super) from: Option<IpAddr>,
    pub(super) size: usize,
    pub(super) bytes: Vec<u8>,
}

impl Made {
    /// So many datagrams of this size, each byte of which is `mark`.
    pub(super) fn new(to: u8, size: usize, datagrams: usize, mark: u8) -> Self {
        Self { to, ecn: None, from: None, size, bytes: vec![mark; size * datagrams] }
    }

    /// The last datagram is shorter by so much.
    pub(super) fn shorter_by(mut self, bytes: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - bytes);
        self
    }

    pub(super) fn address(&self) -> SocketAddr {
        address(self.to)
    }

    pub(super) fn transmit(&self) -> Transmit<'_> {
        Transmit {
            destination: self.address(),
            ecn: self.ecn,
            contents: &self.bytes,
            segment_size: (self.bytes.len() > self.size).then_some(self.size),
            src_ip: self.from,
        }
    }

    pub(super) fn datagrams(&self) -> Vec<Vec<u8>> {
        self.bytes.chunks(self.size).map(<[u8]>::to_vec).collect()
    }
}

/// A destination.
pub(super) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 443))
}
