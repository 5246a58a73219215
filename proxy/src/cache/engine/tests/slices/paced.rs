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
    assert_eq!(rig.engine.budget.in_use().0, 2, "a short pause ends nothing, as long as few pause");
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

/// A viewer at a steady rate: a slice in so many milliseconds. Gets all of the film.
async fn watch(mut got: Got, slice_in: u64) {
    let mut bytes = Vec::new();
    while let Some(piece) = got.reader.next(100).await.expect("all of the film") {
        bytes.extend_from_slice(&piece);
        tokio::time::sleep(Duration::from_millis(slice_in * piece.len() as u64 / SLICE)).await;
    }
    assert!(bytes == content(1, 0, TOTAL));
}

#[tokio::test(start_paused = true)]
async fn slow_viewer_costs_a_request_for_sixteen_slices() {
    // Slices of 2 MiB in such a time: 8, 5 and 2 Mbit/s.
    for slice_in in [2100, 3400, 8400] {
        let rig = SliceRig::new(TOTAL);
        let got = rig.ask_with(&[]).await.object();
        watch(got, slice_in).await;
        let asked = rig.asked();
        // From two slices on, with each request as many as were read before, up to sixteen.
        let expected =
            ["-", "3000-4999", "5000-8999", "9000-16999", "17000-32999", "33000-48999", "49000-64999", "65000-80999"];
        assert_eq!(asked[..8], expected, "{slice_in}");
        assert_eq!(asked.len(), 10, "{slice_in}: {asked:?}");
        rig.idle().await;
    }
}

/// As through large buffers: three slices at once, and then none for as long as they take.
#[tokio::test(start_paused = true)]
async fn slow_viewer_that_reads_in_bursts_leaves_hardly_any_run_waiting() {
    let rig = SliceRig::new(TOTAL);
    let mut got = rig.ask_with(&[]).await.object();
    let mut read = 0;
    while let Some(piece) = got.reader.next(100).await.expect("all of the film") {
        let before = read / (3 * SLICE);
        read += piece.len() as u64;
        if read / (3 * SLICE) > before {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
    let asked = rig.asked();
    let to_the_end = asked.iter().filter(|range| *range == "-" || range.ends_with("-100499")).count();
    assert!(to_the_end <= 3 && asked.len() <= 12, "{asked:?}");
    drop(got);
    rig.idle().await;
}

#[tokio::test(start_paused = true)]
async fn viewer_that_is_fast_enough_costs_one_request() {
    let rig = SliceRig::new(TOTAL);
    watch(rig.ask_with(&[]).await.object(), 1500).await;
    assert_eq!(rig.asked(), ["-"]);
}

#[tokio::test(start_paused = true)]
async fn hundred_slow_viewers_of_as_many_films_leave_fills_and_memory_to_others() {
    let rig = SliceRig::with(TOTAL, SLICE, THRESHOLD, 4 << 20);
    let mut viewers = futures::stream::FuturesUnordered::new();
    for number in 0..100_u64 {
        let rig = &rig;
        viewers.push(async move {
            tokio::time::sleep(Duration::from_millis(number * 37)).await;
            let path = format!("/film/{number}");
            let got = rig.ask_for(&path, &Method::GET, &[], true).await.object();
            watch(got, 3400).await;
        });
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            watched = futures::StreamExt::next(&mut viewers) => {
                if watched.is_none() {
                    break;
                }
            }
            _ = ticks.tick() => {
                assert!(rig.engine.budget.admit().is_some(), "a newcomer finds a place");
                assert!(rig.engine.budget.reservation().grow(MAX_OBJECT as u64), "and memory");
            }
        }
    }
    let asked = rig.asked().len();
    // A hundredth of the memory that is for this is ten slices for each of them.
    assert!(asked <= 100 * 13, "{asked} requests");
    drop(viewers);
    rig.idle().await;
}

/// As with 256 MiB for slices of 2 MiB, of which fills may hold 64: nothing is fetched twice as long as there is one for each
/// place, and as many at a time as there are.
#[tokio::test(start_paused = true)]
async fn slow_viewers_for_whom_there_is_little_memory_cost_no_bytes_twice() {
    // Slices for a request, and sent for read, in hundredths.
    for (viewers, per_request, per_read) in [(10, 280, 101), (20, 190, 101), (40, 115, 102), (60, 95, 102_u64)] {
        let rig = SliceRig::with(TOTAL, SLICE, THRESHOLD, 128 * SLICE);
        let watching = (0..viewers).map(|number| {
            let rig = &rig;
            async move {
                tokio::time::sleep(Duration::from_millis(number * 977)).await;
                let path = format!("/film/{number}");
                watch(rig.ask_for(&path, &Method::GET, &[], true).await.object(), 3400).await;
            }
        });
        futures::future::join_all(watching).await;
        let (asked, sent, read) = (rig.asked().len() as u64, rig.origin.sent(), viewers * TOTAL);
        let found = (read * 100 / SLICE / asked, sent * 100 / read);
        assert!(found.0 >= per_request && found.1 <= per_read, "{found:?} of {viewers} viewers");
        rig.idle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn burst_of_seeks_leaves_fills_to_others() {
    let rig = SliceRig::new(TOTAL);
    let mut readers = Vec::new();
    for first in (0..96).step_by(6).map(|slice| slice * SLICE) {
        readers.push(paused(&rig, &format!("{first}-")).await);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let running = rig.engine.budget.in_use().0;
    assert!(running <= 2, "{running} of 16 fills wait for readers");
    drop(readers);
    rig.idle().await;
}

#[tokio::test(start_paused = true)]
async fn viewers_wait_their_turn_when_all_fills_are_taken() {
    let rig = SliceRig::new(TOTAL);
    let mut viewers = Vec::new();
    for first in [10_000, 40_000, 70_000] {
        viewers.push((first, paused(&rig, &format!("{first}-{}", first + 19_999)).await));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    rig.asked();
    let mut hogs: Vec<_> = std::iter::from_fn(|| rig.engine.budget.admit()).collect();
    assert_eq!(hogs.len(), 16);
    let reads = viewers.into_iter().map(|(first, got)| async move {
        let rest = stretch_of(got, first + 10, first + 20_000).await.expect("the rest");
        assert!(rest == content(1, first + 10, first + 20_000));
    });
    let freed = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(rig.asked(), Vec::<String>::new());
        hogs.truncate(15); // one place is enough for all, one after another
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    tokio::join!(futures::future::join_all(reads), freed);
    drop(hogs);
    rig.idle().await;
}
