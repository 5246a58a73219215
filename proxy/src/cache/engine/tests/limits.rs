//! What all fills may take together.

use super::*;

const FRESH: &[&str] = &["cache-control: max-age=60"];

#[tokio::test]
async fn fill_beyond_the_limit_is_refused_but_joining_is_not() {
    let rig = Rig::with(1, 1 << 20);
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    assert_eq!(rig.ask(get("/b")).await.failure().status, 503);
    let joins = rig.waiting(get("/a"));
    exchange.answer(200, FRESH, "hello");
    assert_eq!(first.await.object().text().await.as_deref(), Ok("hello"));
    assert_eq!(joins.await.object().text().await.as_deref(), Ok("hello"));
    rig.idle().await;
    rig.store(get("/b"), FRESH, "hello").await;
}

#[tokio::test]
async fn stale_stands_in_for_a_fill_that_is_refused() {
    let rig = Rig::with(1, 1 << 20);
    rig.store(get("/a"), &["cache-control: max-age=0, stale-if-error=60"], "old").await;
    let _other = rig.waiting(get("/b"));
    let _exchange = rig.accept().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Stale(WhyStale::Unasked));
}

/// Half of the capacity may grow at the same time: two of these four.
#[tokio::test]
async fn bodies_beyond_the_memory_for_growing_ones_stream_without_being_stored() {
    let rig = Rig::with(16, 4 * MAX_OBJECT as u64);
    let declared: &[&str] = &["cache-control: max-age=60", "content-length: 4096"];
    let mut fills = Vec::new();
    for (path, kept) in [("/a", true), ("/b", true), ("/c", false)] {
        let asking = rig.waiting(get(path));
        let exchange = rig.accept().await;
        exchange.head(200, declared);
        let got = asking.await.object();
        assert_eq!(got.object.body.is_windowed(), !kept, "{path}");
        fills.push((exchange, got));
    }
    assert_eq!(rig.engine.budget.in_use(), (3, 2 * MAX_OBJECT as u64));
    for (exchange, got) in fills {
        exchange.body(vec![b'x'; MAX_OBJECT]);
        exchange.end();
        assert_eq!(got.text().await.map(|text| text.len()), Ok(MAX_OBJECT));
    }
    rig.idle().await;
    rig.store(get("/c"), FRESH, "now there is room").await;
}

#[tokio::test]
async fn memory_of_a_body_of_unknown_length_is_reserved_as_it_grows_and_given_back() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    let mut got = asking.await.object();
    for count in 1..=4 {
        exchange.body(vec![b'x'; 100]);
        got.read().await.unwrap().unwrap();
        assert_eq!(rig.engine.budget.in_use(), (1, count * 100));
    }
    drop(exchange);
    assert_eq!(got.read().await, Err(BodyError::Truncated));
    rig.idle().await;
}
