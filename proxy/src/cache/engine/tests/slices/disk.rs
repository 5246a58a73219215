//! Slices on disk: what was fetched is not fetched again after a restart, and no version mixes with another.

use super::super::super::disk::Kind;
use super::super::super::disk::fake::{FakeDisk, Mood};
use super::super::disk::put_over;
use super::*;

impl SliceRig {
    fn above(disk: &Arc<FakeDisk>) -> Self {
        let mut rig = Self::new(TOTAL);
        put_over(disk, &mut rig.engine, Duration::ZERO);
        rig
    }
}

#[tokio::test]
async fn film_goes_on_from_disk_after_a_restart() {
    let disk = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read_all().await == content(1, 0, TOTAL));
    rig.idle().await;
    let rig = SliceRig::above(&disk);
    assert!(rig.read_all().await == content(1, 0, TOTAL));
    assert!(rig.read("5500-7200").await == content(1, 5500, 7201));
    assert!(rig.read("-700").await == content(1, TOTAL - 700, TOTAL));
    assert_eq!(rig.asked(), [""; 0], "nothing was fetched again");
    rig.idle().await;
    let outcome = rig.ask_with(&["range: bytes=50000-60000"]).await.object().outcome;
    assert_eq!(outcome, Outcome::Hit);
    let (stored, all) = rig.stored().unwrap().slices().unwrap();
    assert_eq!((stored, all), (101, 101));
}

#[tokio::test]
async fn only_what_is_missing_of_a_film_is_fetched() {
    let disk = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read("0-9999").await == content(1, 0, 10_000));
    rig.idle().await;
    let rig = SliceRig::above(&disk);
    assert!(rig.read("8000-11999").await == content(1, 8000, 12_000));
    rig.idle().await;
    let asked = rig.asked();
    assert_eq!(asked, ["10000-11999"]);
}

#[tokio::test]
async fn slice_that_cannot_be_read_is_fetched() {
    let check = async |spoil: fn(&Arc<FakeDisk>)| {
        let disk = Arc::default();
        let rig = SliceRig::above(&disk);
        assert!(rig.read("0-9999").await == content(1, 0, 10_000));
        rig.idle().await;
        let rig = SliceRig::above(&disk);
        rig.read("0-10").await;
        spoil(&disk);
        assert!(rig.read("5000-6999").await == content(1, 5000, 7000));
        rig.idle().await;
        assert!(!rig.asked().is_empty());
    };
    check(|disk| disk.become_(Mood::ReadsNothing)).await;
    check(|disk| {
        disk.spoil(|record| {
            if record.kind == Kind::Slice {
                record.body.truncate(0);
            }
        });
    })
    .await;
}

#[tokio::test]
async fn another_version_of_a_film_gets_nothing_of_the_one_on_disk() {
    let disk = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read("0-9999").await == content(1, 0, 10_000));
    rig.idle().await;
    let rig = SliceRig::above(&disk);
    rig.origin.changes(TOTAL);
    let version = rig.origin.changes(TOTAL);
    // What is stored is fresh; what is not shows that the version is gone.
    assert!(rig.read("20000-20999").await == content(version, 20_000, 21_000));
    assert!(rig.read("0-9999").await == content(version, 0, 10_000));
    rig.idle().await;
    let rig = SliceRig::above(&disk);
    assert!(rig.read("0-9999").await == content(version, 0, 10_000));
    assert_eq!(rig.asked(), [""; 0]);
}

#[tokio::test]
async fn slices_that_memory_let_go_of_come_from_disk() {
    let disk = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read_all().await == content(1, 0, TOTAL));
    rig.idle().await;
    let before = rig.asked().len();
    assert!(before > 0);
    rig.engine.memory.forget_all();
    assert!(rig.read_all().await == content(1, 0, TOTAL));
    assert_eq!(rig.asked(), [""; 0]);
}

#[tokio::test]
async fn slice_that_comes_late_is_fetched_once_and_not_written_again() {
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read("0-9999").await == content(1, 0, 10_000));
    rig.idle().await;
    let rig = SliceRig::above(&disk);
    rig.read("0-10").await;
    let before = disk.writes.load(Ordering::Relaxed);
    disk.become_(Mood::ReadsNothing);
    assert!(rig.read("5000-6999").await == content(1, 5000, 7000));
    rig.idle().await;
    assert!(!rig.asked().is_empty());
    disk.become_(Mood::Well);
    rig.engine.memory.forget_all();
    assert!(rig.read("5000-6999").await == content(1, 5000, 7000));
    assert_eq!((rig.asked(), disk.writes.load(Ordering::Relaxed)), (vec![], before), "it was there all the time");
}

#[tokio::test]
async fn slices_of_what_was_purged_are_known_as_such_by_themselves() {
    use crate::cache::purge::{Mode, Scope};
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = SliceRig::above(&disk);
    assert!(rig.read("0-1999").await == content(1, 0, 2000));
    rig.idle().await;
    let all = disk.kinds();
    assert!(all.len() >= 3 && all.contains(&Kind::Slice), "{all:?}");
    assert_eq!(disk.gone(rig.engine.purges()), []);
    rig.engine.purges().carry_out(&[Scope::Everything], Mode::Hard, String::new(), 1, SystemTime::now());
    assert_eq!(disk.gone(rig.engine.purges()), all);
}
