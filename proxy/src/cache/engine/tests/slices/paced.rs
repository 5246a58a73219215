//! Readers that pause: they hold neither fills nor the memory that others need.

use super::*;

/// Reads a little of a range and then nothing.
async fn paused(rig: &SliceRig, range: &str) -> Got {
    let mut got = rig.ask_with(&[&format!("range: bytes={range}")]).await.object();
    soon("a piece", got.reader.next(10)).await.unwrap().expect("bytes");
    got
}

#[tokio::test(start_paused = true)]
async fn paused_readers_hold_no_fills() {
    let rig = SliceRig::new(TOTAL);
    let mut readers = Vec::new();
    for first in [10_000, 30_000, 50_000, 70_000] {
        readers.push((first, paused(&rig, &format!("{first}-{}", first + 9999)).await));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.engine.budget.in_use().0, 4, "a short pause ends nothing");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.engine.budget.in_use().0, 0, "the fills are free for others");
    assert_eq!(rig.asked().len(), 4);
    // Who goes on gets all of it, with one more request.
    for (first, got) in readers {
        let rest = stretch_of(got, first + 10, first + 10_000).await.expect("the rest");
        assert!(rest == content(1, first + 10, first + 10_000));
    }
    let expected = [10_000, 30_000, 50_000, 70_000].map(|first| format!("{}-{}", first + 3000, first + 9999));
    assert_eq!(rig.asked(), expected);
    rig.idle().await;
}

/// The room of an engine for slices on their way, in these tests: half of its capacity.
const ROOM: u64 = 12 * SLICE;

#[tokio::test(start_paused = true)]
async fn slices_kept_for_paused_readers_make_room_for_other_objects() {
    let rig = SliceRig::with(TOTAL, SLICE, THRESHOLD, 2 * ROOM);
    let mut readers = Vec::new();
    // Runs that have come to their ends, all that they brought being kept for readers who do not read.
    for first in [10_000, 20_000, 30_000, 40_000] {
        readers.push(paused(&rig, &format!("{first}-{}", first + 2999)).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.engine.budget.in_use(), (0, ROOM), "all that fills may take is kept");
    // What another object, or any fill, asks for then.
    let mut other = rig.engine.budget.reservation();
    assert!(other.grow(ROOM), "memory that nobody is filling is given back to who needs it");
    drop((other, readers));
    rig.idle().await;
}
