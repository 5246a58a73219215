//! Devices that work: what is stored is read, until it is removed, and what a full disk admits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_store::faults::{EIO, Fault, Operation, Rule};
use tidegate_store::{
    DeviceFigures, DeviceState, EntryView, Fate, Found, Keeper, NewRecord, Refused, Store, StoreCursor, StoreOptions,
};

use crate::fixture::{CAPACITY, Fixture, body, key, large, read, record};

#[tokio::test]
async fn a_record_is_read_from_the_queue_from_its_device_and_after_a_restart() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    store.write(record("a", "1")).unwrap();
    assert_eq!(store.find(&key("a")), Found::Maybe);
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    fixture.until_written(&store);
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    assert_eq!((store.find(&key("b")), read(&store, "b").await), (Found::Absent, None));
}

#[tokio::test]
async fn the_last_write_or_removal_counts_at_once() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    for step in 0..50 {
        let name = format!("key {}", step % 5);
        store.write(record(&name, &format!("{step}"))).unwrap();
        assert_eq!(read(&store, &name).await, Some(format!("{step}")));
        if step % 3 == 0 {
            store.remove(&key(&name));
            assert_eq!((store.find(&key(&name)), read(&store, &name).await), (Found::Absent, None));
        }
        if step % 7 == 0 {
            fixture.until_written(&store);
        }
    }
    fixture.close(store).await;
    let store = fixture.ready().await;
    for (name, expected) in [("key 0", Some("45")), ("key 3", None), ("key 4", Some("49"))] {
        let expected = expected.filter(|step| step.parse::<u32>().unwrap() % 3 != 0);
        assert_eq!(read(&store, name).await.as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn records_are_shared_out_among_devices_and_listed_from_all() {
    let fixture = Fixture::of(3);
    let store = fixture.ready().await;
    for number in 0..300 {
        store.write(record(&format!("key {number}"), "body")).unwrap();
    }
    fixture.until_written(&store);
    for device in 0..3 {
        let records = fixture.figures(&store, device).volume.unwrap().records;
        assert!((60..=140).contains(&records), "device {device} has {records} of 300 records");
    }
    let (mut cursor, mut listed) = (Some(StoreCursor::default()), std::collections::HashSet::new());
    while let Some(from) = cursor {
        let page = store.entries(from, 32).await;
        listed.extend(page.entries.into_iter().map(|entry| entry.head.key));
        cursor = page.next;
    }
    assert_eq!(listed.len(), 300);
}

#[tokio::test]
async fn a_full_store_takes_in_what_was_asked_for_twice_and_what_replaces() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    let mut stored = 0;
    let refused = loop {
        assert!(stored < CAPACITY >> 20, "everything was taken in");
        match store.write(large(&format!("key {stored}"), 1 << 20)) {
            Ok(()) => fixture.until_written(&store),
            Err(refused) => break refused,
        }
        stored += 1;
    };
    assert_eq!(refused, Refused::NotAdmitted);
    store.was_asked(&key("asked once"));
    assert_eq!(store.write(record("asked once", "1")), Err(Refused::NotAdmitted));
    store.was_asked(&key("asked once"));
    store.write(record("asked once", "2")).unwrap();
    let last = format!("key {}", stored - 1);
    store.write(record(&last, "replaced")).unwrap();
    assert_eq!(body(store.read(&key(&last)).await).as_deref(), Some("replaced"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_takes_the_older_with_it() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "1")).unwrap();
    fixture.until_written(&store);
    assert_eq!(store.write(large("a", (4 << 20) + 1)), Err(Refused::TooLarge));
    assert_eq!(read(&store, "a").await, None);
}

/// Lets go of what is called so.
struct Judge;
impl Keeper for Judge {
    fn keeps(&self, view: &EntryView<'_>) -> Fate {
        if view.key.as_bytes().starts_with(b"purged") { Fate::Drop } else { Fate::Keep }
    }
}

#[tokio::test]
async fn what_expired_is_forgotten_and_what_the_keeper_lets_go_when_it_is_asked() {
    let mut fixture = Fixture::of(2);
    fixture.limits.sweep_interval = Duration::from_millis(10);
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = now.clone();
    let options = StoreOptions {
        keeper: Arc::new(Judge),
        clock: Arc::new(move || clock.load(Ordering::Relaxed)),
        ..fixture.options()
    };
    let store = Store::open(options);
    store.recovered().await;
    for number in 0..300 {
        store.write(record(&format!("kept {number}"), "body")).unwrap();
        store.write(record(&format!("purged {number}"), "body")).unwrap();
        store.write(NewRecord { expires: 2_000, ..record(&format!("brief {number}"), "body") }).unwrap();
    }
    fixture.until_written(&store);
    let records = || -> u64 {
        let records = |device: DeviceFigures| device.volume.map_or(0, |volume| volume.records);
        store.figures().devices.into_iter().map(records).sum()
    };
    assert_eq!(records(), 900);
    now.store(3_000, Ordering::Relaxed);
    fixture.said.until(|_| records() == 600);
    assert_eq!(read(&store, "purged 1").await.as_deref(), Some("body"));
    store.sweep();
    fixture.said.until(|_| records() == 300);
    assert_eq!(read(&store, "purged 1").await, None);
    assert_eq!(read(&store, "kept 1").await.as_deref(), Some("body"));
    drop(store);
}

#[tokio::test]
async fn what_a_sweep_could_not_write_down_does_not_come_back_and_the_sweep_goes_on() {
    let fixture = Fixture::of(1);
    let store = Store::open(StoreOptions { keeper: Arc::new(Judge), ..fixture.options() });
    store.recovered().await;
    for number in 0..300 {
        store.write(record(&format!("purged {number}"), "body")).unwrap();
    }
    fixture.until_written(&store);
    fixture.io.inject(Rule::once(Operation::Write, fixture.at(0).join("segments"), Fault::Errno(EIO)));
    store.sweep();
    fixture.until(&store, 0, DeviceState::WritesFailing);
    fixture.said.until(|_| store.write(record("kept", "body")).is_ok());
    fixture.said.until(|_| fixture.figures(&store, 0).volume.unwrap().records == 1);
    fixture.until_settled(&store);
    fixture.close(store).await;
    let store = fixture.ready().await;
    for number in 0..300 {
        assert_eq!(read(&store, &format!("purged {number}")).await, None, "{number}");
    }
    assert_eq!(read(&store, "kept").await.as_deref(), Some("body"));
}

#[tokio::test]
async fn who_writes_all_the_time_does_not_keep_what_is_over_from_being_swept() {
    let mut fixture = Fixture::of(1);
    fixture.limits.sweep_interval = Duration::from_millis(10);
    fixture.limits.queued_bytes = 1 << 20;
    let store = fixture.ready().await;
    let before = fixture.said.count("Swept {");
    let swept = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The queue is full whenever the device takes the next record from it.
        scope.spawn(|| {
            for number in 0_u64.. {
                // Refused: too much waits already, as it should.
                store.write(record(&format!("key {}", number % 5000), "body")).ok();
                if swept.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let full = |figures: DeviceFigures| figures.queued_records > 100;
        fixture.said.until(|_| full(fixture.figures(&store, 0)));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fixture.said.until(|_| fixture.said.count("Swept {") > before + 3);
        }));
        swept.store(true, Ordering::Relaxed);
        result.unwrap();
    });
}

#[tokio::test]
async fn a_store_without_devices_stores_nothing() {
    let fixture = Fixture::of(0);
    let store = fixture.ready().await;
    assert_eq!(store.write(record("a", "1")), Err(Refused::NoDevice));
    assert_eq!((store.find(&key("a")), read(&store, "a").await), (Found::Absent, None));
    assert_eq!(store.save_state("log", "x".into()).await.devices, 0);
    fixture.close(store).await;
}
