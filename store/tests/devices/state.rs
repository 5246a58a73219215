//! Small state beside the records, on every device.

use bytes::Bytes;
use tidegate_store::faults::{ENOSPC, Fault, Operation, Rule};
use tidegate_store::{DeviceState, Store};

use crate::fixture::{Fixture, large};

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
