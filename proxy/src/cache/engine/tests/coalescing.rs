//! One fill for all, that belongs to none.

use futures::future::join_all;

use super::*;

const FRESH: &[&str] = &["cache-control: max-age=60"];

#[tokio::test]
async fn hundred_requests_at_once_are_one_fetch() {
    let rig = Rig::new();
    let waiting: Vec<_> = (0..100).map(|_| rig.waiting(get("/a"))).collect();
    rig.accept().await.answer(200, FRESH, "hello");
    let answers = soon("all answers", join_all(waiting)).await;
    let mut joined = 0;
    for answer in answers {
        let got = answer.object();
        joined += usize::from(matches!(got.outcome, Outcome::Miss { collapsed: true, stored: Ok(()), .. }));
        assert_eq!(got.object.origin.as_ref().map(OriginName::as_str), Some("scripted"));
        assert_eq!(got.text().await.as_deref(), Ok("hello"));
    }
    assert_eq!((joined, rig.fetches()), (99, 1));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn waiters_stream_the_body_while_it_arrives_and_late_ones_join() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    exchange.body("one");
    let mut first = first.await.object();
    assert_eq!(first.read().await, Ok(Some("one".into())));
    let mut second = rig.ask(get("/a")).await.object();
    assert!(matches!(second.outcome, Outcome::Miss { collapsed: true, .. }));
    assert_eq!(second.read().await, Ok(Some("one".into())));
    exchange.body("two");
    exchange.end();
    assert_eq!((first.text().await.as_deref(), second.text().await.as_deref()), (Ok("two"), Ok("two")));
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn first_waiter_who_leaves_before_the_head_harms_nobody() {
    let rig = Rig::new();
    let (first, second) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    drop(first);
    rig.accept().await.answer(200, FRESH, "hello");
    assert_eq!(second.await.object().text().await.as_deref(), Ok("hello"));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some());
}

#[tokio::test]
async fn object_is_stored_although_everyone_left() {
    let rig = Rig::new();
    for mid_body in [false, true] {
        let path = if mid_body { "/mid" } else { "/early" };
        let first = rig.waiting(get(path));
        let exchange = rig.accept().await;
        if mid_body {
            exchange.head(200, FRESH);
            exchange.body("hel");
            let mut first = first.await.object();
            assert_eq!(first.read().await, Ok(Some("hel".into())));
            drop(first);
            exchange.body("lo");
            exchange.end();
        } else {
            drop(first);
            exchange.answer(200, FRESH, "hello");
        }
        rig.idle().await;
        let stored = rig.ask(get(path)).await.object();
        assert_eq!(stored.outcome, Outcome::Hit);
        assert_eq!(stored.text().await.as_deref(), Ok("hello"));
    }
}

#[tokio::test]
async fn slow_reader_of_a_kept_body_stalls_nobody() {
    let rig = Rig::new();
    let (slow, fast) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    let slow = slow.await.object();
    let mut fast = fast.await.object();
    for _ in 0..MAX_OBJECT / 16 {
        exchange.body("0123456789abcdef");
        assert_eq!(fast.read().await, Ok(Some("0123456789abcdef".into())));
    }
    exchange.end();
    assert_eq!(fast.read().await, Ok(None));
    rig.idle().await;
    assert_eq!(slow.text().await.map(|text| text.len()), Ok(MAX_OBJECT));
}

#[tokio::test]
async fn head_is_answered_from_what_a_get_stored_and_starts_no_fill() {
    let rig = Rig::new();
    assert_eq!(rig.ask(head("/a")).await.passage(), Passage::Head);
    rig.store(get("/a"), FRESH, "hello").await;
    let got = rig.ask(head("/a")).await.object();
    assert_eq!((got.outcome, got.object.body.length()), (Outcome::Hit, Some(5)));
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn invalidation_reaches_what_is_being_fetched() {
    let rig = Rig::new();
    let before = rig.waiting(get("/a"));
    let old = rig.accept().await;
    rig.engine.invalidate(&key("/a"));
    let after = rig.waiting(get("/a"));
    rig.accept().await.answer(200, FRESH, "new");
    old.answer(200, FRESH, "old");
    assert_eq!(after.await.object().text().await.as_deref(), Ok("new"));
    assert_eq!(before.await.object().text().await.as_deref(), Ok("old"));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn waiter_with_authorization_joins_only_what_is_shareable_with_it() {
    for (lines, shared) in [(FRESH, false), (&["cache-control: public, max-age=60"] as &[_], true)] {
        let rig = Rig::new();
        let open = rig.waiting(get("/a"));
        let authorized = rig.waiting(get_with("/a", &["authorization: Basic eDp5"]));
        rig.accept().await.answer(200, lines, "hello");
        assert_eq!(open.await.object().text().await.as_deref(), Ok("hello"));
        match authorized.await {
            Answer::Object { outcome, .. } => assert!(shared && matches!(outcome, Outcome::Miss { .. })),
            other => assert!(!shared && other.passage() == Passage::Unshareable),
        }
    }
}

#[tokio::test]
async fn request_that_wants_it_younger_does_not_join_what_has_aged() {
    let rig = Rig::new();
    let first = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=600", "age: 100"]);
    exchange.body("he");
    let first = first.await.object();
    for wish in ["no-cache", "max-age=50", "max-age=0"] {
        let wish = format!("cache-control: {wish}");
        assert_eq!(rig.ask(get_with("/a", &[&wish])).await.passage(), Passage::Unshareable, "{wish}");
    }
    let second = rig.ask(get_with("/a", &["cache-control: max-age=200"])).await.object();
    exchange.body("llo");
    exchange.end();
    assert_eq!((first.text().await.as_deref(), second.text().await.as_deref()), (Ok("hello"), Ok("hello")));
}

#[tokio::test]
async fn request_that_forbids_storing_passes_by_itself() {
    let rig = Rig::new();
    let passage = rig.ask(get_with("/a", &["cache-control: no-store"])).await.passage();
    assert!(matches!(passage, Passage::Rule(_)));
    assert_eq!(rig.fetches(), 0);
}

#[tokio::test]
async fn request_for_a_fresh_origin_answer_fetches_although_something_fresh_is_stored() {
    let rig = Rig::new();
    rig.store(get("/a"), FRESH, "old").await;
    let reload = rig.waiting(get_with("/a", &["cache-control: no-cache"]));
    rig.accept().await.answer(200, FRESH, "new");
    assert_eq!(reload.await.object().text().await.as_deref(), Ok("new"));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn nothing_but_the_store_answers_only_if_cached() {
    let rig = Rig::new();
    let ask = get_with("/a", &["cache-control: only-if-cached"]);
    assert!(matches!(rig.ask(ask.clone()).await, Answer::GatewayTimeout));
    rig.store(get("/a"), FRESH, "hello").await;
    assert_eq!(rig.ask(ask).await.object().outcome, Outcome::Hit);
    assert_eq!(rig.fetches(), 1);
}

#[tokio::test]
async fn other_spelling_of_a_key_reads_what_is_stored_but_fetches_for_nobody() {
    let rig = Rig::new();
    let ask = async |fields: HeaderMap| {
        let (key, facts) = (key("/a"), RequestFacts::new(&Method::GET, &fields));
        let (policy, path) = (&rig.policy, "/a");
        let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path, may_fill: false };
        soon("the answer", rig.engine.answer(&lookup, || TestRequest::new(HeaderMap::new()))).await
    };
    assert_eq!(ask(HeaderMap::new()).await.passage(), Passage::OtherSpelling);
    rig.store(get("/a"), FRESH, "hello").await;
    assert_eq!(ask(HeaderMap::new()).await.object().outcome, Outcome::Hit);
}

/// The end of a body reaches its readers before the store has it.
#[test]
fn client_that_asks_again_at_the_end_of_a_body_gets_a_hit() {
    let fills = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let clients = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let rig = Rig::on(fills.handle().clone(), 4, 1 << 20);
    clients.block_on(async {
        for path in ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"] {
            let asking = rig.waiting(get(path));
            rig.accept().await.answer(200, FRESH, "hello");
            assert_eq!(soon("the answer", asking).await.object().text().await.as_deref(), Ok("hello"));
            assert_eq!(rig.ask(get(path)).await.object().outcome, Outcome::Hit, "{path}");
        }
    });
}

/// So does the failure, before the fill is gone.
#[test]
fn client_that_asks_again_after_a_failure_gets_a_fill_of_its_own() {
    let fills = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let clients = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let rig = Rig::on(fills.handle().clone(), 4, 1 << 20);
    clients.block_on(async {
        for round in 1..=50 {
            let asking = rig.waiting(get("/a"));
            rig.accept().await.fail();
            assert_eq!(soon("the answer", asking).await.failure().status, 504);
            assert_eq!(rig.fetches(), round);
        }
    });
}
