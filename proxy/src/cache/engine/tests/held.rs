//! Requests that origins hold back: what they may take of the places for them.

use super::super::held_places::MAX_OF_RESOURCE;
use super::*;

const HELD: &[&str] = &["x-held: yes"];

fn reload(playlist: &str, part: usize) -> Ask {
    let target = format!("{playlist}?_HLS_msn=7&_HLS_part={part}");
    get_with(Box::leak(target.into_boxed_str()), HELD)
}

#[tokio::test]
async fn one_playlist_takes_a_few_places_and_leaves_others_theirs() {
    let rig = Rig::new();
    let mut waiting = Vec::new();
    for part in 0..MAX_OF_RESOURCE {
        waiting.push((rig.waiting(reload("/v.m3u8", part)), rig.accept().await));
    }
    let beyond = rig.asking(reload("/v.m3u8", MAX_OF_RESOURCE)).now_or_never();
    assert_eq!(beyond.expect("it does not wait").failure().status, 503);
    let _joins = rig.waiting(reload("/v.m3u8", 0));
    let _other = rig.waiting(reload("/w.m3u8", 0));
    let _its_exchange = rig.accept().await;
    assert_eq!(rig.fetches(), MAX_OF_RESOURCE + 1);

    let (first, exchange) = waiting.swap_remove(0);
    exchange.answer(200, &["cache-control: max-age=60"], "it has come");
    assert_eq!(soon("the answer", first).await.object().text().await.as_deref(), Ok("it has come"));
    let given_back = async {
        while rig.engine.fills.len() > MAX_OF_RESOURCE {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of its fill", given_back).await;
    let _next = rig.waiting(reload("/v.m3u8", MAX_OF_RESOURCE));
}
