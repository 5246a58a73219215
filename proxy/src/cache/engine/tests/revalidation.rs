//! Validating what is stored.

use super::*;

/// Stale from the start, worth validating.
const STALE: &[&str] = &["cache-control: max-age=0", "etag: \"1\""];

#[tokio::test]
async fn not_modified_renews_the_fields_and_keeps_the_body() {
    let rig = Rig::new();
    rig.store(get("/a"), STALE, "hello").await;
    let before = rig.stored("/a", &[]).unwrap();
    let waiting = [rig.waiting(get("/a")), rig.waiting(get("/a"))];
    let exchange = rig.accept().await;
    assert_eq!(exchange.request.get("if-none-match").unwrap(), "\"1\"");
    exchange.head(304, &["cache-control: max-age=60", "etag: \"1\"", "x-version: 2"]);
    exchange.end();
    for (collapsed, asking) in [false, true].into_iter().zip(waiting) {
        let got = asking.await.object();
        assert_eq!(got.outcome, Outcome::Revalidated { collapsed });
        assert!(Arc::ptr_eq(&got.object.body, &before.body), "the same bytes");
        assert_eq!(got.object.meta.headers.get("x-version").unwrap(), "2");
        assert_eq!(got.object.meta.status, StatusCode::OK);
        assert_eq!(got.text().await.as_deref(), Ok("hello"));
    }
    rig.idle().await;
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
    assert_eq!(rig.fetches(), 2);
}

#[tokio::test]
async fn not_modified_about_another_version_fetches_again_without_conditions() {
    let rig = Rig::new();
    rig.store(get("/a"), STALE, "hello").await;
    let asking = tokio::spawn(rig.waiting(get("/a")));
    let exchange = rig.accept().await;
    exchange.head(304, &["etag: \"2\""]);
    exchange.end();
    let exchange = rig.accept().await;
    assert!(!exchange.request.contains_key("if-none-match"));
    exchange.answer(200, &["cache-control: max-age=60", "etag: \"2\""], "new");
    assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("new"));
    rig.idle().await;
}

#[tokio::test]
async fn changed_response_replaces_what_is_stored() {
    let rig = Rig::new();
    rig.store(get("/a"), STALE, "hello").await;
    rig.store(get("/a"), &["cache-control: max-age=60", "etag: \"2\""], "new").await;
    assert_eq!(rig.ask(get("/a")).await.object().text().await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn not_modified_that_forbids_keeping_answers_its_request_and_is_gone() {
    let rig = Rig::new();
    rig.store(get("/a"), STALE, "hello").await;
    let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    let exchange = rig.accept().await;
    exchange.head(304, &["cache-control: no-store", "etag: \"1\""]);
    exchange.end();
    let got = starter.await.object();
    assert!(matches!(got.outcome, Outcome::Unshared(_)));
    assert_eq!(got.object.meta.headers.get("cache-control").unwrap(), "no-store");
    assert_eq!(got.text().await.as_deref(), Ok("hello"));
    assert_eq!(other.await.passage(), Passage::Unshareable);
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
}

#[tokio::test]
async fn waiters_of_what_must_always_be_validated_go_on_by_themselves() {
    let rig = Rig::new();
    let (starter, other) = (rig.waiting(get("/a")), rig.waiting(get("/a")));
    rig.accept().await.answer(200, &["cache-control: no-cache", "etag: \"1\""], "hello");
    assert_eq!(starter.await.object().text().await.as_deref(), Ok("hello"));
    assert_eq!(other.await.passage(), Passage::Unshareable);
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some(), "for validation");
}

const LIVE: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n1.m4s\n";
const ON_DEMAND: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n1.m4s\n#EXT-X-ENDLIST\n";

#[tokio::test]
async fn lifetime_of_a_playlist_is_known_when_it_is_complete() {
    let defaults = MediaDefaults::default();
    for (text, lifetime) in [(LIVE, Duration::from_millis(1500)), (ON_DEMAND, defaults.vod_playlist)] {
        let rig = Rig::new().for_media();
        let asking = rig.waiting(get("/live.m3u8"));
        rig.accept().await.answer(200, &["content-type: application/vnd.apple.mpegurl"], text);
        assert_eq!(asking.await.object().text().await.as_deref(), Ok(text));
        rig.idle().await;
        assert_eq!(rig.stored("/live.m3u8", &[]).unwrap().meta.times.lifetime, lifetime);
    }
}
