//! How often a connection's task is polled in a row, and who wakes it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use quinn::AsyncUdpSocket;

use super::super::burst::Bursts;
use super::super::socket::JoiningSocket;
use super::recorder::{Made, Recorder};

/// A connection with this many full transmits to send, two a poll, as quinn's tasks do it.
struct Connection {
    socket: Arc<JoiningSocket>,
    size: usize,
    /// Wants to be polled again even with nothing to send.
    restless: bool,
    left: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
    resting: Arc<Mutex<Option<Waker>>>,
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        for _transmit in 0..2 {
            if self.left.load(Ordering::Relaxed) == 0 {
                if self.restless {
                    context.waker().wake_by_ref();
                }
                *self.resting.lock() = Some(context.waker().clone());
                return Poll::Pending;
            }
            self.left.fetch_sub(1, Ordering::Relaxed);
            self.socket.try_send(&Made::new(1, self.size, 10, 1).transmit()).unwrap();
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Default)]
struct Runtime(AtomicUsize);

impl Wake for Runtime {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection's task, all that is needed to see what it does.
struct Scene {
    below: Arc<Recorder>,
    task: Pin<Box<Bursts>>,
    left: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
    resting: Arc<Mutex<Option<Waker>>>,
    wakes: Arc<Runtime>,
}

impl Scene {
    fn new(size: usize, transmits: usize) -> Self {
        Self::of(size, transmits, false)
    }

    fn of(size: usize, transmits: usize, restless: bool) -> Self {
        let below = Recorder::new();
        let socket = Arc::new(JoiningSocket::over(Arc::<Recorder>::clone(&below)));
        let (left, polls) = (Arc::new(AtomicUsize::new(transmits)), Arc::new(AtomicUsize::new(0)));
        let resting = Arc::new(Mutex::new(None));
        let connection = Connection {
            socket: Arc::clone(&socket),
            size,
            restless,
            left: Arc::clone(&left),
            polls: Arc::clone(&polls),
            resting: Arc::clone(&resting),
        };
        let task = Box::pin(Bursts::of(Box::pin(connection), socket));
        Self { below, task, left, polls, resting, wakes: Arc::default() }
    }

    /// One burst: what it sent, how many polls it took, and how often it then wanted to be polled again.
    fn burst(&mut self) -> (Vec<usize>, usize, usize) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        assert!(self.task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let sent = self.below.take().iter().map(|sent| sent.datagrams.len()).collect();
        (sent, self.polls.swap(0, Ordering::Relaxed), self.wakes.0.swap(0, Ordering::Relaxed))
    }
}

#[test]
fn a_connection_is_polled_until_its_send_is_full() {
    let mut scene = Scene::new(1_452, 11);
    assert_eq!(scene.burst(), (vec![40], 2, 1));
    assert_eq!(scene.burst(), (vec![40], 2, 1));
    assert_eq!(scene.burst(), (vec![30], 2, 0), "and no longer than it has something to send");
    let mut small = Scene::new(100, 20);
    assert_eq!(small.burst(), (vec![60], 3, 1));
    let mut restless = Scene::of(100, 1, true);
    assert_eq!(restless.burst(), (vec![10], 3, 1), "a bounded number of times");
}

#[test]
fn a_connection_without_bulk_is_polled_once() {
    let mut scene = Scene::new(1_452, 0);
    assert_eq!(scene.burst(), (vec![], 1, 0));
    scene.left.store(1, Ordering::Relaxed);
    assert_eq!(scene.burst(), (vec![10], 1, 0));
    let mut alone = Scene::new(1_452, 4);
    // Datagrams that cannot be joined: the task is polled as often as quinn asks, with other tasks in between.
    alone.below.cuts(10);
    assert_eq!(alone.burst(), (vec![10, 10], 1, 1));
}

#[test]
fn a_wake_up_from_elsewhere_reaches_the_runtime_once() {
    let mut scene = Scene::new(1_452, 0);
    scene.burst();
    let waker = scene.resting.lock().take().unwrap();
    waker.wake_by_ref();
    waker.wake_by_ref();
    assert_eq!(scene.wakes.0.load(Ordering::Relaxed), 1);
    scene.left.store(1, Ordering::Relaxed);
    assert_eq!(scene.burst(), (vec![10], 1, 1), "counted since the last burst");
    let waker = scene.resting.lock().take().unwrap();
    waker.wake();
    assert_eq!(scene.wakes.0.load(Ordering::Relaxed), 1, "and again after it");
}
