//! Files that are not what was written: a record may be lost, never another one served, and nothing panics.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tidegate_store::{Cursor, DiscardReason, Lookup, Origin, ReadError, Recovered, Volume};

use crate::kit::{self, Directory, MIB, Random, copy, files, record, store, version_of};

const RECORDS: usize = 60;
const PARTS: usize = 20;

fn name(number: usize) -> String {
    format!("record {number}")
}

/// A volume with records of some sizes in two streams, some replaced, some removed; and some state.
fn filled() -> Directory {
    let directory = kit::directory(12 * MIB);
    let volume = directory.open();
    for round in 0..2 {
        for number in 0..RECORDS {
            let mut new = record(&name(number), round, [100, 5_000, 70_000][number % 3]);
            new.expires += if number % 2 == 0 { 1_000_000 } else { 0 };
            if round == 0 || number % 5 == 0 {
                store(&volume, &new);
            }
        }
    }
    for number in (0..RECORDS).step_by(7) {
        volume.remove(&kit::key(&name(number))).unwrap();
    }
    (0..PARTS).for_each(|part| volume.append_state("log", format!("part {part}").as_bytes()).unwrap());
    drop(volume);
    directory
}

/// Reads everything; answers how many records could be read. Whatever comes must be the last version.
fn read_all(volume: &Volume) -> usize {
    let mut readable = 0;
    for number in 0..RECORDS {
        let name = name(number);
        let place = match volume.find(&kit::key(&name)) {
            Lookup::Present(place) => place,
            Lookup::Absent => continue,
            Lookup::Unknown => panic!("recovered"),
        };
        match volume.read(&kit::key(&name), &place) {
            Ok(Some(record)) => {
                version_of(&record, &name);
                readable += 1;
            }
            Ok(None) => {}
            Err(ReadError::Corrupt { .. }) => {
                assert_eq!(volume.find(&kit::key(&name)), Lookup::Absent, "a damaged record is forgotten");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        let (places, next) = volume.entries(from, 10);
        places.iter().for_each(|place| drop(volume.read_head(place)));
        cursor = next;
    }
    readable
}

/// The parts of the log that can be read must be among those that were written, in their order.
fn check_state(volume: &Volume) -> usize {
    let Some(blob) = volume.load_state("log").unwrap() else { return 0 };
    let mut written = (0..PARTS).map(|part| format!("part {part}"));
    for part in &blob.parts {
        assert!(written.any(|written| written.as_bytes() == part), "{part:?}");
    }
    let told = blob.unreadable_bytes + blob.torn_tail_bytes > 0;
    assert!(blob.parts.len() == PARTS || told, "a loss is told");
    blob.parts.len()
}

fn flip(path: &Path, random: &mut Random) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    if length == 0 {
        return;
    }
    // Half of them near the beginning, where there is something in any file.
    let bound = if random.below(2) == 0 { length.min(4096) } else { length };
    let at = random.below(bound);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << random.below(8);
    file.write_all_at(&byte, at).unwrap();
}

#[test]
fn flipped_bits_lose_records_at_most() {
    let whole = filled();
    let damaged = kit::directory(12 * MIB);
    let all = RECORDS - RECORDS.div_ceil(7);
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let mut random = Random(seed);
        copy(whole.path(), damaged.path());
        let files = files(damaged.path());
        for _ in 0..=random.below(6) {
            flip(&files[random.below(files.len() as u64) as usize], &mut random);
        }
        let Ok(volume) = damaged.try_open() else { continue };
        volume.recover(&|_| {});
        let readable = read_all(&volume);
        assert!(readable <= all, "seed {seed}: {readable} of {all}, what was removed came back");
        check_state(&volume);
        store(&volume, &record("after", seed, 50_000));
        assert_eq!(kit::version(&volume, "after"), Some(seed));
        lost += all.saturating_sub(readable);
        kept += readable;
    }
    assert!(lost > 0, "the test damages nothing");
    assert!(kept > 60 * all, "a few bits cost too much: {kept} records kept in all rounds");
}

fn segment(directory: &Directory, number: u32, extension: &str) -> std::path::PathBuf {
    directory.path().join("segments").join(format!("{number:06}.{extension}"))
}

/// What is done to a volume's files while it is closed.
type Vandal = fn(&Directory);

fn truncate(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

const VANDALS: &[(&str, Vandal, Option<DiscardReason>)] = &[
    ("nothing", |_| {}, Some(DiscardReason::Removed)),
    ("an index is empty", |directory| truncate(&segment(directory, 0, "index"), 0), None),
    (
        "an index is cut in an entry",
        |directory| truncate(&segment(directory, 0, "index"), 64 * 9 + 17),
        Some(DiscardReason::DamagedEntry),
    ),
    ("an index is gone", |directory| fs::remove_file(segment(directory, 0, "index")).unwrap(), None),
    (
        "data is gone",
        |directory| fs::remove_file(segment(directory, 0, "data")).unwrap(),
        Some(DiscardReason::OutOfBounds),
    ),
    ("data is cut", |directory| truncate(&segment(directory, 0, "data"), 300_000), Some(DiscardReason::OutOfBounds)),
    ("data is empty", |directory| truncate(&segment(directory, 0, "data"), 0), Some(DiscardReason::OutOfBounds)),
    (
        "an index is of zeros",
        |directory| fs::write(segment(directory, 0, "index"), vec![0; 4096]).unwrap(),
        Some(DiscardReason::ForeignSegment),
    ),
    (
        "an index is a text of ten megabytes",
        |directory| fs::write(segment(directory, 0, "index"), "not ours ".repeat(1_200_000)).unwrap(),
        Some(DiscardReason::ForeignSegment),
    ),
    (
        "data is random",
        |directory| fs::write(segment(directory, 0, "data"), kit::body("noise", 1, 1 << 20)).unwrap(),
        None,
    ),
    (
        "a segment is there twice",
        |directory| {
            for extension in ["data", "index"] {
                fs::copy(segment(directory, 0, extension), segment(directory, 6, extension)).unwrap();
            }
        },
        Some(DiscardReason::ForeignSegment),
    ),
    (
        "a segment took the place of another",
        |directory| {
            for extension in ["data", "index"] {
                fs::copy(segment(directory, 0, extension), segment(directory, 1, extension)).unwrap();
            }
        },
        Some(DiscardReason::ForeignSegment),
    ),
    (
        "data of one segment under the index of another",
        |directory| {
            fs::copy(segment(directory, 0, "data"), segment(directory, 1, "data")).unwrap();
        },
        None,
    ),
    (
        "a segment of another volume",
        |directory| {
            let other = filled();
            for extension in ["data", "index"] {
                fs::copy(segment(&other, 0, extension), segment(directory, 0, extension)).unwrap();
            }
        },
        Some(DiscardReason::ForeignSegment),
    ),
    (
        "files that nobody knows",
        |directory| {
            fs::write(directory.path().join("segments/000000.data~"), "backup").unwrap();
            fs::write(directory.path().join("segments/readme"), "").unwrap();
            fs::write(directory.path().join("state/Not Ours"), "").unwrap();
            fs::create_dir(directory.path().join("lost+found")).unwrap();
        },
        Some(DiscardReason::ForeignFile),
    ),
    (
        "segments beyond the capacity",
        |directory| {
            for extension in ["data", "index"] {
                fs::copy(segment(directory, 0, extension), segment(directory, 500, extension)).unwrap();
            }
        },
        Some(DiscardReason::BeyondCapacity),
    ),
    ("the state is cut", |directory| truncate(&directory.path().join("state/log"), 100), None),
    (
        "the state is random",
        |directory| fs::write(directory.path().join("state/log"), kit::body("s", 1, 999)).unwrap(),
        None,
    ),
    ("state was not finished", |directory| fs::write(directory.path().join("state/log.new"), "half").unwrap(), None),
];

#[test]
fn files_that_are_not_what_was_written_are_survived_and_told() {
    for (what, vandal, reason) in VANDALS {
        let directory = filled();
        vandal(&directory);
        let (volume, recovered) = directory.recover();
        assert_eq!(volume.origin(), &Origin::Opened, "{what}");
        check_discarded(what, &recovered, *reason);
        read_all(&volume);
        check_state(&volume);
        for number in 0..200 {
            store(&volume, &record(&format!("after {number}"), 1, 100_000));
        }
        assert_eq!(kit::version(&volume, "after 199"), Some(1), "{what}");
        assert!(volume.append_state("log", b"more").is_ok(), "{what}");
        drop(volume);
        assert_eq!(kit::version(&directory.open(), "after 199"), Some(1), "{what}: after one more restart");
    }
}

fn check_discarded(what: &str, recovered: &Recovered, reason: Option<DiscardReason>) {
    let Some(reason) = reason else { return };
    let told = recovered.discarded.iter().find(|discarded| discarded.reason == reason);
    assert!(told.is_some_and(|told| told.count > 0), "{what}: {:?}", recovered.discarded);
}

#[test]
fn a_superblock_that_is_damaged_has_the_directory_begun_anew() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 4] = [
        ("is damaged", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[30] ^= 1;
            bytes[2048 + 30] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("is damaged", |path| truncate(path, 0)),
        ("is damaged", |path| truncate(path, 20)),
        ("is missing", |path| fs::remove_file(path).unwrap()),
    ];
    for (why, damage) in damages {
        let directory = filled();
        damage(&directory.path().join("superblock"));
        let (volume, recovered) = directory.recover();
        assert_eq!(volume.origin(), &Origin::Renewed { why: format!("its superblock {why}") });
        assert_eq!((recovered.records, read_all(&volume)), (0, 0));
        store(&volume, &record("after", 1, 100));
        drop(volume);
        let volume = directory.open();
        assert_eq!((volume.origin(), kit::version(&volume, "after")), (&Origin::Opened, Some(1)));
    }
}

#[test]
fn data_of_an_earlier_use_of_a_segment_is_no_record() {
    let directory = kit::directory(12 * MIB);
    let volume = directory.open();
    store(&volume, &record("key", 1, 1000));
    let earlier = fs::read(segment(&directory, 0, "data")).unwrap();
    volume.clear().unwrap();
    store(&volume, &record("key", 2, 1000));
    drop(volume);
    assert_eq!(kit::version(&directory.open(), "key"), Some(2), "in the same segment");
    fs::write(segment(&directory, 0, "data"), earlier).unwrap();
    let volume = directory.open();
    let place = kit::place(&volume, "key").unwrap();
    assert!(matches!(volume.read(&kit::key("key"), &place), Err(ReadError::Corrupt { .. })));
    assert_eq!(kit::place(&volume, "key"), None);
}
