//! Responses that may not be shared: for the request that they were fetched with, and no other.

use super::*;

const FRESH: &[&str] = &["cache-control: max-age=60"];

#[tokio::test]
async fn private_response_goes_to_its_own_request_and_the_others_pass_side_by_side() {
    let cases: [&[&str]; 4] = [
        &["cache-control: private, max-age=60"],
        &["cache-control: no-store"],
        &["set-cookie: session=1"],
        &["cache-control: max-age=60", "vary: *"],
    ];
    for lines in cases {
        let rig = Rig::new();
        let starter = rig.waiting(get_with("/a", &["cookie: session=starter"]));
        let mut others: Vec<_> = (0..10).map(|_| rig.waiting(get_with("/a", &["cookie: session=other"]))).collect();
        let exchange = rig.accept().await;
        exchange.head(200, lines);
        exchange.body("starter's");
        // The others are told first, and yet must not get it.
        for other in &mut others {
            assert_eq!(soon("the answer", other).await.passage(), Passage::Unshareable, "{lines:?}");
        }
        let got = starter.await.object();
        assert!(matches!(got.outcome, Outcome::Unshared(_)), "{lines:?}");
        exchange.end();
        assert_eq!(got.text().await.as_deref(), Ok("starter's"));
        rig.idle().await;
        assert!(rig.stored("/a", &[]).is_none());
        let next = rig.ask(get_with("/a", &["cookie: session=next"])).await;
        assert_eq!(next.passage(), Passage::Unshareable, "the mark spares the next ones the wait");
        assert_eq!(rig.fetches(), 1);
    }
}

#[tokio::test]
async fn private_response_is_nobodys_when_its_request_has_left() {
    let rig = Rig::new();
    let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    drop(starter);
    rig.accept().await.answer(200, &["cache-control: private"], "starter's");
    assert_eq!(other.await.passage(), Passage::Unshareable);
    rig.idle().await;
}

#[tokio::test]
async fn leaving_reader_of_a_private_response_ends_its_fetch() {
    let rig = Rig::new();
    let starter = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: private"]);
    exchange.body("starter's");
    let mut got = starter.await.object();
    assert_eq!(got.read().await, Ok(Some("starter's".into())));
    drop(got);
    exchange.body("more");
    exchange.hung_up().await;
    rig.idle().await;
}

#[tokio::test]
async fn private_response_that_breaks_off_is_an_error() {
    let rig = Rig::new();
    let starter = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: private"]);
    exchange.body("starter's");
    let got = starter.await.object();
    drop(exchange);
    assert_eq!(got.text().await, Err(BodyError::Truncated));
    rig.idle().await;
}

#[tokio::test]
async fn server_error_leaves_no_mark() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    rig.accept().await.answer(500, &[], "oops");
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("oops"));
    rig.idle().await;
    rig.store(get("/a"), FRESH, "well again").await;
}

#[tokio::test]
async fn request_with_authorization_does_not_switch_off_the_cache_for_the_others() {
    let rig = Rig::new();
    let authorization = ["authorization: Basic eDp5"];
    let starter = rig.waiting(get_with("/a", &authorization));
    let open = tokio::spawn(rig.waiting(get("/a")));
    let also_authorized = rig.waiting(get_with("/a", &authorization));
    rig.accept().await.answer(200, FRESH, "secret");
    assert_eq!(starter.await.object().text().await.as_deref(), Ok("secret"));
    assert_eq!(also_authorized.await.passage(), Passage::Unshareable);
    let exchange = rig.accept().await;
    assert!(!exchange.request.contains_key("authorization"), "the one without looks again");
    exchange.answer(200, FRESH, "open");
    assert_eq!(open.await.unwrap().object().text().await.as_deref(), Ok("open"));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
    assert!(matches!(rig.ask(get_with("/a", &authorization)).await.passage(), Passage::Rule(_)));
}

#[tokio::test]
async fn one_clients_cookies_do_not_switch_off_the_cache_for_those_without() {
    let rig = Rig::new();
    let cookie = ["cookie: session=odd"];
    let starter = rig.waiting(get_with("/a", &cookie));
    let open = tokio::spawn(rig.waiting(get("/a")));
    let also_with_cookies = rig.waiting(get_with("/a", &["cookie: other=1"]));
    rig.accept().await.answer(200, &["cache-control: private"], "odd");
    assert_eq!(starter.await.object().text().await.as_deref(), Ok("odd"));
    assert_eq!(also_with_cookies.await.passage(), Passage::Unshareable);
    let exchange = rig.accept().await;
    assert!(!exchange.request.contains_key("cookie"), "the one without looks again");
    exchange.answer(200, FRESH, "open");
    assert_eq!(open.await.unwrap().object().text().await.as_deref(), Ok("open"));
    rig.idle().await;
    for lines in [&[][..], &cookie] {
        assert_eq!(rig.ask(get_with("/a", lines)).await.object().outcome, Outcome::Hit, "what is stored is for all");
    }
}

#[tokio::test]
async fn mark_is_forgotten_once_a_request_that_passes_is_answered_with_what_can_be_shared() {
    for (lines, shares) in [(FRESH, true), (&["cache-control: no-store"], false), (&["vary: *"], false)] {
        let rig = Rig::new();
        let starter = rig.waiting(get_with("/a", &["cookie: session=odd"]));
        rig.accept().await.answer(200, &["cache-control: private"], "odd");
        starter.await.object().text().await.unwrap();
        rig.idle().await;
        let passes = get_with("/a", &["cookie: session=plain"]);
        assert_eq!(rig.ask(get_with("/a", &["cookie: session=plain"])).await.passage(), Passage::Unshareable);
        rig.passed(&passes, 200, lines);
        if shares {
            let next = tokio::spawn(rig.waiting(passes));
            rig.accept().await.answer(200, FRESH, "for all");
            assert_eq!(next.await.unwrap().object().text().await.as_deref(), Ok("for all"));
        } else {
            assert_eq!(rig.ask(passes).await.passage(), Passage::Unshareable, "{lines:?}");
        }
        rig.idle().await;
    }
}

#[tokio::test]
async fn mark_counts_for_its_own_audience_in_explanations_and_ahead_of_players() {
    let rig = Rig::new();
    let odd = get_with("/a", &["cookie: session=odd"]);
    let starter = rig.waiting(odd.clone());
    rig.accept().await.answer(200, &["cache-control: private"], "odd");
    starter.await.object().text().await.unwrap();
    rig.idle().await;
    for (ask, marked) in [(odd, true), (get("/a"), false)] {
        let (key, facts, policy) = (key("/a"), RequestFacts::new(&ask.method, &ask.fields), &rig.policy);
        let lookup = Lookup { key: &key, facts: &facts, fields: &ask.fields, policy, path: "/a", may_fill: true };
        assert_eq!(rig.engine.explain(&lookup, SystemTime::now()).await.unshareable, marked, "{:?}", ask.fields);
        if marked {
            let nothing = || -> TestRequest { panic!("it would be told the same") };
            assert_eq!(rig.engine.fetch_ahead(&lookup, nothing), Ahead::Unwanted);
        }
    }
}

impl Rig {
    /// An origin has answered a request that passed.
    fn passed(&self, ask: &Ask, status: u16, lines: &[&str]) {
        let (key, facts) = (key(ask.path), RequestFacts::new(&ask.method, &ask.fields));
        let (fields_of, policy) = (&ask.fields, &self.policy);
        let lookup = Lookup { key: &key, facts: &facts, fields: fields_of, policy, path: ask.path, may_fill: true };
        self.engine.note_passed(&lookup, StatusCode::from_u16(status).unwrap(), &fields(lines), SystemTime::now());
    }
}

#[tokio::test]
async fn loop_that_a_fill_is_refused_for_is_the_matter_of_its_own_request() {
    for (stored, brought, passes) in [
        (None, "cdn-loop: tidegate;node=further-in", true),
        (Some(&["cache-control: max-age=0, stale-if-error=60", "etag: \"1\""]), "cdn-loop: other", true),
        (None, "accept: */*", false),
    ] {
        let rig = Rig::new();
        if let Some(lines) = stored {
            rig.store(get("/a"), lines, "old").await;
        }
        let starter = rig.waiting(get_with("/a", &[brought]));
        let other = rig.waiting(get("/a"));
        rig.accept().await.answer(508, FRESH, "goes round");
        assert_eq!(soon("the refusal", starter).await.object().text().await.as_deref(), Ok("goes round"), "{brought}");
        let other = soon("the other's answer", other).await;
        if passes {
            assert_eq!(other.passage(), Passage::Unshareable, "{brought}");
            rig.idle().await;
            let next = rig.waiting(get("/a"));
            rig.accept().await.answer(200, FRESH, "new");
            assert_eq!(
                soon("the next answer", next).await.object().text().await.as_deref(),
                Ok("new"),
                "nothing lasts"
            );
        }
    }
}

#[tokio::test]
async fn private_fields_reach_the_request_they_were_fetched_with_and_nobody_else() {
    // RFC 9111 sections 5.2.2.4 and 5.2.2.7.
    for directive in ["private", "no-cache"] {
        let rig = Rig::new();
        let line = format!("cache-control: max-age=60, {directive}=\"x-user\"");
        let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
        rig.accept().await.answer(200, &[&line, "x-user: starter", "x-kept: 1"], "hello");
        let (starter, other) = (starter.await.object(), other.await.object());
        rig.idle().await;
        let stored = rig.ask(get("/a")).await.object();
        assert_eq!(stored.outcome, Outcome::Hit);
        let users = [&starter, &other, &stored].map(|got| got.object.meta.headers.get("x-user").cloned());
        assert_eq!(users, [Some(HeaderValue::from_static("starter")), None, None], "{directive}");
        for got in [starter, other, stored] {
            assert_eq!(got.object.meta.headers.get("x-kept").unwrap(), "1");
            assert_eq!(got.text().await.as_deref(), Ok("hello"));
        }
    }
}

#[tokio::test]
async fn private_fields_of_a_confirmation_reach_its_request_alone() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0, private=\"x-user\"", "etag: \"1\""], "hello").await;
    let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    let exchange = rig.accept().await;
    exchange.head(304, &["cache-control: max-age=60, private=\"x-user\"", "etag: \"1\"", "x-user: starter"]);
    exchange.end();
    assert_eq!(starter.await.object().object.meta.headers.get("x-user").unwrap(), "starter");
    assert!(!other.await.object().object.meta.headers.contains_key("x-user"));
    rig.idle().await;
    assert!(!rig.stored("/a", &[]).unwrap().meta.headers.contains_key("x-user"));
}

#[tokio::test]
async fn private_fields_are_nobodys_when_their_request_has_left() {
    let rig = Rig::new();
    let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    drop(starter);
    rig.accept().await.answer(200, &["cache-control: max-age=60, private=\"x-user\"", "x-user: starter"], "hello");
    assert!(!other.await.object().object.meta.headers.contains_key("x-user"));
    rig.idle().await;
}

#[tokio::test]
async fn answer_to_a_validation_that_is_not_stored_ends_what_is_stored() {
    // RFC 9111 section 4.3.3.
    let forced = || get_with("/a", &["cache-control: no-cache"]);
    for (status, stays) in [(200, false), (404, false), (410, false), (302, true), (429, true), (503, true)] {
        let rig = Rig::new();
        rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"1\""], "old").await;
        let asking = rig.waiting(forced());
        rig.accept().await.answer(status, &["cache-control: no-store"], "new");
        if let Answer::Object { object, reader, outcome } = asking.await {
            assert_eq!(Got { object, reader, outcome }.text().await.as_deref(), Ok("new"));
        }
        rig.idle().await;
        assert_eq!(rig.stored("/a", &[]).is_some(), stays, "{status}");
    }
}

/// Errors that a client's own fields bring about: of the resource they say nothing.
const REFUSALS: [u16; 15] = [400, 401, 403, 405, 407, 408, 413, 414, 416, 421, 425, 426, 429, 431, 451];

#[tokio::test]
async fn refusal_of_one_clients_fields_ends_nothing_for_the_others() {
    for status in REFUSALS {
        let rig = Rig::new();
        let bait = ["user-agent: bait", "cache-control: no-cache"];
        rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"1\""], "hello").await;
        let baiting = rig.waiting(get_with("/a", &bait));
        rig.accept().await.answer(status, &[], "no");
        assert_eq!(soon("the refusal", baiting).await.object().text().await.as_deref(), Ok("no"), "{status}");
        rig.idle().await;
        assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit, "{status}");
    }
}

#[tokio::test]
async fn who_waits_while_another_client_is_refused_looks_again_and_shares() {
    for status in REFUSALS {
        let rig = Rig::new();
        let baiting = rig.waiting(get_with("/a", &["user-agent: bait"]));
        let others: Vec<_> = (0..5).map(|_| tokio::spawn(rig.waiting(get("/a")))).collect();
        rig.accept().await.answer(status, &[], "no");
        assert_eq!(soon("the refusal", baiting).await.object().text().await.as_deref(), Ok("no"), "{status}");
        let next = rig.accept().await;
        assert!(!next.request.contains_key("user-agent"), "{status}");
        next.answer(200, FRESH, "hello");
        for other in others {
            assert_eq!(other.await.unwrap().object().text().await.as_deref(), Ok("hello"), "{status}");
        }
        rig.idle().await;
        assert_eq!((rig.ask(get("/a")).await.object().outcome, rig.fetches()), (Outcome::Hit, 2), "{status}");
    }
}

#[tokio::test]
async fn resource_that_all_are_refused_makes_nobody_wait_in_line() {
    let rig = Rig::new();
    let waiting: Vec<_> = (0..8).map(|_| tokio::spawn(rig.waiting(get("/a")))).collect();
    for _ in 0..MAX_HOPS {
        rig.accept().await.answer(403, &[], "no");
    }
    let mut passed = 0;
    for answer in waiting {
        match soon("the answer", answer).await.unwrap() {
            Answer::Object { object, .. } => assert_eq!(object.meta.status, StatusCode::FORBIDDEN),
            other => {
                assert_eq!(other.passage(), Passage::Unshareable);
                passed += 1;
            }
        }
    }
    assert_eq!(passed, 8 - MAX_HOPS);
    rig.idle().await;
}

#[tokio::test]
async fn gone_resource_that_may_not_be_stored_is_marked() {
    for status in [404, 410] {
        let rig = Rig::new();
        let asking = rig.waiting(get("/a"));
        rig.accept().await.answer(status, &["cache-control: no-store"], "gone");
        assert_eq!(asking.await.object().text().await.as_deref(), Ok("gone"));
        rig.idle().await;
        assert_eq!(rig.ask(get("/a")).await.passage(), Passage::Unshareable, "{status}");
    }
}

#[tokio::test]
async fn answer_to_one_clients_cookies_or_credentials_ends_nothing_for_the_others() {
    let check = async |keyed: bool, brought: &str, answer: &str, stays: bool| {
        let mut rig = Rig::new(); // what is public is there for those with credentials, too
        if keyed {
            Arc::make_mut(&mut rig.policy).key.cookies = vec!["tier".to_owned()];
        }
        rig.store(get("/a"), &["cache-control: public, max-age=60", "etag: \"1\""], "hello").await;
        let asking = rig.waiting(get_with("/a", &["cache-control: no-cache", brought]));
        rig.accept().await.answer(200, &[answer], "mine");
        assert_eq!(soon("the answer", asking).await.object().text().await.as_deref(), Ok("mine"), "{brought}");
        rig.idle().await;
        assert_eq!(rig.stored("/a", &[]).is_some(), stays, "{keyed} {brought} {answer}");
    };
    for answer in ["cache-control: private", "cache-control: no-store", "vary: *"] {
        check(false, "cookie: session=junk", answer, true).await;
        check(false, "authorization: Basic eDp5", answer, true).await;
        check(false, "accept: */*", answer, false).await;
        check(true, "cookie: tier=gold", answer, false).await; // all who are meant bring the same
    }
    check(false, "accept: */*", "set-cookie: session=1", true).await; // that is for one client
}

#[tokio::test]
async fn renewal_that_is_refused_leaves_what_is_stale_and_is_not_tried_again_at_once() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0, stale-while-revalidate=60", "etag: \"1\""], "old").await;
    let stale = Outcome::Stale(WhyStale::WhileRevalidate);
    assert_eq!(rig.ask(get_with("/a", &["user-agent: bait"])).await.object().outcome, stale);
    let exchange = rig.accept().await;
    exchange.head(429, &[]);
    exchange.body("no");
    exchange.hung_up().await;
    rig.idle().await;
    for _ in 0..20 {
        assert_eq!(rig.ask(get("/a")).await.object().outcome, stale);
    }
    assert_eq!(rig.fetches(), 2);
    rig.engine.recollection.forget();
    assert_eq!(rig.ask(get("/a")).await.object().outcome, stale);
    rig.accept().await.answer(200, FRESH, "new");
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
}
