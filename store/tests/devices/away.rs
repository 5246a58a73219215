//! Devices that go and come back with what was removed or replaced meanwhile.

use std::sync::Arc;

use tidegate_store::faults::{EIO, Fault, Operation, Rule};
use tidegate_store::{DeviceState, NewRecord, Refused, Store};

use crate::fixture::{Fixture, key, large, read, record};

/// Has everything on a device fail until it has failed. Reads are what tells; so many records are there for that.
async fn fail(fixture: &Fixture, store: &Store, device: usize) {
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(device), Fault::Errno(EIO)));
    for number in 0..200 {
        read(store, &format!("bait {number}")).await;
    }
    fixture.until(store, device, DeviceState::Failed);
}

/// A store with some records on each device, and which device has the record `a`.
async fn with_a_record(fixture: &Fixture) -> (Arc<Store>, usize) {
    let store = fixture.ready().await;
    for number in 0..200 {
        store.write(record(&format!("bait {number}"), "x")).unwrap();
    }
    fixture.until_written(&store);
    let device = fixture.write_to_some_device(&store, record("a", "1"));
    (store, device)
}

fn back(fixture: &Fixture, store: &Store, device: usize) {
    fixture.io.clear();
    fixture.until(store, device, DeviceState::Working);
}

#[tokio::test]
async fn what_was_removed_while_its_device_was_away_does_not_come_back_with_it() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    assert_eq!(read(&store, "a").await, None);
    store.remove(&key("a"));
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await, None);
    // Nor after a restart.
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn what_was_not_removed_comes_back_with_its_device() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    store.remove(&key("another"));
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_was_replaced_while_its_device_was_away_does_not_come_back_even_when_the_newer_is_gone() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    assert_ne!(fixture.write_to_some_device(&store, record("a", "2")), device);
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await.as_deref(), Some("2"));
    let other = 1 - device;
    fail(&fixture, &store, other).await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn what_was_removed_while_its_device_was_away_does_not_come_back_after_a_restart() {
    let fixture = Fixture::of(3);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    store.remove(&key("a"));
    // The process ends while the device is away, and begins anew with it there.
    fixture.close(store).await;
    fixture.io.clear();
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
    assert_eq!(fixture.said.count("Cleared"), 1);
    for other in (0..3).filter(|other| *other != device) {
        assert!(fixture.figures(&store, other).volume.unwrap().records > 0, "device {other} was there all the time");
    }
    // That was once, and never again.
    for number in 0..60 {
        store.write(record(&format!("later {number}"), "x")).unwrap();
    }
    fixture.close(store).await;
    let store = fixture.ready().await;
    for number in 0..60 {
        assert_eq!(read(&store, &format!("later {number}")).await.as_deref(), Some("x"));
    }
    assert_eq!(fixture.said.count("Cleared"), 1);
}

#[tokio::test]
async fn a_device_that_is_away_in_the_next_process_too_is_emptied_when_it_is_back() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    store.remove(&key("a"));
    fixture.close(store).await;
    let store = fixture.ready().await;
    fixture.until(&store, device, DeviceState::Failed);
    store.remove(&key("another"));
    back(&fixture, &store, device);
    assert_eq!((read(&store, "a").await, fixture.said.count("Cleared")), (None, 1));
}

#[tokio::test]
async fn what_a_failed_write_was_to_replace_does_not_come_back_with_its_device() {
    let fixture = Fixture::of(1);
    let (store, device) = with_a_record(&fixture).await;
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(device), Fault::Errno(EIO)));
    store.write(record("a", "2")).unwrap();
    fixture.until(&store, device, DeviceState::WritesFailing);
    fail(&fixture, &store, device).await;
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await, None);
    fixture.until_settled(&store);
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn what_a_failed_write_was_to_replace_does_not_come_back_after_a_restart() {
    let fixture = Fixture::of(1);
    let (store, device) = with_a_record(&fixture).await;
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(device), Fault::Errno(EIO)));
    store.write(record("a", "2")).unwrap();
    fixture.until(&store, device, DeviceState::WritesFailing);
    fixture.io.clear();
    fixture.said.until(|_| store.write(record("b", "1")).is_ok());
    fixture.until(&store, device, DeviceState::Working);
    fixture.until_settled(&store);
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn the_newer_of_two_records_wins_after_a_restart_whatever_device_it_is_on() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    fixture.write_to_some_device(&store, record("a", "2"));
    // The device is away until the process has ended: nobody can tell it of the newer record.
    fixture.close(store).await;
    fixture.io.clear();
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await.as_deref(), Some("2"));
    // The older is removed as soon as both were seen.
    fail(&fixture, &store, 1 - device).await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn the_newer_of_two_records_wins_where_no_device_knew_of_the_other() {
    for (first, second) in [(0, 1), (1, 0)] {
        let fixture = Fixture::of(2);
        for (device, version) in [(first, "1"), (second, "2")] {
            let mut options = fixture.options();
            options.devices = vec![options.devices.swap_remove(device)];
            let store = Store::open(options);
            store.recovered().await;
            store.write(record("a", version)).unwrap();
            fixture.close(store).await;
        }
        let store = fixture.ready().await;
        assert_eq!(read(&store, "a").await.as_deref(), Some("2"), "{first} before {second}");
        // The older is removed where both were seen.
        fixture.until_settled(&store);
        let records = store.figures().devices.into_iter().map(|device| device.volume.unwrap().records);
        assert_eq!(records.sum::<u64>(), 1);
    }
}

#[tokio::test]
async fn a_device_that_missed_too_many_removals_is_emptied() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    store.save_state("log", "state".into()).await;
    fail(&fixture, &store, device).await;
    for number in 0..=1 << 16 {
        store.remove(&key(&format!("another {number}")));
    }
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await, None);
    assert_eq!(fixture.figures(&store, device).volume.unwrap().records, 0);
    assert_eq!(fixture.said.count("Cleared"), 1);
    // State is no record.
    assert!(store.load_state("log").await.copies.iter().all(|copy| copy.blob.is_some()));
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn a_removal_counts_for_a_device_whose_index_is_being_read() {
    let fixture = Fixture::of(1);
    let (store, _) = with_a_record(&fixture).await;
    fixture.close(store).await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::once(Operation::Read, fixture.at(0).join("segments"), Fault::Hang(gate.clone())));
    let store = fixture.open();
    assert!(gate.until_waiting(1));
    assert_eq!(store.find(&key("a")), tidegate_store::Found::Maybe);
    store.remove(&key("a"));
    gate.open();
    store.recovered().await;
    assert_eq!(read(&store, "a").await, None);
    assert_eq!(read(&store, "bait 1").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn what_was_not_admitted_while_its_device_was_away_does_not_come_back_as_it_was_before() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    // The device that is left has no room that costs nobody his.
    let mut written = 0;
    while store.write(large(&format!("filling {written}"), 1 << 20)).is_ok() {
        fixture.until_written(&store);
        written += 1;
    }
    assert_eq!(store.write(record("a", "2")), Err(Refused::NotAdmitted));
    back(&fixture, &store, device);
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn a_newer_record_that_is_over_does_not_give_way_to_an_older_one_on_another_device() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let fixture = Fixture::of(2);
    let now = Arc::new(AtomicU64::new(1_000));
    let options = || {
        let clock = now.clone();
        tidegate_store::StoreOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)), ..fixture.options() }
    };
    for (device, version, expires) in [(0, "1", 9_000), (1, "2", 2_000)] {
        let mut options = options();
        options.devices = vec![options.devices.swap_remove(device)];
        let store = Store::open(options);
        store.recovered().await;
        store.write(NewRecord { expires, ..record("a", version) }).unwrap();
        fixture.close(store).await;
    }
    let store = Store::open(options());
    store.recovered().await;
    now.store(3_000, Ordering::Relaxed);
    assert_eq!(read(&store, "a").await, None);
}

/// Has so many reads of records fail that the device does, and no others: it can still be written.
async fn fail_by_reads(fixture: &Fixture, store: &Store, device: usize) {
    let times = fixture.limits.read_errors as u64;
    let data = fixture.at(device).join("segments");
    let failed = |said: &[String]| {
        let is_that = |event: &&String| event.starts_with(&format!("{device}: State")) && event.contains("to: Failed");
        said.iter().filter(is_that).count()
    };
    let mut before = 0;
    fixture.said.until(|said| {
        before = failed(said);
        true
    });
    fixture.io.inject(Rule { times, ..Rule::always(Operation::Read, data, Fault::Errno(EIO)) });
    for number in 0..200 {
        read(store, &format!("bait {number}")).await;
    }
    // It may be back already.
    fixture.said.until(|said| failed(said) > before);
    fixture.io.clear();
}

#[tokio::test]
async fn the_only_device_has_it_in_writing_itself_that_it_missed_a_removal() {
    let mut fixture = Fixture::of(1);
    // It is not tried again while the test lasts.
    fixture.limits.probe_interval = std::time::Duration::from_secs(3600);
    for killed in [true, false] {
        let (store, device) = with_a_record(&fixture).await;
        fail_by_reads(&fixture, &store, device).await;
        store.remove(&key("a"));
        if killed {
            fixture.said.until(|_| fixture.at(device).join("state/away").exists());
            store.close(std::time::Duration::ZERO).await;
            let lock = std::fs::File::open(fixture.at(device).join("lock")).unwrap();
            fixture.said.until(|_| lock.try_lock().is_ok());
        } else {
            fixture.close(store).await;
        }
        let store = fixture.ready().await;
        assert_eq!(read(&store, "a").await, None);
        // That was once.
        store.write(record("b", "1")).unwrap();
        fixture.close(store).await;
        let store = fixture.ready().await;
        assert_eq!(read(&store, "b").await.as_deref(), Some("1"));
        fixture.close(store).await;
    }
    assert_eq!(fixture.said.count("Cleared"), 2);
}

#[tokio::test]
async fn the_only_device_that_missed_no_removal_has_everything_after_a_restart() {
    let mut fixture = Fixture::of(1);
    fixture.limits.probe_interval = std::time::Duration::from_secs(3600);
    let (store, device) = with_a_record(&fixture).await;
    fail_by_reads(&fixture, &store, device).await;
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    assert_eq!(fixture.said.count("Cleared"), 0);
}

#[tokio::test]
async fn the_only_device_says_before_it_is_opened_anew_that_it_may_miss_removals() {
    let fixture = Fixture::of(1);
    let (store, device) = with_a_record(&fixture).await;
    fixture.io.inject(Rule::always(Operation::Open, fixture.at(device).join("superblock"), Fault::Errno(EIO)));
    let times = fixture.limits.read_errors as u64;
    let data = fixture.at(device).join("segments");
    fixture.io.inject(Rule { times, ..Rule::always(Operation::Read, data, Fault::Errno(EIO)) });
    for number in 0..200 {
        read(&store, &format!("bait {number}")).await;
    }
    // By now nothing can be written there any more.
    fixture.said.until(|said| said.iter().any(|said| said.contains("cannot read") && said.contains("superblock")));
    store.remove(&key("a"));
    fixture.close(store).await;
    fixture.io.clear();
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await, None);
}

#[tokio::test]
async fn what_this_process_wrote_down_itself_empties_no_device() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    let other = 1 - device;
    fail(&fixture, &store, device).await;
    store.remove(&key("another"));
    fixture.said.until(|_| fixture.at(other).join("state/behind").exists());
    // The other one is opened anew as well, and reads what it has in writing.
    fail_by_reads(&fixture, &store, other).await;
    fixture.io.clear();
    for device in [0, 1] {
        fixture.until(&store, device, DeviceState::Working);
    }
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    assert_eq!(fixture.said.count("Cleared"), 0);
}

#[tokio::test]
async fn a_device_that_missed_removals_is_known_wherever_it_is_mounted() {
    let fixture = Fixture::of(2);
    let (store, device) = with_a_record(&fixture).await;
    fail(&fixture, &store, device).await;
    store.remove(&key("a"));
    fixture.close(store).await;
    fixture.io.clear();
    let mut options = fixture.options();
    options.devices[device].directory = fixture.at(9);
    std::fs::rename(fixture.at(device), fixture.at(9)).unwrap();
    let store = Store::open(options);
    store.recovered().await;
    assert_eq!(read(&store, "a").await, None);
    assert_eq!(fixture.said.count("Cleared"), 1);
}

#[tokio::test]
async fn a_process_that_is_killed_while_indexes_are_read_keeps_all_but_what_was_removed() {
    for devices in [1, 2] {
        let fixture = Fixture::of(devices);
        let (store, device) = with_a_record(&fixture).await;
        fixture.close(store).await;
        let gate = fixture.gate();
        let index = fixture.at(device).join("segments");
        fixture.io.inject(Rule::always(Operation::Read, index, Fault::Hang(gate.clone())));
        let store = fixture.open();
        assert!(gate.until_waiting(1));
        store.remove(&key("a"));
        // Nobody stores it, so what there was of it is out of date.
        let refused = store.write(NewRecord { head: vec![0; 1 << 20].into(), ..record("bait 0", "newer") });
        assert_eq!(refused, Err(Refused::TooLarge));
        // One digest or two of 16 bytes, and as much before them.
        let written = fixture.at(device).join("state/missed");
        let expected = if devices == 1 { 48 } else { 32 };
        fixture.said.until(|_| written.metadata().is_ok_and(|found| found.len() >= expected));
        fixture.io.crash_after(0);
        gate.open();
        store.close(std::time::Duration::ZERO).await;
        drop(store);
        for device in 0..devices {
            let lock = std::fs::File::open(fixture.at(device).join("lock")).unwrap();
            fixture.said.until(|_| lock.try_lock().is_ok());
        }
        fixture.io.clear();
        fixture.io.restart();
        for _ in 0..2 {
            let store = fixture.ready().await;
            (0..devices).for_each(|device| drop(fixture.until(&store, device, DeviceState::Working)));
            assert_eq!(read(&store, "a").await, None);
            if devices == 1 {
                assert_eq!(read(&store, "bait 0").await, None);
            }
            for number in 1..200 {
                assert_eq!(read(&store, &format!("bait {number}")).await.as_deref(), Some("x"), "{number}");
            }
            fixture.close(store).await;
        }
        assert_eq!(fixture.said.count("Cleared"), 0);
    }
}
