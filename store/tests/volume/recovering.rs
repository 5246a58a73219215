//! Before, while and after the index is read.

use std::cell::Cell;
use std::sync::Arc;

use tidegate_store::faults::{EIO, Fault, FaultyIo, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{AppendError, DiscardReason, KeepAll, Lookup, Recovered, Volume};

use crate::kit::{self, Directory, MIB, key, place, record, store, version};

/// A volume with records in a few segments, closed again.
fn filled(records: u64) -> Directory {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    for number in 0..records {
        store(&volume, &record(&format!("record {number}"), number, 100_000));
    }
    directory
}

#[test]
fn until_the_index_is_read_nothing_is_known_and_nothing_stored() {
    let directory = filled(30);
    let volume = directory.try_open().unwrap();
    assert_eq!(volume.find(&key("record 1")), Lookup::Unknown);
    assert!(matches!(volume.append(&record("new", 1, 100), &KeepAll), Err(AppendError::Recovering)));
    let told = Cell::new(0);
    let recovered = volume.recover(&|progress| {
        assert!(progress.segments_done <= progress.segments);
        told.set(told.get() + 1);
    });
    assert_eq!((recovered.records, recovered.discarded), (30, Vec::new()));
    assert!(told.get() > 0 && recovered.bytes > 3_000_000);
    assert_eq!((version(&volume, "record 1"), place(&volume, "new")), (Some(1), None));
    assert_eq!(volume.recover(&|_| {}), Recovered::default(), "once is enough");
}

#[test]
fn what_is_removed_before_the_index_is_read_is_gone_for_good() {
    let directory = filled(3);
    let volume = directory.try_open().unwrap();
    assert!(!volume.remove(&key("record 1")).unwrap());
    volume.recover(&|_| {});
    assert_eq!((place(&volume, "record 1"), version(&volume, "record 2")), (None, Some(2)));
    drop(volume);
    assert_eq!(place(&directory.open(), "record 1"), None, "after a restart");
}

#[test]
fn a_segment_that_cannot_be_read_is_lost_and_does_not_come_back() {
    for refused in [Operation::Read, Operation::Any] {
        let directory = filled(30);
        let io = FaultyIo::over(Arc::new(RealIo), 1);
        io.inject(Rule::always(refused, directory.path().join("segments/000000.index"), Fault::Errno(EIO)));
        let volume = Volume::open(Arc::clone(&io) as Arc<_>, &directory.options).unwrap();
        let recovered = volume.recover(&|_| {});
        assert!(recovered.discarded.iter().any(|discarded| discarded.reason == DiscardReason::UnreadableSegment));
        assert_eq!(recovered.unemptied, u64::from(refused == Operation::Any), "who opened it is told");
        assert!((10..30).contains(&recovered.records), "{recovered:?}");
        assert_eq!((place(&volume, "record 0"), version(&volume, "record 29")), (None, Some(29)));
        for number in 0..400 {
            store(&volume, &record(&format!("after {number}"), number, 100_000));
        }
        io.clear();
        if refused == Operation::Read {
            drop(volume);
            assert_eq!(place(&directory.open(), "record 0"), None);
        }
    }
}

#[test]
fn a_segment_made_free_has_nothing_to_tell() {
    let directory = filled(30);
    let volume = directory.open();
    volume.clear().unwrap();
    assert_eq!(place(&volume, "record 29"), None);
    drop(volume);
    let (volume, recovered) = directory.recover();
    assert_eq!((recovered.records, recovered.discarded), (0, Vec::new()));
    store(&volume, &record("record 29", 1, 100));
}
