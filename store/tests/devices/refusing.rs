//! Devices that refuse: full, read-only, broken, out of descriptors, missing, another's.

use tidegate_store::faults::{EACCES, EIO, EMFILE, ENOSPC, EROFS, Fault, Operation, Rule};
use tidegate_store::{DeviceState, Refused, Store};

use crate::fixture::{Fixture, key, read, record};

#[tokio::test]
async fn a_device_that_cannot_be_written_is_read_and_is_back_when_it_can() {
    for (number, state) in [
        (ENOSPC, DeviceState::Full),
        (EROFS, DeviceState::ReadOnly),
        (EACCES, DeviceState::ReadOnly),
        (EIO, DeviceState::WritesFailing),
        (EMFILE, DeviceState::WritesFailing),
    ] {
        let fixture = Fixture::of(1);
        let store = fixture.ready().await;
        store.write(record("kept", "1")).unwrap();
        store.write(record("replaced", "1")).unwrap();
        fixture.until_written(&store);
        fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Errno(number)));
        store.write(record("replaced", "2")).unwrap();
        let why = fixture.until(&store, 0, state);
        assert!(why.contains(&std::io::Error::from_raw_os_error(number).to_string()), "{why}");
        fixture.until_written(&store);
        assert_eq!(read(&store, "kept").await.as_deref(), Some("1"), "{number}");
        // What replaced it is newer, and is lost.
        assert_eq!(read(&store, "replaced").await, None, "{number}");
        assert_eq!(store.write(record("kept", "2")), Err(Refused::NoDevice), "{number}");
        assert_eq!(read(&store, "kept").await, None, "{number}");
        fixture.io.clear();
        // A probe finds out, and the next record tells.
        fixture.said.until(|_| store.write(record("later", "3")).is_ok());
        fixture.until(&store, 0, DeviceState::Working);
        assert_eq!(read(&store, "later").await.as_deref(), Some("3"), "{number}");
    }
}

#[tokio::test]
async fn a_device_whose_state_takes_all_its_room_is_written_again_when_it_can_be() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    let mut part = 1 << 20;
    while part > 16 {
        if store.append_state("log", vec![0; part].into()).await.devices == 0 {
            part /= 2;
        }
    }
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Errno(EIO)));
    store.write(record("a", "1")).unwrap();
    fixture.until(&store, 0, DeviceState::WritesFailing);
    fixture.io.clear();
    fixture.said.until(|_| store.write(record("a", "2")).is_ok());
    fixture.until(&store, 0, DeviceState::Working);
}

#[tokio::test]
async fn a_device_that_refuses_is_not_probed_by_every_sweep_that_somebody_wants() {
    let mut fixture = Fixture::of(1);
    fixture.limits.probe_interval = std::time::Duration::from_secs(3600);
    let store = fixture.ready().await;
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Errno(EIO)));
    store.write(record("a", "1")).unwrap();
    fixture.until(&store, 0, DeviceState::WritesFailing);
    fixture.until_written(&store);
    let before = fixture.io.operations();
    let sweeps = std::sync::atomic::AtomicU32::new(0);
    fixture.said.until(|_| {
        store.sweep();
        sweeps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 20
    });
    assert_eq!(fixture.io.operations(), before);
}

#[tokio::test]
async fn records_go_to_the_other_device_while_one_is_full() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Errno(ENOSPC)));
    let full = || fixture.figures(&store, 0).state == DeviceState::Full;
    for number in 0.. {
        store.write(record(&format!("before {number}"), "x")).unwrap();
        fixture.until_written(&store);
        if full() {
            break;
        }
    }
    for number in 0..20 {
        store.write(record(&format!("after {number}"), "x")).unwrap();
    }
    fixture.until_written(&store);
    for number in 0..20 {
        assert_eq!(read(&store, &format!("after {number}")).await.as_deref(), Some("x"));
    }
    assert!(full());
}

#[tokio::test]
async fn a_device_whose_reads_fail_too_often_has_failed_until_it_can_be_read() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    for number in 0..20 {
        store.write(record(&format!("key {number}"), "body")).unwrap();
    }
    fixture.until_written(&store);
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(0), Fault::Errno(EIO)));
    for number in 0..10 {
        assert_eq!(read(&store, &format!("key {number}")).await, None);
    }
    let why = fixture.until(&store, 0, DeviceState::Failed);
    assert!(why.contains("cannot"), "{why}");
    fixture.io.clear();
    fixture.until(&store, 0, DeviceState::Working);
    let mut left = 0;
    for number in 0..20 {
        left += usize::from(read(&store, &format!("key {number}")).await.is_some());
    }
    assert_eq!(left, 20 - fixture.limits.read_errors + 1, "what could not be read is gone, but for the last");
}

#[tokio::test]
async fn one_bad_spot_costs_its_record_alone() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    for name in ["a", "b"] {
        store.write(record(name, "body")).unwrap();
    }
    fixture.until_written(&store);
    fixture.io.inject(Rule::once(Operation::Read, fixture.at(0), Fault::Errno(EIO)));
    for expected in [None, None] {
        assert_eq!(read(&store, "a").await, expected);
    }
    assert_eq!(read(&store, "b").await.as_deref(), Some("body"));
    assert_eq!(fixture.figures(&store, 0).state, DeviceState::Working);
}

#[tokio::test]
async fn a_damaged_record_is_a_miss_and_is_said() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "body")).unwrap();
    fixture.until_written(&store);
    fixture.io.inject(Rule::once(Operation::Read, fixture.at(0), Fault::FlipBit));
    assert_eq!(read(&store, "a").await, None);
    assert_eq!((fixture.said.count("Corrupt {"), read(&store, "a").await), (1, None));
}

#[tokio::test]
async fn too_few_descriptors_are_no_fault_of_the_device() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "body")).unwrap();
    fixture.until_written(&store);
    for _ in 0..50 {
        fixture.io.inject(Rule::once(Operation::Read, fixture.at(0), Fault::Errno(EMFILE)));
        assert_eq!(read(&store, "a").await, None);
    }
    assert_eq!(fixture.figures(&store, 0).state, DeviceState::Working);
    assert_eq!(read(&store, "a").await.as_deref(), Some("body"));
}

#[tokio::test]
async fn a_device_that_cannot_be_opened_is_said_and_opened_when_it_can_be() {
    for number in [EACCES, EIO, EMFILE, EROFS] {
        let fixture = Fixture::of(2);
        fixture.io.inject(Rule::always(Operation::Any, fixture.at(0), Fault::Errno(number)));
        let store = fixture.ready().await;
        let why = fixture.until(&store, 0, DeviceState::Failed);
        assert!(why.contains("device-0"), "{why}");
        store.write(record("a", "1")).unwrap();
        assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
        fixture.io.clear();
        fixture.until(&store, 0, DeviceState::Working);
        assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_taken_when_it_is() {
    let fixture = Fixture::of(1);
    let missing = fixture.at(0).join("mount");
    let mut options = fixture.options();
    options.devices[0].directory = missing.join("store");
    let store = Store::open(options);
    store.recovered().await;
    let why = fixture.until(&store, 0, DeviceState::Failed);
    assert!(why.contains("does not exist"), "{why}");
    assert_eq!(store.write(record("a", "1")), Err(Refused::NoDevice));
    std::fs::create_dir_all(missing).unwrap();
    fixture.until(&store, 0, DeviceState::Working);
    store.write(record("a", "1")).unwrap();
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_directory_of_another_store_is_left_alone_until_that_one_is_gone() {
    let fixture = Fixture::of(1);
    let first = fixture.ready().await;
    first.write(record("a", "1")).unwrap();
    let second = fixture.ready().await;
    let why = fixture.until(&second, 0, DeviceState::Failed);
    assert!(why.contains("in use"), "{why}");
    fixture.close(first).await;
    fixture.until(&second, 0, DeviceState::Working);
    assert_eq!(second.find(&key("a")), tidegate_store::Found::Maybe);
    assert_eq!(read(&second, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_device_with_an_index_that_can_be_neither_read_nor_emptied_is_not_used() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("key", "body")).unwrap();
    fixture.until_written(&store);
    store.close(std::time::Duration::from_secs(10)).await;
    drop(store);
    let segments = fixture.at(0).join("segments");
    let index = std::fs::read_dir(&segments).unwrap().map(|entry| entry.unwrap().path());
    let index = index.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "index")).unwrap();
    fixture.io.inject(Rule::always(Operation::Any, index, Fault::Errno(EIO)));
    let store = Store::open(fixture.options());
    fixture.until(&store, 0, DeviceState::Failed);
    // It would be back with the next restart, were this not noted.
    store.remove(&key("key"));
    fixture.io.clear();
    fixture.until(&store, 0, DeviceState::Working);
    assert_eq!(read(&store, "key").await, None);
}
