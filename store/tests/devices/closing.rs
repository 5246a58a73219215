//! The end of a store.

use std::time::Duration;

use tidegate_store::faults::{Fault, Operation, Rule};
use tidegate_store::{Closed, DeviceState, Found, Refused};

use crate::fixture::{Fixture, key, large, read, record};

#[tokio::test]
async fn a_store_that_is_closed_has_written_what_was_queued() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    for number in 0..20 {
        store.write(large(&format!("key {number}"), 100_000)).unwrap();
    }
    assert_eq!(store.close(Duration::from_secs(60)).await, Closed { lost: 0, hanging: 0 });
    assert_eq!(store.write(record("late", "x")), Err(Refused::NoDevice));
    assert_eq!(read(&store, "key 1").await, None);
    let store = fixture.ready().await;
    for number in 0..20 {
        let found = store.read(&key(&format!("key {number}"))).await.unwrap();
        assert_eq!(found.body.concat().len(), 100_000);
    }
}

#[tokio::test]
async fn closing_gives_up_on_a_device_that_hangs() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(0), Fault::Hang(gate.clone())));
    for number in 0..50 {
        store.write(record(&format!("key {number}"), "body")).unwrap();
    }
    assert!(gate.until_waiting(1));
    let closed = store.close(Duration::from_secs(1)).await;
    assert!(closed.hanging == 1 && (1..50).contains(&closed.lost), "{closed:?}");
    drop(store);
    fixture.io.clear();
    gate.open();
    let store = fixture.ready().await;
    fixture.until(&store, 0, DeviceState::Working);
    let mut left = 0;
    for number in 0..50 {
        left += u64::from(read(&store, &format!("key {number}")).await.is_some());
    }
    assert!(left >= 50 - closed.lost, "{left} of 50 records are left, {} were said to be lost", closed.lost);
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_its_directories_go() {
    let fixture = Fixture::of(2);
    for _ in 0..5 {
        // The one before lets them go on threads of its own.
        let store = fixture.open();
        (0..2).for_each(|device| drop(fixture.until(&store, device, DeviceState::Working)));
        store.write(record("a", "1")).unwrap();
        drop(store);
    }
    let store = fixture.open();
    for device in 0..2 {
        fixture.until(&store, device, DeviceState::Working);
    }
}

#[tokio::test]
async fn a_store_can_be_closed_before_it_has_read_its_index() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.write(record("a", "1")).unwrap();
    fixture.close(store).await;
    let store = fixture.open();
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(store.find(&key("a")), Found::Maybe);
}
