//! Small durable things.

use tidegate_store::StateError;

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
