//! Random histories: whatever is asked for, changes, breaks off and is evicted, every body is one version's or visibly cut.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Clients at once, each a range and how many bytes of it it reads before it leaves.
    Read(Vec<(u64, u64, u64)>),
    ReadAll,
    Change(u64),
    Become(Habit),
    Invalidate,
    Reload(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (0..30_000_u64, 1..6000_u64, prop_oneof![Just(u64::MAX), 0..4000_u64]);
    let habit = prop_oneof![
        4 => Just(Habit::Honest),
        1 => Just(Habit::WithoutRanges),
        3 => Just(Habit::DeafToIfRange),
        1 => Just(Habit::Brief(1700)),
        1 => Just(Habit::Breaks(2300)),
        1 => Just(Habit::Claims("bytes 5000-5999/20000")),
        1 => Just(Habit::Weak),
    ];
    let step = prop_oneof![
        6 => proptest::collection::vec(range, 1..5).prop_map(Step::Read),
        1 => Just(Step::ReadAll),
        2 => (1..30_000_u64).prop_map(Step::Change),
        2 => habit.prop_map(Step::Become),
        1 => Just(Step::Invalidate),
        1 => (0..30_000_u64).prop_map(Step::Reload),
    ];
    proptest::collection::vec(step, 1..14)
}

/// The length that an origin claims for whatever it has. Where it has sent the very bytes that were asked for, nothing tells
/// that this is not true.
const CLAIMED: u64 = 20_000;

/// What a client got must be the bytes of one version at these offsets, of a length that the origin gave it.
fn assert_one_version(versions: &[(u64, u64)], total: u64, start: u64, bytes: &[u8], what: &str) {
    let end = start + bytes.len() as u64;
    let fits =
        |(version, length): &(u64, u64)| *length == total && end <= *length && content(*version, start, end) == bytes;
    assert!(versions.iter().any(fits), "{what}: {} bytes at {start} of {total} are no version's", bytes.len());
}

async fn read(rig: &SliceRig, lines: &[&str], (start, length, most): (u64, u64, u64), versions: &[(u64, u64)]) {
    let Answer::Object { object, mut reader, .. } = rig.ask_with(lines).await else { return };
    // What is stored whole tells its length at once, what is not stored at all is not of interest.
    let Some(total) = object.meta.body_length.or_else(|| object.body.length()) else { return };
    let end = total.min(start.saturating_add(length));
    if start >= end || object.body.is_windowed() {
        return;
    }
    reader.move_to(start);
    reader.read_until(end);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < (end - start).min(most) {
        let left = usize::try_from(end - start).unwrap() - bytes.len();
        match soon("a piece", reader.next(left)).await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => panic!("a clean end before the end"),
            Err(_) => break,
        }
    }
    assert_one_version(versions, total, start, &bytes, &format!("{lines:?}"));
}

async fn live(steps: Vec<Step>, capacity: u64) {
    let rig = SliceRig::with(20_000, SLICE, THRESHOLD, capacity);
    let mut versions = vec![(1, 20_000)];
    let mut claims = false;
    for step in steps {
        match step {
            Step::Read(clients) => {
                let lines: Vec<String> = clients
                    .iter()
                    .map(|(start, length, _)| format!("range: bytes={start}-{}", start + length - 1))
                    .collect();
                let reads = clients.iter().zip(&lines).map(|(client, line)| {
                    let (rig, versions) = (&rig, &versions);
                    async move { read(rig, &[line.as_str()], *client, versions).await }
                });
                futures::future::join_all(reads).await;
            }
            Step::ReadAll => read(&rig, &[], (0, u64::MAX, u64::MAX), &versions).await,
            Step::Change(total) => {
                let version = rig.origin.changes(total);
                versions.push((version, total));
                versions.extend(claims.then_some((version, CLAIMED)));
            }
            Step::Become(habit) => {
                claims = matches!(habit, Habit::Claims(_));
                let newest = versions.last().map(|(version, _)| (*version, CLAIMED));
                versions.extend(newest.filter(|_| claims));
                rig.origin.becomes(habit);
            }
            Step::Invalidate => rig.engine.invalidate(&key("/film")),
            Step::Reload(start) => {
                let line = format!("range: bytes={start}-");
                read(&rig, &["cache-control: no-cache", &line], (start, u64::MAX, u64::MAX), &versions).await;
            }
        }
    }
    rig.idle().await;
}

fn check(steps: Vec<Step>, capacity: u64) {
    // Time is not waited for: pauses between tries pass at once.
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(live(steps, capacity));
}

/// Again and again: what is evicted when depends on moments of the store that no seed repeats.
#[test]
fn object_that_is_larger_than_the_cache_is_read_whole_every_time() {
    for _ in 0..100 {
        check(vec![Step::Change(24_102), Step::ReadAll], 24_000);
    }
}

#[test]
fn length_that_nothing_contradicts_is_believed_and_the_bytes_are_one_versions() {
    let lies = Step::Become(Habit::Claims("bytes 5000-5999/20000"));
    check(vec![lies, Step::Change(6000), Step::Read(vec![(5000, 1, u64::MAX), (5500, 400, u64::MAX)])], 24_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_body_is_one_versions_or_visibly_cut(steps in steps(), roomy: bool) {
        check(steps, if roomy { 4 << 20 } else { 24_000 });
    }
}
