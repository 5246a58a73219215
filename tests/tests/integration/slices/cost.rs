//! What seeks, whole reads and crowds cost the origin.

use super::*;

/// A seek in 4 GiB costs one request for the slice it needs, and the next one in that slice none.
async fn seek_in_a_large_film(protocol: Protocol) {
    const TOTAL: u64 = 4096 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let client = edge.client(protocol).await;
    let start = 3001 * MIB + 17;
    let response = get_range(&client, "/film.mp4", &format!("{start}-{}", start + 99_999)).await;
    assert_part(&response, 0, start, start + 100_000, TOTAL);
    assert_eq!(asked(&origin, "/film.mp4"), [format!("bytes={}-{}", 3000 * MIB, 3002 * MIB - 1)]);
    edge.until_fills_end().await;
    let again = get_range(&client, "/film.mp4", &format!("{}-{}", start - 5000, start + 5000)).await;
    assert_part(&again, 0, start - 5000, start + 5001, TOTAL);
    assert!(again.field("cache-status").unwrap().contains("hit"), "{:?}", again.field("cache-status"));
    let other = get_range(&client, "/film.mp4", &format!("{}-{}", 100 * MIB, 100 * MIB + 9)).await;
    assert_part(&other, 0, 100 * MIB, 100 * MIB + 10, TOTAL);
    assert!(other.field("cache-status").unwrap().contains("fwd=partial"), "{:?}", other.field("cache-status"));
    let head = client.request(Request::new("HEAD", "/film.mp4")).await.unwrap();
    assert_eq!(head.field("content-length"), Some(&*TOTAL.to_string()));
    assert_eq!(origin.requests("/film.mp4").len(), 2);
    assert!(fetched(&edge).await <= 4.0 * MIB as f64);
}

#[tokio::test]
async fn seek_in_a_large_film_costs_the_slice_it_needs_over_plain_http1() {
    seek_in_a_large_film(Protocol::PlainHttp1).await;
}

#[tokio::test]
async fn seek_in_a_large_film_costs_the_slice_it_needs_over_http1() {
    seek_in_a_large_film(Protocol::Http1).await;
}

#[tokio::test]
async fn seek_in_a_large_film_costs_the_slice_it_needs_over_http2() {
    seek_in_a_large_film(Protocol::Http2).await;
}

#[tokio::test]
async fn seek_in_a_large_film_costs_the_slice_it_needs_over_http3() {
    seek_in_a_large_film(Protocol::Http3).await;
}

#[tokio::test]
async fn whole_read_of_a_large_film_is_one_request_and_then_none() {
    const TOTAL: u64 = 21 * MIB + 12_345;
    for protocol in ALL {
        let origin = Origin::start().await;
        let edge = edge_to(&origin).await;
        origin.on("/film.mp4", film(TOTAL));
        let client = edge.client(protocol).await;
        for _ in 0..2 {
            let response = within("the film", client.get("/film.mp4")).await.unwrap();
            crate::assert_whole(&response, TOTAL, protocol.label());
            assert_eq!(response.field("content-length"), Some(&*TOTAL.to_string()));
        }
        assert_eq!(asked(&origin, "/film.mp4"), ["whole"], "{protocol:?}");
        // As browsers do.
        let open = get_range(&client, "/film.mp4", "0-").await;
        assert_part(&open, 0, 0, TOTAL, TOTAL);
        assert_eq!(origin.requests("/film.mp4").len(), 1);
    }
}

#[tokio::test]
async fn browser_that_asks_for_everything_by_a_range_costs_one_request() {
    const TOTAL: u64 = 20 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let response = get_range(&edge.client(Protocol::Http2).await, "/film.mp4", "0-").await;
    assert_part(&response, 0, 0, TOTAL, TOTAL);
    assert_eq!(asked(&origin, "/film.mp4"), ["bytes=0-"]);
}

#[tokio::test]
async fn film_up_to_eight_mebibytes_costs_one_request_whatever_is_asked_for_first() {
    const TOTAL: u64 = 8 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    let ranges = [("0-1", 0, 2), ("5000000-5000999", 5_000_000, 5_001_000), ("-500", TOTAL - 500, TOTAL)];
    for (number, (range, start, end)) in ranges.into_iter().enumerate() {
        let path = format!("/{number}.mp4");
        origin.on(&path, film(TOTAL));
        let client = edge.client(Protocol::Http2).await;
        assert_part(&get_range(&client, &path, range).await, 0, start, end, TOTAL);
        let whole = within("the film", client.get(&path)).await.unwrap();
        crate::assert_whole(&whole, TOTAL, range);
        assert_eq!(origin.requests(&path).len(), 1, "{range}: {:?}", asked(&origin, &path));
    }
}

/// As Safari begins to play: two bytes, and then everything.
#[tokio::test]
async fn first_bytes_of_a_large_film_cost_one_slice() {
    const TOTAL: u64 = 4096 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let client = edge.client(Protocol::Http2).await;
    assert_part(&get_range(&client, "/film.mp4", "0-1").await, 0, 0, 2, TOTAL);
    edge.until_fills_end().await;
    assert_eq!(asked(&origin, "/film.mp4"), [format!("bytes=0-{}", 8 * MIB - 1)]);
    assert!(fetched(&edge).await <= 3.0 * MIB as f64, "{} bytes", fetched(&edge).await);
    assert_part(&get_range(&client, "/film.mp4", "0-2097151").await, 0, 0, 2 * MIB, TOTAL);
    assert_eq!(origin.requests("/film.mp4").len(), 1, "it is stored");
}

#[tokio::test]
async fn crowd_that_seeks_to_one_place_costs_one_request() {
    const TOTAL: u64 = 1024 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL).before(tidegate_tests::origin::Step::Gate("head".to_owned())));
    let place = 500 * MIB;
    let mut clients = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Http3].into_iter().cycle().take(30) {
        let client = edge.client(protocol).await;
        clients.push(tokio::spawn(async move {
            let first = place + 1000;
            assert_part(
                &get_range(&client, "/film.mp4", &format!("{first}-{}", first + 99_999)).await,
                0,
                first,
                first + 100_000,
                TOTAL,
            );
        }));
    }
    origin.gate("head").reached().await;
    origin.gate("head").open();
    for client in clients {
        within("a client", client).await.unwrap();
    }
    assert_eq!(asked(&origin, "/film.mp4"), [format!("bytes={place}-{}", place + 2 * MIB - 1)]);
}

#[tokio::test]
async fn several_ranges_and_suffixes_come_from_slices() {
    const TOTAL: u64 = 64 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    for protocol in ALL {
        let client = edge.client(protocol).await;
        assert_part(&get_range(&client, "/film.mp4", "-1000").await, 0, TOTAL - 1000, TOTAL, TOTAL);
        let ranges = [(20 * MIB - 50, 20 * MIB + 50), (5, 9), (TOTAL - 7, TOTAL)];
        let asked = ranges.map(|(start, end)| format!("{start}-{}", end - 1)).join(",");
        let response = get_range(&client, "/film.mp4", &asked).await;
        assert_eq!((response.status, &response.end), (206, &End::Clean), "{protocol:?}");
        let content_type = response.field("content-type").unwrap();
        let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let mut expected = Vec::new();
        for (number, (start, end)) in ranges.into_iter().enumerate() {
            let line = if number == 0 { "" } else { "\r\n" };
            expected.extend_from_slice(
                format!(
                    "{line}--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {start}-{}/{TOTAL}\r\n\r\n",
                    end - 1
                )
                .as_bytes(),
            );
            expected.extend_from_slice(&Pattern::new(0).bytes(start, end));
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(response.body == expected, "{protocol:?}");
        let beyond = get_range(&client, "/film.mp4", &format!("{TOTAL}-")).await;
        assert_eq!((beyond.status, beyond.field("content-range")), (416, Some(&*format!("bytes */{TOTAL}"))));
    }
}

#[tokio::test]
async fn player_that_leaves_has_not_cost_the_whole_film() {
    const TOTAL: u64 = 4096 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    for protocol in ALL {
        let client = edge.client(protocol).await;
        let request = Request::get("/film.mp4").field("range", "bytes=2000000000-");
        let mut streaming = client.open(request).await.unwrap();
        streaming.read_at_least(1_000_000).await.unwrap();
        streaming.cancel();
    }
    // Over plain HTTP the key is another one.
    origin.ended("/film.mp4", 2).await;
    assert!(fetched(&edge).await < 64.0 * MIB as f64, "{} bytes", fetched(&edge).await);
}
