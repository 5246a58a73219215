//! A UDP socket under quinn that joins what one connection sends in one burst.
//!
//! Owns when datagrams are kept and when they leave. Outside of a burst, and for what nothing will follow, a send goes
//! straight on; what a burst leaves behind is sent at its end, so that nothing ever waits for something to come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::runtime::Handle;

use super::batch::{Batch, datagrams};

/// Datagrams that quinn makes at once. It has the same bound; it is set here because a transmit with fewer is the last
/// for now, for which nothing is worth waiting.
const TRANSMIT_DATAGRAMS: usize = 10;
/// Datagrams after which quinn wants a connection to be polled again.
const POLL_DATAGRAMS: usize = 20;
/// Datagrams of one send: Linux cuts no more out of one (`UDP_MAX_SEGMENTS`).
const SEND_DATAGRAMS: usize = 64;

thread_local! {
    /// The burst that goes on on this thread. quinn gives a socket nothing to tell connections apart by, and several
    /// threads may send at once; a burst is one poll, which stays on its thread. The memory is kept for the next one.
    static BURST: RefCell<Burst> = RefCell::default();
}

/// Datagrams of one connection that are made in one go.
#[derive(Debug, Default)]
struct Burst {
    /// Where its socket is in memory; none between bursts.
    socket: Option<usize>,
    batch: Batch,
}

/// The socket, which all connections of an endpoint share.
#[derive(Debug)]
pub(super) struct JoiningSocket {
    below: Arc<dyn AsyncUdpSocket>,
    waiting: Mutex<Waiting>,
}

/// What the kernel had no room for. Until it has, quinn keeps what comes after it, so that there is at most one batch
/// of each thread.
#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// Whether a task waits for room.
    is_watched: bool,
}

impl JoiningSocket {
    /// A socket that joins what it hands to the one below.
    pub(super) fn over(below: Arc<dyn AsyncUdpSocket>) -> Self {
        Self { below, waiting: Mutex::default() }
    }

    /// A connection's burst begins on this thread.
    pub(super) fn begin_burst(&self) {
        BURST.with_borrow_mut(|burst| {
            if burst.socket != Some(self.place()) {
                // Whatever is there belongs to a task that panicked.
                burst.batch.clear();
                burst.socket = Some(self.place());
            }
        });
    }

    /// Whether the burst should go on if the connection has more to send: some of it is kept, and what a poll makes
    /// fits.
    pub(super) fn wants_more(&self) -> bool {
        BURST.with_borrow(|burst| {
            burst.socket == Some(self.place()) && burst.batch.has_room(POLL_DATAGRAMS, self.most())
        })
    }

    /// The burst is over: what was kept is sent.
    pub(super) fn end_burst(self: &Arc<Self>) {
        BURST.with_borrow_mut(|burst| {
            if burst.socket.take() == Some(self.place()) {
                // Room that is missing is waited for; nobody needs to be told.
                self.send(&mut burst.batch).ok();
            }
        });
        let mut waiting = self.waiting.lock();
        if !waiting.batches.is_empty() && !waiting.is_watched {
            // Without a runtime, which is ending then, the next send takes what waits along.
            if let Ok(runtime) = Handle::try_current() {
                waiting.is_watched = true;
                runtime.spawn(Arc::clone(self).send_when_there_is_room());
            }
        }
    }

    fn place(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Datagrams that the kernel takes at once: one when it turned out that it cannot cut a send.
    fn most(&self) -> usize {
        self.below.max_transmit_segments().min(SEND_DATAGRAMS)
    }

    /// Sends a batch. An error is that the kernel has no room: the batch waits then.
    fn send(&self, batch: &mut Batch) -> io::Result<()> {
        let sent = self.hand_over(batch);
        if sent.is_err() {
            self.waiting.lock().batches.push_back(std::mem::take(batch));
        }
        sent
    }

    /// Sends what waits. An error is that there is still no room.
    fn send_waiting(&self, waiting: &mut Waiting) -> io::Result<()> {
        while let Some(batch) = waiting.batches.front_mut() {
            self.hand_over(batch)?;
            waiting.batches.pop_front();
        }
        Ok(())
    }

    /// Leaves the batch empty unless the kernel has no room.
    fn hand_over(&self, batch: &mut Batch) -> io::Result<()> {
        let Some(transmit) = batch.transmit() else { return Ok(()) };
        match self.below.try_send(&transmit) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
            // These datagrams are lost, as any may be on their way: QUIC repeats what matters.
            Err(error) => log::debug!(error:%; "QUIC datagrams could not be sent"),
            Ok(()) => {}
        }
        batch.clear();
        Ok(())
    }

    async fn send_when_there_is_room(self: Arc<Self>) {
        let mut room = Arc::clone(&self.below).create_io_poller();
        loop {
            let writable = poll_fn(|context| room.as_mut().poll_writable(context)).await;
            let mut waiting = self.waiting.lock();
            // Another connection's send may have taken it along.
            if self.send_waiting(&mut waiting).is_ok() || writable.is_err() {
                waiting.is_watched = false;
                return;
            }
        }
    }

    /// Keeps a transmit of a burst, or sends what is kept and then the transmit.
    fn join(&self, batch: &mut Batch, transmit: &Transmit<'_>) -> io::Result<()> {
        let most = self.most();
        if !batch.is_empty() {
            if batch.join(transmit, most) {
                return Ok(());
            }
            self.send(batch)?;
        }
        if datagrams(transmit) >= TRANSMIT_DATAGRAMS && batch.join(transmit, most) {
            return Ok(());
        }
        self.below.try_send(transmit)
    }
}

impl AsyncUdpSocket for JoiningSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.below).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.send_waiting(&mut self.waiting.lock())?;
        BURST.with_borrow_mut(|burst| match burst.socket == Some(self.place()) {
            true => self.join(&mut burst.batch, transmit),
            false => self.below.try_send(transmit),
        })
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        received: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.below.poll_recv(context, buffers, received)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.below.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.below.max_transmit_segments().min(TRANSMIT_DATAGRAMS)
    }

    fn max_receive_segments(&self) -> usize {
        self.below.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.below.may_fragment()
    }
}
