//! An object that changes: old readers are cut, new ones get the new version, revalidation keeps what is the same.

use super::*;
use crate::cache::purge::{Mode, Scope};

#[tokio::test]
async fn reader_of_a_version_that_is_gone_is_cut_and_the_next_gets_the_new_one() {
    let rig = SliceRig::new(TOTAL);
    let mut old = rig.ask_with(&["range: bytes=50000-52999"]).await.object();
    rig.idle_reads(&mut old, 100).await;
    rig.origin.changes(TOTAL);
    // A seek that needs a slice of the old version finds the new one, and all of it.
    assert!(rig.read("70000-70999").await == content(2, 70_000, 71_000));
    let mut seen = Vec::new();
    let end = loop {
        match old.read().await {
            Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
            other => break other,
        }
    };
    let from = 50_100;
    assert!(seen == content(1, from, from + seen.len() as u64), "bytes of the old version alone");
    assert!(end == Ok(None) || end == Err(BodyError::Truncated), "{end:?}");
    assert!(rig.read("50000-50999").await == content(2, 50_000, 51_000));
}

#[tokio::test]
async fn reader_that_needs_what_is_gone_is_told() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    let mut old = rig.ask_with(&["range: bytes=50500-53000"]).await;
    rig.origin.changes(TOTAL);
    if let Answer::Object { reader, .. } = &mut old {
        reader.move_to(50_500);
    }
    let mut got = old.object();
    let mut seen = Vec::new();
    let error = loop {
        match got.read().await {
            Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
            Ok(None) => panic!("a clean end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, BodyError::Truncated);
    assert!(seen == content(1, 50_500, 50_500 + seen.len() as u64));
    assert!(seen.len() < 2500);
    drop(got);
    rig.idle().await;
}

#[tokio::test]
async fn version_of_another_length_replaces_the_old_one() {
    let rig = SliceRig::new(TOTAL);
    rig.read("0-99").await;
    rig.idle().await;
    let version = rig.origin.changes(TOTAL + 7000);
    assert!(rig.read("-100").await == content(1, TOTAL - 100, TOTAL) || version == 2);
    assert_eq!(rig.ask_with(&[]).await.object().object.meta.body_length, Some(TOTAL + 7000));
    assert!(rig.read_all().await == content(version, 0, TOTAL + 7000));
}

#[tokio::test]
async fn part_of_another_version_is_noticed_by_its_tag_where_the_origin_ignores_if_range() {
    let rig = SliceRig::new(TOTAL);
    rig.origin.becomes(Habit::DeafToIfRange);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.origin.changes(TOTAL);
    // It begins with what is stored, and is cut where the rest would be another version's.
    let old = rig.ask_with(&["range: bytes=50500-51500"]).await.object();
    assert_eq!(part_of(old, "50500-51500").await, Err(BodyError::Truncated));
    assert!(rig.read("50500-51500").await == content(2, 50_500, 51_501), "one version, the new one");
    rig.idle().await;
}

/// What an origin makes of one client's own fields says nothing of the object that all others read.
#[tokio::test]
async fn answer_to_one_clients_fields_ends_the_version_for_nobody() {
    let answers = [
        (400, ""),
        (401, ""),
        (403, "\"page\""),
        (302, ""),
        (429, ""),
        (431, ""),
        (200, ""),
        (200, "W/\"page\""),
        (200, "\"page\""),
        (404, ""),
        (410, ""),
        (412, ""),
        (416, ""),
    ];
    for (status, tag) in answers {
        let rig = SliceRig::new(TOTAL);
        let other = rig.ask_with(&["range: bytes=50000-58999"]).await.object();
        rig.origin.becomes(Habit::Picky(status, tag));
        let odd = rig.ask_with(&["x-client: odd", "range: bytes=70000-70999"]).await;
        if let Answer::Object { object, reader, outcome } = odd {
            let got = Got { object, reader, outcome };
            assert!(part_of(got, "70000-70999").await == Ok(content(1, 70_000, 71_000)), "{status} {tag}");
        }
        assert!(rig.stored().is_some_and(|object| object.slices().is_some()), "{status} {tag}");
        assert!(part_of(other, "50000-58999").await == Ok(content(1, 50_000, 59_000)), "{status} {tag}");
        assert!(rig.read("80000-80999").await == content(1, 80_000, 81_000), "{status} {tag}");
        rig.idle().await;
    }
}

/// The object's first reader has become odd itself: nobody can say what became of the object.
#[tokio::test]
async fn request_that_its_origin_refuses_goes_there_itself() {
    let rig = SliceRig::new(TOTAL);
    let first = rig.ask_with(&["x-client: odd", "range: bytes=50000-50999"]).await.object();
    assert!(part_of(first, "50000-50999").await.is_ok());
    rig.idle().await;
    rig.asked();
    rig.origin.becomes(Habit::Picky(403, ""));
    let refused = rig.ask_with(&["x-client: odd", "range: bytes=70000-70999"]).await;
    assert_eq!(refused.passage(), Passage::Unshareable);
    assert_eq!(rig.asked(), ["70000-70999", "70000-70999"], "asked again once");
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000), "what is stored is served");
    assert!(rig.read("70000-70999").await == content(1, 70_000, 71_000), "and others get the rest");
    rig.idle().await;
}

/// RFC 9111 section 3.4.
#[tokio::test]
async fn part_that_comes_later_freshens_what_is_stored() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.origin.says(&["cache-control: max-age=600", "x-note: new", "age: 100", "content-type: video/other"]);
    rig.read("70000-70999").await;
    rig.idle().await;
    let stored = rig.stored().unwrap();
    let field = |name: &str| stored.meta.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("x-note").as_deref(), Some("new"));
    assert_eq!(field("content-type").as_deref(), Some("video/mp4"), "it says what the bytes are");
    assert_eq!((field("content-range"), field("age")), (None, None));
    assert_eq!(stored.meta.times.lifetime, Duration::from_secs(600));
    assert_eq!(stored.meta.times.age_seconds(SystemTime::now()) / 10, 10, "it is as old as the origin's caches say");
    assert_eq!((stored.meta.body_length, stored.slices()), (Some(TOTAL), Some((2, 101))), "the slices stay");
    assert!(rig.read("50000-50999").await == content(1, 50_000, 51_000));
    rig.asked();
}

/// RFC 9111 sections 3.1 and 3.4: what is kept of a later part is what would be kept of a first one.
#[tokio::test]
async fn part_that_comes_later_brings_nothing_that_is_not_stored() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    let before = rig.stored().unwrap();
    let private = "cache-control: max-age=600, private=\"x-own\"";
    rig.origin.says(&[private, "x-own: odd", "x-hop: 1", "connection: x-hop", "x-note: new"]);
    rig.read("70000-70999").await;
    rig.idle().await;
    let stored = rig.stored().unwrap();
    assert!(stored.meta.headers.contains_key("x-note"), "it was freshened");
    for name in ["x-own", "x-hop", "connection"] {
        assert!(!stored.meta.headers.contains_key(name), "{name}");
    }
    assert_eq!((stored.meta.status, before.meta.status), (StatusCode::OK, StatusCode::OK), "it is the whole's");
}

#[tokio::test]
async fn tags_that_a_later_part_tells_are_added_to_those_known() {
    for (tag, is_gone) in [("red", true), ("blue", true), ("green", false)] {
        let rig = SliceRig::new(TOTAL);
        rig.origin.says(&["surrogate-key: red"]);
        rig.read("50000-50999").await;
        rig.origin.says(&["surrogate-key: blue"]);
        rig.read("70000-70999").await;
        rig.idle().await;
        let stored = rig.stored().unwrap();
        assert!(!stored.meta.headers.contains_key("surrogate-key"));
        rig.engine.purges().carry_out(&[Scope::Tag(tag.to_owned())], Mode::Hard, String::new(), 1, SystemTime::now());
        assert_eq!(rig.engine.is_gone(&stored), is_gone, "{tag}");
    }
}

/// RFC 9111 section 4.1: who was told apart by nothing until now would get what is for some.
#[tokio::test]
async fn part_that_varies_otherwise_freshens_nothing() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.origin.says(&["vary: accept-language", "x-told: yes"]);
    rig.read("70000-70999").await;
    rig.idle().await;
    let stored = rig.stored().unwrap();
    assert!(!stored.meta.headers.contains_key("x-told") && !stored.meta.headers.contains_key("vary"));
}

/// Bytes of a version that somebody still reads say nothing of the one that has taken its place.
#[tokio::test(start_paused = true)]
async fn part_of_a_version_that_was_replaced_does_not_freshen_the_new_one() {
    let rig = SliceRig::new(TOTAL);
    let old = rig.ask_with(&["range: bytes=0-"]).await.object();
    tokio::time::sleep(Duration::from_secs(3)).await; // its run waits no longer
    rig.engine.invalidate(&key("/film"));
    rig.origin.says(&["x-told: first"]);
    rig.read("50000-50999").await;
    rig.origin.says(&["x-told: second"]);
    assert!(stretch_of(old, 0, TOTAL).await.unwrap() == content(1, 0, TOTAL));
    rig.idle().await;
    let field = rig.stored().unwrap().meta.headers.get("x-told").cloned();
    assert_eq!(field.unwrap(), "first");
}

/// The second request for what one client was refused carries nothing of that client: what it brings is for all.
#[tokio::test]
async fn part_that_was_had_without_the_clients_credentials_freshens() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.origin.says(&["x-told: yes"]);
    rig.origin.becomes(Habit::Picky(403, ""));
    let got = rig.ask_with(&["x-client: odd", "cookie: a=b", "range: bytes=70000-70999"]).await.object();
    assert!(part_of(got, "70000-70999").await.unwrap() == content(1, 70_000, 71_000));
    rig.idle().await;
    assert!(rig.stored().unwrap().meta.headers.contains_key("x-told"));
}

#[tokio::test]
async fn part_that_is_older_or_one_clients_own_freshens_nothing() {
    let older = "date: Thu, 01 Jan 2015 00:00:00 GMT";
    for (note, lines) in
        [("x-note: cookie", &["cookie: a=b", "range: bytes=70000-70999"][..]), (older, &["range: bytes=70000-70999"])]
    {
        let rig = SliceRig::new(TOTAL);
        rig.origin.says(&["date: Thu, 01 Jan 2026 00:00:00 GMT", "cache-control: max-age=2000000000"]);
        rig.read("50000-50999").await;
        rig.origin.says(&["cache-control: max-age=600", "x-told: yes", note]);
        let got = rig.ask_with(lines).await.object();
        assert!(part_of(got, "70000-70999").await.unwrap() == content(1, 70_000, 71_000));
        rig.idle().await;
        assert!(!rig.stored().unwrap().meta.headers.contains_key("x-told"), "{note}");
    }
}

#[tokio::test]
async fn confirmed_object_keeps_its_slices() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.asked();
    let got = rig.ask_with(&["cache-control: no-cache", "range: bytes=50100-50199"]).await.object();
    assert_eq!(got.outcome, Outcome::Revalidated { collapsed: false });
    assert!(part_of(got, "50100-50199").await.unwrap() == content(1, 50_100, 50_200));
    assert_eq!(rig.asked(), ["50000-50999 if-none-match"]);
    assert_eq!(rig.stored().unwrap().slices(), Some((1, 101)));
}

#[tokio::test]
async fn revalidation_that_finds_another_version_brings_the_part_of_it() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.asked();
    rig.origin.changes(TOTAL);
    let got = rig.ask_with(&["cache-control: no-cache", "range: bytes=50100-50199"]).await.object();
    assert!(part_of(got, "50100-50199").await.unwrap() == content(2, 50_100, 50_200));
    assert_eq!(rig.asked(), ["50000-50999 if-none-match"]);
    rig.idle().await;
    assert_eq!(rig.stored().unwrap().slices(), Some((1, 101)), "of the new version");
}

#[tokio::test]
async fn slices_of_a_version_that_nobody_can_ask_for_leave_the_tier() {
    let rig = SliceRig::new(TOTAL);
    rig.read_all().await;
    rig.idle().await;
    assert!(rig.engine.figures().bytes > TOTAL);
    rig.engine.invalidate(&key("/film"));
    assert!(rig.stored().is_none());
    // A tier lets go of values when it looks after itself, not at once.
    let left = (0..100).map(|_| rig.engine.figures().bytes).find(|bytes| *bytes < TOTAL);
    assert!(left.is_some(), "{} bytes", rig.engine.figures().bytes);
}

#[tokio::test]
async fn invalidated_object_is_fetched_anew() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    rig.origin.changes(TOTAL);
    rig.engine.invalidate(&key("/film"));
    assert!(rig.read("50000-50999").await == content(2, 50_000, 51_000));
}

#[tokio::test]
async fn if_range_of_the_client_selects_the_part_only_with_the_strong_tag() {
    let rig = SliceRig::new(TOTAL);
    rig.read("50000-50999").await;
    rig.idle().await;
    let check = async |tag: &str, first: u64| {
        let lines = ["range: bytes=50100-50199", &format!("if-range: {tag}")];
        let mut got = rig.ask_with(&lines).await.object();
        let piece = got.read().await.unwrap().expect("bytes");
        assert!(piece == content(1, first, first + piece.len() as u64), "{tag}");
    };
    check("\"1\"", 50_100).await;
    check("\"2\"", 0).await;
    check("W/\"1\"", 0).await;
}

impl SliceRig {
    /// Reads so many bytes.
    async fn idle_reads(&self, got: &mut Got, count: usize) {
        let mut left = count;
        while left > 0 {
            let piece = soon("a piece", got.reader.next(left)).await.unwrap().expect("bytes");
            left -= piece.len();
        }
    }
}
