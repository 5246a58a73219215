//! Small durable things.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_store::io::{Io, IoFile, IoLock, RealIo};
use tidegate_store::{StateError, Volume};

use crate::kit::{self, MIB};

#[test]
fn what_was_saved_and_appended_is_loaded_after_a_restart() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    assert_eq!(volume.load_state("log").unwrap(), None);
    volume.append_state("log", b"one").unwrap();
    volume.append_state("log", b"").unwrap();
    volume.save_state("pins", b"pins").unwrap();
    drop(volume);
    // State can be had before the index is read.
    let volume = directory.try_open().unwrap();
    volume.append_state("log", b"three").unwrap();
    let blob = volume.load_state("log").unwrap().unwrap();
    assert_eq!((blob.parts, blob.unreadable_bytes), (vec!["one".into(), "".into(), "three".into()], 0));
    volume.save_state("log", b"anew").unwrap();
    volume.append_state("log", b"more").unwrap();
    drop(volume);
    let volume = directory.open();
    assert_eq!(volume.load_state("log").unwrap().unwrap().parts, vec!["anew", "more"]);
    assert_eq!(volume.load_state("pins").unwrap().unwrap().parts, vec!["pins"]);
    assert!(volume.figures().state_bytes > 0);
}

#[test]
fn what_is_appended_after_a_cut_is_not_lost_with_it() {
    let directory = kit::directory(16 * MIB);
    let path = directory.path().join("state/log");
    let volume = directory.open();
    (0..10).for_each(|part| volume.append_state("log", format!("part {part}").as_bytes()).unwrap());
    drop(volume);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let volume = directory.open();
        volume.append_state("log", b"after").unwrap();
        let blob = volume.load_state("log").unwrap().unwrap();
        let complete = length / 24;
        let expected: Vec<String> =
            (0..complete).map(|part| format!("part {part}")).chain(["after".to_owned()]).collect();
        assert_eq!(
            (blob.parts, blob.unreadable_bytes),
            (expected.into_iter().map(Into::into).collect(), 0),
            "{length}"
        );
    }
}

#[test]
fn a_damaged_part_does_not_take_the_others_along() {
    let directory = kit::directory(16 * MIB);
    let path = directory.path().join("state/log");
    let volume = directory.open();
    (0..10).for_each(|part| volume.append_state("log", format!("part {part}").as_bytes()).unwrap());
    drop(volume);
    let whole = std::fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).unwrap();
        let blob = directory.try_open().unwrap().load_state("log").unwrap().unwrap();
        // The bytes that fill a part up mean nothing.
        let kept = if blob.unreadable_bytes == 0 { 10 } else { 9 };
        assert_eq!(blob.parts.len(), kept, "bit {bit}");
    }
}

#[test]
fn only_simple_names_and_few_are_taken() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    for name in ["", ".", "../superblock", "a/b", "Log", "log.new", &"n".repeat(33)] {
        assert!(matches!(volume.save_state(name, b""), Err(StateError::Name { .. })), "{name}");
    }
    for number in 0..17 {
        assert_eq!(volume.append_state(&format!("name-{number}"), b"").is_ok(), number < 16, "{number}");
    }
    assert!(volume.save_state("name-3", b"").is_ok(), "those that are there go on");
}

#[test]
fn state_that_a_smaller_capacity_has_no_room_for_is_read_whole_and_can_be_made_small() {
    let mut directory = kit::directory(256 * MIB);
    let volume = directory.open();
    let mut parts = 0;
    while volume.append_state("log", &vec![parts; 1 << 20]).is_ok() {
        parts += 1;
    }
    drop(volume);
    // A sixteenth of these would be too little to replace it.
    for capacity in [170 * MIB, 200 * MIB] {
        directory.options.capacity = capacity;
        let volume = directory.open();
        let blob = volume.load_state("log").unwrap().unwrap();
        assert_eq!((blob.parts.len(), blob.unreadable_bytes), (usize::from(parts), 0));
        for number in 0..250 {
            kit::store(&volume, &kit::record(&format!("record {number}"), 1, 900_000));
        }
        assert!(kit::disk_usage(directory.path()) <= capacity);
    }
    directory.options.capacity = 170 * MIB;
    let volume = directory.open();
    volume.save_state("log", &vec![1; 1 << 20]).unwrap();
    assert_eq!(volume.load_state("log").unwrap().unwrap().parts.len(), 1);
    volume.append_state("log", b"more").unwrap();
}

#[test]
fn state_that_fills_its_room_can_be_replaced() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let mut whole = 0;
    while volume.append_state("log", &[1; 3600]).is_ok() {
        whole += 3600;
    }
    assert!(whole > 200_000, "{whole}");
    for _ in 0..3 {
        volume.save_state("log", &vec![2; whole]).unwrap();
    }
    drop(volume);
    directory.open().save_state("log", &vec![2; whole]).unwrap();
}

#[test]
fn what_was_never_said_to_be_durable_is_told_apart_from_a_loss() {
    let directory = kit::directory(16 * MIB);
    let path = directory.path().join("state/log");
    let volume = directory.open();
    (0..3).for_each(|part| volume.append_state("log", format!("part {part}").as_bytes()).unwrap());
    drop(volume);
    let whole = std::fs::read(&path).unwrap();
    let part = whole.len() / 3;
    let mut damaged = whole.clone();
    damaged[2 * part + 17] ^= 1;
    let mut length = whole.clone();
    length[2 * part + 6] ^= 1;
    let zeros = [whole.clone(), vec![0; 4096]].concat();
    let cut = whole[..whole.len() - 3].to_vec();
    for (what, bytes, parts, torn, lost) in [
        ("cut", cut, 2, part - 3, 0),
        ("cut in its frame", whole[..2 * part + 5].to_vec(), 2, 5, 0),
        ("long, of zeros", zeros, 3, 4096, 0),
        ("damaged at its end", damaged, 2, 0, part),
        ("damaged in its last length", length, 2, 0, part),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let volume = directory.open();
        let blob = volume.load_state("log").unwrap().unwrap();
        let told = (blob.parts.len(), blob.torn_tail_bytes, blob.unreadable_bytes);
        assert_eq!(told, (parts, torn as u64, lost as u64), "{what}");
        // A loss can be seen until somebody saves what there is to be.
        drop(volume);
        let volume = directory.open();
        volume.append_state("log", b"after").unwrap();
        let blob = volume.load_state("log").unwrap().unwrap();
        let told = (blob.parts.len(), blob.torn_tail_bytes, blob.unreadable_bytes);
        assert_eq!(told, (parts + 1, 0, lost as u64), "{what}, after more");
        volume.save_state("log", b"anew").unwrap();
        assert_eq!(volume.load_state("log").unwrap().unwrap().unreadable_bytes, 0, "{what}");
    }
}

/// Files that get their new names while the device says that they did not.
struct RenamesAndSaysNo(RealIo, AtomicBool);

impl Io for RenamesAndSaysNo {
    fn open(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        self.0.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        self.0.create(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)?;
        match self.1.swap(false, Ordering::Relaxed) {
            true => Err(io::Error::other("cannot be made durable")),
            false => Ok(()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.0.list(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn IoLock>> {
        self.0.lock(path)
    }
}

#[test]
fn what_follows_a_save_that_failed_is_not_lost_with_it() {
    for (old, new) in [(5_000, 100), (100, 5_000)] {
        let directory = kit::directory(16 * MIB);
        let io = Arc::new(RenamesAndSaysNo(RealIo, AtomicBool::new(false)));
        let volume = Volume::open(Arc::clone(&io) as Arc<_>, &directory.options).unwrap();
        volume.append_state("log", &vec![1; old]).unwrap();
        io.1.store(true, Ordering::Relaxed);
        volume.save_state("log", &vec![2; new]).unwrap_err();
        volume.append_state("log", b"after").unwrap();
        drop(volume);
        let blob = directory.try_open().unwrap().load_state("log").unwrap().unwrap();
        let parts: Vec<_> = blob.parts.iter().map(|part| (part[0], part.len())).collect();
        assert_eq!((parts, blob.unreadable_bytes), (vec![(2, new), (b'a', 5)], 0));
    }
}
