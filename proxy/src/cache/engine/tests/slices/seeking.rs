//! What reads cost: how many requests, and for which bytes.

use super::*;

#[tokio::test]
async fn seek_in_four_gigabytes_costs_the_slices_it_needs() {
    const MIB: u64 = 1 << 20;
    let total = 4096 * MIB;
    let rig = SliceRig::with(total, 2 * MIB, 8 * MIB, 256 * MIB);
    let start = 3000 * MIB + 12_345;
    let part = rig.read(&format!("{start}-{}", start + 999)).await;
    assert_eq!(part, content(1, start, start + 1000));
    assert_eq!(rig.asked(), [format!("{}-{}", 3000 * MIB, 3002 * MIB - 1)]);
    rig.idle().await;
    assert_eq!(rig.origin.sent(), 2 * MIB);
    assert_eq!(rig.read(&format!("{}-{}", start + MIB, start + MIB)).await, content(1, start + MIB, start + MIB + 1));
    assert_eq!(rig.asked(), Vec::<String>::new(), "the slice is stored");
    assert_eq!(rig.stored().unwrap().slices(), Some((1, 2048)));
}

#[tokio::test]
async fn whole_read_costs_one_request_and_bounded_memory() {
    let rig = SliceRig::new(TOTAL);
    let mut got = rig.ask_with(&[]).await.object();
    assert!(matches!(got.outcome, Outcome::Miss { stored: Ok(()), .. }));
    let mut bytes = Vec::new();
    while let Some(piece) = got.read().await.unwrap() {
        bytes.extend_from_slice(&piece);
        // A client that is slower than the origin: it is not read further than a few slices ahead.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let ahead = rig.origin.sent() - bytes.len() as u64;
        // Never much more than it has read, and in the end sixteen slices.
        let most = (bytes.len() as u64 + 4 * SLICE).min(18 * SLICE);
        assert!(ahead <= most, "{ahead} bytes ahead of {}", bytes.len());
        assert!(rig.engine.budget.in_use().1 <= most + SLICE);
    }
    assert!(bytes == content(1, 0, TOTAL));
    assert_eq!(rig.asked(), ["-"]);
    drop(got);
    rig.idle().await;
    assert_eq!(rig.stored().unwrap().slices(), Some((101, 101)));
    assert!(rig.read_all().await == content(1, 0, TOTAL));
    assert_eq!(rig.asked(), Vec::<String>::new());
}

/// Readers come to the border of a slice before, while and after its run does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whole_reads_that_race_with_their_run_are_one_request() {
    for _ in 0..20 {
        let rig = SliceRig::new(TOTAL);
        assert!(rig.read_all().await == content(1, 0, TOTAL));
        assert_eq!(rig.asked(), ["-"]);
        rig.idle().await;
    }
}

#[tokio::test]
async fn objects_up_to_the_threshold_come_whole_with_one_request_whatever_is_asked_for() {
    for (range, expected) in [("0-1", "0-3999"), ("2500-", "0-"), ("3999-3999", "0-3999"), ("-5", "-4000")] {
        let rig = SliceRig::new(THRESHOLD);
        let length = rig.read(range).await.len();
        assert!(length > 0);
        assert_eq!(rig.asked(), [expected], "{range}");
        rig.idle().await;
        assert!(rig.stored().is_some_and(|object| object.slices().is_none()), "an ordinary object");
        assert!(rig.read_all().await == content(1, 0, THRESHOLD));
        assert_eq!(rig.asked(), Vec::<String>::new(), "{range}");
    }
}

#[tokio::test]
async fn ranges_of_a_large_object_cost_what_they_need() {
    let check = async |range: &str, start: u64, end: u64, expected: &[&str]| {
        let rig = SliceRig::new(TOTAL);
        assert!(rig.read(range).await == content(1, start, end), "{range}");
        assert_eq!(rig.asked(), expected, "{range}");
        rig.idle().await;
    };
    check("0-1", 0, 2, &["0-3999"]).await;
    check("3500-5200", 3500, 5201, &["0-5999"]).await;
    check("0-", 0, TOTAL, &["0-"]).await;
    check("50500-", 50_500, TOTAL, &["50000-"]).await;
    check("50999-51000", 50_999, 51_001, &["50000-51999"]).await;
    check("-300", TOTAL - 300, TOTAL, &["-4000"]).await;
    check("100400-999999", 100_400, TOTAL, &["100000-999999"]).await;
    // The slice that a suffix begins in is not in it whole.
    check("-4000", TOTAL - 4000, TOTAL, &["-4000", "96000-96999"]).await;
}

#[tokio::test]
async fn first_bytes_of_a_large_object_cost_one_slice() {
    // As Safari begins; then as it goes on.
    let rig = SliceRig::new(TOTAL);
    assert!(rig.read("0-1").await == content(1, 0, 2));
    rig.idle().await;
    assert!(rig.origin.sent() < 2 * SLICE, "{} bytes", rig.origin.sent());
    assert_eq!(rig.stored().unwrap().slices(), Some((1, 101)));
    assert!(rig.read("0-").await == content(1, 0, TOTAL));
    assert_eq!(rig.asked(), ["0-3999", "1000-100499"]);
    rig.idle().await;
    // Whoever begins further behind gets what is in front as well, and nothing behind.
    let rig = SliceRig::new(TOTAL);
    assert!(rig.read("1500-2001").await == content(1, 1500, 2002));
    rig.idle().await;
    assert_eq!(rig.stored().unwrap().slices(), Some((3, 101)));
}

#[tokio::test]
async fn what_is_fetched_for_who_leaves_is_at_most_what_it_read_and_a_few_slices() {
    let rig = SliceRig::new(TOTAL);
    let mut got = rig.ask_with(&["range: bytes=10000-"]).await.object();
    let mut read = 0;
    while read < 8 * SLICE {
        read += got.read().await.unwrap().unwrap().len() as u64;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    drop(got);
    rig.idle().await;
    assert!(rig.origin.sent() <= 2 * read + 4 * SLICE, "{} bytes", rig.origin.sent());
}

#[tokio::test]
async fn seekers_to_one_slice_share_one_request() {
    let rig = SliceRig::new(TOTAL);
    rig.read("0-1").await;
    rig.idle().await;
    rig.asked();
    let reads = (0..20).map(|number| {
        let rig = &rig;
        async move {
            let first = 70_000 + number * 7;
            assert!(rig.read(&format!("{first}-{}", first + 500)).await == content(1, first, first + 501));
        }
    });
    futures::future::join_all(reads).await;
    assert_eq!(rig.asked(), ["70000-70999"]);
}

#[tokio::test]
async fn first_requests_that_seek_elsewhere_join_one_version() {
    let rig = SliceRig::new(TOTAL);
    let (left, right) = tokio::join!(rig.read("20000-20999"), rig.read("60000-60999"));
    assert!(left == content(1, 20_000, 21_000) && right == content(1, 60_000, 61_000));
    let mut asked = rig.asked();
    asked.sort();
    assert_eq!(asked, ["20000-20999", "60000-60999"]);
    rig.idle().await;
    assert_eq!(rig.stored().unwrap().slices(), Some((2, 101)));
}

#[tokio::test]
async fn run_ends_where_the_next_slice_is_stored_already() {
    let rig = SliceRig::new(TOTAL);
    rig.read("12000-12999").await;
    rig.idle().await;
    rig.asked();
    assert!(rig.read("10000-14999").await == content(1, 10_000, 15_000));
    assert_eq!(rig.asked(), ["10000-11999", "13000-14999"]);
}

#[tokio::test]
async fn run_ends_when_its_reader_leaves() {
    let rig = SliceRig::new(TOTAL);
    let mut got = rig.ask_with(&["range: bytes=50000-"]).await.object();
    got.read().await.unwrap();
    drop(got);
    rig.idle().await;
    assert!(rig.origin.sent() < 10 * SLICE, "{} bytes", rig.origin.sent());
    assert!(rig.stored().unwrap().slices().unwrap().0 >= 1, "what was begun is stored");
}

#[tokio::test]
async fn what_had_to_be_fetched_is_no_hit() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50001").await;
    rig.idle().await;
    let check = async |range: &str, expected: Outcome| {
        let got = rig.ask_with(&[&format!("range: bytes={range}")]).await.object();
        assert_eq!(got.outcome, expected, "{range}");
    };
    check("50100-50199", Outcome::Hit).await;
    let partial = Outcome::Miss { reason: FetchReason::Partial, collapsed: false, stored: Ok(()) };
    check("60100-60199", partial).await;
    check("50900-51100", partial).await;
}

#[tokio::test]
async fn index_behind_the_media_data_is_fetched_ahead() {
    let rig = SliceRig::new(TOTAL);
    let mut front = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
    front.extend_from_slice(b"\0\x01\0\0mdat");
    rig.origin.begins_with(front);
    rig.read("0-99").await;
    rig.idle().await;
    assert_eq!(rig.asked(), ["0-3999", "100000-100499"]);
    rig.read("100000-").await;
    assert_eq!(rig.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn heads_are_answered_and_another_spelling_never_fills() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50001").await;
    rig.idle().await;
    rig.asked();
    let head = rig.ask_as(&Method::HEAD, &[], true).await.object();
    assert_eq!(head.object.meta.body_length, Some(TOTAL));
    let odd = rig.ask_as(&Method::GET, &["range: bytes=60000-60001"], false).await;
    assert_eq!(odd.passage(), Passage::OtherSpelling);
    assert_eq!(rig.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn tier_that_is_smaller_than_the_object_serves_it_all_the_same() {
    let rig = SliceRig::with(TOTAL, SLICE, THRESHOLD, 40 * SLICE);
    for _ in 0..3 {
        assert!(rig.read_all().await == content(1, 0, TOTAL));
        assert!(rig.read("70000-70999").await == content(1, 70_000, 71_000));
    }
    rig.idle().await;
    assert!(rig.engine.figures().bytes <= 40 * SLICE + (1 << 20));
}

/// What nobody reads: an object that somebody may ask for soon, and one that is renewed.
#[tokio::test(start_paused = true)]
async fn large_segment_is_fetched_ahead_whole_and_a_film_as_one_slice() {
    let check = async |total: u64, capacity: u64, range: Option<&str>, slices: u64, asked: &str| {
        let rig = SliceRig::with(total, SLICE, THRESHOLD, capacity);
        assert_eq!(rig.fetch_ahead(range), Ahead::Started);
        let began = tokio::time::Instant::now();
        rig.idle().await;
        assert!(began.elapsed() < Duration::from_secs(1), "nobody is waited for");
        assert_eq!(rig.stored().unwrap().slices().map(|(stored, _)| stored), Some(slices), "{total} {range:?}");
        assert_eq!(rig.asked(), [asked]);
    };
    check(TOTAL, 4 << 20, None, 101, "-").await;
    check(TOTAL, 100 * SLICE, None, 1, "-").await;
    check(TOTAL, 4 << 20, Some("bytes=50000-54999"), 5, "50000-54999").await;
    check(TOTAL, 4 << 20, Some("bytes=0-"), 101, "0-").await;
}
