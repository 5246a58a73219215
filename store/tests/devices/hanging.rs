//! Devices that do not answer.

use std::sync::Arc;

use tidegate_store::faults::{EIO, Fault, Gate, Operation, Rule};
use tidegate_store::{DeviceState, Event, Found, Refused, Store, StoreOptions, Watcher};

use crate::fixture::{Fixture, key, large, read, record};

/// Names of records, one on each of two devices.
fn one_on_each(fixture: &Fixture, store: &Store) -> [String; 2] {
    let mut names = [const { None }; 2];
    for number in 0.. {
        let name = format!("key {number}");
        let device = fixture.write_to_some_device(store, record(&name, "body"));
        names[device] = Some(name);
        if let [Some(first), Some(second)] = &names {
            return [first.clone(), second.clone()];
        }
    }
    unreachable!("keys do not end")
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn a_read_that_hangs_is_a_miss_at_the_deadline_and_holds_up_no_other_device() {
    let fixture = Fixture::of(2);
    let store = fixture.ready().await;
    let names = one_on_each(&fixture, &store);
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Read, fixture.at(0), Fault::Hang(gate.clone())));
    let hanging = tokio::spawn(store.read(&key(&names[0])));
    assert!(gate.until_waiting(1));
    assert_eq!(read(&store, &names[1]).await.as_deref(), Some("body"));
    assert_eq!(hanging.await.unwrap(), None);
    let why = fixture.until(&store, 0, DeviceState::Stalled);
    assert!(why.contains("hang"), "{why}");
    // It is not asked any more, and all else goes on.
    assert_eq!(read(&store, &names[0]).await, None);
    assert_eq!(read(&store, &names[1]).await.as_deref(), Some("body"));
    for number in 0..20 {
        store.write(record(&format!("later {number}"), "body")).unwrap();
        assert_eq!(read(&store, &format!("later {number}")).await.as_deref(), Some("body"));
    }
    // What is removed meanwhile stays so.
    store.remove(&key(&names[0]));
    fixture.io.clear();
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    assert_eq!(read(&store, &names[0]).await, None);
    assert!(fixture.said.count("Late") >= 1);
}

#[tokio::test]
async fn nothing_piles_up_before_a_device_that_hangs() {
    let mut fixture = Fixture::of(1);
    fixture.limits.queued_bytes = 8 << 20;
    let store = fixture.ready().await;
    store.write(record("a", "body")).unwrap();
    fixture.until_written(&store);
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Any, fixture.at(0), Fault::Hang(gate.clone())));
    let before = threads();
    let reads: Vec<_> = (0..10_000).map(|_| tokio::spawn(store.read(&key("a")))).collect();
    let (mut accepted, mut refused) = (0_usize, None);
    for number in 0..200 {
        match store.write(large(&format!("key {number}"), 1 << 20)) {
            Ok(()) => accepted += 1,
            Err(reason) => refused = Some(reason),
        }
        let figures = fixture.figures(&store, 0);
        assert!(figures.queued_reads <= fixture.limits.queued_reads as u64);
        assert!(figures.queued_bytes <= fixture.limits.queued_bytes as u64);
    }
    assert!(accepted <= fixture.limits.queued_bytes >> 20);
    assert!(matches!(refused, Some(Refused::Busy | Refused::NoDevice)), "{refused:?}");
    for read in reads {
        assert_eq!(read.await.unwrap(), None);
    }
    fixture.until(&store, 0, DeviceState::Stalled);
    for _ in 0..1000 {
        assert_eq!(read(&store, "a").await, None);
    }
    assert!(threads() <= before, "threads were added to a device that hangs");
    assert_eq!(fixture.figures(&store, 0).queued_reads, 0);
    fixture.io.clear();
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    assert_eq!(read(&store, "a").await.as_deref(), Some("body"));
}

#[tokio::test]
async fn a_write_that_hangs_stalls_its_device_and_is_hidden_when_its_key_is_removed() {
    let fixture = Fixture::of(1);
    let store = fixture.ready().await;
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Hang(gate.clone())));
    store.write(record("removed", "1")).unwrap();
    assert!(gate.until_waiting(1));
    store.write(record("queued", "1")).unwrap();
    assert_eq!(read(&store, "removed").await.as_deref(), Some("1"));
    store.remove(&key("removed"));
    assert_eq!((store.find(&key("removed")), read(&store, "removed").await), (Found::Absent, None));
    fixture.until(&store, 0, DeviceState::Stalled);
    assert_eq!(store.write(record("refused", "1")), Err(Refused::NoDevice));
    fixture.io.clear();
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    fixture.until_written(&store);
    assert_eq!(read(&store, "removed").await, None);
    assert_eq!(read(&store, "queued").await.as_deref(), Some("1"));
    fixture.close(store).await;
    let store = fixture.ready().await;
    assert_eq!(read(&store, "removed").await, None);
}

#[tokio::test]
async fn a_device_whose_opening_hangs_keeps_nobody_waiting() {
    let fixture = Fixture::of(2);
    let gate = fixture.gate();
    fixture.io.inject(Rule::once(Operation::Open, fixture.at(0), Fault::Hang(gate.clone())));
    let store: Arc<Store> = fixture.open();
    fixture.until(&store, 1, DeviceState::Working);
    store.write(record("a", "1")).unwrap();
    fixture.until_written(&store);
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    store.recovered().await;
    assert_eq!(fixture.figures(&store, 0).state, DeviceState::Stalled);
    gate.open();
    fixture.until(&store, 0, DeviceState::Working);
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn who_does_not_wait_any_more_is_not_read_for() {
    let mut fixture = Fixture::of(1);
    fixture.limits.readers = 1;
    let store = fixture.ready().await;
    store.write(record("a", "body")).unwrap();
    fixture.until_written(&store);
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Read, fixture.at(0), Fault::Hang(gate.clone())));
    let first = tokio::spawn(store.read(&key("a")));
    assert!(gate.until_waiting(1));
    for _ in 0..100 {
        drop(store.read(&key("a")));
    }
    fixture.io.clear();
    let before = fixture.io.operations();
    gate.open();
    assert!(first.await.unwrap().is_some());
    assert_eq!(read(&store, "a").await.as_deref(), Some("body"));
    assert!(fixture.io.operations() - before < 20, "records were read that nobody waited for");
}

#[tokio::test]
async fn who_tells_of_a_state_and_hangs_holds_up_nobody_who_reads_or_writes() {
    struct Hanging(Gate);
    impl Watcher for Hanging {
        fn saw(&self, _: &str, event: &Event<'_>) {
            if let Event::State { to: DeviceState::WritesFailing, .. } = event {
                self.0.pass();
            }
        }
    }
    let fixture = Fixture::of(1);
    let gate = fixture.gate();
    let store = Store::open(StoreOptions { watcher: Arc::new(Hanging(gate.clone())), ..fixture.options() });
    store.recovered().await;
    store.write(record("a", "1")).unwrap();
    fixture.until_written(&store);
    fixture.io.inject(Rule::always(Operation::Write, fixture.at(0), Fault::Errno(EIO)));
    store.write(record("b", "1")).unwrap();
    assert!(gate.until_waiting(1));
    assert_eq!(read(&store, "a").await.as_deref(), Some("1"));
    assert_eq!(store.write(record("c", "1")), Err(Refused::NoDevice));
    assert!(gate.until_waiting(1), "what was asked waited for the watcher");
}

#[tokio::test]
async fn a_watcher_that_panics_where_deadlines_are_kept_does_not_end_them() {
    struct Panicking;
    impl Watcher for Panicking {
        fn saw(&self, _: &str, event: &Event<'_>) {
            assert!(!matches!(event, Event::State { to: DeviceState::Stalled, .. }), "a mistake of the watcher's");
        }
    }
    let fixture = Fixture::of(1);
    let store = Store::open(StoreOptions { watcher: Arc::new(Panicking), ..fixture.options() });
    store.recovered().await;
    store.write(record("a", "1")).unwrap();
    fixture.until_written(&store);
    let gate = fixture.gate();
    fixture.io.inject(Rule::always(Operation::Read, fixture.at(0), Fault::Hang(gate.clone())));
    let first = tokio::spawn(store.read(&key("a")));
    assert_eq!(first.await.unwrap(), None);
    fixture.until(&store, 0, DeviceState::Stalled);
    gate.open();
    fixture.io.clear();
    fixture.until(&store, 0, DeviceState::Working);
}
