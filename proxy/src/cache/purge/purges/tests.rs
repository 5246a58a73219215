//! Purges across restarts, over a log that fails as it is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::super::purge_log::{LogCopy, LogFollower};
use super::super::{Provenance, Tags, Verdict};
use super::*;
use crate::cache::key::{CacheKey, Scheme};
use crate::telemetry::Metrics;

/// Two copies in memory; the second one is away at times.
#[derive(Default)]
struct Copies {
    copies: Mutex<[LogCopy; 2]>,
    second_is_away: AtomicBool,
    /// Neither takes anything.
    full: AtomicBool,
    followers: Mutex<Vec<LogFollower>>,
    /// Bytes that each takes; any number where it is zero.
    room: AtomicUsize,
}

impl Copies {
    fn keep(&self, change: impl Fn(&mut LogCopy)) -> Kept {
        let room = self.room.load(Ordering::SeqCst);
        let mut changed = self.copies.lock()[0].clone();
        change(&mut changed);
        let bytes: usize = changed.parts.iter().map(Bytes::len).sum();
        if self.full.load(Ordering::SeqCst) || room > 0 && bytes > room {
            return Kept { on: 0, of: 2 };
        }
        let on = if self.second_is_away.load(Ordering::SeqCst) { 1 } else { 2 };
        self.copies.lock()[..on].iter_mut().for_each(change);
        Kept { on, of: 2 }
    }
}

impl PurgeLog for Copies {
    fn follow(&self, follower: LogFollower) {
        self.followers.lock().push(follower);
    }

    fn load(&self) -> BoxFuture<'_, Vec<LogCopy>> {
        let copies = self.copies.lock().to_vec();
        async move { copies }.boxed()
    }

    fn append(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        async move { self.keep(|copy| copy.parts.push(part.clone())) }.boxed()
    }

    fn replace(&self, part: Bytes) -> BoxFuture<'_, Kept> {
        let copy = LogCopy { parts: vec![part], is_damaged: false };
        async move { self.keep(|old| *old = copy.clone()) }.boxed()
    }
}

async fn open(copies: &Arc<Copies>) -> Arc<Purges> {
    let metrics = Metrics::new("test").purges().clone();
    Purges::open(Arc::clone(copies) as Arc<dyn PurgeLog>, &Handle::current(), metrics).await
}

fn object(purges: &Purges, path: &str) -> Provenance {
    let key = CacheKey::new(Scheme::Https, "a.test", path, None);
    Provenance::new(key, purges.latest(), Tags::default())
}

/// The object as it is read from disk by another run.
fn again(object: &Provenance, before: &Purges, after: &Purges) -> Option<Provenance> {
    let mut bytes = Vec::new();
    object.encode(before.secret().lineage(), &mut bytes);
    Provenance::decode(&mut &bytes[..], object.key.clone(), after.secret().lineage())
}

async fn purge(purges: &Purges, path: &str) -> Kept {
    let scope = Scope::Url(format!("a.test{path}"));
    purges.carry_out(&[scope], Mode::Hard, String::new(), 1, SystemTime::now());
    purges.written().await
}

fn is_gone(purges: &Purges, object: &Provenance) -> bool {
    matches!(purges.judge(object), Verdict::Gone(_))
}

#[tokio::test]
async fn purges_outlast_a_restart_and_numbers_go_on() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let (one, two) = (object(&first, "/1"), object(&first, "/2"));
    assert_eq!(purge(&first, "/1").await, Kept { on: 2, of: 2 });
    let late = object(&first, "/1");
    let second = open(&copies).await;
    assert!(second.latest() > first.latest());
    let read = [&one, &two, &late].map(|object| again(object, &first, &second).unwrap());
    assert_eq!(read.each_ref().map(|object| is_gone(&second, object)), [true, false, false]);
    purge(&second, "/1").await;
    assert!(is_gone(&second, &read[2]), "a number is greater than all of the run before");
}

#[tokio::test]
async fn what_is_stored_without_the_record_of_its_purges_is_not_used() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = object(&first, "/1");
    let other = open(&Arc::default()).await;
    assert!(again(&stored, &first, &other).is_none());
}

#[tokio::test]
async fn damaged_record_has_all_that_is_stored_purged() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = object(&first, "/1");
    copies.copies.lock().iter_mut().for_each(|copy| copy.is_damaged = true);
    let second = open(&copies).await;
    assert!(is_gone(&second, &again(&stored, &first, &second).unwrap()));
    let third = open(&copies).await;
    let fresh = object(&second, "/1");
    assert!(!is_gone(&third, &again(&fresh, &second, &third).unwrap()), "it has been written whole again");
}

#[tokio::test]
async fn copy_that_was_away_gets_what_it_has_missed() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = object(&first, "/1");
    copies.second_is_away.store(true, Ordering::SeqCst);
    assert_eq!(purge(&first, "/1").await, Kept { on: 1, of: 2 });
    copies.second_is_away.store(false, Ordering::SeqCst);
    assert_eq!(purge(&first, "/2").await, Kept { on: 2, of: 2 });
    copies.copies.lock()[0] = LogCopy::default();
    let second = open(&copies).await;
    assert!(is_gone(&second, &again(&stored, &first, &second).unwrap()), "by the second copy alone");
}

#[tokio::test]
async fn many_purges_are_written_many_at_once() {
    let copies = Arc::new(Copies::default());
    let purges = open(&copies).await;
    let stored = object(&purges, "/99999");
    for number in 0..100_000 {
        let what = Box::new(Scope::Url(format!("a.test/{number}")));
        purges.note_changed(&[Scope::Changed { what, site: "a.test".to_owned() }], SystemTime::now());
    }
    purges.written().await;
    assert!(copies.copies.lock()[0].parts.len() < 10);
    let second = open(&copies).await;
    assert!(is_gone(&second, &again(&stored, &purges, &second).unwrap()));
}

#[tokio::test]
async fn device_that_was_away_at_the_start_takes_no_purges_behind_a_record_of_another_lineage() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = object(&first, "/1");
    let old = copies.copies.lock()[0].clone();
    // It cannot be read, nor written to, when the node starts again.
    let away = Arc::new(Copies::default());
    away.full.store(true, Ordering::SeqCst);
    let second = open(&away).await;
    assert!(again(&stored, &first, &second).is_none());
    *away.copies.lock() = [old.clone(), old];
    away.full.store(false, Ordering::SeqCst);
    purge(&second, "/1").await;
    let third = open(&away).await;
    assert!(again(&stored, &first, &third).is_none(), "it has been written whole, in the new lineage");
}

#[tokio::test]
async fn record_for_which_there_is_no_room_says_in_brief_that_everything_was_purged() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = object(&first, "/other");
    copies.room.store(200, Ordering::SeqCst);
    for number in 0..10 {
        assert_eq!(purge(&first, &format!("/{number}")).await, Kept { on: 2, of: 2 });
    }
    let second = open(&copies).await;
    assert!(is_gone(&second, &again(&stored, &first, &second).unwrap()));
}

/// Has a device come that was not there when the node started.
fn come_late(copies: &Copies, copy: &LogCopy) {
    copies.followers.lock().iter().for_each(|follower| follower(copy.clone()));
}

#[tokio::test]
async fn purge_that_a_late_device_alone_knows_concerns_all_that_was_stored_by_then() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let stored = ["/1", "/2"].map(|path| object(&first, path));
    // Only the second copy gets to know of this one.
    let without = copies.copies.lock()[0].clone();
    purge(&first, "/1").await;
    let with = copies.copies.lock()[1].clone();
    *copies.copies.lock() = [without, LogCopy::default()];
    let second = open(&copies).await;
    let read = stored.each_ref().map(|object| again(object, &first, &second).unwrap());
    let meanwhile = object(&second, "/1");
    assert!(read.iter().all(|object| !is_gone(&second, object)));
    come_late(&copies, &with);
    assert_eq!(read.each_ref().map(|object| is_gone(&second, object)), [true, false]);
    assert!(is_gone(&second, &meanwhile), "by its name: nobody knows what it was made of");
    let later = object(&second, "/1");
    // What is known by then is no news, however often it is told.
    come_late(&copies, &with);
    assert!(!is_gone(&second, &later));
    second.written().await;
    let third = open(&copies).await;
    assert!(is_gone(&third, &again(&stored[0], &first, &third).unwrap()), "it is written");
}

#[tokio::test]
async fn late_device_whose_record_cannot_be_read_has_everything_purged_and_an_empty_or_foreign_one_nothing() {
    let copies = Arc::new(Copies::default());
    drop(open(&copies).await);
    let whole = copies.copies.lock()[0].clone();
    let first = open(&copies).await;
    let foreign = Arc::new(Copies::default());
    let other = open(&foreign).await;
    purge(&other, "/1").await;
    let foreign = foreign.copies.lock()[0].clone();
    let check = |copy: LogCopy, expected: bool| {
        let stored = object(&first, "/1");
        come_late(&copies, &copy);
        assert_eq!(is_gone(&first, &stored), expected, "{copy:?}");
    };
    check(LogCopy::default(), false);
    check(foreign, false);
    check(whole.clone(), false);
    check(LogCopy { is_damaged: true, ..whole.clone() }, true);
    check(LogCopy { is_damaged: true, ..LogCopy::default() }, true);
    check(LogCopy { parts: vec![Bytes::from_static(b"foreign")], is_damaged: false }, true);
}

#[tokio::test]
async fn late_device_from_a_time_with_greater_numbers_has_everything_purged_and_numbers_go_on_behind_its_own() {
    let copies = Arc::new(Copies::default());
    let first = open(&copies).await;
    let without = copies.copies.lock()[0].clone();
    first.skip_to(Generation(first.latest().0 + (1 << 40)));
    let stored = object(&first, "/1");
    purge(&first, "/2").await;
    let with = copies.copies.lock()[1].clone();
    *copies.copies.lock() = [without, LogCopy::default()];
    let second = open(&copies).await;
    let read = again(&stored, &first, &second).unwrap();
    purge(&second, "/1").await;
    come_late(&copies, &with);
    assert!(is_gone(&second, &read));
}
