//! What is stored on disk beneath memory, and comes back after a restart: all of it under the same rules.

use super::super::disk::fake::{FakeDisk, Mood};
use super::super::disk::{DiskRecord, Kind};
use super::*;

pub(super) const FRESH: &[&str] = &["cache-control: max-age=600", "etag: \"one\"", "x-kept: yes"];

/// A node over a disk that is there already.
pub(super) fn above(disk: &Arc<FakeDisk>) -> Rig {
    with_bounds(disk, 4096, Duration::ZERO)
}

pub(super) fn with_bounds(disk: &Arc<FakeDisk>, max_object: u64, min_lifetime: Duration) -> Rig {
    let bounds = Bounds { capacity: max_object.max(1 << 20) * 4, max_object, window: WINDOW, fills: 16 };
    let mut rig = Rig::bounded(bounds, Handle::current());
    put_over(disk, &mut rig.engine, min_lifetime);
    rig
}

/// Puts an engine over a disk: it has the history of purges that is there.
pub(super) fn put_over(disk: &Arc<FakeDisk>, engine: &mut Arc<CacheEngine<TestRequest>>, min_lifetime: Duration) {
    let new = Arc::clone(&engine.purges);
    Arc::get_mut(engine).expect("a new engine").purges = Arc::clone(disk.purges.get_or_init(|| new));
    engine.set_disk(Arc::new(Arc::clone(disk)), min_lifetime);
}

/// A hit of which the origin heard nothing.
pub(super) async fn hit(rig: &Rig, ask: Ask) -> (Arc<Object>, String) {
    let before = rig.fetches();
    let got = rig.ask(ask).await.object();
    assert!(matches!(got.outcome, Outcome::Hit | Outcome::HitOnDisk), "{:?}", got.outcome);
    assert_eq!(rig.fetches(), before);
    (Arc::clone(&got.object), got.text().await.unwrap())
}

/// The origin is asked, and answers this.
pub(super) async fn miss(rig: &Rig, ask: Ask, lines: &[&str], body: &'static str) {
    let asking = rig.waiting_soon(ask).await;
    rig.accept().await.answer(200, lines, body);
    assert_eq!(soon("the answer", asking).await.unwrap().object().text().await.as_deref(), Ok(body));
    rig.idle().await;
}

impl Rig {
    /// A request that may look on disk first.
    pub(super) async fn waiting_soon(&self, ask: Ask) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(self.asking(ask))
    }
}

#[tokio::test]
async fn what_was_stored_is_a_hit_after_a_restart() {
    let disk = Arc::default();
    let rig = above(&disk);
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, FRESH);
    exchange.body("hello");
    exchange.say(FetchEvent::Trailers(fields(&["x-sum: 1"])));
    exchange.end();
    asking.await.object().text().await.unwrap();
    rig.idle().await;
    let before = rig.stored("/a", &[]).unwrap();
    let rig = above(&disk);
    let (after, body) = hit(&rig, get("/a")).await;
    assert_eq!(body, "hello");
    assert_eq!((after.meta.status, &after.meta.headers), (before.meta.status, &before.meta.headers));
    assert_eq!((after.meta.times, &after.origin), (before.meta.times, &before.origin));
    assert_eq!(after.body.trailers(), Some(&fields(&["x-sum: 1"])));
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::Hit);
    assert_eq!(disk.reads.load(Ordering::Relaxed), 1, "from memory the second time");
    miss(&rig, get("/b"), FRESH, "another").await;
}

#[tokio::test]
async fn variants_are_told_apart_after_a_restart() {
    let disk = Arc::default();
    let rig = above(&disk);
    let varies = ["cache-control: max-age=600", "vary: accept-language"];
    let speaks = |language: &str| get_with("/a", &[&format!("accept-language: {language}")]);
    for (language, text) in [("de", "Guten Tag"), ("fr", "Bonjour")] {
        miss(&rig, speaks(language), &varies, text).await;
    }
    let rig = above(&disk);
    for (language, text) in [("fr", "Bonjour"), ("de", "Guten Tag")] {
        assert_eq!(hit(&rig, speaks(language)).await.1, text);
    }
    miss(&rig, speaks("it"), &varies, "Ciao").await;
    let rig = above(&disk);
    for (language, text) in [("it", "Ciao"), ("de", "Guten Tag")] {
        assert_eq!(hit(&rig, speaks(language)).await.1, text);
    }
}

#[tokio::test]
async fn queries_that_are_the_same_share_a_response_after_a_restart() {
    let disk = Arc::default();
    let queries = |mut rig: Rig| {
        Arc::make_mut(&mut rig.policy).key.no_vary_search = true;
        rig
    };
    let rig = queries(above(&disk));
    miss(&rig, get("/a?utm=1"), &["cache-control: max-age=600", "no-vary-search: params=(\"utm\")"], "page").await;
    let rig = queries(above(&disk));
    assert_eq!(hit(&rig, get("/a?utm=2")).await.1, "page");
    miss(&rig, get("/a?other=2"), FRESH, "another").await;
}

#[tokio::test]
async fn what_is_of_use_for_a_moment_is_not_written() {
    let check = async |control: &str, expected: bool| {
        let disk = Arc::default();
        let rig = with_bounds(&disk, 4096, Duration::from_secs(60));
        rig.store(get("/a"), &[&format!("cache-control: {control}"), "etag: \"e\""], "hello").await;
        assert_eq!(disk.kinds(), [Kind::Object; 1][..usize::from(expected)], "{control}");
    };
    check("max-age=59", false).await;
    check("max-age=60", true).await;
    check("max-age=4, stale-while-revalidate=56", true).await;
    check("max-age=4, stale-if-error=20", false).await;
    check("max-age=600, no-cache", false).await;
}

#[tokio::test]
async fn what_was_forgotten_or_replaced_stays_so_after_a_restart() {
    let disk = Arc::default();
    let rig = above(&disk);
    rig.store(get("/gone"), FRESH, "old").await;
    rig.store(get("/changed"), &["cache-control: max-age=0", "etag: \"one\""], "old").await;
    rig.store(get("/private"), &["cache-control: max-age=0", "etag: \"one\""], "old").await;
    rig.engine.invalidate(&key("/gone"));
    miss(&rig, get("/changed"), FRESH, "new").await;
    miss(&rig, get("/private"), &["cache-control: private"], "mine").await;
    let rig = above(&disk);
    miss(&rig, get("/gone"), FRESH, "newer").await;
    assert_eq!(hit(&rig, get("/changed")).await.1, "new");
    let asking = rig.waiting_soon(get("/private")).await;
    let exchange = rig.accept().await;
    assert!(!exchange.request.contains_key("if-none-match"), "nothing is left to validate");
    exchange.answer(200, &["cache-control: private"], "mine");
    asking.await.unwrap().object();
}

#[tokio::test]
async fn replaced_response_that_could_not_be_written_is_not_found_on_disk() {
    let disk = Arc::default();
    let rig = above(&disk);
    rig.store(get("/a"), &["cache-control: max-age=0", "etag: \"one\""], "old").await;
    disk.become_(Mood::TakesNothing);
    miss(&rig, get("/a"), FRESH, "new").await;
    disk.become_(Mood::Well);
    miss(&above(&disk), get("/a"), FRESH, "newer").await;
}

#[tokio::test]
async fn all_who_ask_at_a_time_have_it_read_once() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    let rig = above(&disk);
    disk.become_(Mood::Holds);
    let asking: Vec<_> = (0..50).map(|_| rig.waiting(get("/a"))).collect();
    disk.become_(Mood::Well);
    for answer in soon("all answers", futures::future::join_all(asking)).await {
        assert_eq!(answer.object().text().await.as_deref(), Ok("hello"));
    }
    assert_eq!((rig.fetches(), disk.reads.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_read_is_not_served() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "old").await;
    let rig = above(&disk);
    disk.become_(Mood::Holds);
    let asking = rig.waiting(get("/a"));
    while disk.reads.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    rig.engine.invalidate(&key("/a"));
    disk.become_(Mood::Well);
    let asking = tokio::spawn(asking);
    rig.accept().await.answer(200, FRESH, "new");
    assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("new"));
    rig.idle().await;
    assert_eq!(hit(&rig, get("/a")).await.1, "new");
}

#[tokio::test]
async fn what_cannot_be_read_or_is_odd_is_fetched() {
    let check = async |what: &str, spoil: fn(&mut DiskRecord)| {
        println!("{what}");
        let disk: Arc<FakeDisk> = Arc::default();
        above(&disk).store(get("/a"), FRESH, "hello").await;
        disk.spoil(spoil);
        let rig = above(&disk);
        miss(&rig, get("/a"), FRESH, "again").await;
        assert_eq!(hit(&above(&disk), get("/a")).await.1, "again", "{what}");
    };
    check("head cut", |record| record.head = record.head.slice(..record.head.len() - 1)).await;
    check("no head", |record| record.head = Bytes::new()).await;
    check("body longer", |record| record.body.push(Bytes::from_static(b"x"))).await;
    check("no body", |record| record.body.clear()).await;
    check("kind", |record| record.kind = Kind::Slice).await;
    check("kind of a rule", |record| record.kind = Kind::Varies).await;
    check("head without slices", |record| record.kind = Kind::Head).await;
}

#[tokio::test]
async fn disk_that_reads_nothing_costs_a_fetch() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    disk.become_(Mood::ReadsNothing);
    let rig = above(&disk);
    miss(&rig, get("/a"), FRESH, "again").await;
    assert_eq!(hit(&rig, get("/a")).await.1, "again");
}

#[tokio::test]
async fn stale_response_is_validated_after_a_restart_and_fresh_after_the_next_one() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), &["cache-control: max-age=0", "etag: \"one\""], "hello").await;
    let rig = above(&disk);
    let asking = rig.waiting_soon(get("/a")).await;
    let exchange = rig.accept().await;
    assert_eq!(exchange.request["if-none-match"], "\"one\"");
    exchange.head(304, &["cache-control: max-age=600", "etag: \"one\""]);
    exchange.end();
    let got = asking.await.unwrap().object();
    assert!(matches!(got.outcome, Outcome::Revalidated { .. }));
    assert_eq!(got.text().await.as_deref(), Ok("hello"));
    rig.idle().await;
    assert_eq!(hit(&above(&disk), get("/a")).await.1, "hello");
}

#[tokio::test]
async fn requests_without_a_body_are_answered_from_disk() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    let rig = above(&disk);
    assert_eq!(rig.ask(head("/a")).await.object().outcome, Outcome::HitOnDisk);
    let rig = above(&disk);
    let got = rig.ask(get_with("/a", &["cache-control: only-if-cached"])).await.object();
    assert_eq!((got.outcome, rig.fetches()), (Outcome::HitOnDisk, 0));
    assert!(matches!(rig.ask(get_with("/b", &["cache-control: only-if-cached"])).await, Answer::GatewayTimeout));
}

#[tokio::test]
async fn request_that_passes_the_cache_reads_nothing() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    let rig = above(&disk);
    let answer = rig.ask(Ask { method: Method::POST, ..get("/a") }).await;
    assert!(matches!(answer, Answer::Pass(_)));
    assert_eq!(disk.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_served_from_disk() {
    let disk = Arc::default();
    let rig = above(&disk);
    rig.store(get("/a"), FRESH, "hello").await;
    for _ in 0..3 {
        rig.engine.memory.forget_all();
        assert_eq!(hit(&rig, get("/a")).await.1, "hello");
    }
}

#[tokio::test]
async fn long_body_lies_in_parts_and_is_written_once_however_often_it_is_confirmed() {
    let disk: Arc<FakeDisk> = Arc::default();
    let large = || with_bounds(&disk, 16 << 20, Duration::ZERO);
    let rig = large();
    let body: Bytes = (0..9_000_000_u32).map(|number| (number % 251) as u8).collect::<Vec<_>>().into();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=0", "etag: \"one\"", "content-length: 9000000"]);
    exchange.body(body.clone());
    exchange.end();
    asking.await.object();
    rig.idle().await;
    assert_eq!(disk.kinds(), [Kind::Object, Kind::Part, Kind::Part, Kind::Part, Kind::Part, Kind::Part]);
    for _ in 0..2 {
        let (rig, before) = (large(), disk.writes.load(Ordering::Relaxed));
        let asking = rig.waiting_soon(get("/a")).await;
        let exchange = rig.accept().await;
        exchange.head(304, &["cache-control: max-age=0", "etag: \"one\""]);
        exchange.end();
        let mut got = asking.await.unwrap().object();
        let mut read = Vec::new();
        while let Some(bytes) = got.read().await.unwrap() {
            read.extend_from_slice(&bytes);
        }
        assert!(read == body);
        rig.idle().await;
        assert_eq!(disk.writes.load(Ordering::Relaxed) - before, 1, "the head alone");
    }
    // A part is missing: nothing of the rest is served.
    let mut first = true;
    disk.spoil(|record| {
        if record.kind == Kind::Part && std::mem::take(&mut first) {
            record.body.clear();
        }
    });
    let rig = large();
    miss(&rig, get("/a"), FRESH, "again").await;
}

#[tokio::test]
async fn what_was_asked_for_once_has_no_part_of_it_written_where_room_is_scarce() {
    let disk: Arc<FakeDisk> = Arc::default();
    disk.become_(Mood::IsChoosy);
    let rig = with_bounds(&disk, 16 << 20, Duration::ZERO);
    let fetch = async || {
        let asking = rig.waiting_soon(get("/a")).await;
        let exchange = rig.accept().await;
        exchange.head(200, &["cache-control: max-age=600", "content-length: 3000000"]);
        exchange.body(vec![7; 3_000_000]);
        exchange.end();
        asking.await.unwrap().object();
        rig.idle().await;
        rig.engine.memory.forget_all();
    };
    fetch().await;
    assert_eq!(disk.kinds(), [Kind::Object; 0]);
    fetch().await;
    assert_eq!(disk.kinds(), [Kind::Object, Kind::Part, Kind::Part]);
    assert_eq!(rig.ask(get("/a")).await.object().outcome, Outcome::HitOnDisk);
}

#[tokio::test]
async fn what_is_fetched_ahead_comes_from_disk_where_it_is() {
    let disk = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    let rig = above(&disk);
    let (key, fields) = (key("/a"), HeaderMap::new());
    let facts = RequestFacts::new(&Method::GET, &fields);
    let lookup = Lookup { key: &key, facts: &facts, fields: &fields, policy: &rig.policy, path: "/a", may_fill: true };
    assert_eq!(rig.engine.fetch_ahead(&lookup, || TestRequest::new(HeaderMap::new())), Ahead::There);
    while rig.stored("/a", &[]).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.fetches(), 0);
}

#[tokio::test]
async fn what_is_replaced_by_something_that_is_not_written_does_not_come_back() {
    let (long, brief) = ("cache-control: max-age=86400", "cache-control: max-age=0");
    let check = async |before: &[&str], after: &[&str]| {
        let disk = Arc::default();
        let rig = with_bounds(&disk, 4096, Duration::from_secs(60));
        let ask = || get_with("/a", &["x-a: 1", "x-b: 1", "cache-control: no-cache"]);
        miss(&rig, ask(), before, "old").await;
        assert!(!disk.kinds().is_empty());
        miss(&rig, ask(), after, "new").await;
        let rig = with_bounds(&disk, 4096, Duration::from_secs(60));
        miss(&rig, get_with("/a", &["x-a: 1", "x-b: 1"]), FRESH, "newer").await;
    };
    check(&[long], &[brief]).await;
    check(&[long], &[brief, "vary: x-a"]).await;
    check(&[long, "vary: x-a"], &[brief]).await;
    check(&[long, "vary: x-a"], &[brief, "vary: x-a"]).await;
    check(&[long, "vary: x-a"], &[brief, "vary: x-b"]).await;
}

#[tokio::test]
async fn what_there_is_no_memory_for_now_stays_on_disk() {
    let disk: Arc<FakeDisk> = Arc::default();
    above(&disk).store(get("/a"), FRESH, "hello").await;
    let rig = above(&disk);
    let held = rig.engine.memory.beneath().unwrap().held();
    let mut all = held.reservation();
    assert!(all.grow(held.free()));
    let asking = rig.waiting_soon(get("/a")).await;
    rig.accept().await.answer(200, &["cache-control: no-store"], "from the origin");
    asking.await.unwrap().object();
    drop(all);
    rig.engine.recollection.forget();
    assert_eq!(hit(&rig, get("/a")).await.1, "hello");
}

#[tokio::test]
async fn part_that_does_not_come_in_time_costs_nothing_but_a_fetch() {
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = with_bounds(&disk, 16 << 20, Duration::ZERO);
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=600", "content-length: 3000000"]);
    exchange.body(vec![7; 3_000_000]);
    exchange.end();
    asking.await.object();
    rig.idle().await;
    let before = disk.kinds();
    disk.become_(Mood::ReadsNothing);
    let rig = with_bounds(&disk, 16 << 20, Duration::ZERO);
    let asking = rig.waiting_soon(get("/a")).await;
    rig.accept().await.answer(200, &["cache-control: no-store"], "from the origin");
    asking.await.unwrap().object();
    assert_eq!(disk.kinds(), before);
}

#[tokio::test]
async fn variants_on_disk_stay_in_reach_when_memory_turns_their_rule_away() {
    let disk = Arc::default();
    let rig = above(&disk);
    let varies = ["cache-control: max-age=600", "vary: accept-language"];
    let speaks = |language: &str| get_with("/a", &[&format!("accept-language: {language}")]);
    miss(&rig, speaks("de"), &varies, "Guten Tag").await;
    let asking = rig.waiting_soon(speaks("fr")).await;
    let exchange = rig.accept().await;
    rig.engine.memory.forget_all();
    exchange.answer(200, &varies, "Bonjour");
    asking.await.unwrap().object();
    rig.idle().await;
    rig.engine.memory.forget_all();
    assert_eq!(hit(&rig, speaks("de")).await.1, "Guten Tag");
    // What is made invalid stays so.
    let asking = rig.waiting_soon(speaks("it")).await;
    let exchange = rig.accept().await;
    rig.engine.memory.invalidate(&key("/a"));
    exchange.answer(200, &varies, "Ciao");
    asking.await.unwrap().object();
    rig.idle().await;
    miss(&rig, speaks("de"), &varies, "Hallo").await;
}
