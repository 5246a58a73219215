//! Interim responses before the head of a fill: who hears which of them.

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
async fn all_who_wait_hear_each_once_and_in_order_and_who_comes_late_none() {
    let rig = Rig::new();
    let (mut first, first_told) = rig.listening(get("/a"));
    let exchange = rig.accept().await;
    exchange.interim(103, &["link: </a>"]);
    hear(&mut first).await;
    assert_eq!(links(&first_told), [early("</a>")], "before anything else has come");
    let (mut second, second_told) = rig.listening(get("/a"));
    exchange.interim(102, &[]);
    exchange.interim(103, &["link: </b>"]);
    hear(&mut first).await;
    hear(&mut second).await;
    let all = [early("</a>"), (102, String::new()), early("</b>")];
    assert_eq!((links(&first_told), links(&second_told)), (all.to_vec(), all.to_vec()));
    exchange.head(200, FRESH);
    let (mut first, second) = (soon("the first", first).await.object(), soon("the second", second).await.object());
    let late_told = Told::default();
    let late = rig.telling(get("/a"), Hearing::of_all(), Arc::clone(&late_told));
    let late = soon("the late one", late).await.object();
    exchange.body("hello");
    exchange.end();
    assert_eq!(first.read().await, Ok(Some("hello".into())));
    assert_eq!((second.text().await.as_deref(), late.text().await.as_deref()), (Ok("hello"), Ok("hello")));
    assert_eq!((links(&first_told).len(), links(&late_told).len()), (3, 0));
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

#[tokio::test]
async fn what_is_one_clients_own_is_told_to_it_alone() {
    let check = async |ask: Ask, line: &str, others: &[&str]| {
        let rig = Rig::new();
        let (first, first_told) = rig.listening(ask.clone());
        let exchange = rig.accept().await;
        let (second, second_told) = rig.listening(get("/a"));
        exchange.interim(103, &["link: </a>", line]);
        exchange.answer(200, FRESH, "hello");
        soon("the first", first).await.object();
        soon("the second", second).await.object();
        assert_eq!(first_told.lock()[0].fields, fields(&["link: </a>", line]), "{line}");
        let told: Vec<_> = second_told.lock().iter().map(|head| head.fields.clone()).collect();
        let expected: Vec<_> = if others.is_empty() { vec![] } else { vec![fields(others)] };
        assert_eq!(told, expected, "{line}");
    };
    let cookie = get_with("/a", &["cookie: session=1"]);
    let german = get_with("/a", &["accept-language: de"]);
    check(get("/a"), "x: 1", &["link: </a>", "x: 1"]).await;
    check(get("/a"), "set-cookie: a=b", &["link: </a>"]).await;
    check(get("/a"), "cache-control: private", &[]).await;
    check(cookie, "x: 1", &[]).await;
    check(german.clone(), "x: 1", &["link: </a>", "x: 1"]).await;
    check(german, "vary: accept-language", &[]).await;
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
