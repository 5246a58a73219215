//! Wakes many who wait for one thing, with a single wake-up into each of their threads.
//!
//! A thousand requests may wait for one fill, whose task runs on a thread of its own. Were each of them woken from there,
//! every one would cost a system call, and a worker takes what other threads wake only now and then while it has work of
//! its own: those woken first would get megabytes before the last ones get their first byte. So there is a ringer in
//! each thread, a task that is woken alone and wakes all others there: they run in turn, before any of them runs again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Those who wait, by the threads where they began to.
#[derive(Default)]
pub(super) struct Bell {
    /// One for each thread that serves clients, of which there are few.
    places: Mutex<Vec<(ThreadId, Arc<Place>)>>,
}

/// Those who wait in one thread.
#[derive(Default)]
struct Place {
    /// Not where no runtime could run it: those who wait there are woken one by one.
    has_ringer: bool,
    /// Wakes the ringer.
    rung: Notify,
    waiting: Notify,
    /// Whether it was the last ring.
    over: AtomicBool,
}

impl Bell {
    /// Wakes everyone.
    pub(super) fn ring(&self) {
        for (_, place) in &*self.places.lock() {
            place.ring();
        }
    }

    /// Wakes everyone for the last time: whoever looks from now on finds what it wants without waiting.
    pub(super) fn ring_out(&self) {
        for (_, place) in std::mem::take(&mut *self.places.lock()) {
            place.over.store(true, Ordering::Release);
            place.ring();
        }
    }

    /// Looks, and looks again whenever the bell has rung, until there is something. Cancel-safe where `look` is.
    pub(super) async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        if let Some(found) = look() {
            return found;
        }
        loop {
            let place = self.place();
            let told = place.waiting.notified();
            tokio::pin!(told);
            // Listens before it looks: what comes in between is not missed.
            told.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            told.await;
        }
    }

    fn place(&self) -> Arc<Place> {
        let here = std::thread::current().id();
        let mut places = self.places.lock();
        if let Some((_, place)) = places.iter().find(|(thread, _)| *thread == here) {
            return Arc::clone(place);
        }
        let runtime = Handle::try_current().ok();
        let place = Arc::new(Place { has_ringer: runtime.is_some(), ..Place::default() });
        if let Some(runtime) = runtime {
            runtime.spawn(Arc::clone(&place).tell());
        }
        places.push((here, Arc::clone(&place)));
        place
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ring_out();
    }
}

impl Place {
    fn ring(&self) {
        if self.has_ringer {
            self.rung.notify_one();
        } else {
            self.waiting.notify_waiters();
        }
    }

    /// Wakes everyone in this thread at each ring.
    async fn tell(self: Arc<Self>) {
        loop {
            self.rung.notified().await;
            // Looks first: were it the last ring only from behind the wake-up on, whoever began to wait in between would
            // hear nothing. It may also come before this task has run at all.
            let over = self.over.load(Ordering::Acquire);
            self.waiting.notify_waiters();
            if over {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use super::*;

    /// A bell, and what it rings for.
    #[derive(Default)]
    struct Counted {
        bell: Bell,
        count: AtomicU32,
    }

    impl Counted {
        async fn reaches(&self, wanted: u32) -> u32 {
            self.bell.until(|| Some(self.count.load(Ordering::Acquire)).filter(|count| *count >= wanted)).await
        }

        fn raise(&self) {
            self.count.fetch_add(1, Ordering::Release);
            self.bell.ring();
        }
    }

    async fn soon<T>(waiting: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("somebody was not woken")
    }

    #[test]
    fn all_who_wait_in_several_threads_hear_each_ring() {
        const ROUNDS: u32 = 200;
        let counted = Arc::new(Counted::default());
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(async {
                        let mut waiting = tokio::task::JoinSet::new();
                        for _ in 0..20 {
                            let counted = Arc::clone(&counted);
                            waiting.spawn(async move {
                                for round in 1..=ROUNDS {
                                    soon(counted.reaches(round)).await;
                                }
                            });
                        }
                        waiting.join_all().await;
                    });
                })
            })
            .collect();
        for _ in 0..ROUNDS {
            counted.raise();
            std::thread::yield_now();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[tokio::test]
    async fn one_who_is_woken_and_does_nothing_keeps_nobody_asleep() {
        let counted = Counted::default();
        let mut idle = Box::pin(counted.reaches(1));
        let mut stays = Box::pin(counted.reaches(1));
        assert!(futures::poll!(&mut idle).is_pending() && futures::poll!(&mut stays).is_pending());
        counted.raise();
        assert_eq!(soon(stays).await, 1);
        drop(idle);
    }

    #[tokio::test]
    async fn last_ring_is_heard_and_nothing_is_kept_behind_it() {
        let counted = Counted::default();
        let mut waits = Box::pin(counted.reaches(1));
        assert!(futures::poll!(&mut waits).is_pending());
        counted.count.store(1, Ordering::Release);
        counted.bell.ring_out();
        assert!(counted.bell.places.lock().is_empty());
        assert_eq!(soon(waits).await, 1);
    }

    /// In a runtime of several threads a ringer runs beside those it wakes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn last_ring_is_heard_by_one_who_begins_to_wait_while_the_one_before_is_passed_on() {
        let race = || async {
            for _ in 0..20_000 {
                let counted = Arc::new(Counted::default());
                let waiter = tokio::spawn({
                    let counted = Arc::clone(&counted);
                    async move {
                        for wanted in 1..=6 {
                            soon(counted.reaches(wanted)).await;
                        }
                    }
                });
                for _ in 0..5 {
                    counted.raise();
                    tokio::task::yield_now().await;
                }
                counted.count.store(6, Ordering::Release);
                counted.bell.ring_out();
                waiter.await.unwrap();
            }
        };
        let races: Vec<_> = (0..8).map(|_| tokio::spawn(race())).collect();
        for race in races {
            race.await.unwrap();
        }
    }
}
