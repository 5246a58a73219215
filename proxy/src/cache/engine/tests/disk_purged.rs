//! Purges and what is on disk: what becomes of fills that they outdate, and of the room that is taken.

use super::super::disk::Kind;
use super::super::disk::fake::FakeDisk;
use super::disk::{FRESH, above, miss, with_bounds};
use super::*;
use crate::cache::purge::{Mode, Scope};

impl Rig {
    fn purge_all(&self, mode: Mode) {
        self.engine.purges().carry_out(&[Scope::Everything], mode, String::new(), 1, SystemTime::now());
    }
}

#[tokio::test]
async fn fill_that_a_purge_has_outdated_does_not_replace_a_newer_response_that_is_on_disk_alone() {
    for lines in [FRESH, &["cache-control: max-age=600", "etag: \"one\"", "vary: accept-language"]] {
        let disk: Arc<FakeDisk> = Arc::default();
        let rig = above(&disk);
        let first = rig.waiting_soon(get("/a")).await;
        let older = rig.accept().await;
        rig.purge_all(Mode::Soft);
        let second = rig.waiting_soon(get("/a")).await;
        rig.accept().await.answer(200, lines, "newer");
        assert_eq!(second.await.unwrap().object().text().await.as_deref(), Ok("newer"));
        while disk.kinds().is_empty() || rig.stored("/a", &[]).is_none() {
            tokio::task::yield_now().await;
        }
        rig.engine.memory.forget_all();
        older.answer(200, lines, "older");
        assert_eq!(first.await.unwrap().object().text().await.as_deref(), Ok("older"), "it asked before");
        rig.idle().await;
        for rig in [rig, above(&disk)] {
            let asking = rig.waiting_soon(get("/a")).await;
            let exchange = rig.accept().await;
            assert!(!exchange.request.contains_key("if-none-match"), "{:?}", exchange.request);
            exchange.answer(200, &["cache-control: no-store"], "newest");
            assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("newest"));
            rig.idle().await;
            rig.engine.recollection.forget();
        }
    }
}

#[tokio::test]
async fn parts_of_what_was_purged_are_known_as_such_by_themselves() {
    let disk: Arc<FakeDisk> = Arc::default();
    let rig = with_bounds(&disk, 16 << 20, Duration::ZERO);
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, &["cache-control: max-age=600", "content-length: 3000000"]);
    exchange.body(vec![7; 3_000_000]);
    exchange.end();
    asking.await.object();
    rig.idle().await;
    let all = [Kind::Object, Kind::Part, Kind::Part];
    assert_eq!((disk.kinds(), disk.gone(rig.engine.purges())), (all.to_vec(), vec![]));
    rig.purge_all(Mode::Soft);
    assert_eq!(disk.gone(rig.engine.purges()), [], "stale is not gone");
    rig.purge_all(Mode::Hard);
    assert_eq!(disk.gone(rig.engine.purges()), all);
    miss(&rig, get("/a"), FRESH, "new").await;
    assert_eq!(disk.gone(rig.engine.purges()), all[1..], "what is new is not");
}
