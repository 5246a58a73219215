//! Interim responses before the head of a fill: the client whose request was sent hears them, and nobody else.

use super::ahead::ahead;
use super::*;

const FRESH: &[&str] = &["cache-control: max-age=60"];

/// What a client was told, as statuses with the value of Link.
fn links(told: &Told) -> Vec<(u16, String)> {
    let link = |head: &InterimHead| head.fields.get("link").map_or("", |value| value.to_str().unwrap()).to_owned();
    told.lock().iter().map(|head| (head.status.as_u16(), link(head))).collect()
}

fn early(link: &str) -> (u16, String) {
    (103, link.to_owned())
}

/// Has the request hear what has come for it.
async fn hear(asking: &mut Asking) {
    // The ringer of this thread runs first, then the one who waits.
    for _ in 0..4 {
        tokio::task::yield_now().await;
        assert!(asking.as_mut().now_or_never().is_none(), "it is answered already");
    }
}

#[tokio::test]
async fn who_started_the_fill_hears_each_once_and_in_order_and_who_joins_or_comes_late_none() {
    let rig = Rig::new();
    let (mut first, first_told) = rig.listening(get("/a"));
    let exchange = rig.accept().await;
    exchange.interim(103, &["link: </a>"]);
    hear(&mut first).await;
    assert_eq!(links(&first_told), [early("</a>")], "before anything else has come");
    let (mut second, second_told) = rig.listening(get("/a"));
    exchange.interim(102, &[]);
    exchange.interim(103, &["link: </b>"]);
    hear(&mut second).await;
    hear(&mut first).await;
    let all = [early("</a>"), (102, String::new()), early("</b>")];
    assert_eq!((links(&first_told), links(&second_told)), (all.to_vec(), vec![]));
    exchange.head(200, FRESH);
    let (mut first, second) = (soon("the first", first).await.object(), soon("the second", second).await.object());
    let late_told = Told::default();
    let late = rig.telling(get("/a"), Hearing::of_all(), Arc::clone(&late_told));
    let late = soon("the late one", late).await.object();
    exchange.body("hello");
    exchange.end();
    assert_eq!(first.read().await, Ok(Some("hello".into())));
    assert_eq!((second.text().await.as_deref(), late.text().await.as_deref()), (Ok("hello"), Ok("hello")));
    assert_eq!((links(&first_told).len(), links(&second_told).len(), links(&late_told).len()), (3, 0, 0));
    assert!(matches!(first.outcome, Outcome::Miss { collapsed: false, .. }), "it started the fill");
    rig.idle().await;
    assert!(!rig.stored("/a", &[]).unwrap().meta.headers.contains_key("link"));
}

#[tokio::test]
async fn what_came_with_the_head_is_heard_before_it() {
    let rig = Rig::new();
    let (asking, told) = rig.listening(get("/a"));
    let exchange = rig.accept().await;
    exchange.interim(103, &["link: </a>"]);
    exchange.answer(200, FRESH, "hello");
    rig.idle().await;
    assert_eq!(soon("the answer", asking).await.object().text().await.as_deref(), Ok("hello"));
    assert_eq!(links(&told), [early("</a>")]);
}

/// Two who wait for one fill: the first hears all of it, the second none, whatever the response behind it says.
async fn check_alone(rig: &Rig, first: Ask, second: Ask, lines: &[&str]) {
    let what = format!("{:?}, then {:?}: {lines:?}", first.fields, second.fields);
    let told = &["link: </u/alice.js?sig=1>", "x-user: alice", "set-cookie: a=b"];
    let ((first, first_told), fetches) = (rig.listening(first), rig.fetches());
    let (mut second, second_told) = rig.listening(second);
    let exchange = rig.accept().await;
    assert_eq!(rig.fetches(), fetches + 1, "{what}: they do not wait for one fill");
    exchange.interim(103, told);
    hear(&mut second).await;
    exchange.answer(200, lines, "hello");
    assert_eq!(soon("the first", first).await.object().text().await.as_deref(), Ok("hello"), "{what}");
    assert_eq!(first_told.lock().iter().map(|head| &head.fields).collect::<Vec<_>>(), [&fields(told)], "{what}");
    // It is answered, or goes on by itself.
    let _answered = second.as_mut().now_or_never();
    assert_eq!(*second_told.lock(), [], "{what}");
}

#[tokio::test]
async fn interim_responses_are_for_the_client_whose_request_was_sent_whatever_tells_it_apart() {
    const PRIVATE: &[&str] = &["cache-control: private"];
    for credential in ["x-api-key", "authorization", "cookie", "x-forwarded-user", "accept-language"] {
        let ask = |value: &str| get_with("/me", &[&format!("{credential}: {value}")]);
        for lines in [PRIVATE, FRESH, &["cache-control: public, max-age=60", &format!("vary: {credential}")]] {
            check_alone(&Rig::new(), ask("alice"), ask("bob"), lines).await;
            check_alone(&Rig::new(), ask("alice"), get("/me"), lines).await;
            check_alone(&Rig::new(), get("/me"), ask("bob"), lines).await;
        }
    }
    check_alone(&Rig::new(), get("/me"), get("/me"), PRIVATE).await;
}

#[tokio::test]
async fn who_joined_by_a_search_rule_that_is_withdrawn_hears_nothing_of_the_other_query() {
    let rig = Rig::new();
    rig.store(get("/s?v=1&user=carol"), &[FRESH[0], "no-vary-search: params=(\"user\")"], "carol").await;
    check_alone(&rig, get("/s?v=2&user=alice"), get("/s?v=2&user=bob"), FRESH).await;
}

#[tokio::test]
async fn who_joined_and_goes_on_by_a_fill_of_its_own_hears_what_comes_before_that() {
    let rig = Rig::new();
    let (first, first_told) = rig.listening(get_with("/a", &["accept-language: de"]));
    let (second, second_told) = rig.listening(get_with("/a", &["accept-language: en"]));
    let lines = &[FRESH[0], "vary: accept-language"];
    for (mut asking, link, body) in [(first, "</de>", "hallo"), (second, "</en>", "hello")] {
        hear(&mut asking).await;
        let exchange = rig.accept().await;
        exchange.interim(103, &[&format!("link: {link}")]);
        exchange.answer(200, lines, body);
        assert_eq!(soon(link, asking).await.object().text().await.as_deref(), Ok(body));
    }
    assert_eq!((links(&first_told), links(&second_told)), (vec![early("</de>")], vec![early("</en>")]));
}

#[tokio::test]
async fn nobody_hears_a_fill_that_no_request_has_started() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0, stale-while-revalidate=60"], "stale").await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("stale"));
    assert_eq!(ahead(&rig, "/b"), Ahead::Started);
    let (joining, told) = rig.listening(get("/b"));
    for _ in 0..2 {
        let exchange = rig.accept().await;
        exchange.listener.iter().for_each(|listener| listener.hear(StatusCode::EARLY_HINTS, fields(&["link: </a>"])));
        exchange.answer(200, FRESH, "fresh");
    }
    assert_eq!(soon("the answer", joining).await.object().text().await.as_deref(), Ok("fresh"));
    assert_eq!(*told.lock(), []);
    rig.idle().await;
}

#[tokio::test]
async fn who_is_answered_otherwise_or_hears_nothing_is_not_harmed() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0, stale-if-error=60", "etag: \"1\""], "stale").await;
    let (asking, told) = rig.listening(get("/a"));
    let deaf = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.interim(103, &["link: </a>"]);
    exchange.fail();
    for answer in [soon("the answer", asking).await, soon("the answer of the deaf", deaf).await] {
        assert_eq!(answer.object().text().await.as_deref(), Ok("stale"));
    }
    assert_eq!(links(&told), [early("</a>")]);
    let (asking, told) = rig.listening(get("/b"));
    let exchange = rig.accept().await;
    exchange.interim(103, &["link: </b>"]);
    exchange.fail();
    assert_eq!(soon("the failure", asking).await.failure().status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(links(&told), [early("</b>")]);
}

#[tokio::test]
async fn thousand_of_them_are_bounded_and_so_is_a_large_one() {
    let rig = Rig::new();
    let (asking, told) = rig.listening(get("/a"));
    let exchange = rig.accept().await;
    exchange.interim(103, &[&format!("link: {}", "x".repeat(64 << 10))]);
    (0..1000).for_each(|_| exchange.interim(103, &["link: </a>"]));
    exchange.answer(200, FRESH, "hello");
    assert_eq!(soon("the answer", asking).await.object().text().await.as_deref(), Ok("hello"));
    assert_eq!(links(&told), vec![early("</a>"); 16]);
}
