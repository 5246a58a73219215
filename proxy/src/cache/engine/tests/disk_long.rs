//! Bodies that are longer than what a device's queue should hold: written part by part, and found when all of it is there.

use super::super::disk::Kind;
use super::super::disk::fake::{FakeDisk, Mood};
use super::disk::with_bounds;
use super::*;

/// Ten parts.
const LENGTH: usize = (18 << 20) + 5;

fn content() -> Bytes {
    (0..LENGTH).map(|number| (number % 251) as u8).collect::<Vec<_>>().into()
}

fn rig(disk: &Arc<FakeDisk>) -> Rig {
    with_bounds(disk, 32 << 20, Duration::ZERO)
}

const LINES: [&str; 2] = ["cache-control: max-age=0", "etag: \"one\""];

async fn store(rig: &Rig) {
    let asking = rig.waiting_soon(get("/a")).await;
    let exchange = rig.accept().await;
    exchange.head(200, &LINES);
    exchange.body(content());
    exchange.end();
    assert!(whole(asking.await.unwrap()).await == content());
    rig.idle().await;
}

async fn whole(answer: Answer) -> Vec<u8> {
    let (mut got, mut read) = (answer.object(), Vec::new());
    while let Some(bytes) = got.read().await.unwrap() {
        read.extend_from_slice(&bytes);
    }
    read
}

/// The origin confirms what is stored, with these fields.
async fn confirm(rig: &Rig, lines: &[&str]) {
    let asking = rig.waiting_soon(get("/a")).await;
    let exchange = rig.accept().await;
    assert_eq!(exchange.request["if-none-match"], "\"one\"");
    exchange.head(304, lines);
    exchange.end();
    assert!(whole(asking.await.unwrap()).await == content());
    rig.idle().await;
}

async fn until(disk: &FakeDisk, what: &str, is_so: impl Fn(&[Kind]) -> bool) {
    let waiting = async {
        while !is_so(&disk.kinds()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(what, waiting).await;
}

fn is_complete(kinds: &[Kind]) -> bool {
    kinds.len() == 11 && kinds[0] == Kind::Object
}

#[tokio::test]
async fn long_body_is_a_hit_after_a_restart() {
    let disk = Arc::default();
    store(&rig(&disk)).await;
    until(&disk, "all of it on disk", is_complete).await;
    let writes = disk.writes.load(Ordering::Relaxed);
    confirm(&rig(&disk), &["cache-control: max-age=600", "etag: \"one\""]).await;
    assert_eq!(disk.writes.load(Ordering::Relaxed), writes + 1, "the head alone");
    let rig = rig(&disk);
    let answer = rig.ask(get("/a")).await;
    assert!(whole(answer).await == content());
    assert_eq!(rig.fetches(), 0);
}

#[tokio::test]
async fn few_parts_wait_at_a_time_and_the_head_comes_last() {
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = rig(&disk);
    disk.become_(Mood::WritesSlowly);
    store(&rig).await;
    until(&disk, "parts in the queue", |kinds| kinds.len() >= 4).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(disk.kinds(), [Kind::Part; 4]);
    // It is confirmed meanwhile: what is written is not written again.
    confirm(&rig, &["cache-control: max-age=600", "etag: \"one\""]).await;
    disk.become_(Mood::Well);
    until(&disk, "all of it on disk", is_complete).await;
    assert_eq!(disk.writes.load(Ordering::Relaxed), 11);
    let rig = with_bounds(&disk, 32 << 20, Duration::ZERO);
    assert!(whole(rig.ask(get("/a")).await).await == content());
    assert_eq!(rig.fetches(), 0, "what was said last is what is written");
}

#[tokio::test]
async fn what_is_replaced_or_forgotten_while_it_is_written_leaves_nothing() {
    let check = async |what: &str, happens: fn(&Rig), left: &[Kind]| {
        let disk: Arc<FakeDisk> = Arc::default();
        let rig = rig(&disk);
        disk.become_(Mood::WritesSlowly);
        store(&rig).await;
        until(&disk, "parts in the queue", |kinds| kinds.len() >= 4).await;
        happens(&rig);
        disk.become_(Mood::Well);
        until(&disk, what, |kinds| kinds == left).await;
        assert_eq!(rig.engine.memory.beneath().unwrap().held().in_use().1, 0, "{what}: memory is given back");
    };
    check("forgotten", |rig| rig.engine.memory.invalidate(&key("/a")), &[]).await;
    let replace = |rig: &Rig| {
        let object = rig.stored("/a", &[]).unwrap();
        let body = Body::growing();
        body.put(Bytes::from_static(b"short"));
        body.finish();
        let meta = crate::cache::rules::decide::StoredMeta { body_length: Some(5), ..object.meta.clone() };
        let (origin, provenance) = (object.origin.clone(), object.provenance.clone());
        let short = Object { meta, body, not_stored: None, origin, provenance };
        rig.engine.memory.store(&key("/a"), &HeaderMap::new(), Arc::new(short));
    };
    check("replaced", replace, &[Kind::Object]).await;
}

#[tokio::test]
async fn device_that_takes_nothing_more_leaves_no_part_behind() {
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = rig(&disk);
    disk.become_(Mood::WritesSlowly);
    store(&rig).await;
    until(&disk, "parts in the queue", |kinds| kinds.len() >= 4).await;
    tokio::time::pause();
    disk.become_(Mood::TakesNothing);
    for _ in 0..1000 {
        if disk.kinds().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?} are left", disk.kinds());
}
