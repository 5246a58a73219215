//! Devices that refuse, and power that fails: what cannot be stored is not, what was replaced does not come back while
//! the volume is open, and nothing but what was stored is ever read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_store::faults::{EIO, EMFILE, ENOSPC, EROFS, Fault, FaultyIo, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{AppendError, KeepAll, Lookup, ReadError, Volume};

use crate::kit::{self, Directory, MIB, Random, key, place, record, store, version, version_of};

const KEYS: u64 = 40;

fn open(directory: &Directory, io: &Arc<FaultyIo>) -> Volume {
    let volume = Volume::open(Arc::clone(io) as Arc<_>, &directory.options).unwrap();
    volume.recover(&|_| {});
    volume
}

/// The version that can be read; errors of the device and damaged records are misses.
fn lenient(volume: &Volume, name: &str) -> Option<u64> {
    match volume.find(&key(name)) {
        Lookup::Present(place) => match volume.read(&key(name), &place) {
            Ok(record) => Some(version_of(&record?, name)),
            Err(ReadError::Corrupt { .. } | ReadError::Io { .. }) => None,
        },
        Lookup::Absent | Lookup::Unknown => None,
    }
}

#[test]
fn what_is_read_is_what_was_stored_last_whatever_the_device_refuses() {
    let faults = [
        (Operation::Write, Fault::Errno(EIO)),
        (Operation::Write, Fault::Errno(ENOSPC)),
        (Operation::Read, Fault::Errno(EIO)),
        (Operation::Open, Fault::Errno(EMFILE)),
        (Operation::Any, Fault::Errno(EROFS)),
        (Operation::Any, Fault::Short),
        (Operation::Write, Fault::FlipBit),
        (Operation::Read, Fault::FlipBit),
        (Operation::Sync, Fault::Errno(EIO)),
    ];
    for (number, (on, fault)) in (0..).zip(faults) {
        let directory = kit::directory(12 * MIB);
        let io = FaultyIo::over(Arc::new(RealIo), number);
        let volume = open(&directory, &io);
        io.inject(Rule::sometimes(on, directory.path().join("segments"), fault.clone(), 15));
        let (mut random, mut last, mut stored) = (Random(number), HashMap::new(), 0);
        for step in 0..1500 {
            let name = format!("key {}", random.below(KEYS));
            match random.below(4) {
                0 => drop(volume.remove(&key(&name)).map(|_| last.remove(&name)).map_err(|_| last.remove(&name))),
                1 => {
                    let found = lenient(&volume, &name);
                    assert!(found.is_none() || found == last.get(&name).copied(), "{name} in step {step} of {fault:?}");
                }
                _ => {
                    let new = record(&name, step, [200, 30_000, 100_000][random.below(3) as usize]);
                    match volume.append(&new, &KeepAll) {
                        Ok(_) => last.insert(name, step),
                        Err(_) => last.remove(&name),
                    };
                }
            }
            stored += u64::from(step % 100 == 99) * volume.figures().records;
        }
        assert!(stored > 0, "{fault:?} left nothing");
        io.clear();
        for step in 0..300 {
            let name = format!("key {}", step % KEYS);
            store(&volume, &record(&name, 2000 + step, 50_000));
            assert_eq!(version(&volume, &name), Some(2000 + step), "after {fault:?}");
        }
    }
}

#[test]
fn a_record_that_cannot_be_stored_takes_the_one_it_was_to_replace_along() {
    let directory = kit::directory(12 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = open(&directory, &io);
    store(&volume, &record("key", 1, 100));
    store(&volume, &record("large", 1, 100));
    io.inject(Rule::once(Operation::Write, directory.path(), Fault::Errno(ENOSPC)));
    assert!(matches!(volume.append(&record("key", 2, 100), &KeepAll), Err(AppendError::Io { .. })));
    assert!(matches!(volume.append(&record("large", 2, 2 << 20), &KeepAll), Err(AppendError::TooLarge { .. })));
    for _ in 0..2 {
        assert_eq!((place(&volume, "key"), place(&volume, "large")), (None, None));
    }
    drop(volume);
    assert_eq!(version(&directory.open(), "key"), None, "after a restart");
}

#[test]
fn power_that_fails_loses_records_but_no_state_and_mixes_nothing() {
    let mut survived = 0;
    for seed in 0..15 {
        let directory = kit::directory(12 * MIB);
        let io = FaultyIo::over(Arc::new(RealIo), seed);
        let (mut random, mut durable) = (Random(seed), Vec::new());
        let mut highest = HashMap::new();
        for life in 0..3_u64 {
            let volume = open(&directory, &io);
            io.crash_after(random.below(2_500));
            for step in 0..700 {
                let (name, version) = (format!("key {}", random.below(KEYS)), life * 1000 + step);
                if random.below(20) == 0 && volume.append_state("log", version.to_string().as_bytes()).is_ok() {
                    durable.push(version.to_string());
                }
                if random.below(6) == 0 {
                    drop(volume.remove(&key(&name)));
                } else {
                    // One that failed with the power may have been written nevertheless.
                    drop(volume.append(&record(&name, version, random.below(120_000) as usize), &KeepAll));
                    highest.insert(name, version);
                }
                if io.crashed() {
                    break;
                }
            }
            io.crash_after(0);
            drop(volume);
            io.restart();
        }
        let volume = open(&directory, &io);
        for number in 0..KEYS {
            let name = format!("key {number}");
            // Older ones may come back, as nothing but state is made durable at once. Each is whole.
            let found = lenient(&volume, &name);
            assert!(found <= highest.get(&name).copied(), "seed {seed}: {name} has {found:?}");
            survived += u64::from(found.is_some());
        }
        let blob = volume.load_state("log").unwrap().unwrap_or_default();
        let mut parts = blob.parts.iter();
        for logged in &durable {
            assert!(parts.any(|part| part == logged.as_bytes()), "seed {seed}: {logged} was durable");
        }
        store(&volume, &record("after", seed, 100_000));
        assert_eq!(version(&volume, "after"), Some(seed));
    }
    assert!(survived > 15, "{survived}");
}

#[test]
fn too_few_descriptors_close_those_that_are_held_open() {
    let mut directory = kit::directory(12 * MIB);
    directory.options.open_files = 0;
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = open(&directory, &io);
    // As many segments as it takes for each to have its files closed before it is read again.
    for step in 0..50 {
        store(&volume, &record(&format!("key {step}"), step, 100_000));
    }
    for step in (0..50).step_by(9) {
        io.clear();
        io.inject(Rule::once(Operation::Open, directory.path().join("segments"), Fault::Errno(EMFILE)));
        assert_eq!(version(&volume, &format!("key {step}")), Some(step));
    }
    io.clear();
    store(&volume, &record("key", 2, 100));
    assert_eq!(version(&volume, "key"), Some(2));
}

#[test]
fn readers_see_whole_records_while_their_segments_are_written_again() {
    let directory = kit::directory(12 * MIB);
    let volume = directory.open();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (volume, over) = (&volume, &over);
        let readers: Vec<_> = (0..3)
            .map(|seed| {
                scope.spawn(move || {
                    let (mut random, mut read) = (Random(seed), 0_u64);
                    while !over.load(Ordering::Relaxed) {
                        read += u64::from(version(volume, &format!("key {}", random.below(KEYS))).is_some());
                    }
                    read
                })
            })
            .collect();
        for step in 0..3_000 {
            let name = format!("key {}", step % KEYS);
            match step % 7 {
                6 => drop(volume.remove(&key(&name)).unwrap()),
                _ => drop(store(volume, &record(&name, step, 90_000))),
            }
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 100);
        }
    });
    let figures = volume.figures();
    assert!(figures.corrupt == 0 && figures.reclaimed_segments > 100, "{figures:?}");
}
