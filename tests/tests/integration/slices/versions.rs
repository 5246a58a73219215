//! A film that is replaced: no response has bytes of two versions, and conditions are about the version that is stored.

use super::*;

const TOTAL: u64 = 64 * MIB;

async fn replaced_film(protocol: Protocol) {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let client = edge.client(protocol).await;
    assert_part(&get_range(&client, "/film.mp4", "20000000-20000099").await, 0, 20_000_000, 20_000_100, TOTAL);
    edge.until_fills_end().await;
    origin.on("/film.mp4", version(3, TOTAL - 1000));
    // What is stored and fresh is served; what is not is of the new version, and from then on all is.
    assert_part(&get_range(&client, "/film.mp4", "20000200-20000299").await, 0, 20_000_200, 20_000_300, TOTAL);
    assert_part(&get_range(&client, "/film.mp4", "40000000-40000099").await, 3, 40_000_000, 40_000_100, TOTAL - 1000);
    assert_part(&get_range(&client, "/film.mp4", "20000200-20000299").await, 3, 20_000_200, 20_000_300, TOTAL - 1000);
}

#[tokio::test]
async fn replaced_film_is_served_in_its_new_version_over_http1() {
    replaced_film(Protocol::Http1).await;
}

#[tokio::test]
async fn replaced_film_is_served_in_its_new_version_over_http2() {
    replaced_film(Protocol::Http2).await;
}

#[tokio::test]
async fn replaced_film_is_served_in_its_new_version_over_http3() {
    replaced_film(Protocol::Http3).await;
}

#[tokio::test]
async fn reader_of_a_film_that_is_replaced_meanwhile_is_visibly_cut() {
    for protocol in ALL {
        let origin = Origin::start().await;
        let edge = edge_to(&origin).await;
        // The origin stalls within the film, and meanwhile the film is replaced.
        origin.on("/film.mp4", film(TOTAL).pausing_after(5 * MIB, "half"));
        let client = edge.client(protocol).await;
        let mut streaming = client.open(Request::get("/film.mp4")).await.unwrap();
        streaming.read_at_least(4 << 20).await.unwrap();
        origin.on("/film.mp4", version(3, TOTAL));
        let seeker = edge.client(protocol).await;
        let seek = get_range(&seeker, "/film.mp4", "50000000-50000009").await;
        assert_part(&seek, 3, 50_000_000, 50_000_010, TOTAL);
        origin.gate("half").open();
        let response = streaming.finish().await.unwrap();
        assert_eq!(Pattern::new(0).check(0, &response.body), Ok(()), "{protocol:?}: another version's bytes");
        assert!(response.body.len() as u64 == TOTAL || response.end != End::Clean, "{protocol:?}");
        assert_part(&get_range(&client, "/film.mp4", "30000000-30000009").await, 3, 30_000_000, 30_000_010, TOTAL);
    }
}

#[tokio::test]
async fn conditions_are_answered_from_slices() {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    for protocol in ALL {
        let client = edge.client(protocol).await;
        get_range(&client, "/film.mp4", "20000000-20000099").await;
        let with = |fields: &[(&str, &str)]| {
            let request =
                fields.iter().fold(Request::get("/film.mp4"), |request, (name, value)| request.field(name, value));
            client.request(request)
        };
        let unchanged = with(&[("if-none-match", "\"v0\"")]).await.unwrap();
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
        let part = with(&[("range", "bytes=20000000-20000009"), ("if-range", "\"v0\"")]).await.unwrap();
        assert_part(&part, 0, 20_000_000, 20_000_010, TOTAL);
        // The whole follows; the head is enough.
        let request = Request::get("/film.mp4").field("range", "bytes=20000000-20000009").field("if-range", "\"v1\"");
        let other = client.open(request).await.unwrap();
        assert_eq!(other.head.status, 200);
        other.cancel();
    }
}

#[tokio::test]
async fn confirmed_film_keeps_its_slices() {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let client = edge.client(Protocol::Http2).await;
    get_range(&client, "/film.mp4", "20000000-20000099").await;
    edge.until_fills_end().await;
    let request =
        Request::get("/film.mp4").field("range", "bytes=20000100-20000199").field("cache-control", "no-cache");
    assert_part(&client.request(request).await.unwrap(), 0, 20_000_100, 20_000_200, TOTAL);
    let requests = origin.requests("/film.mp4");
    assert_eq!((requests.len(), requests[1].field("if-none-match")), (2, Some("\"v0\"")));
    assert_part(&get_range(&client, "/film.mp4", "20000300-20000399").await, 0, 20_000_300, 20_000_400, TOTAL);
    assert_eq!(origin.requests("/film.mp4").len(), 2);
}
