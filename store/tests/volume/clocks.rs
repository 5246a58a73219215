//! Clocks that are set: what was stored may expire early or late, nothing else happens.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_store::Sequences;

use crate::kit::{self, BEGIN, MIB, place, record, store, version};

#[test]
fn what_expired_is_not_found() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    store(&volume, &record("key", 1, 100));
    directory.pass(3599);
    assert!(place(&volume, "key").is_some());
    directory.pass(1);
    assert!(place(&volume, "key").is_none());
    drop(volume);
    assert!(place(&directory.open(), "key").is_none());
}

#[test]
fn a_clock_that_is_set_forth_and_back_costs_nothing() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    store(&volume, &record("key", 1, 100));
    for now in [BEGIN * 2, 0, BEGIN] {
        directory.clock.store(now, Ordering::Relaxed);
        assert_eq!(place(&volume, "key").is_some(), now <= BEGIN, "at {now}");
        store(&volume, &record(&format!("at {now}"), 1, 100));
    }
    assert_eq!(version(&volume, "key"), Some(1));
}

#[test]
fn the_newer_record_wins_though_the_clock_was_set_back_over_a_restart() {
    let mut directory = kit::directory(16 * MIB);
    for (version_now, first) in [(1, 5_000_000), (2, 1_000), (3, 1)] {
        directory.options.sequences = Arc::new(Sequences::starting_at(first));
        directory.clock.store(first, Ordering::Relaxed);
        let volume = directory.open();
        store(&volume, &record("key", version_now, 100));
        store(&volume, &record(&format!("other {version_now}"), 1, 100));
        drop(volume);
        assert_eq!(version(&directory.open(), "key"), Some(version_now));
    }
}

#[test]
fn everything_works_at_the_ends_of_time() {
    let directory = kit::directory(12 * MIB);
    let volume = directory.open();
    for now in [0, u64::from(u32::MAX), u64::MAX - 1] {
        directory.clock.store(now, Ordering::Relaxed);
        for number in 0..300 {
            let mut new = record(&format!("record {number}"), 1, 60_000);
            new.expires = if number % 2 == 0 { u64::MAX } else { 0 };
            store(&volume, &new);
        }
    }
    drop(volume);
    directory.open();
}
