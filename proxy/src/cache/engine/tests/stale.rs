//! Serving what is stale: while it is renewed, and while the origin fails.

use super::*;

const WHILE_REVALIDATING: &[&str] = &["cache-control: max-age=0, stale-while-revalidate=60", "etag: \"1\""];
const IF_ERROR: &[&str] = &["cache-control: max-age=0, stale-if-error=60", "etag: \"1\""];

#[tokio::test]
async fn stale_is_served_at_once_and_renewed_by_one_fill_in_the_background() {
    let rig = Rig::new();
    rig.store(get("/a"), WHILE_REVALIDATING, "old").await;
    for ask in [get("/a"), get("/a"), head("/a")] {
        let got = rig.ask(ask).await.object();
        assert_eq!(got.outcome, Outcome::Stale(WhyStale::WhileRevalidate));
        assert_eq!(got.text().await.as_deref(), Ok("old"));
    }
    rig.accept().await.answer(200, &["cache-control: max-age=60"], "new");
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
    assert_eq!(rig.fetches(), 2);
}

#[tokio::test]
async fn head_may_start_the_renewal_and_what_it_fetches_is_stored() {
    let rig = Rig::new();
    rig.store(get("/a"), WHILE_REVALIDATING, "old").await;
    assert_eq!(rig.ask(head("/a")).await.object().outcome, Outcome::Stale(WhyStale::WhileRevalidate));
    rig.accept().await.answer(200, &["cache-control: max-age=60"], "new");
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn renewal_that_fails_is_not_tried_again_at_once() {
    let rig = Rig::new();
    rig.store(get("/a"), WHILE_REVALIDATING, "old").await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Stale(WhyStale::WhileRevalidate));
    rig.accept().await.fail();
    rig.idle().await;
    for _ in 0..20 {
        assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Stale(WhyStale::WhileRevalidate));
    }
    assert_eq!(rig.fetches(), 2);
}

#[tokio::test]
async fn renewal_that_turns_out_private_is_for_nobody_and_ends_what_is_stored() {
    let rig = Rig::new();
    rig.store(get("/a"), WHILE_REVALIDATING, "old").await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Stale(WhyStale::WhileRevalidate));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: private"]);
    exchange.body("one client's");
    exchange.hung_up().await;
    rig.idle().await;
    // RFC 9111 section 4.3.3: a full response says that what is stored is not suitable any more.
    assert_eq!(rig.ask(get("/a")).await.passage(), Passage::Unshareable);
    assert!(rig.stored("/a", &[]).is_none());
    assert_eq!(rig.fetches(), 2);
}

#[tokio::test]
async fn renewal_that_one_clients_cookies_made_private_is_left_to_those_without() {
    let rig = Rig::new();
    rig.store(get("/a"), WHILE_REVALIDATING, "old").await;
    let stale = Outcome::Stale(WhyStale::WhileRevalidate);
    assert_eq!(rig.ask(get_with("/a", &["cookie: session=odd"])).await.object().outcome, stale);
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: private"]);
    exchange.body("one client's");
    exchange.hung_up().await;
    rig.idle().await;
    assert_eq!(rig.ask(get_with("/a", &["cookie: session=next"])).await.object().outcome, stale);
    rig.idle().await;
    assert_eq!(rig.fetches(), 2, "it would be told the same");
    assert_eq!(rig.ask(get("/a")).await.object().outcome, stale);
    rig.accept().await.answer(200, &["cache-control: max-age=60"], "new");
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn stale_stands_in_for_an_error_for_no_answer_and_for_a_body_that_never_comes() {
    type Misbehaviour = fn(Exchange);
    let misbehave: [(Misbehaviour, Option<StatusCode>); 4] = [
        (|exchange| exchange.answer(503, &[], "down"), Some(StatusCode::SERVICE_UNAVAILABLE)),
        (Exchange::fail, None),
        (drop, None),
        (|exchange| exchange.head(200, &["cache-control: max-age=60", "content-length: 5"]), None),
    ];
    for (misbehave, status) in misbehave {
        let rig = Rig::new();
        rig.store(get("/a"), IF_ERROR, "old").await;
        let waiting = [rig.waiting(get("/a")), rig.waiting(get("/a"))];
        misbehave(rig.accept().await);
        for asking in waiting {
            let got = soon("the answer", asking).await.object();
            assert_eq!(got.outcome, Outcome::Stale(WhyStale::Failed(status)));
            assert_eq!(got.text().await.as_deref(), Ok("old"));
        }
        rig.idle().await;
        let again = rig.ask(get("/a")).await.object().outcome;
        assert_eq!(again, Outcome::Stale(WhyStale::Unasked), "without asking again so soon");
        assert_eq!(rig.fetches(), 2);
    }
}

#[tokio::test]
async fn stale_does_not_stand_in_where_the_response_or_the_request_forbids_it() {
    let must: &[&str] = &["cache-control: max-age=0, must-revalidate", "etag: \"1\""];
    for (stored, ask) in [(must, get("/a")), (IF_ERROR, get_with("/a", &["cache-control: no-cache"]))] {
        let rig = Rig::new();
        rig.store(get("/a"), stored, "old").await;
        let asking = rig.waiting(ask);
        rig.accept().await.fail();
        assert_eq!(soon("the answer", asking).await.failure().status, 504);
        rig.idle().await;
    }
}

/// The wish of one client, whichever it is, says nothing about the other.
#[tokio::test]
async fn each_waiter_decides_by_its_own_wishes_whether_stale_will_do() {
    let strict = || get_with("/a", &["cache-control: no-cache"]);
    for strict_first in [true, false] {
        let rig = Rig::new();
        rig.store(get("/a"), IF_ERROR, "old").await;
        let (strict, lenient) = if strict_first {
            let strict = rig.waiting(strict());
            (strict, rig.waiting(get("/a")))
        } else {
            let lenient = rig.waiting(get("/a"));
            (rig.waiting(strict()), lenient)
        };
        rig.accept().await.fail();
        assert_eq!(soon("the answer", strict).await.failure().status, 504);
        assert_eq!(soon("the answer", lenient).await.object().outcome, Outcome::Stale(WhyStale::Failed(None)));
    }
}

#[tokio::test]
async fn body_that_breaks_off_later_is_an_error_as_its_begin_was_sent() {
    let rig = Rig::new();
    rig.store(get("/a"), IF_ERROR, "old").await;
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=60", "content-length: 5"]);
    exchange.body("ne");
    let got = soon("the answer", asking).await.object();
    drop(exchange);
    assert_eq!(got.text().await, Err(BodyError::Truncated));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some(), "the old one is still there");
}

#[tokio::test]
async fn client_that_accepts_it_is_spared_an_error_that_others_get() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0", "etag: \"1\""], "old").await;
    let lenient = rig.waiting(get_with("/a", &["cache-control: stale-if-error=60"]));
    rig.accept().await.answer(503, &[], "down");
    let got = soon("the answer", lenient).await.object();
    assert_eq!(got.outcome, Outcome::Stale(WhyStale::Failed(Some(StatusCode::SERVICE_UNAVAILABLE))));
    assert_eq!(got.text().await.as_deref(), Ok("old"));
    rig.idle().await;
    let asking = rig.waiting(get("/a"));
    rig.accept().await.answer(503, &[], "down");
    let got = soon("the answer", asking).await.object();
    assert_eq!(got.object.meta.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(got.text().await.as_deref(), Ok("down"));
}
