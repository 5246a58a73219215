//! Fills that nobody reads any more.

use super::*;
use crate::cache::rules::freshness::FreshnessSource;

/// Longer than any fill goes on without a reader.
const LONG: Duration = Duration::from_secs(10);

const MIB: usize = 1 << 20;

/// An engine for large objects.
fn large() -> Rig {
    let bounds = Bounds { capacity: 1 << 30, max_object: 1 << 28, window: WINDOW, fills: 4 };
    Rig::bounded(bounds, Handle::current())
}

/// A fill of so many MiB of which one has come and been read, and its reader.
async fn begun(rig: &Rig, size: usize) -> (Exchange, Got) {
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=60", &format!("content-length: {}", size * MIB)]);
    exchange.body(vec![b'x'; MIB]);
    let mut got = soon("the answer", asking).await.object();
    got.read().await.unwrap();
    (exchange, got)
}

#[tokio::test(start_paused = true)]
async fn fill_of_a_large_body_ends_some_time_after_its_last_reader_left() {
    let rig = large();
    let (exchange, got) = begun(&rig, 64).await;
    drop(got);
    exchange.body(vec![b'x'; MIB]);
    settle().await;
    tokio::time::advance(LONG).await;
    exchange.body(vec![b'x'; MIB]);
    exchange.hung_up().await;
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
    // Who comes then is in time for a fill of their own.
    let again = rig.waiting(get("/a"));
    rig.accept().await.answer(200, &["cache-control: max-age=60"], "again");
    assert_eq!(again.await.object().text().await.as_deref(), Ok("again"));
}

/// Lets the fill take what was sent.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Sends the rest after a long time without readers; the object is stored all the same.
async fn finishes_alone(size: usize, arrived: usize) {
    let rig = large();
    let (exchange, got) = begun(&rig, size).await;
    for _ in 1..arrived {
        exchange.body(vec![b'x'; MIB]);
    }
    settle().await;
    drop(got);
    for _ in arrived..size {
        settle().await;
        tokio::time::advance(LONG).await;
        exchange.body(vec![b'x'; MIB]);
    }
    exchange.end();
    rig.idle().await;
    let stored = rig.stored("/a", &[]).expect("stored");
    assert_eq!(stored.body.length(), Some((size * MIB) as u64));
    assert!(matches!(stored.meta.times.source, FreshnessSource::MaxAge));
}

#[tokio::test(start_paused = true)]
async fn small_body_is_fetched_to_its_end_without_readers() {
    finishes_alone(8, 1).await;
}

#[tokio::test(start_paused = true)]
async fn body_that_is_nearly_there_is_fetched_to_its_end_without_readers() {
    finishes_alone(16, 12).await;
}

#[tokio::test(start_paused = true)]
async fn reader_who_comes_back_in_time_keeps_the_fill() {
    let rig = large();
    let (exchange, got) = begun(&rig, 12).await;
    drop(got);
    exchange.body(vec![b'x'; MIB]);
    settle().await;
    let got = rig.ask(get("/a")).await.object();
    tokio::time::advance(LONG).await;
    for _ in 2..12 {
        exchange.body(vec![b'x'; MIB]);
    }
    exchange.end();
    assert_eq!(got.text().await.map(|text| text.len()), Ok(12 * MIB));
    rig.idle().await;
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn trailers_come_with_the_object_from_the_fill_and_from_store() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=60"]);
    exchange.body("hello");
    exchange.say(FetchEvent::Trailers(fields(&["x-checksum: 42", "set-cookie: a=b"])));
    let mut got = asking.await.object();
    while let Ok(Some(_)) = got.read().await {}
    assert_eq!(got.reader.trailers(), Some(&fields(&["x-checksum: 42"])));
    rig.idle().await;
    let got = rig.ask(get("/a")).await.object();
    assert_eq!((got.outcome, got.reader.trailers()), (Outcome::Hit, Some(&fields(&["x-checksum: 42"]))));
}
