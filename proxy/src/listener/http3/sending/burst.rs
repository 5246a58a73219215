//! A connection's burst: as many polls of quinn's task in a row as fill one send.
//!
//! quinn's task of a connection makes some twenty datagrams, wakes itself and returns. Polled again at once, its
//! datagrams are still in the processor's cache and leave together; the number of polls is bounded, so that the other
//! tasks of the thread have their turns.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};

use super::socket::JoiningSocket;

/// Polls of a burst. Three fill a send of the smallest datagrams; the others find no room after the second.
const BURST_POLLS: usize = 3;

/// Nobody asked to be polled.
const RESTING: u8 = 0;
/// Is being polled.
const POLLED: u8 = 1;
/// Wants to be polled.
const WOKEN: u8 = 2;

/// Tokio for quinn, but for its tasks, which send in bursts.
pub(super) struct BurstRuntime {
    socket: Arc<JoiningSocket>,
}

impl BurstRuntime {
    /// Runs the tasks of an endpoint on this socket.
    pub(super) fn on(socket: Arc<JoiningSocket>) -> Self {
        Self { socket }
    }
}

impl fmt::Debug for BurstRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BurstRuntime").finish_non_exhaustive()
    }
}

impl Runtime for BurstRuntime {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(Bursts::of(task, Arc::clone(&self.socket)));
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> std::time::Instant {
        TokioRuntime.now()
    }
}

/// One of quinn's tasks: each poll is a burst.
pub(super) struct Bursts {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    socket: Arc<JoiningSocket>,
    call: Arc<Call>,
    /// `call` as the task sees it.
    waker: Waker,
}

impl Bursts {
    pub(super) fn of(task: Pin<Box<dyn Future<Output = ()> + Send>>, socket: Arc<JoiningSocket>) -> Self {
        let call = Arc::new(Call { state: AtomicU8::new(RESTING), runtime: AtomicWaker::new() });
        Self { task, socket, waker: Waker::from(Arc::clone(&call)), call }
    }
}

impl Future for Bursts {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.call.runtime.register(context.waker());
        this.socket.begin_burst();
        let mut polled = Poll::Pending;
        for poll in 1..=BURST_POLLS {
            // Takes note of whatever was done before it was woken.
            this.call.state.swap(POLLED, Ordering::AcqRel);
            polled = this.task.as_mut().poll(&mut Context::from_waker(&this.waker));
            if polled.is_ready() || this.call.rest() {
                break;
            }
            if poll == BURST_POLLS || !this.socket.wants_more() {
                this.call.state.store(WOKEN, Ordering::Release);
                context.waker().wake_by_ref();
                break;
            }
        }
        this.socket.end_burst();
        polled
    }
}

/// Says who asked for the next poll: the task itself, within one, or somebody else.
struct Call {
    state: AtomicU8,
    runtime: AtomicWaker,
}

impl Call {
    /// After a poll: whether nobody asked for another one meanwhile.
    fn rest(&self) -> bool {
        self.state.compare_exchange(POLLED, RESTING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == RESTING {
            self.runtime.wake();
        }
    }
}
