//! Directories of another format, and of others.

use std::fs;

use tidegate_store::{OpenError, Origin};

use crate::kit::{self, MIB, record, store, version};

#[test]
fn another_format_is_begun_anew_and_only_our_files_go() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    store(&volume, &record("key", 1, 100));
    volume.save_state("log", b"of the old format").unwrap();
    drop(volume);
    let foreign = ["segments/notes", "state/Notes", "notes"].map(|name| directory.path().join(name));
    foreign.iter().for_each(|path| fs::write(path, "of somebody").unwrap());
    let superblock = directory.path().join("superblock");
    let mut bytes = fs::read(&superblock).unwrap();
    (bytes[8], bytes[2048 + 8]) = (99, 99);
    fs::write(&superblock, bytes).unwrap();
    let volume = directory.open();
    let why = "its format is version 99, which is not ours".to_owned();
    assert_eq!(volume.origin(), &Origin::Renewed { why });
    assert_eq!((version(&volume, "key"), volume.load_state("log").unwrap()), (None, None));
    assert!(!directory.path().join("segments/000000.data").exists());
    foreign.iter().for_each(|path| assert!(path.exists(), "{}", path.display()));
    store(&volume, &record("key", 2, 100));
    drop(volume);
    let volume = directory.open();
    assert_eq!((volume.origin(), version(&volume, "key")), (&Origin::Opened, Some(2)));
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let directory = kit::directory(16 * MIB);
    fs::create_dir(directory.path()).unwrap();
    let superblock = directory.path().join("superblock");
    fs::write(&superblock, "of another program").unwrap();
    let error = directory.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }));
    assert!(error.to_string().contains("is no file of Tidegate"), "{error}");
    assert_eq!(fs::read(&superblock).unwrap(), b"of another program");
}

#[test]
fn half_of_a_superblock_is_enough_and_is_made_whole() {
    let directory = kit::directory(16 * MIB);
    store(&directory.open(), &record("key", 1, 100));
    for damaged in [20, 2048 + 20] {
        let superblock = directory.path().join("superblock");
        let whole = fs::read(&superblock).unwrap();
        let mut bytes = whole.clone();
        bytes[damaged] ^= 4;
        fs::write(&superblock, bytes).unwrap();
        let volume = directory.open();
        assert_eq!((volume.origin(), version(&volume, "key")), (&Origin::Opened, Some(1)));
        assert_eq!(fs::read(&superblock).unwrap(), whole);
    }
}

#[test]
fn state_of_somebody_else_is_no_sign_of_a_volume() {
    let directory = kit::directory(16 * MIB);
    fs::create_dir_all(directory.path().join("state")).unwrap();
    let theirs = directory.path().join("state/customers");
    fs::write(&theirs, "precious").unwrap();
    for begun in [false, true] {
        if begun {
            // As long as there is no superblock that says whose they are, files named as ours say nothing of others.
            fs::create_dir_all(directory.path().join("segments")).unwrap();
            fs::write(directory.path().join("segments/000000.data"), "").unwrap();
        }
        let error = directory.try_open().err().unwrap();
        assert!(matches!(&error, OpenError::Foreign { path } if *path == theirs), "{error}");
        assert_eq!(fs::read(&theirs).unwrap(), b"precious");
    }
}

#[test]
fn odd_things_among_our_files_are_left_alone() {
    let directory = kit::directory(16 * MIB);
    drop(directory.open());
    for odd in ["state/log", "state/log.new", "segments/999999.data", "segments/000002.index"] {
        fs::create_dir(directory.path().join(odd)).unwrap();
    }
    let (volume, recovered) = directory.recover();
    let foreign = recovered.discarded.iter().find(|one| one.reason == tidegate_store::DiscardReason::ForeignFile);
    assert!(foreign.is_some_and(|foreign| foreign.count >= 3), "{:?}", recovered.discarded);
    assert!(volume.load_state("log").is_err(), "nobody knows what it had");
    for number in 0..200 {
        store(&volume, &record(&format!("record {number}"), 1, 100_000));
    }
    volume.save_state("other", b"is saved").unwrap();
}

#[test]
fn a_directory_that_others_may_write_is_refused_and_nothing_is_opened_there() {
    use std::os::unix::fs::PermissionsExt;
    for part in ["", "segments", "state"] {
        let directory = kit::directory(16 * MIB);
        store(&directory.open(), &record("key", 1, 100));
        let shared = directory.path().join(part);
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        fs::remove_file(directory.path().join("lock")).unwrap();
        let error = directory.try_open().err().unwrap();
        assert!(matches!(error, OpenError::Shared { .. }), "{part}: {error}");
        assert!(error.to_string().starts_with("everybody may write to"), "{error}");
        assert_eq!(directory.path().join("lock").exists(), !part.is_empty());
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(version(&directory.open(), "key"), Some(1));
    }
}
