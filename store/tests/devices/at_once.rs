//! Reads of what the system has in memory: no thread is asked, and nothing else is different.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use tidegate_store::faults::{Fault, Operation, Rule};
use tidegate_store::{DeviceState, Record, Store};

use crate::fixture::{Fixture, key, large, read, record};

/// What a read gives when it is asked for once; `None`: something has to be waited for.
fn read_at_once(store: &Store, name: &str) -> Option<Option<Record>> {
    let mut reading = std::pin::pin!(store.read(&key(name)));
    match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(record) => Some(record),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn short_records_are_read_where_they_are_asked_for_while_the_threads_are_busy() {
    const LENGTHS: [usize; 3] = [10, 64 << 10, 70 << 10];
    for (read_now, expected) in [(68 << 10, [true, true, false]), (0, [false, false, false])] {
        let mut fixture = Fixture::of(1);
        (fixture.limits.read_now, fixture.limits.readers) = (read_now, 1);
        let store = fixture.ready().await;
        for length in LENGTHS {
            store.write(large(&format!("long {length}"), length)).unwrap();
        }
        store.write(record("hangs", "body")).unwrap();
        fixture.until_written(&store);
        let gate = fixture.gate();
        fixture.io.inject(Rule::always(Operation::Read, fixture.at(0), Fault::Hang(gate.clone())));
        let hanging = store.read(&key("hangs"));
        assert!(gate.until_waiting(1));
        fixture.io.clear();
        for (length, at_once) in LENGTHS.into_iter().zip(expected) {
            let found = read_at_once(&store, &format!("long {length}"));
            let expected = at_once.then_some(Some(length));
            assert_eq!(found.map(|record| record.map(|record| record.body.concat().len())), expected, "{read_now}");
        }
        gate.open();
        assert!(hanging.await.is_some());
    }
}

#[tokio::test]
async fn a_device_that_hangs_is_not_asked_at_once_either() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "body")).unwrap();
    fixture.until_written(&store);
    assert!(matches!(read_at_once(&store, "a"), Some(Some(_))));
    assert!(store.read_now(&key("a")).is_some() && store.read_now(&key("none")).is_none());
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Hang(gate.clone())));
    store.write(record("b", "body")).unwrap();
    fixture.until(&store, 0, DeviceState::Stalled);
    assert_eq!((read_at_once(&store, "a"), store.read_now(&key("a"))), (Some(None), None));
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    assert!(matches!(read_at_once(&store, "a"), Some(Some(_))));
}

#[tokio::test]
async fn what_is_damaged_on_disk_is_no_record_however_it_is_read() {
    use std::os::unix::fs::FileExt;
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "body of a")).unwrap();
    fixture.until_written(&store);
    let file = std::fs::read_dir(fixture.at(0).join("segments")).unwrap().map(|entry| entry.unwrap().path());
    for path in file.filter(|path| path.extension().is_some_and(|end| end == "data")) {
        let bytes = std::fs::read(&path).unwrap();
        let Some(at) = bytes.windows(9).position(|window| window == b"body of a") else { continue };
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"B", at as u64).unwrap();
    }
    assert_eq!(read(&store, "a").await, None);
    assert_eq!(fixture.said.count("Corrupt {"), 1);
}
