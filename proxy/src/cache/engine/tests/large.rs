//! Objects above the largest that is stored: streamed through a window, together while that is possible.

use super::*;
use crate::cache::rules::storability::NotStored;

const DECLARED: &[&str] = &["cache-control: max-age=60", "content-length: 3200000"];
const FRESH: &[&str] = &["cache-control: max-age=60"];

/// Bytes of one piece, and pieces of a body of [`DECLARED`] length.
const PIECE: usize = 32_000;
const PIECES: usize = 100;

async fn read_pieces(got: &mut Got, count: usize) {
    let mut left = count * PIECE;
    while left > 0 {
        let bytes = got.read().await.unwrap().expect("not the end");
        left -= bytes.len();
    }
}

#[tokio::test]
async fn large_body_streams_in_bounded_memory_to_all_who_joined_in_time() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, DECLARED);
    for _ in 0..PIECES {
        exchange.body(vec![7; PIECE]);
    }
    exchange.end();
    let mut first = first.await.object();
    assert!(matches!(first.outcome, Outcome::Miss { stored: Err(_), .. }));
    read_pieces(&mut first, 2).await;
    let mut second = rig.ask(get("/a")).await.object();
    for _ in 0..PIECES - 2 {
        read_pieces(&mut second, 1).await;
        read_pieces(&mut first, 1).await;
        assert!(first.object.body.held() <= (WINDOW + PIECE) as u64);
        assert!(rig.engine.budget.in_use().1 <= WINDOW as u64, "the window is what is reserved");
    }
    read_pieces(&mut second, 2).await;
    assert_eq!((first.read().await, second.read().await), (Ok(None), Ok(None)));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn body_of_unknown_length_that_outgrows_the_store_goes_on_as_a_window() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    let mut first = first.await.object();
    let waits_for_length = rig.ask(get_with("/a", &["range: bytes=-5"])).await.object();
    for _ in 0..PIECES {
        exchange.body(vec![7; PIECE]);
    }
    exchange.end();
    let length = soon("the length", waits_for_length.reader.length_when_complete()).await;
    assert_eq!(length, Ok(None), "told that it will not be known");
    drop(waits_for_length);
    read_pieces(&mut first, PIECES).await;
    assert_eq!(first.read().await, Ok(None));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
}

#[tokio::test]
async fn body_of_unknown_length_is_taken_to_be_as_large_as_the_last_one_until_one_is_smaller() {
    let rig = Rig::new();
    let check = async |size: usize, expected: Result<(), NotStored>| {
        let asking = rig.waiting(get("/a"));
        let exchange = rig.accept().await;
        exchange.head(200, FRESH);
        let got = asking.await.object();
        let told = matches!(got.outcome, Outcome::Miss { stored, .. } if stored == expected);
        assert!(told, "{expected:?} of {size}: {:?}", got.outcome);
        exchange.body(vec![b'7'; size]);
        exchange.end();
        assert_eq!(got.text().await.map(|text| text.len()), Ok(size));
        rig.idle().await;
    };
    check(MAX_OBJECT + 1, Ok(())).await; // nothing tells yet
    check(MAX_OBJECT + 1, Err(NotStored::TooLarge)).await;
    check(MAX_OBJECT + 1, Err(NotStored::TooLarge)).await;
    check(MAX_OBJECT, Err(NotStored::TooLarge)).await;
    assert!(rig.stored("/a", &[]).is_none());
    check(MAX_OBJECT, Ok(())).await;
    assert!(rig.stored("/a", &[]).is_some());
}

#[tokio::test]
async fn range_of_a_large_object_passes_at_once_and_from_then_on() {
    let rig = Rig::new();
    let asking = rig.waiting(get_with("/a", &["range: bytes=1000000-1000009"]));
    let exchange = rig.accept().await;
    exchange.head(200, DECLARED);
    assert_eq!(asking.await.passage(), Passage::Oversize);
    assert_eq!(rig.ask(get_with("/a", &["range: bytes=0-9"])).await.passage(), Passage::Oversize);
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn request_that_comes_too_late_for_a_window_passes() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, DECLARED);
    for _ in 0..PIECES / 2 {
        exchange.body(vec![7; PIECE]);
    }
    let mut first = first.await.object();
    read_pieces(&mut first, PIECES / 2).await;
    assert_eq!(rig.ask(get("/a")).await.passage(), Passage::Late);
}

#[tokio::test]
async fn window_that_nobody_reads_any_more_ends_its_fetch() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, DECLARED);
    exchange.body(vec![7; PIECE]);
    let mut first = first.await.object();
    read_pieces(&mut first, 1).await;
    drop(first);
    exchange.body(vec![7; PIECE]);
    exchange.hung_up().await;
    rig.idle().await;
}

#[tokio::test]
async fn large_body_that_breaks_off_ends_cleanly_for_nobody() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, DECLARED);
    exchange.body(vec![7; PIECE]);
    let mut first = first.await.object();
    read_pieces(&mut first, 1).await;
    exchange.end();
    assert_eq!(first.read().await, Err(BodyError::Truncated));
    rig.idle().await;
}
