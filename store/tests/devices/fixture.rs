//! A store on directories of its own, over files that fail as told, and what its devices said.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tidegate_store::faults::{FaultyIo, Gate};
use tidegate_store::io::RealIo;
use tidegate_store::{
    DeviceFigures, DeviceOptions, DeviceState, Event, Key, Limits, NewRecord, Record, Store, StoreOptions, Watcher,
};

/// A device of tests; large enough for a few segments of each kind.
pub(crate) const CAPACITY: u64 = 32 << 20;
/// Nothing is waited for any longer: a test that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Fixture {
    pub(crate) io: Arc<FaultyIo>,
    pub(crate) said: Arc<Said>,
    pub(crate) limits: Limits,
    directory: tempfile::TempDir,
    devices: usize,
    gates: Mutex<Vec<Gate>>,
}

impl Fixture {
    pub(crate) fn of(devices: usize) -> Self {
        let limits = Limits {
            // What a test wants to see at the deadline comes soon, and a busy machine does not get there by itself.
            read_deadline: Duration::from_secs(2),
            write_deadline: Duration::from_secs(4),
            probe_interval: Duration::from_millis(20),
            ..Limits::default()
        };
        Self {
            io: FaultyIo::over(Arc::new(RealIo), 7),
            said: Arc::default(),
            limits,
            directory: tempfile::tempdir().unwrap(),
            devices,
            gates: Mutex::default(),
        }
    }

    /// Where a device is.
    pub(crate) fn at(&self, device: usize) -> PathBuf {
        self.directory.path().join(format!("device-{device}"))
    }

    pub(crate) fn options(&self) -> StoreOptions {
        let device = |device| DeviceOptions { directory: self.at(device), capacity: CAPACITY };
        StoreOptions {
            io: self.io.clone(),
            watcher: self.said.clone(),
            limits: self.limits,
            ..StoreOptions::new((0..self.devices).map(device).collect())
        }
    }

    pub(crate) fn open(&self) -> Arc<Store> {
        Store::open(self.options())
    }

    /// Opens the store and waits until all devices have read their index, or have failed.
    pub(crate) async fn ready(&self) -> Arc<Store> {
        let store = self.open();
        store.recovered().await;
        store
    }

    /// Writes what is queued, and closes.
    pub(crate) async fn close(&self, store: Arc<Store>) {
        assert_eq!(store.close(PATIENCE).await.hanging, 0);
    }

    /// A gate that is opened when the test ends, however it ends.
    pub(crate) fn gate(&self) -> Gate {
        let gate = Gate::closed();
        self.gates.lock().push(gate.clone());
        gate
    }

    pub(crate) fn figures(&self, store: &Store, device: usize) -> DeviceFigures {
        store.figures().devices.swap_remove(device)
    }

    /// Blocks until the device is in this state; answers why.
    pub(crate) fn until(&self, store: &Store, device: usize, state: DeviceState) -> String {
        self.said.until(|_| self.figures(store, device).state == state);
        self.figures(store, device).why
    }

    /// Blocks until nothing is queued.
    pub(crate) fn until_written(&self, store: &Store) {
        self.said.until(|_| store.figures().devices.iter().all(|device| device.queued_records == 0));
    }

    /// Blocks until all removals are written down.
    pub(crate) fn until_settled(&self, store: &Store) {
        let settled = |device: &DeviceFigures| device.missed_removals == 0 && device.queued_removals == 0;
        self.said.until(|_| store.figures().devices.iter().all(settled));
    }

    /// Writes a record and waits until it is on its device, which is answered.
    pub(crate) fn write_to_some_device(&self, store: &Store, record: NewRecord) -> usize {
        let counts = || -> Vec<u64> {
            let records = |figures: DeviceFigures| figures.volume.map_or(0, |volume| volume.records);
            store.figures().devices.into_iter().map(records).collect()
        };
        let before = counts();
        store.write(record).unwrap();
        self.until_written(store);
        let after = counts();
        (0..before.len()).find(|device| after[*device] > before[*device]).expect("a record more on some device")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.gates.lock().iter().for_each(Gate::open);
    }
}

/// What devices said, in words.
#[derive(Default)]
pub(crate) struct Said {
    events: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Watcher for Said {
    fn saw(&self, device: &str, event: &Event<'_>) {
        let device = device.rsplit('-').next().unwrap_or_default();
        self.events.lock().push(format!("{device}: {event:?}"));
        self.changed.notify_all();
    }
}

impl Said {
    /// Blocks until what devices said, and what came of it, is as wanted.
    pub(crate) fn until(&self, mut wanted: impl FnMut(&[String]) -> bool) {
        /// What no event tells is looked at again after so long.
        const LOOK: Duration = Duration::from_millis(5);
        let begun = std::time::Instant::now();
        loop {
            let mut events = self.events.lock();
            let copy = events.clone();
            // Not under the lock, which devices need to say more.
            if parking_lot::MutexGuard::unlocked(&mut events, || wanted(&copy)) {
                return;
            }
            let told: Vec<_> = copy.iter().filter(|event| !event.contains("Written {")).collect();
            assert!(begun.elapsed() < PATIENCE, "waited in vain; this was said: {told:#?}");
            if events.len() == copy.len() {
                self.changed.wait_for(&mut events, LOOK);
            }
        }
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.events.lock().iter().filter(|event| event.contains(part)).count()
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name.to_owned()).unwrap()
}

pub(crate) fn record(name: &str, body: &str) -> NewRecord {
    NewRecord {
        key: key(name),
        kind: 1,
        head: Bytes::from(format!("head of {body}")),
        body: vec![Bytes::from(body.to_owned())],
        expires: u64::from(u32::MAX),
        site: 1,
    }
}

pub(crate) fn large(name: &str, length: usize) -> NewRecord {
    NewRecord { body: vec![Bytes::from(vec![b'x'; length])], ..record(name, "large") }
}

pub(crate) fn body(record: Option<Record>) -> Option<String> {
    let record = record?;
    let body = String::from_utf8(record.body.concat()).unwrap();
    assert_eq!(record.head, format!("head of {body}").as_bytes());
    Some(body)
}

pub(crate) async fn read(store: &Store, name: &str) -> Option<String> {
    body(store.read(&key(name)).await)
}
