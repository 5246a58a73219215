//! What goes wrong at the origin is told to everyone, stored nowhere, and stands in nobody's way.

use super::*;

const FRESH: &[&str] = &["cache-control: max-age=60"];

/// Lets two clients wait, the origin misbehave after the head, and both read a prefix and then an error.
async fn check_break(lines: &[&str], misbehave: impl FnOnce(Exchange), prefix: &str) {
    let rig = Rig::new();
    let waiting = [rig.waiting(get("/a")), rig.waiting(get("/a"))];
    let exchange = rig.accept().await;
    exchange.head(200, lines);
    misbehave(exchange);
    for asking in waiting {
        match soon("the answer", asking).await {
            Answer::Object { object, reader, outcome } => {
                let mut got = Got { object, reader, outcome };
                let mut text = Vec::new();
                let end = loop {
                    match got.read().await {
                        Ok(Some(bytes)) => text.extend_from_slice(&bytes),
                        end => break end,
                    }
                };
                assert_eq!(end, Err(BodyError::Truncated), "no clean end");
                assert_eq!(String::from_utf8(text).unwrap(), prefix);
            }
            // It had broken off before this one began to read.
            other => assert_eq!(other.passage(), Passage::Late),
        }
    }
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
    let again = rig.waiting(get("/a"));
    rig.accept().await.answer(200, FRESH, "well again");
    assert_eq!(again.await.object().text().await.as_deref(), Ok("well again"));
}

#[tokio::test]
async fn body_that_breaks_off_ends_cleanly_for_nobody_and_is_not_stored() {
    let broken = |exchange: Exchange| {
        exchange.body("hel");
        drop(exchange);
    };
    check_break(FRESH, broken, "hel").await;
}

#[tokio::test]
async fn body_shorter_than_declared_ends_cleanly_for_nobody() {
    let short = |exchange: Exchange| {
        exchange.body("hel");
        exchange.end();
    };
    check_break(&["cache-control: max-age=60", "content-length: 5"], short, "hel").await;
}

#[tokio::test]
async fn declared_body_that_never_comes_is_no_empty_one() {
    check_break(&["cache-control: max-age=60", "content-length: 5"], Exchange::end, "").await;
}

#[tokio::test]
async fn body_longer_than_declared_ends_cleanly_for_nobody() {
    let long = |exchange: Exchange| {
        exchange.body("hello");
        exchange.body("!");
    };
    check_break(&["cache-control: max-age=60", "content-length: 5"], long, "hello").await;
}

#[tokio::test]
async fn fetcher_that_panics_in_a_body_strands_nobody() {
    let panics = |exchange: Exchange| {
        exchange.body("hel");
        exchange.panic();
    };
    check_break(FRESH, panics, "hel").await;
}

#[tokio::test]
async fn failure_before_the_head_is_told_to_all_and_the_next_request_fetches_again() {
    type Misbehave = fn(Exchange);
    let cases: [(Misbehave, u16); 3] = [(Exchange::fail, 504), (drop, 502), (Exchange::panic, 502)];
    for (misbehave, status) in cases {
        let rig = Rig::new();
        let waiting: Vec<_> = (0..10).map(|_| rig.waiting(get("/a"))).collect();
        misbehave(rig.accept().await);
        for asking in waiting {
            assert_eq!(soon("the answer", asking).await.failure().status, status);
            assert_eq!(rig.engine.fills.len(), 0, "who asks again must not meet it");
        }
        rig.idle().await;
        assert_eq!(rig.fetches(), 1);
        rig.store(get("/a"), FRESH, "well again").await;
    }
}

#[tokio::test]
async fn answer_that_a_plain_get_cannot_have_is_a_bad_gateway() {
    for status in [206, 304] {
        let rig = Rig::new();
        let asking = rig.waiting(get("/a"));
        rig.accept().await.answer(status, FRESH, "part");
        assert_eq!(asking.await.failure().status, 502, "{status}");
        rig.idle().await;
        assert!(rig.stored("/a", &[]).is_none());
    }
}

#[tokio::test]
async fn body_that_only_the_connection_ends_is_shared_but_never_stored() {
    let rig = Rig::new();
    let waiting = [rig.waiting(get("/a")), rig.waiting(get("/a"))];
    let exchange = rig.accept().await;
    exchange.head_framed(200, FRESH, true);
    exchange.body("hello");
    exchange.end();
    for asking in waiting {
        let got = asking.await.object();
        assert!(matches!(got.outcome, Outcome::Miss { stored: Err(_), .. }));
        assert_eq!(got.text().await.as_deref(), Ok("hello"));
    }
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
}

#[tokio::test]
async fn empty_body_is_stored_and_served() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=60", "content-length: 0"]);
    exchange.end();
    assert_eq!(asking.await.object().text().await.as_deref(), Ok(""));
    rig.idle().await;
    let got = rig.ask(get("/a")).await.object();
    assert_eq!((got.outcome, got.object.body.length()), (Outcome::Hit, Some(0)));
    assert_eq!(got.text().await.as_deref(), Ok(""));
}

#[tokio::test]
async fn trailers_end_a_body() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    exchange.body("hello");
    exchange.say(FetchEvent::Trailers(fields(&["checksum: x"])));
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("hello"));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some());
}

#[tokio::test]
async fn length_that_is_none_reaches_no_client() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=60", "content-length: +5"], "hello").await;
    let got = rig.ask(get("/a")).await.object();
    assert!(!got.object.meta.headers.contains_key("content-length"));
    assert_eq!(got.object.meta.body_length, Some(5));
}

#[test]
fn runtime_that_stops_strands_nobody_and_leaks_nothing() {
    let fills = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let clients = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let rig = Rig::on(fills.handle().clone(), 4, 1 << 20);
    let (before, body) = clients.block_on(async {
        let before = rig.waiting(get("/pending"));
        let _pending = rig.accept().await;
        let streaming = rig.waiting(get("/streaming"));
        let exchange = rig.accept().await;
        exchange.head(200, FRESH);
        exchange.body("hel");
        let mut body = streaming.await.object();
        assert_eq!(body.read().await, Ok(Some("hel".into())));
        fills.shutdown_background();
        (before, body)
    });
    clients.block_on(async {
        assert_eq!(soon("the answer", before).await.failure().status, 502);
        assert_eq!(body.text().await, Err(BodyError::Truncated));
        // Its task never runs.
        assert_eq!(rig.ask(get("/after")).await.failure().status, 502);
        rig.idle().await;
    });
}

#[tokio::test]
async fn response_without_a_head_is_a_failure() {
    for first in [FetchEvent::End, FetchEvent::Body("hel".into()), FetchEvent::Trailers(HeaderMap::new())] {
        let what = format!("{first:?}");
        let rig = Rig::new();
        let waiting = rig.waiting(get("/a"));
        rig.accept().await.say(first);
        let failure = soon(&what, waiting).await.failure();
        assert_eq!(failure.status, StatusCode::BAD_GATEWAY, "{what}");
        soon(&what, rig.idle()).await;
    }
}
