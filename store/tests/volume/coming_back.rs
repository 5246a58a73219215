//! What was removed, replaced or let go does not come back with a restart, whatever the device refused and however the
//! clock went meanwhile.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_store::faults::{EIO, EMFILE, EROFS, Fault, FaultyIo, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{Cursor, KeepAll, NewRecord, ReadError, Volume};

use crate::kit::{self, BEGIN, Directory, MIB, Random, key, place, read, record, store, version};

fn open(directory: &Directory, io: &Arc<FaultyIo>) -> Volume {
    let volume = Volume::open(Arc::clone(io) as Arc<_>, &directory.options).unwrap();
    volume.recover(&|_| {});
    volume
}

/// A record that lives for so many seconds.
fn living(name: &str, version: u64, length: usize, seconds: u64) -> NewRecord {
    NewRecord { expires: BEGIN + seconds, ..record(name, version, length) }
}

#[test]
fn a_newer_record_that_is_over_or_removed_does_not_let_an_older_one_be_found() {
    for removed in [false, true] {
        let directory = kit::directory(16 * MIB);
        let volume = directory.open();
        store(&volume, &living("key", 1, 1000, 50_000));
        let index = directory.path().join("segments/000000.index");
        let before = fs::read(&index).unwrap();
        store(&volume, &living("key", 2, 1000, 60));
        if removed {
            assert!(volume.remove(&key("key")).unwrap());
        }
        drop(volume);
        // Killed before it was written down that the older one is gone.
        fs::write(&index, before).unwrap();
        directory.pass(100);
        for restart in 0..2 {
            assert_eq!(version(&directory.open(), "key"), None, "removed: {removed}, restart {restart}");
        }
    }
}

/// A volume in which segments are reclaimed and a third of all is carried over, that has one error meanwhile.
fn broken_off(directory: &Directory, seed: u64) -> u64 {
    let io = FaultyIo::over(Arc::new(RealIo), seed);
    let volume = open(directory, &io);
    let (mut reclaims, mut stored) = (false, 0);
    for number in 0..600 {
        let name = format!("record {number}");
        stored = number + 1;
        let Ok(appended) = volume.append(&record(&name, 1, 90_000), &KeepAll) else { break };
        if number % 3 == 0 {
            read(&volume, &name);
        }
        if !appended.reclaimed.is_empty() && !reclaims {
            reclaims = true;
            let segments = directory.path().join("segments");
            let fault = Fault::Errno(EIO);
            io.inject(Rule { times: 1, ..Rule::sometimes(Operation::Write, segments, fault, 2) });
        }
    }
    io.clear();
    // The device is well again, and every mark that is told of is written.
    for number in 0..stored {
        volume.remove(&key(&format!("record {number}"))).unwrap();
    }
    for place in volume.take_unsettled() {
        volume.settle(&place).unwrap();
    }
    assert_eq!(volume.figures().records, 0);
    stored
}

#[test]
fn what_is_removed_after_a_reclaim_was_broken_off_stays_gone() {
    let mut back = Vec::new();
    for seed in 0..60 {
        let directory = kit::directory(16 * MIB);
        let stored = broken_off(&directory, seed);
        let volume = directory.open();
        let found = (0..stored).filter(|number| place(&volume, &format!("record {number}")).is_some()).count();
        if found > 0 {
            back.push((seed, found));
        }
    }
    assert_eq!(back, [], "seeds, and how many records came back");
}

#[test]
fn records_whose_data_cannot_be_looked_at_are_gone_for_good() {
    let directory = kit::directory(16 * MIB);
    store(&directory.open(), &record("key", 1, 1000));
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    io.inject(Rule::always(Operation::Open, directory.path().join("segments/000000.data"), Fault::Errno(EIO)));
    let volume = open(&directory, &io);
    assert_eq!(place(&volume, "key"), None);
    assert!(!volume.remove(&key("key")).unwrap());
    drop(volume);
    assert_eq!(version(&directory.open(), "key"), None);
}

#[test]
fn what_a_clock_that_jumped_let_go_does_not_come_back_with_the_right_time() {
    for by_recovery in [false, true] {
        let directory = kit::directory(16 * MIB);
        let volume = directory.open();
        store(&volume, &record("key", 1, 10));
        directory.pass(7200);
        let volume = if by_recovery {
            drop(volume);
            directory.open()
        } else {
            assert_eq!(volume.sweep(Cursor::default(), 10_000, None).unwrap().expired, 1);
            volume
        };
        directory.clock.store(BEGIN, Ordering::Relaxed);
        // Nothing can be written down of what is known no more.
        assert!(!volume.remove(&key("key")).unwrap());
        store(&volume, &record("new", 2, 10));
        drop(volume);
        let volume = directory.open();
        assert_eq!((version(&volume, "key"), version(&volume, "new")), (None, Some(2)), "recovery: {by_recovery}");
    }
}

#[test]
fn one_bad_place_does_not_stop_writing() {
    for (operation, file) in
        [(Operation::Write, "000000.data"), (Operation::Write, "000000.index"), (Operation::Open, "000000.index")]
    {
        let directory = kit::directory(16 * MIB);
        store(&directory.open(), &record("key", 1, 10));
        let io = FaultyIo::over(Arc::new(RealIo), 1);
        let volume = open(&directory, &io);
        volume.remove(&key("nothing")).unwrap();
        io.inject(Rule::always(operation, directory.path().join("segments").join(file), Fault::Errno(EIO)));
        let mut refused = 0;
        for number in 0..50 {
            let new = record(&format!("record {number}"), 1, 100_000);
            refused += u64::from(volume.append(&new, &KeepAll).is_err());
        }
        assert!(refused <= 1, "{file}: {refused} records were refused");
    }
}

#[test]
fn a_segment_that_cannot_be_emptied_keeps_its_records_and_is_the_next_to_go() {
    let directory = kit::directory(16 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = open(&directory, &io);
    for number in 0..8 {
        store(&volume, &record(&format!("early {number}"), 1, 100_000));
    }
    // Neither cut, nor removed, nor written to.
    let index = directory.path().join("segments/000000.index");
    io.inject(Rule::always(Operation::Write, index, Fault::Errno(EIO)));
    let mut refused = 0;
    for number in 0..200 {
        // A few of its records are carried over before that is found out.
        for number in 0..3 {
            assert_eq!(version(&volume, &format!("early {number}")), Some(1));
        }
        refused += u64::from(volume.append(&record(&format!("late {number}"), 1, 100_000), &KeepAll).is_err());
    }
    assert!(refused > 0);
    (0..8).for_each(|number| assert_eq!(version(&volume, &format!("early {number}")), Some(1), "{number}"));
    io.clear();
    for number in 0..400 {
        store(&volume, &record(&format!("later {number}"), 1, 100_000));
    }
    for number in 0..8 {
        volume.remove(&key(&format!("early {number}"))).unwrap();
    }
    drop(volume);
    let volume = directory.open();
    (0..8).for_each(|number| assert_eq!(place(&volume, &format!("early {number}")), None, "{number}"));
}

#[test]
fn everything_is_forgotten_for_good_whatever_indexes_still_say() {
    let directory = kit::directory(16 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = open(&directory, &io);
    for number in 0..30 {
        store(&volume, &record(&format!("record {number}"), 1, 100_000));
    }
    io.inject(Rule::always(Operation::Write, directory.path().join("segments"), Fault::Errno(EIO)));
    volume.clear().unwrap();
    assert_eq!(volume.figures().records, 0);
    io.clear();
    store(&volume, &record("record 3", 2, 100));
    drop(volume);
    for _ in 0..2 {
        let volume = directory.open();
        assert_eq!((volume.figures().records, version(&volume, "record 3")), (1, Some(2)));
    }
    let volume = open(&directory, &io);
    io.inject(Rule::always(Operation::Write, directory.path().join("state"), Fault::Errno(EIO)));
    volume.clear().unwrap_err();
    assert_eq!(version(&volume, "record 3"), Some(2), "after an error nothing has happened");
}

#[test]
fn an_entry_speaks_of_what_was_written_before_it_only() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    store(&volume, &record("first", 1, 100));
    store(&volume, &record("second", 1, 100));
    volume.remove(&key("second")).unwrap();
    drop(volume);
    let index = directory.path().join("segments/000000.index");
    let mut bytes = fs::read(&index).unwrap();
    bytes[128 + 64 + 10] ^= 1;
    fs::write(&index, bytes).unwrap();
    // It comes to where the second was, of which only the end is known.
    store(&directory.open(), &record("third", 3, 100));
    let volume = directory.open();
    assert_eq!(
        (version(&volume, "first"), version(&volume, "second"), version(&volume, "third")),
        (Some(1), None, Some(3))
    );
}

#[test]
fn an_entry_that_stands_there_twice_is_one_record() {
    let directory = kit::directory(16 * MIB);
    store(&directory.open(), &record("key", 1, 100));
    let index = directory.path().join("segments/000000.index");
    let mut bytes = fs::read(&index).unwrap();
    bytes.extend_from_within(128..);
    fs::write(&index, bytes).unwrap();
    for restart in 0..2 {
        assert_eq!(version(&directory.open(), "key"), Some(1), "restart {restart}");
    }
}

#[test]
fn a_mark_that_nobody_waits_for_is_written_when_the_device_takes_it() {
    let directory = kit::directory(16 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = open(&directory, &io);
    store(&volume, &record("key", 1, 1000));
    let found = place(&volume, "key").unwrap();
    // Damaged on its way from the device only, and just then nothing can be written.
    let segments = directory.path().join("segments");
    io.inject(Rule::once(Operation::Read, segments.join("000000.data"), Fault::FlipBit));
    io.inject(Rule::always(Operation::Write, segments, Fault::Errno(EIO)));
    assert!(matches!(volume.read(&key("key"), &found), Err(ReadError::Corrupt { .. })));
    io.clear();
    assert!(!volume.remove(&key("key")).unwrap());
    store(&volume, &record("other", 1, 1000));
    drop(volume);
    assert_eq!(version(&directory.open(), "key"), None);
}

/// Random calls, with faults now and then; answers what each key had last.
fn live_through(directory: &Directory, on: Operation, fault: Fault, seed: u64) -> HashMap<String, u64> {
    let io = FaultyIo::over(Arc::new(RealIo), seed);
    let volume = open(directory, &io);
    let (mut random, mut last, mut unsettled) = (Random(seed), HashMap::new(), Vec::new());
    for step in 0..700 {
        match step % 50 {
            30 => io.inject(Rule::sometimes(on, directory.path().join("segments"), fault.clone(), 15)),
            0 => io.clear(),
            _ => {}
        }
        let name = format!("key {}", random.below(60));
        match random.below(5) {
            0 => {
                unsettled.extend(volume.forget(&key(&name)).filter(|place| volume.settle(place).is_err()));
                last.remove(&name);
            }
            1 | 2 => drop(place(&volume, &name).map(|place| volume.read(&key(&name), &place).ok())),
            _ => {
                let new = record(&name, step, [200, 30_000, 100_000, 300_000][random.below(4) as usize]);
                match volume.append(&new, &KeepAll) {
                    Ok(_) => last.insert(name, step),
                    Err(_) => last.remove(&name),
                };
            }
        }
    }
    io.clear();
    // What the one who uses the volume does with what is left.
    unsettled.extend(volume.take_unsettled());
    unsettled.iter().for_each(|place| volume.settle(place).unwrap());
    volume.sync().unwrap();
    last
}

#[test]
fn after_a_restart_a_key_has_what_it_had_last_or_nothing_whatever_was_refused() {
    let faults = [
        (Operation::Write, Fault::Errno(EIO)),
        (Operation::Read, Fault::Errno(EIO)),
        (Operation::Read, Fault::FlipBit),
        (Operation::Open, Fault::Errno(EMFILE)),
        (Operation::Any, Fault::Errno(EROFS)),
        (Operation::Any, Fault::Short),
        (Operation::Sync, Fault::Errno(EIO)),
    ];
    let mut found = 0;
    for (on, fault) in faults {
        for seed in 0..6 {
            let directory = kit::directory(12 * MIB);
            let last = live_through(&directory, on, fault.clone(), seed);
            let volume = directory.open();
            for number in 0..60 {
                let name = format!("key {number}");
                let version = version(&volume, &name);
                let due = last.get(&name).copied();
                assert!(version.is_none() || version == due, "{fault:?} {seed}: {name} has {version:?}, not {due:?}");
                found += u64::from(version.is_some());
            }
        }
    }
    assert!(found > 500, "{found}: this tests nothing");
}
