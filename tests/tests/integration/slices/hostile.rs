//! Origins that break off, know no ranges, or lie about them.

use super::*;
use tidegate_tests::edge::HOST;
use tidegate_tests::origin::{Framing, Step};

const TOTAL: u64 = 64 * MIB;

/// Nothing wrong was served: the part as it is, or visibly none.
fn assert_right_or_none(answer: anyhow::Result<Response>, start: u64, end: u64, what: &str) {
    let Ok(response) = answer else { return };
    if response.status >= 400 || response.end != End::Clean {
        return;
    }
    let first = if response.status == 206 { start } else { 0 };
    assert!(matches!(response.status, 200 | 206), "{what}: {}", response.status);
    assert_eq!(Pattern::new(0).check(first, &response.body), Ok(()), "{what}");
    assert!(response.status == 200 || response.body.len() as u64 == end - start, "{what}");
}

#[tokio::test]
async fn lies_about_ranges_are_not_served() {
    let claims = [
        "bytes 20971521-23068672/67108864",
        "bytes 20971520-23068671/67108865",
        "bytes 20971520-23068671/23068672",
        "bytes 20971520-23068671/*",
        "bytes 20971520-9223372036854775807/9223372036854775808",
        "bytes 20971520-18446744073709551615/*",
    ];
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    let lie = |claim: &str| {
        Script::status(206)
            .pattern(0, 2 * MIB)
            .field("cache-control", "max-age=60")
            .field("etag", "\"v0\"")
            .field("content-range", claim)
    };
    for known in [false, true] {
        for (number, claim) in claims.into_iter().enumerate() {
            // A total that contradicts nothing that is known yet is no lie that could be seen.
            if !known && (claim.ends_with("/67108865") || claim.ends_with("/23068672")) {
                continue;
            }
            let path = format!("/{known}-{number}.mp4");
            let client = edge.client(Protocol::Http2).await;
            if known {
                origin.on(&path, film(TOTAL));
                get_range(&client, &path, "50000000-50000009").await;
                edge.until_fills_end().await;
            }
            origin.on(&path, lie(claim));
            let request = Request::get(&path).field("range", "bytes=20971520-20971619");
            let answer = within("an answer", client.request(request)).await;
            if let Ok(response) = answer {
                assert!(response.status >= 400 || response.end != End::Clean, "{known} {claim}: {}", response.status);
            }
            origin.on(&path, film(TOTAL));
            let request = Request::get(&path).field("range", "bytes=20971520-20971619");
            let answer = within("the truth", client.request(request)).await;
            assert_right_or_none(answer, 20_971_520, 20_971_620, claim);
        }
    }
}

#[tokio::test]
async fn origin_that_answers_ranges_absurdly_is_asked_plainly_and_viewers_get_the_film() {
    const SIZE: u64 = 12 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    let claims = ["bytes 99999999999999999999-5/3", "bytes 5-3/12582912", "items 0-9/10", "bytes 1-9/12582912", ""];
    for (number, claim) in claims.into_iter().enumerate() {
        let path = format!("/{number}.mp4");
        let tagged = |script: Script| script.field("cache-control", "max-age=60").field("etag", "\"v0\"");
        let lie = tagged(Script::status(206).pattern(0, 2 * MIB).field("content-range", claim));
        let plain = tagged(Script::status(200).pattern(0, SIZE).field("content-type", "video/mp4"));
        origin.on_host_in_turn(HOST, std::slice::from_ref(&path), vec![lie, plain]);
        for protocol in Protocol::SECURE {
            let client = edge.client(protocol).await;
            let part = get_range(&client, &path, "9000000-9000099").await;
            assert_part(&part, 0, 9_000_000, 9_000_100, SIZE);
        }
        let ranges = asked(&origin, &path);
        assert!(ranges.len() == 2 && ranges[0].starts_with("bytes=") && ranges[1] == "whole", "{claim}: {ranges:?}");
    }
}

#[tokio::test]
async fn multipart_that_nobody_asked_for_is_not_served_as_a_part() {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    let multipart = Script::status(206)
        .text("--a\r\nContent-Range: bytes 20971520-20971523/67108864\r\n\r\nevil\r\n--b--\r\n")
        .field("content-type", "multipart/byteranges; boundary=a")
        .field("cache-control", "max-age=60")
        .field("etag", "\"v0\"");
    origin.on("/film.mp4", multipart);
    let client = edge.client(Protocol::Http1).await;
    let answer = get_range(&client, "/film.mp4", "20971520-20971523").await;
    assert!(answer.status >= 400, "{}", answer.status);
    origin.on("/film.mp4", film(TOTAL));
    let answer = client.request(Request::get("/film.mp4").field("range", "bytes=20971520-20971619")).await;
    assert_right_or_none(answer, 20_971_520, 20_971_620, "multipart");
}

#[tokio::test]
async fn film_of_an_origin_without_ranges_is_served_whole_and_in_parts() {
    const SIZE: u64 = 12 * MIB;
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    // An entity tag, and no word of ranges.
    origin.on("/film.mp4", Script::cacheable(SIZE).field("etag", "\"v0\"").field("content-type", "video/mp4"));
    for protocol in ALL {
        let client = edge.client(protocol).await;
        assert_part(&get_range(&client, "/film.mp4", "9000000-9000099").await, 0, 9_000_000, 9_000_100, SIZE);
        let whole = within("the film", client.get("/film.mp4")).await.unwrap();
        crate::assert_whole(&whole, SIZE, protocol.label());
    }
    // One for each scheme.
    assert_eq!(origin.requests("/film.mp4").len(), 2);
}

#[tokio::test]
async fn run_that_breaks_off_is_resumed_and_its_readers_see_nothing() {
    for protocol in ALL {
        let origin = Origin::start().await;
        let edge = edge_to(&origin).await;
        origin.on("/film.mp4", film(TOTAL).then(Step::Send(5 * MIB)).then(Step::Close));
        let client = edge.client(protocol).await;
        let response = get_range(&client, "/film.mp4", "20000000-39999999").await;
        assert_part(&response, 0, 20_000_000, 40_000_000, TOTAL);
        assert!(origin.requests("/film.mp4").len() > 3, "{:?}", asked(&origin, "/film.mp4"));
        let ranges = asked(&origin, "/film.mp4");
        assert!(ranges.iter().all(|range| range.ends_with("-41943039")), "{ranges:?}");
    }
}

#[tokio::test]
async fn seek_whose_origin_does_not_answer_is_an_error_and_not_a_short_body() {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    origin.on("/film.mp4", film(TOTAL));
    let client = edge.client(Protocol::Http2).await;
    get_range(&client, "/film.mp4", "20000000-20000009").await;
    edge.until_fills_end().await;
    origin.on("/film.mp4", Script::status(503));
    let response = get_range(&client, "/film.mp4", "40000000-40000009").await;
    assert_eq!(response.status, 502);
    let stored = get_range(&client, "/film.mp4", "20000100-20000109").await;
    assert_part(&stored, 0, 20_000_100, 20_000_110, TOTAL);
}

#[tokio::test]
async fn large_film_without_a_strong_tag_is_served_and_never_in_slices() {
    let origin = Origin::start().await;
    let edge = edge_to(&origin).await;
    let weak = |size| Script::cacheable(size).field("etag", "W/\"v0\"").field("content-type", "video/mp4").resource();
    origin.on("/weak.mp4", weak(10 * MIB));
    origin.on("/chunked.mp4", film(10 * MIB).framing(Framing::Chunked));
    for path in ["/weak.mp4", "/chunked.mp4"] {
        for protocol in ALL {
            let client = edge.client(protocol).await;
            let part = get_range(&client, path, "9000000-9000099").await;
            assert_part(&part, 0, 9_000_000, 9_000_100, 10 * MIB);
            let whole = within("the film", client.get(path)).await.unwrap();
            crate::assert_whole(&whole, 10 * MIB, path);
        }
    }
}
