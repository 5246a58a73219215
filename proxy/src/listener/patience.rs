//! How long a connection waits for its client.
//!
//! Owns the one timer of a connection and its watch for a drain or stop. Both are made once a connection, not once a
//! request: moving the deadline later, which every request does, touches no timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// What an idle connection is still given when a drain begins: a client that sends one request after the other gets
/// its next answer with the news that the connection closes, instead of a reset on the way.
pub(super) const DRAIN_LINGER: Duration = Duration::from_millis(500);

/// A deadline that is cheap to move later.
pub(super) struct Deadline {
    at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(super) fn new(at: Instant) -> Self {
        Self { at, timer: Box::pin(sleep_until(at)) }
    }

    pub(super) fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
    }

    pub(super) fn set_earlier(&mut self, at: Instant) {
        self.set(at.min(self.at));
    }

    /// Ready once the deadline has passed; may be polled again after it was set anew.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(context).is_ready() {
            if self.timer.deadline() >= self.at {
                return Poll::Ready(());
            }
            let at = self.at;
            self.timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// Whether connections are to end, and since when.
pub(super) struct Closing {
    signal: watch::Receiver<bool>,
    /// What it said at first.
    at_first: bool,
    /// Absent once it has begun.
    begins: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Who is woken when it begins.
    waker: Option<Waker>,
}

impl Closing {
    pub(super) fn new(signal: watch::Receiver<bool>) -> Self {
        let begins: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(turned_on(signal.clone()));
        let at_first = *signal.borrow();
        Self { signal, at_first, begins: Some(begins), waker: None }
    }

    pub(super) fn signal(&self) -> &watch::Receiver<bool> {
        &self.signal
    }

    /// Whether it was seen to begin, or is on now.
    pub(super) fn has_begun(&self) -> bool {
        if self.begins.is_none() {
            return true;
        }
        // Every request asks, and looking whether anything has changed takes no lock.
        if matches!(self.signal.has_changed(), Ok(false)) { self.at_first } else { *self.signal.borrow() }
    }

    /// Ready once, when it begins.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(begins) = &mut self.begins else { return Poll::Pending };
        // Every request comes by here, and hardly ever has anything happened since the last one: whoever is registered
        // is woken by the next change.
        let is_registered = self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if is_registered && matches!(self.signal.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        let outcome = begins.as_mut().poll(context);
        if outcome.is_ready() {
            self.begins = None;
        } else {
            self.waker = Some(context.waker().clone());
        }
        outcome
    }
}

async fn turned_on(mut signal: watch::Receiver<bool>) {
    if signal.wait_for(|on| *on).await.is_err() {
        // Nobody is left to turn it on.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_has_begun_while_its_signal_is_on() {
        for at_first in [false, true] {
            let (sender, signal) = watch::channel(at_first);
            let closing = Closing::new(signal);
            assert_eq!(closing.has_begun(), at_first);
            for on in [true, false, false, true] {
                sender.send(on).unwrap();
                assert_eq!(closing.has_begun(), on, "{at_first} at first");
            }
            drop(sender);
            assert!(closing.has_begun(), "the last word holds");
        }
    }
}
