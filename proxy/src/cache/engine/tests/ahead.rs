//! Fills that nobody asked for: they take no more than is for them, and nothing of those who come for them.

use super::*;

const MIB: usize = 1 << 20;

/// An engine that may hold 64 MiB for fills, half of it for what is fetched ahead, half of which one site may have.
fn rig() -> Rig {
    let bounds = Bounds { capacity: 128 << 20, max_object: 60 << 20, window: WINDOW, fills: 16 };
    Rig::bounded(bounds, Handle::current())
}

pub(super) fn ahead(rig: &Rig, path: &'static str) -> Ahead {
    let (key, fields) = (key(path), HeaderMap::new());
    let facts = RequestFacts::new(&Method::GET, &fields);
    let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy: &rig.policy, path, may_fill: true };
    rig.engine.fetch_ahead(&lookup, || TestRequest::new(HeaderMap::new()))
}

/// A fill ahead whose origin has said how long it is and sent a little of it.
async fn begun(rig: &Rig, path: &'static str, length: Option<usize>) -> Exchange {
    assert_eq!(ahead(rig, path), Ahead::Started, "{path}");
    let exchange = rig.accept().await;
    let length = length.map(|length| format!("content-length: {length}"));
    let lines: Vec<&str> = ["cache-control: max-age=60"].into_iter().chain(length.as_deref()).collect();
    exchange.head(200, &lines);
    exchange.body(vec![b'x'; 1000]);
    exchange
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_fetched_ahead_is_stored_and_gives_its_share_back() {
    let rig = rig();
    for path in ["/a", "/b", "/c"] {
        let exchange = begun(&rig, path, Some(16 * MIB)).await;
        exchange.body(vec![b'x'; 16 * MIB - 1000]);
        exchange.end();
        rig.idle().await;
        assert!(rig.stored(path, &[]).is_some(), "{path}");
        assert_eq!(ahead(&rig, path), Ahead::There);
    }
}

#[tokio::test]
async fn object_that_is_too_large_for_what_is_left_of_the_sites_bytes_is_not_fetched_ahead() {
    let rig = rig();
    let first = begun(&rig, "/a", Some(10 * MIB)).await;
    let second = begun(&rig, "/b", Some(8 * MIB)).await;
    second.hung_up().await;
    let third = begun(&rig, "/c", Some(5 * MIB)).await;
    settle().await;
    assert_eq!(ahead(&rig, "/d"), Ahead::Started, "there is a little left");
    rig.accept().await.answer(404, &[], "");
    drop(third);
    first.body(vec![b'x'; 10 * MIB - 1000]);
    first.end();
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some() && rig.stored("/b", &[]).is_none());
}

#[tokio::test]
async fn object_without_a_length_is_fetched_ahead_until_it_is_too_large() {
    let rig = rig();
    let exchange = begun(&rig, "/a", None).await;
    for _ in 0..15 {
        exchange.body(vec![b'x'; MIB]);
    }
    settle().await;
    assert_eq!(rig.engine.budget.in_use().0, 1, "it goes on");
    exchange.body(vec![b'x'; 2 * MIB]);
    exchange.hung_up().await;
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_none());
}

#[tokio::test]
async fn client_that_comes_for_it_gets_all_of_it_whatever_its_size() {
    let rig = rig();
    assert_eq!(ahead(&rig, "/a"), Ahead::Started);
    let exchange = rig.accept().await;
    let client = rig.waiting(get("/a"));
    exchange.head(200, &["cache-control: max-age=60", &format!("content-length: {}", 20 * MIB)]);
    let mut got = soon("the answer", client).await.object();
    exchange.body(vec![b'x'; 1000]);
    got.read().await.unwrap();
    assert_eq!(begun(&rig, "/b", Some(15 * MIB)).await.request.len(), 0, "its bytes are no longer ahead of anybody");
    exchange.body(vec![b'x'; 20 * MIB - 1000]);
    exchange.end();
    assert_eq!(got.text().await.map(|text| text.len()), Ok(20 * MIB - 1000));
    rig.idle().await;
    assert!(rig.stored("/a", &[]).is_some());
}
