//! Origins that break off, have no ranges, or lie about them: nothing wrong is served, and what can be served is.

use super::*;

/// What a client gets of a range: bytes, or how it failed.
async fn outcome_of(rig: &SliceRig, range: &str) -> Result<Vec<u8>, String> {
    match rig.ask_with(&[&format!("range: bytes={range}")]).await {
        Answer::Object { object, reader, outcome } => {
            let got = Got { object, reader, outcome };
            soon("the part", part_of(got, range)).await.map_err(|error| error.to_string())
        }
        other => Err(other.describe()),
    }
}

#[tokio::test]
async fn origin_that_breaks_off_again_and_again_is_asked_for_the_rest() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::Breaks(SLICE * 3 / 2));
    assert!(rig.read("50000-55999").await == content(1, 50_000, 56_000));
    rig.idle().await;
    assert_eq!(rig.stored().unwrap().slices(), Some((6, 101)));
    let asked = rig.asked();
    assert_eq!(asked[..2], ["50000-55999", "51500-55999"], "from where it broke off");
}

#[tokio::test]
async fn parts_that_are_shorter_than_asked_for_are_put_together() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::Brief(2500));
    assert!(rig.read("50000-54999").await == content(1, 50_000, 55_000));
    assert_eq!(rig.asked(), ["50000-54999", "52500-54999"]);
}

#[tokio::test]
async fn object_of_an_origin_without_ranges_is_stored_whole_and_not_asked_for_in_parts_again() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::WithoutRanges);
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000));
    assert_eq!(rig.asked(), ["50000-50999"]);
    rig.idle().await;
    assert!(rig.stored().is_some_and(|object| object.slices().is_none()));
    rig.engine.invalidate(&key("/film"));
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000));
    assert_eq!(rig.asked(), ["-"]);
}

#[tokio::test]
async fn origin_that_loses_its_ranges_later_is_noticed_before_the_answer() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.origin.becomes(Habit::WithoutRanges);
    assert!(rig.read("60000-60999").await == content(1, 60_000, 61_000));
    rig.idle().await;
    assert!(rig.stored().is_some_and(|object| object.slices().is_none()));
}

#[tokio::test]
async fn object_without_a_strong_tag_is_never_in_slices() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::Weak);
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000));
    rig.idle().await;
    assert_eq!(rig.asked(), ["50000-50999", "-"]);
    assert!(rig.stored().is_some_and(|object| object.slices().is_none()));
}

#[tokio::test]
async fn part_that_may_not_be_stored_sends_its_requests_to_the_origin() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::NoStore);
    assert_eq!(rig.ask_with(&["range: bytes=50000-50999"]).await.passage(), Passage::Unshareable);
    assert!(rig.stored().is_none());
    rig.idle().await;
}

#[tokio::test]
async fn object_that_may_no_longer_be_stored_gets_no_further_slices() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.origin.becomes(Habit::NoStore);
    assert_eq!(rig.ask_with(&["range: bytes=60000-60999"]).await.passage(), Passage::Unshareable);
    assert!(rig.stored().is_none());
}

/// Whatever an origin claims about the part it sends: what is served is what it has, or nothing.
#[tokio::test]
async fn lies_about_the_part_are_not_served() {
    for claim in [
        "bytes 50001-51000/100500",
        "bytes 49999-50998/100500",
        "bytes 0-999/100500",
        "bytes 50000-50999/100501",
        "bytes 50000-50999/51000",
        "bytes 50000-50999/*",
        "bytes 50000-52999/100500",
        "bytes 50000-50000/100500",
        "bytes 50000-50999/9223372036854775808",
        "bytes 9223372036854775807-9223372036854776806/9223372036854777807",
        "bytes 50000-18446744073709551615/*",
        "bytes 50999-50000/100500",
        "bytes */100500",
        "items 50000-50999/100500",
        "",
    ] {
        // At first sight, and once slices of the truth are stored.
        for known in [false, true] {
            let rig = SliceRig::new(TOTAL);
            if known {
                rig.read("20000-20999").await;
                rig.idle().await;
            }
            rig.origin.becomes(Habit::Claims(claim));
            for range in ["50000-50999", "50100-50899"] {
                if let Ok(bytes) = outcome_of(&rig, range).await {
                    let (first, last) = range.split_once('-').unwrap();
                    let (first, last) = (first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap());
                    assert!(bytes == content(1, first, last + 1), "{claim} {known} {range}");
                }
            }
            rig.origin.becomes(Habit::Honest);
            assert!(rig.read("0-100499").await == content(1, 0, TOTAL), "{claim} {known}");
            rig.idle().await;
        }
    }
}

#[tokio::test]
async fn range_behind_a_small_object_is_refused_from_store() {
    let rig = SliceRig::new(3000);
    let answer = rig.ask_with(&["range: bytes=5000-"]).await.object();
    assert_eq!(answer.object.body.length().or(answer.object.meta.body_length), Some(3000));
    assert_eq!(rig.asked(), ["5000-", "-"]);
    drop(answer);
    rig.idle().await;
    rig.ask_with(&["range: bytes=6000-"]).await.object();
    assert_eq!(rig.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn range_behind_a_large_object_goes_to_the_origin_and_nothing_is_stored() {
    let rig = SliceRig::new(TOTAL);
    assert_eq!(rig.ask_with(&["range: bytes=900000-"]).await.passage(), Passage::Unshareable);
    assert!(rig.stored().is_none());
    rig.idle().await;
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000), "others are not hurt");
}

#[tokio::test]
async fn origin_that_is_down_is_said_before_a_byte_is_promised() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.origin.becomes(Habit::Down);
    assert_eq!(outcome_of(&rig, "60000-60999").await, Err(BodyError::Truncated.to_string()));
    assert!(rig.read("50100-50199").await == content(1, 50_100, 50_200), "what is stored is served");
    rig.origin.becomes(Habit::Honest);
    assert!(rig.read("60000-60999").await == content(1, 60_000, 61_000));
}

#[tokio::test]
async fn run_that_finds_no_memory_ends_and_holds_nothing() {
    let rig = SliceRig::with(TOTAL, SLICE, THRESHOLD, 4 << 20);
    let mut hog = rig.engine.budget.reservation();
    assert!(hog.grow(2 << 20));
    assert!(matches!(rig.ask_with(&["range: bytes=50000-"]).await, Answer::Pass(Passage::Unshareable)));
    drop(hog);
    rig.idle().await;
}

#[tokio::test]
async fn request_that_could_not_be_fetched_for_passes_or_is_told_to_come_again() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    let mut hog = rig.engine.budget.reservation();
    assert!(hog.grow(2 << 20));
    assert_eq!(rig.ask_with(&["range: bytes=60000-60999"]).await.passage(), Passage::Oversize);
    drop(hog);
    let hogs: Vec<_> = (0..16).map(|_| rig.engine.budget.admit()).collect();
    let failure = rig.ask_with(&["range: bytes=60000-60999"]).await.failure();
    assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(rig.read("50100-50199").await == content(1, 50_100, 50_200), "what is stored is served");
    drop(hogs);
    assert!(rig.read("60000-60999").await == content(1, 60_000, 61_000));
    rig.idle().await;
}
