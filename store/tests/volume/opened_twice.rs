//! A directory belongs to one process.

use std::process::{Command, Stdio};
use std::sync::Arc;

use tidegate_store::io::RealIo;
use tidegate_store::{OpenError, Volume, VolumeOptions};

use crate::kit::{self, MIB, record, store, version};

const CHILD: &str = "opened_twice::child_that_opens_what_it_is_told";

#[test]
fn child_that_opens_what_it_is_told() {
    let Ok(directory) = std::env::var("TIDEGATE_OPENED_DIRECTORY") else { return };
    let refused = Volume::open(Arc::new(RealIo), &VolumeOptions::new(directory, 16 * MIB)).err();
    println!("@{}", refused.map_or("opened".to_owned(), |error| error.to_string()));
}

fn open_in_another_process(directory: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("TIDEGATE_OPENED_DIRECTORY", directory)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let line = output.lines().find_map(|line| Some(line.split_once('@')?.1.to_owned()));
    line.unwrap_or(output)
}

#[test]
fn a_directory_in_use_is_refused_with_what_to_do() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    store(&volume, &record("key", 1, 100));
    let message = format!(
        "{} is in use by another process: stop that one, or give each node a directory of its own",
        directory.path().display()
    );
    assert!(matches!(directory.try_open(), Err(OpenError::InUse { .. })));
    assert_eq!(open_in_another_process(directory.path()), message);
    assert_eq!(version(&volume, "key"), Some(1), "who came second changed nothing");
    drop(volume);
    assert_eq!(open_in_another_process(directory.path()), "opened");
    assert_eq!(version(&directory.open(), "key"), Some(1));
}

#[test]
fn a_directory_is_made_but_not_the_path_to_it() {
    let mut directory = kit::directory(16 * MIB);
    directory.options.directory = directory.directory.path().join("not/mounted");
    let error = directory.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Missing { .. }));
    assert!(error.to_string().ends_with("does not exist and cannot be made: make it, or mount what belongs there"));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_an_error_that_names_it() {
    let directory = kit::directory(16 * MIB);
    std::fs::write(directory.path(), "a file").unwrap();
    let error = directory.try_open().err().unwrap();
    assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
}
