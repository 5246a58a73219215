//! After a purge nobody who asks gets what was fetched before, stored or on its way; who asked before may.

use super::*;
use crate::cache::purge::{Mode, Scope};
use crate::cache::rules::decide::WhyStale;

const FRESH: &[&str] = &["cache-control: max-age=60", "surrogate-key: red", "etag: \"old\""];

impl Rig {
    fn purge(&self, scope: Scope, mode: Mode) {
        self.engine.purges().carry_out(&[scope], mode, String::new(), 1, SystemTime::now());
    }
}

fn url() -> Scope {
    Scope::Url("media.test/a".to_owned())
}

fn tag() -> Scope {
    Scope::Tag("red".to_owned())
}

fn all_scopes() -> [Scope; 6] {
    let path = || "media.test/a".to_owned();
    let host = Scope::Host("media.test".to_owned());
    [Scope::Everything, host, Scope::Prefix("media.test/".to_owned()), Scope::Path(path()), url(), tag()]
}

#[tokio::test]
async fn stored_response_that_is_purged_is_fetched_again_and_not_validated() {
    for scope in all_scopes() {
        let rig = Rig::new();
        rig.store(get("/a"), FRESH, "old").await;
        rig.purge(scope.clone(), Mode::Hard);
        let asking = rig.waiting(get("/a"));
        let exchange = rig.accept().await;
        assert!(!exchange.request.contains_key("if-none-match"), "{scope:?}");
        exchange.answer(200, FRESH, "new");
        assert_eq!(asking.await.object().text().await.as_deref(), Ok("new"), "{scope:?}");
        rig.idle().await;
        assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit, "{scope:?}");
    }
}

#[tokio::test]
async fn softly_purged_response_is_validated_and_fresh_again() {
    for scope in all_scopes() {
        let rig = Rig::new();
        rig.store(get("/a"), FRESH, "old").await;
        rig.purge(scope.clone(), Mode::Soft);
        let asking = rig.waiting(get("/a"));
        let exchange = rig.accept().await;
        assert_eq!(exchange.request["if-none-match"], "\"old\"", "{scope:?}");
        exchange.answer(304, &["cache-control: max-age=60", "etag: \"old\""], "");
        assert_eq!(asking.await.object().text().await.as_deref(), Ok("old"), "{scope:?}");
        rig.idle().await;
        assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit, "{scope:?}");
        rig.purge(tag(), Mode::Hard);
        assert!(rig.stored("/a", &[]).is_some());
        drop(rig.waiting(get("/a")));
        assert!(rig.stored("/a", &[]).is_none(), "it has kept its tags");
        drop(rig.accept().await);
        rig.idle().await;
    }
}

#[tokio::test]
async fn purge_of_other_things_leaves_a_response_alone() {
    let rig = Rig::new();
    rig.store(get("/a"), FRESH, "old").await;
    let path = |path: &str| path.to_owned();
    for scope in [
        Scope::Url(path("media.test/a?v=1")),
        Scope::Path(path("media.test/")),
        Scope::Prefix(path("media.test/ab")),
        Scope::Host(path("media")),
        Scope::Tag(path("Red")),
    ] {
        rig.purge(scope.clone(), Mode::Hard);
        rig.purge(scope.clone(), Mode::Soft);
        assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit, "{scope:?}");
    }
}

#[tokio::test]
async fn response_on_its_way_goes_to_those_who_asked_before_the_purge_alone() {
    for mode in [Mode::Hard, Mode::Soft] {
        for scope in all_scopes() {
            let rig = Rig::new();
            let before = rig.waiting(get("/a"));
            let old = rig.accept().await;
            rig.purge(scope.clone(), mode);
            let after = rig.waiting(get("/a"));
            old.answer(200, FRESH, "old");
            assert_eq!(before.await.object().text().await.as_deref(), Ok("old"), "{mode:?} {scope:?}");
            // By a tag it joined, as nobody knew what would come, and looked again when that came.
            let after = tokio::spawn(after);
            rig.accept().await.answer(200, FRESH, "new");
            assert_eq!(after.await.unwrap().object().text().await.as_deref(), Ok("new"), "{mode:?} {scope:?}");
            rig.idle().await;
            let next = rig.ask(get("/a")).await.object();
            assert_eq!((next.outcome, next.text().await.as_deref()), (Outcome::Hit, Ok("new")), "{mode:?} {scope:?}");
        }
    }
}

#[tokio::test]
async fn body_that_was_still_growing_when_it_was_purged_is_never_found_again() {
    for scope in all_scopes() {
        let rig = Rig::new();
        let before = rig.waiting(get("/a"));
        let old = rig.accept().await;
        old.head(200, FRESH);
        old.body("ol");
        let before = before.await.object();
        rig.purge(scope.clone(), Mode::Hard);
        let after = rig.waiting(get("/a"));
        old.body("d");
        old.end();
        assert_eq!(before.text().await.as_deref(), Ok("old"));
        rig.accept().await.answer(200, FRESH, "new");
        assert_eq!(after.await.object().text().await.as_deref(), Ok("new"), "{scope:?}");
        rig.idle().await;
        assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"), "{scope:?}");
    }
}

#[tokio::test]
async fn validation_that_was_on_its_way_renews_nothing_that_was_purged_meanwhile() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"old\"", "age: 100"], "old").await;
    let before = rig.waiting(get("/a"));
    let validation = rig.accept().await;
    rig.purge(url(), Mode::Hard);
    validation.answer(304, FRESH, "");
    assert_eq!(before.await.object().text().await.as_deref(), Ok("old"));
    rig.idle().await;
    let after = rig.waiting(get("/a"));
    rig.accept().await.answer(200, FRESH, "new");
    assert_eq!(after.await.object().text().await.as_deref(), Ok("new"));
    rig.idle().await;
}

#[tokio::test]
async fn errors_have_softly_purged_responses_served_and_no_others() {
    let check = async |mode: Mode, before_the_failure: bool| {
        let rig = Rig::new();
        let stale = ["cache-control: max-age=60, stale-if-error=600", "etag: \"old\"", "age: 100"];
        rig.store(get("/a"), &stale, "old").await;
        if !before_the_failure {
            rig.purge(url(), mode);
        }
        let asking = rig.waiting(get("/a"));
        let exchange = rig.accept().await;
        if before_the_failure {
            rig.purge(url(), mode);
        }
        exchange.answer(503, &[], "broken");
        let got = asking.await;
        let served = match &got {
            Answer::Object { object, .. } => object.meta.status == StatusCode::OK,
            _ => false,
        };
        assert_eq!(served, mode == Mode::Soft, "{mode:?} {before_the_failure}: {}", got.describe());
    };
    for mode in [Mode::Hard, Mode::Soft] {
        check(mode, false).await;
        check(mode, true).await;
    }
}

#[tokio::test]
async fn soft_purge_has_stale_responses_served_while_they_are_renewed() {
    let rig = Rig::new();
    let lines = ["cache-control: max-age=60, stale-while-revalidate=600", "surrogate-key: red"];
    rig.store(get("/a"), &lines, "old").await;
    rig.purge(tag(), Mode::Soft);
    let meanwhile = rig.ask(get("/a")).await.object();
    assert_eq!(meanwhile.outcome, Outcome::Stale(WhyStale::WhileRevalidate));
    rig.accept().await.answer(200, &lines, "new");
    rig.idle().await;
    let after = rig.ask(get("/a")).await.object();
    assert_eq!((after.outcome, after.text().await.as_deref()), (Outcome::Hit, Ok("new")));
}

#[tokio::test]
async fn variants_go_with_their_resource() {
    let rig = Rig::new();
    let lines = ["cache-control: max-age=60", "vary: accept-language"];
    let asks = ["de", "en"].map(|language| get_with("/a", &[&format!("accept-language: {language}")]));
    for ask in &asks {
        rig.store(ask.clone(), &lines, "old").await;
    }
    rig.purge(url(), Mode::Hard);
    for ask in asks {
        let asking = rig.waiting(ask);
        rig.accept().await.answer(200, &lines, "new");
        assert_eq!(asking.await.object().text().await.as_deref(), Ok("new"));
        rig.idle().await;
    }
}

#[tokio::test]
async fn what_many_queries_share_is_purged_by_each_of_them() {
    let rig = Rig::new();
    let lines = ["cache-control: max-age=60", "no-vary-search: params=(\"utm\")"];
    rig.store(get("/a?utm=1"), &lines, "old").await;
    assert_eq!(rig.ask(get("/a?utm=2")).await.object().outcome, Outcome::Hit);
    for scope in Scope::resource(&key("/a?utm=3"), false) {
        rig.purge(scope, Mode::Hard);
    }
    let asking = rig.waiting(get("/a?utm=2"));
    rig.accept().await.answer(200, &lines, "new");
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("new"));
    rig.idle().await;
}

#[tokio::test]
async fn memory_of_what_was_purged_is_given_back_though_nobody_asks() {
    let rig = Rig::new();
    rig.store(get("/a"), FRESH, "old").await;
    rig.store(get("/b"), &["cache-control: max-age=60"], "other").await;
    rig.purge(tag(), Mode::Hard);
    rig.engine.reclaim_purged();
    let given_back = async {
        while rig.stored("/a", &[]).is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon("the memory", given_back).await;
    assert!(rig.stored("/b", &[]).is_some());
}

#[tokio::test]
async fn what_began_before_a_soft_purge_does_not_replace_what_began_after() {
    let rig = Rig::new();
    let lines = ["cache-control: max-age=60, stale-while-revalidate=600", "surrogate-key: red"];
    let before = rig.waiting(get("/a"));
    let old = rig.accept().await;
    rig.purge(url(), Mode::Soft);
    let after = rig.waiting(get("/a"));
    rig.accept().await.answer(200, &lines, "new");
    assert_eq!(after.await.object().text().await.as_deref(), Ok("new"));
    old.answer(200, &lines, "old");
    assert_eq!(before.await.object().text().await.as_deref(), Ok("old"));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn what_is_purged_between_the_look_at_it_and_its_validation_is_not_confirmed() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"old\"", "age: 100"], "old").await;
    let stale = rig.stored("/a", &[]).unwrap();
    rig.purge(url(), Mode::Hard);
    let (key, facts, fields) = (key("/a"), RequestFacts::new(&Method::GET, &HeaderMap::new()), HeaderMap::new());
    let (policy, path) = (&rig.policy, "/a");
    let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path, may_fill: true };
    let found = rig.engine.memory.find(&key, &fields);
    let make = || TestRequest::new(HeaderMap::new());
    rig.engine.refresh(&lookup, &found.key, &stale, &make);
    let exchange = rig.accept().await;
    assert!(!exchange.request.contains_key("if-none-match"), "{:?}", exchange.request);
    exchange.answer(200, FRESH, "new");
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn answer_to_a_head_from_before_a_soft_purge_does_not_undo_it() {
    let rig = Rig::new();
    rig.store(get("/a"), FRESH, "old").await;
    let (key, fields) = (key("/a"), HeaderMap::new());
    let facts = RequestFacts::new(&Method::HEAD, &fields);
    let (policy, path) = (&rig.policy, "/a");
    let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy, path, may_fill: false };
    let asked = SystemTime::now();
    rig.purge(url(), Mode::Soft);
    assert_eq!(rig.engine.find(&lookup).object.unwrap().meta.times.lifetime.as_secs(), 0);
    let told = super::fields(&["cache-control: max-age=60", "etag: \"old\"", "content-type: video/x-test"]);
    rig.engine.note_head(&lookup, StatusCode::OK, &told, asked);
    let asking = rig.waiting(get("/a"));
    rig.accept().await.answer(304, &["cache-control: max-age=60", "etag: \"old\""], "");
    assert_eq!(asking.await.object().text().await.as_deref(), Ok("old"));
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
}
