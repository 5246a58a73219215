//! Room: never more than was given, whatever is stored.

use std::collections::HashMap;
use std::io::ErrorKind::StorageFull;
use std::sync::Arc;

use tidegate_store::faults::{ENOSPC, Fault, FaultyIo, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{AppendError, KeepAll, Lookup, OpenError, Origin, Outcome, Share, StateError, Volume};

use crate::kit::{self, MIB, append, disk_usage, key, record, store, version};

#[test]
fn no_more_is_taken_than_was_given() {
    for (capacity, length) in [(10 * MIB, 200), (16 * MIB, 100_000), (40 * MIB, 700_000)] {
        let directory = kit::directory(capacity);
        let volume = directory.open();
        for number in 0..3 * capacity / length {
            let number = number.min(20_000);
            store(&volume, &record(&format!("record {number}"), number, length as usize));
            if number % 50 == 0 {
                assert!(disk_usage(directory.path()) <= capacity, "{capacity}");
            }
        }
        let parts = (0..capacity / 5_000).take_while(|_| volume.append_state("log", &[7; 5_000]).is_ok()).count();
        assert!(parts > 10, "{parts}");
        assert!(volume.save_state("pins", &[7; 20_000]).is_err());
        let taken = disk_usage(directory.path());
        assert!(taken <= capacity, "{taken} of {capacity}");
        assert!(taken > capacity / 2, "{taken} of {capacity} only");
    }
}

#[test]
fn state_beyond_its_room_is_refused() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let refused = volume.save_state("log", &vec![0; 16 << 20]).unwrap_err();
    assert!(matches!(refused, StateError::NoRoom { .. }), "{refused}");
    volume.save_state("log", &[1]).unwrap();
}

#[test]
fn what_is_too_large_is_refused_with_what_is_allowed() {
    let directory = kit::directory(200 * MIB);
    let volume = directory.open();
    let mut head = record("head", 1, 10);
    head.head = vec![0; 64 * 1024 + 1].into();
    for (new, message) in [
        (record("body", 1, 4 * 1024 * 1024 + 1), "a body of 4194305 bytes is too large: at most 4194304 bytes"),
        (head, "a head of 65537 bytes is too large: at most 65536 bytes"),
    ] {
        assert_eq!(volume.append(&new, &KeepAll).unwrap_err().to_string(), message);
    }
    store(&volume, &record("body", 1, 4 * 1024 * 1024));
    assert_eq!(version(&volume, "body"), Some(1));
    let directory = kit::directory(12 * MIB);
    let small = directory.open();
    assert!(matches!(small.append(&record("k", 1, 2 << 20), &KeepAll), Err(AppendError::TooLarge { .. })));
    let most = small.largest_record() - 1 - record("k", 1, 1_000_000).head.len();
    store(&small, &record("k", 1, most.min(1 << 20)));
}

#[test]
fn where_the_file_system_has_less_room_what_is_stored_goes_round_in_it() {
    let directory = kit::directory(40 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = Volume::open(io.clone(), &directory.options).unwrap();
    volume.recover(&|_| {});
    let (all, segment) = (volume.figures().segments, volume.figures().segment_size as usize);
    let put = |number: u64| append(&volume, &record(&format!("record {number}"), number, segment / 5 * 2));
    let is_there = |number: u64| version(&volume, &format!("record {number}")) == Some(number);
    put(0);
    assert!(volume.pin(&key("record 0"), true));
    (1..8).for_each(|number| drop(put(number)));
    let begun = || std::fs::read_dir(directory.path().join("segments")).unwrap().count() / 2;
    let used = begun();
    for behind in used as u32..all {
        let data = directory.path().join(format!("segments/{behind:06}.data"));
        io.inject(Rule::always(Operation::Write, data, Fault::Errno(ENOSPC)));
    }
    let told: Vec<String> = (8..60).filter_map(|number| put(number).lacks_room).collect();
    let [told] = &told[..] else { panic!("it is told once: {told:?}") };
    assert!(told.contains("the file system has no room for"), "{told}");
    assert_eq!(volume.figures().roomless_bytes, u64::from(all - used as u32) * segment as u64);
    assert!((58..60).all(is_there), "what came last is there");
    assert!(is_there(0), "what is pinned stays");
    // Tried again now and then, which is no news; and when there is room, all of it is used.
    directory.pass(30);
    assert_eq!((60..64).find_map(|number| put(number).lacks_room), None);
    io.clear();
    assert_eq!(volume.figures().roomless_bytes, u64::from(all - used as u32) * segment as u64);
    directory.pass(30);
    (64..200).for_each(|number| drop(put(number)));
    assert_eq!((volume.figures().roomless_bytes, begun()), (0, all as usize));
    let kept = (64..200).filter(|number| is_there(*number)).count();
    assert!(kept >= (all as usize - 4) * 2, "{kept} in {all} segments");
}

#[test]
fn where_the_file_system_has_no_room_at_all_that_is_the_error() {
    let directory = kit::directory(40 * MIB);
    let io = FaultyIo::over(Arc::new(RealIo), 1);
    let volume = Volume::open(io.clone(), &directory.options).unwrap();
    volume.recover(&|_| {});
    io.inject(Rule::always(Operation::Write, directory.path().join("segments"), Fault::Errno(ENOSPC)));
    let error = volume.append(&record("a", 1, 100), &KeepAll).unwrap_err();
    assert!(matches!(error, AppendError::Io { ref source, .. } if source.kind() == StorageFull), "{error}");
    io.clear();
    store(&volume, &record("a", 2, 100));
    assert_eq!(version(&volume, "a"), Some(2));
}

#[test]
fn too_small_a_capacity_is_refused_with_what_is_needed() {
    let error = kit::directory(9 * MIB).try_open().err().unwrap();
    assert!(matches!(error, OpenError::TooSmall { .. }));
    assert_eq!(error.to_string(), "a disk cache needs at least 10485760 bytes, 9437184 are configured");
}

#[test]
fn another_capacity_keeps_what_has_room_in_it() {
    let mut directory = kit::directory(40 * MIB);
    let volume = directory.open();
    for number in 0..25 {
        store(&volume, &record(&format!("record {number}"), 1, 900_000));
    }
    drop(volume);
    for (capacity, least, most) in [(80 * MIB, 25, 25), (20 * MIB, 1, 24), (40 * MIB, 1, 24)] {
        directory.options.capacity = capacity;
        let volume = directory.open();
        assert_eq!(volume.origin(), &Origin::Opened);
        let kept = (0..25).filter(|number| version(&volume, &format!("record {number}")).is_some()).count();
        assert!((least..=most).contains(&kept), "{kept} at {capacity}");
        assert!(disk_usage(directory.path()) <= capacity);
    }
}

#[test]
fn a_capacity_that_old_segments_do_not_fit_begins_anew() {
    let mut directory = kit::directory(1024 * MIB);
    drop(directory.open());
    directory.options.capacity = 64 * MIB;
    let volume = directory.open();
    assert!(matches!(volume.origin(), Origin::Renewed { why } if why.contains("capacity")));
}

#[test]
fn a_site_gets_no_more_than_its_ceiling_but_may_replace() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    volume.set_shares(HashMap::from([(7, Share { floor: 0, ceiling: 300_000 })]));
    let of_site = |name: &str, version| tidegate_store::NewRecord { site: 7, ..record(name, version, 100_000) };
    store(&volume, &of_site("first", 1));
    store(&volume, &of_site("second", 1));
    assert_eq!(append(&volume, &of_site("third", 1)).outcome, Outcome::AboveCeiling);
    store(&volume, &of_site("second", 2));
    assert_eq!((version(&volume, "second"), version(&volume, "third")), (Some(2), None));
    assert!(volume.remove(&key("first")).unwrap());
    store(&volume, &of_site("third", 1));
    assert!(volume.figures().sites[0].1 <= 300_000);
}

#[test]
fn many_small_records_can_all_be_removed_for_good() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    for number in 0..3_000 {
        store(&volume, &record(&format!("record {number}"), 1, 10));
    }
    for number in 0..2_900 {
        assert!(volume.remove(&key(&format!("record {number}"))).unwrap());
    }
    drop(volume);
    let volume = directory.open();
    for number in 0..3_000 {
        let name = format!("record {number}");
        let found = match volume.find(&key(&name)) {
            Lookup::Present(place) => volume.read(&key(&name), &place).is_ok_and(|record| record.is_some()),
            _ => false,
        };
        assert_eq!(found, number >= 2_900, "{name}");
    }
    assert!(disk_usage(directory.path()) <= 16 * MIB);
}
