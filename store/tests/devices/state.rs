//! Small state beside the records, on every device.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tidegate_store::faults::{EIO, ENOSPC, Fault, Operation, Rule};
use tidegate_store::{DeviceState, Store};

use crate::fixture::{Fixture, large, read, record};

async fn loaded(store: &Store) -> Vec<Option<Vec<u8>>> {
    let copies = store.load_state("log").await;
    copies.into_iter().map(|copy| copy.blob.map(|blob| blob.parts.concat())).collect()
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn state_is_on_every_device_and_there_after_a_restart_before_the_index_is_read() {
    let fixture = Fixture::of(3);
    let store = fixture.ready().await;
    for number in 0..30 {
        store.write(large(&format!("key {number}"), 100)).unwrap();
    }
    assert_eq!(loaded(&store).await, [None, None, None]);
    let saved = store.save_state("log", text("a")).await;
    assert_eq!((saved.devices, saved.failed.len()), (3, 0));
    assert_eq!(store.append_state("log", text("b")).await.devices, 3);
    fixture.close(store).await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Read, fixture.at(1).join("segments"), Fault::Hang(gate.clone())));
    let store = fixture.open();
    assert_eq!(loaded(&store).await, vec![Some(b"ab".to_vec()); 3]);
    assert_ne!(fixture.figures(&store, 1).state, DeviceState::Working);
    gate.open();
    store.recovered().await;
}

#[tokio::test]
async fn who_saves_is_told_which_devices_do_not_have_it() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    store.save_state("log", text("a")).await;
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(1), Fault::Errno(ENOSPC)));
    let saved = store.append_state("log", text("b")).await;
    assert_eq!((saved.devices, saved.failed.len()), (1, 1));
    let (device, why) = &saved.failed[0];
    assert!(device.ends_with("device-1") && why.contains("space"), "{device}: {why}");
    assert_eq!(loaded(&store).await, [Some(b"ab".to_vec()), Some(b"a".to_vec())]);
}

#[tokio::test]
async fn state_does_not_wait_behind_records_that_hang() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0).join("segments"), Fault::Hang(gate.clone())));
    for number in 0..10 {
        store.write(large(&format!("key {number}"), 1 << 20)).unwrap();
    }
    assert!(gate.until_waiting(1));
    assert_eq!(store.append_state("log", text("a")).await.devices, 1);
    assert_eq!(loaded(&store).await, [Some(b"a".to_vec())]);
}

#[tokio::test]
async fn saving_on_a_device_that_hangs_ends_at_the_deadline() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(0).join("state"), Fault::Hang(gate.clone())));
    let saved = store.save_state("log", text("a")).await;
    assert_eq!(saved.devices, 1);
    assert!(saved.failed[0].1.contains("in time"), "{:?}", saved.failed);
    // Who asks for figures is not held up either.
    fixture.until(&store, 0, DeviceState::Stalled);
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
}

#[tokio::test]
async fn who_loads_is_told_which_devices_did_not_answer() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    store.save_state("log", text("a")).await;
    fixture.close(store).await;
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(1), Fault::Errno(EIO)));
    let store = fixture.ready().await;
    let loaded = store.load_state("log").await;
    assert_eq!((loaded.copies.len(), loaded.failed.len()), (1, 1));
    assert!(loaded.failed[0].0.ends_with("device-1"), "{:?}", loaded.failed);
}

#[tokio::test]
async fn a_device_that_is_opened_later_tells_what_it_has_before_anything_of_it_is_found() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    store.save_state("log", text("a")).await;
    store.write(record("kept", "body")).unwrap();
    fixture.close(store).await;
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(0), Fault::Errno(EIO)));
    let store = fixture.ready().await;
    let (told, gate) = (Arc::new(Mutex::new(Vec::new())), fixture.gate());
    let (telling, held) = (told.clone(), gate.clone());
    let follower = move |copy: tidegate_store::StateCopy| {
        telling.lock().push(copy.blob.map(|blob| blob.parts.concat()));
        held.pass();
    };
    store.follow_state("log", Arc::new(follower));
    fixture.io.clear();
    assert!(gate.until_waiting(1));
    assert_eq!(*told.lock(), [Some(b"a".to_vec())]);
    assert_eq!(read(&store, "kept").await, None);
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    assert_eq!(read(&store, "kept").await.as_deref(), Some("body"));
}

/// Has a device fail until it has failed.
async fn fail(fixture: &Fixture, store: &Store, device: usize) {
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(device), Fault::Errno(EIO)));
    for number in 0..200 {
        read(store, &format!("bait {number}")).await;
    }
    fixture.until(store, device, DeviceState::Failed);
}

#[tokio::test]
async fn a_device_that_comes_back_has_what_was_saved_meanwhile_and_nothing_is_added_to_what_is_behind() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    for number in 0..200 {
        store.write(record(&format!("bait {number}"), "x")).unwrap();
    }
    fixture.until_written(&store);
    for name in ["log", "whole"] {
        store.save_state(name, text("old")).await;
    }
    fail(&fixture, &store, 1).await;
    assert_eq!(store.save_state("whole", text("new")).await.devices, 1);
    assert_eq!(store.append_state("log", text(" and more")).await.devices, 1);
    fixture.io.clear();
    fixture.until(&store, 1, DeviceState::Working);
    let parts = |copy: tidegate_store::StateCopy| copy.blob.unwrap().parts.concat();
    let whole: Vec<_> = store.load_state("whole").await.into_iter().map(parts).collect();
    assert_eq!(whole, [b"new", b"new"]);
    let added = store.append_state("log", text(" and most")).await;
    assert_eq!(added.devices, 1);
    assert!(added.failed[0].1.contains("behind"), "{:?}", added.failed);
    // Until it is saved whole.
    assert_eq!(store.save_state("log", text("all")).await.devices, 2);
    assert_eq!(store.append_state("log", text(" and more")).await.devices, 2);
}
