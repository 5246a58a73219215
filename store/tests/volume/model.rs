//! Anything anybody may do, beside a plain map: what is read is always what was stored last.

use std::collections::HashMap;

use proptest::prelude::*;
use tidegate_store::{Cursor, KeepAll, Volume};

use crate::kit::{self, Directory, MIB, disk_usage, place, record, store, version};

/// As little as a volume works with, so that segments are reclaimed all the time.
const CAPACITY: u64 = 12 * MIB;
const KEYS: u8 = 60;

#[derive(Debug, Clone)]
enum Operation {
    Store { key: u8, length: usize, life: u64, site: u32 },
    Read(u8),
    Remove(u8),
    Pin(u8, bool),
    Pass(u64),
    Sweep,
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let length = prop_oneof![4 => 0..3_000_usize, 4 => 0..120_000_usize, 1 => 0..900_000_usize];
    let life = prop_oneof![Just(60), Just(3600), Just(200_000)];
    prop_oneof![
        20 => (0..KEYS, length, life, 0..3_u32).prop_map(|(key, length, life, site)| {
            Operation::Store { key, length, life, site }
        }),
        8 => (0..KEYS).prop_map(Operation::Read),
        3 => (0..KEYS).prop_map(Operation::Remove),
        1 => (0..KEYS, any::<bool>()).prop_map(|(key, pinned)| Operation::Pin(key, pinned)),
        1 => prop_oneof![Just(10_u64), Just(100), Just(5_000)].prop_map(Operation::Pass),
        1 => Just(Operation::Sweep),
        1 => Just(Operation::Reopen),
    ]
}

/// What a key should have: a version, until when.
type Model = HashMap<u8, (u64, u64)>;

fn name(key: u8) -> String {
    format!("key {key}")
}

/// Which versions can be read.
fn readable(volume: &Volume) -> Vec<Option<u64>> {
    (0..KEYS).map(|key| version(volume, &name(key))).collect()
}

fn check_all(volume: &Volume, model: &Model, now: u64, complete: bool) {
    for (key, found) in (0..KEYS).zip(readable(volume)) {
        let expected = model.get(&key).filter(|(_, expires)| *expires > now).map(|(version, _)| *version);
        match found {
            Some(found) => assert_eq!(Some(found), expected, "{}", name(key)),
            None => assert!(expected.is_none() || !complete, "{} is gone though nothing was evicted", name(key)),
        }
    }
}

fn apply(
    directory: &Directory,
    volume: &mut Option<Volume>,
    model: &mut Model,
    step: u64,
    operation: Operation,
) -> bool {
    let open = volume.as_ref().unwrap();
    match operation {
        Operation::Store { key, length, life, site } => {
            let mut new = record(&name(key), step, length);
            (new.expires, new.site) = (directory.now() + life, site);
            store(open, &new);
            model.insert(key, (step, new.expires));
        }
        Operation::Read(key) => drop(version(open, &name(key))),
        Operation::Remove(key) => {
            open.remove(&kit::key(&name(key))).unwrap();
            model.remove(&key);
            assert_eq!(place(open, &name(key)), None);
        }
        Operation::Pin(key, pinned) => drop(open.pin(&kit::key(&name(key)), pinned)),
        Operation::Pass(seconds) => directory.pass(seconds),
        Operation::Sweep => {
            let mut cursor = Some(Cursor::default());
            while let Some(from) = cursor {
                cursor = open.sweep(from, 16, Some(&KeepAll)).unwrap().next;
            }
        }
        Operation::Reopen => {
            let before = readable(open);
            drop(volume.take());
            *volume = Some(directory.open());
            assert_eq!(readable(volume.as_ref().unwrap()), before, "after a restart");
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn what_is_read_is_what_was_stored_last(operations in proptest::collection::vec(operation(), 1..500)) {
        let directory = kit::directory(CAPACITY);
        let mut volume = Some(directory.open());
        let mut model = Model::new();
        let mut evicted = 0;
        for (step, operation) in (0..).zip(operations) {
            let before = volume.as_ref().unwrap().figures().evicted;
            if apply(&directory, &mut volume, &mut model, step, operation) {
                evicted += before;
            }
        }
        let open = volume.as_ref().unwrap();
        evicted += open.figures().evicted;
        check_all(open, &model, directory.now(), evicted == 0);
        prop_assert!(disk_usage(directory.path()) <= CAPACITY);
    }
}
