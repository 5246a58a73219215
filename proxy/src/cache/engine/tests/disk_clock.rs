//! What is on disk, and a clock that was set while the node was down.

use super::disk::{above, hit, miss};
use super::*;

const HOUR: &[&str] = &["cache-control: max-age=3600", "etag: \"one\""];

#[tokio::test]
async fn what_was_stored_later_than_now_is_fetched_and_not_believed() {
    for back in [6 * 60, 3600, 365 * 86_400] {
        let disk = Arc::default();
        let now = SystemTime::now();
        clock::set(now);
        above(&disk).store(get("/a"), HOUR, "hello").await;
        clock::set(now - Duration::from_secs(back));
        let rig = above(&disk);
        miss(&rig, get("/a"), HOUR, "again").await;
        let rig = above(&disk);
        assert_eq!(hit(&rig, get("/a")).await.1, "again", "{back}");
    }
}

#[tokio::test]
async fn step_of_the_clock_never_makes_a_response_younger_than_it_was() {
    // A step back that is as small as those of time servers is a hit; one ahead counts as age.
    let check = async |step: i64, expected_age: u64, fresh: bool| {
        let disk = Arc::default();
        let now = SystemTime::now();
        clock::set(now);
        above(&disk).store(get("/a"), &["cache-control: max-age=3600", "etag: \"one\"", "age: 50"], "hello").await;
        let size = Duration::from_secs(step.unsigned_abs());
        clock::set(if step < 0 { now - size } else { now + size });
        let rig = above(&disk);
        if fresh {
            let (object, _) = hit(&rig, get("/a")).await;
            assert_eq!(object.meta.times.current_age(clock::now()).as_secs(), expected_age, "{step}");
        } else {
            let asking = rig.waiting_soon(get("/a")).await;
            let exchange = rig.accept().await;
            assert_eq!(exchange.request["if-none-match"], "\"one\"", "{step}");
            exchange.answer(304, HOUR, "");
            assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("hello"), "{step}");
        }
    };
    check(-200, 50, true).await;
    check(0, 50, true).await;
    check(3000, 3050, true).await;
    check(3551, 0, false).await;
    check(10 * 365 * 86_400, 0, false).await;
}
