//! What the answer to a HEAD does to what is stored (RFC 9111 section 4.3.5).

use super::*;
use crate::cache::purge::{Mode, Scope};

const STALE: &[&str] = &["cache-control: max-age=0", "etag: \"1\"", "content-length: 5", "x-version: 1"];

impl Rig {
    /// An origin has answered a client's HEAD.
    fn told_by_head(&self, ask: &Ask, status: u16, lines: &[&str]) {
        let key = key(ask.path);
        let facts = RequestFacts::new(&Method::HEAD, &ask.fields);
        let lookup = Lookup {
            key: &key,
            facts: &facts,
            fields: &ask.fields,
            policy: &self.policy,
            path: ask.path,
            may_fill: true,
        };
        let status = StatusCode::from_u16(status).unwrap();
        self.engine.note_head(&lookup, status, &fields(lines), SystemTime::now());
    }
}

#[tokio::test]
async fn head_of_the_same_version_freshens_what_is_stored() {
    let rig = Rig::new();
    rig.store(get("/a"), STALE, "hello").await;
    let before = rig.stored("/a", &[]).unwrap();
    let told = ["cache-control: max-age=60", "etag: \"1\"", "content-length: 5", "x-version: 2", "connection: x-hop"];
    rig.told_by_head(&head("/a"), 200, &told);
    let got = rig.ask(get("/a")).await.object();
    assert_eq!(got.outcome, Outcome::Hit);
    assert!(Arc::ptr_eq(&got.object.body, &before.body), "the same bytes");
    assert_eq!(got.object.meta.headers.get("x-version").unwrap(), "2");
    assert!(!got.object.meta.headers.contains_key("connection"));
    assert_eq!(got.text().await.as_deref(), Ok("hello"));
}

#[tokio::test]
async fn head_of_another_version_makes_what_is_stored_forgotten() {
    for line in ["etag: \"2\"", "content-length: 6", "last-modified: Tue, 14 Nov 2023 22:13:20 GMT"] {
        let rig = Rig::new();
        rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"1\"", "content-length: 5"], "hello").await;
        rig.told_by_head(&head("/a"), 200, &["cache-control: max-age=60", line]);
        assert!(rig.stored("/a", &[]).is_none(), "{line}");
    }
}

#[tokio::test]
async fn head_that_forbids_storing_makes_what_is_stored_forgotten() {
    for directive in ["no-store", "private"] {
        let rig = Rig::new();
        rig.store(get("/a"), STALE, "hello").await;
        rig.told_by_head(&head("/a"), 200, &[&format!("cache-control: {directive}"), "etag: \"1\""]);
        assert!(rig.stored("/a", &[]).is_none(), "{directive}");
    }
}

#[tokio::test]
async fn head_that_says_nothing_of_what_others_get_changes_nothing() {
    let changed: &[&str] = &["cache-control: max-age=60", "etag: \"2\""];
    let same: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];
    let authorized = Ask { method: Method::HEAD, ..get_with("/a", &["authorization: Bearer x"]) };
    let cases: [(Ask, u16, &[&str]); 4] =
        [(head("/a"), 304, changed), (head("/a"), 500, changed), (head("/b"), 200, changed), (authorized, 200, same)];
    for (ask, status, lines) in cases {
        let rig = Rig::new();
        rig.store(get("/a"), STALE, "hello").await;
        let before = rig.stored("/a", &[]).unwrap();
        rig.told_by_head(&ask, status, lines);
        assert!(Arc::ptr_eq(&rig.stored("/a", &[]).unwrap(), &before), "{status} {lines:?}");
        assert!(rig.stored("/b", &[]).is_none());
    }
}

#[tokio::test]
async fn head_speaks_of_its_own_variant_only() {
    let rig = Rig::new();
    for language in ["de", "en"] {
        let ask = get_with("/a", &[&format!("accept-language: {language}")]);
        let etag = format!("etag: \"{language}\"");
        rig.store(ask, &["cache-control: max-age=60", "vary: accept-language", &etag], "hello").await;
    }
    let ask = Ask { method: Method::HEAD, ..get_with("/a", &["accept-language: de"]) };
    rig.told_by_head(&ask, 200, &["cache-control: max-age=60", "vary: accept-language", "etag: \"new\""]);
    assert!(rig.stored("/a", &["accept-language: de"]).is_none());
    assert!(rig.stored("/a", &["accept-language: en"]).is_some());
}

#[tokio::test]
async fn tags_that_a_head_tells_are_added_to_those_known() {
    for tag in ["red", "blue", "green"] {
        let rig = Rig::new();
        rig.store(get("/a"), &[STALE, &["surrogate-key: red"]].concat(), "hello").await;
        rig.told_by_head(&head("/a"), 200, &["cache-control: max-age=60", "etag: \"1\"", "surrogate-key: blue"]);
        let stored = rig.ask(get("/a")).await.object();
        assert_eq!(stored.outcome, Outcome::Hit);
        assert!(!stored.object.meta.headers.contains_key("surrogate-key"));
        rig.engine.purges().carry_out(&[Scope::Tag(tag.to_owned())], Mode::Hard, String::new(), 1, SystemTime::now());
        assert_eq!(rig.engine.is_gone(&stored.object), tag != "green", "{tag}");
    }
}
