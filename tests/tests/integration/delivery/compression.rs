//! Compression of what gains by it, once for each coding.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{PROTOCOLS, decoded, get, values};

const HLS: &str = "application/vnd.apple.mpegurl";

fn playlist() -> String {
    let segments: String = (0..200).map(|number| format!("#EXTINF:4.000,\nsegment-{number}.m4s\n")).collect();
    format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n{segments}#EXT-X-ENDLIST\n")
}

fn stored_playlist() -> Script {
    Script::status(200)
        .text(&playlist())
        .field("content-type", HLS)
        .field("cache-control", "max-age=60")
        .field("etag", "\"v1\"")
        .resource()
}

async fn edge(policy: &str, scripts: impl IntoIterator<Item = (&'static str, Script)>) -> (Edge, Origin) {
    let origin = Origin::start().await;
    for (path, script) in scripts {
        origin.on(path, script);
    }
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    (edge, origin)
}

#[tokio::test]
async fn confirmation_makes_no_coded_form() {
    let (edge, _origin) = edge("compression: {}", [("/a.m3u8", stored_playlist())]).await;
    get(&edge, Protocol::Http2, "/a.m3u8", &[]).await;
    let fields = [("accept-encoding", "gzip"), ("if-none-match", "W/\"v1\"")];
    let unchanged = get(&edge, Protocol::Http2, "/a.m3u8", &fields).await;
    assert_eq!((unchanged.status, values(&unchanged, "etag")), (304, vec!["W/\"v1\""]));
    assert_eq!(edge.metric("tidegate_compressions_total", &["coding=\"gzip\"", "outcome=\"coded\""]).await, 0.0);
    let coded = get(&edge, Protocol::Http2, "/a.m3u8", &fields[..1]).await;
    assert_eq!((coded.status, coded.field("content-encoding")), (200, Some("gzip")));
}

#[tokio::test]
async fn playlist_is_coded_as_each_client_accepts_it_from_the_first_answer_on() {
    let (edge, origin) = edge("compression: {}", [("/a.m3u8", stored_playlist())]).await;
    for round in ["missed or made", "stored"] {
        for protocol in PROTOCOLS {
            for (accepted, coding) in [
                ("gzip, deflate, br, zstd", Some("zstd")),
                ("br, gzip", Some("br")),
                ("gzip", Some("gzip")),
                ("x", None),
            ] {
                let told = format!("{} {accepted} {round}", protocol.label());
                let answer = get(&edge, protocol, "/a.m3u8", &[("accept-encoding", accepted)]).await;
                assert_eq!((answer.status, answer.field("content-encoding")), (200, coding), "{told}");
                assert_eq!(decoded(&answer), playlist().as_bytes(), "{told}");
                assert!(coding.is_none() || answer.body.len() * 5 < playlist().len(), "{told}");
                assert_eq!(values(&answer, "vary"), ["Accept-Encoding"], "{told}");
                assert_eq!(values(&answer, "content-length"), [answer.body.len().to_string()], "{told}");
                let tag = if coding.is_some() { "W/\"v1\"" } else { "\"v1\"" };
                assert_eq!(values(&answer, "etag"), [tag], "{told}");
                assert_eq!(values(&answer, "content-type"), [HLS], "{told}");
            }
        }
    }
    // One for each scheme, which are two keys.
    assert_eq!(origin.requests("/a.m3u8").len(), 2);
    for coding in ["zstd", "br", "gzip"] {
        let labels = [&*format!("coding=\"{coding}\""), "outcome=\"coded\""];
        assert_eq!(edge.metric("tidegate_compressions_total", &labels).await, 2.0, "{coding}");
    }
}

#[tokio::test]
async fn head_tells_what_get_gives() {
    let (edge, _origin) = edge("compression: {}", [("/a.m3u8", stored_playlist())]).await;
    for protocol in PROTOCOLS {
        for accepted in ["br", "identity", "gzip;q=0.5"] {
            let fields = [("accept-encoding", accepted)];
            let whole = get(&edge, protocol, "/a.m3u8", &fields).await;
            let head = Request::new("HEAD", "/a.m3u8").field("accept-encoding", accepted);
            let head = within("a head", edge.client(protocol).await.request(head)).await.unwrap();
            assert!(head.body.is_empty());
            for name in ["content-encoding", "content-length", "etag", "vary", "content-type"] {
                assert_eq!(values(&head, name), values(&whole, name), "{} {accepted} {name}", protocol.label());
            }
        }
    }
}

#[tokio::test]
async fn either_form_is_confirmed_by_its_own_tag() {
    let (edge, origin) = edge("compression: {}", [("/a.m3u8", stored_playlist())]).await;
    for protocol in PROTOCOLS {
        for accepted in ["br", "identity"] {
            let whole = get(&edge, protocol, "/a.m3u8", &[("accept-encoding", accepted)]).await;
            let tag = whole.field("etag").unwrap();
            let fields = [("accept-encoding", accepted), ("if-none-match", tag)];
            let unchanged = get(&edge, protocol, "/a.m3u8", &fields).await;
            assert_eq!(unchanged.status, 304, "{} {accepted}", protocol.label());
            assert_eq!(values(&unchanged, "etag"), [tag]);
            assert_eq!(values(&unchanged, "vary"), ["Accept-Encoding"]);
            assert_eq!(unchanged.field("content-encoding"), None);
            let fields = [("accept-encoding", accepted), ("if-none-match", "\"v0\", W/\"v2\"")];
            let changed = get(&edge, protocol, "/a.m3u8", &fields).await;
            assert_eq!(decoded(&changed), playlist().as_bytes());
        }
    }
    assert_eq!(origin.requests("/a.m3u8").len(), 2);
}

#[tokio::test]
async fn ranges_are_of_the_bytes_as_they_are_stored() {
    let (edge, _origin) = edge("compression: {}", [("/a.m3u8", stored_playlist())]).await;
    for protocol in PROTOCOLS {
        let coded = get(&edge, protocol, "/a.m3u8", &[("accept-encoding", "br")]).await;
        assert_eq!(coded.field("accept-ranges"), None);
        let range = [("accept-encoding", "br"), ("range", "bytes=8-24")];
        let part = get(&edge, protocol, "/a.m3u8", &range).await;
        assert_eq!((part.status, part.field("content-encoding")), (206, None), "{}", protocol.label());
        assert_eq!(part.body, playlist().as_bytes()[8..25]);
        assert_eq!((values(&part, "etag"), values(&part, "vary")), (vec!["\"v1\""], vec!["Accept-Encoding"]));
        // Who has the coded form cannot go on with it: a weak tag never matches (RFC 9110 section 13.1.5).
        let since = [range[0], range[1], ("if-range", coded.field("etag").unwrap())];
        let whole = get(&edge, protocol, "/a.m3u8", &since).await;
        assert_eq!((whole.status, decoded(&whole)), (200, playlist().into_bytes()));
    }
}

#[tokio::test]
async fn what_is_media_or_coded_or_not_to_be_transformed_goes_as_it_came() {
    let text = || Script::status(200).text(&playlist()).field("cache-control", "max-age=60");
    let scripts = [
        ("/video.mp4", text().field("content-type", "video/mp4")),
        ("/coded", text().field("content-type", "text/html").field("content-encoding", "x-own")),
        ("/kept", text().field("content-type", "text/html").field("cache-control", "no-transform")),
        (
            "/small",
            Script::status(200).text("short").field("content-type", "text/html").field("cache-control", "max-age=9"),
        ),
        ("/large", text().field("content-type", "text/plain")),
        ("/private", text().field("content-type", "text/html").field("cache-control", "private")),
        ("/missing", Script::status(404).text(&playlist()).field("content-type", "text/html")),
    ];
    let (edge, _origin) = edge("compression: {max: 2KiB}", scripts).await;
    for path in ["/video.mp4", "/coded", "/kept", "/small", "/large", "/private", "/missing"] {
        for _ in 0..2 {
            let answer = get(&edge, Protocol::Http2, path, &[("accept-encoding", "br, gzip")]).await;
            assert!(!["br", "gzip"].contains(&answer.field("content-encoding").unwrap_or_default()), "{path}");
            assert_eq!(answer.field("vary"), None, "{path}");
        }
    }
}

#[tokio::test]
async fn playlist_without_a_type_is_recognised_by_its_first_bytes() {
    let script = Script::status(200).text(&playlist()).field("cache-control", "max-age=60");
    let octets = script.clone().field("content-type", "application/octet-stream");
    let other = Script::cacheable(5000).field("content-type", "application/octet-stream");
    let scripts = [("/untyped", script), ("/octets", octets), ("/other", other)];
    let (edge, _origin) = edge("compression: {}", scripts).await;
    for (path, coding) in [("/untyped", Some("gzip")), ("/octets", Some("gzip")), ("/other", None)] {
        // While the first bytes are on their way nobody can know.
        get(&edge, Protocol::Http1, path, &[("accept-encoding", "gzip")]).await;
        edge.until_fills_end().await;
        let stored = get(&edge, Protocol::Http1, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(stored.field("content-encoding"), coding, "{path}");
    }
}

#[tokio::test]
async fn body_that_comes_slowly_is_not_waited_for_and_coded_for_the_next() {
    let script = stored_playlist().pausing_after(100, "rest");
    let (edge, origin) = edge("compression: {}", [("/a.m3u8", script)]).await;
    let client = edge.client(Protocol::Http2).await;
    let request = Request::get("/a.m3u8").field("accept-encoding", "br");
    let mut reading = within("a head", client.open(request)).await.unwrap();
    within("the beginning", reading.read_at_least(100)).await.unwrap();
    origin.gate("rest").open();
    let first = within("the rest", reading.finish()).await.unwrap();
    assert_eq!((first.field("content-encoding"), values(&first, "vary")), (None, vec!["Accept-Encoding"]));
    assert_eq!(first.body, playlist());
    edge.until_fills_end().await;
    let second = get(&edge, Protocol::Http2, "/a.m3u8", &[("accept-encoding", "br")]).await;
    assert_eq!((second.field("content-encoding"), decoded(&second)), (Some("br"), playlist().into_bytes()));
}

#[tokio::test]
async fn no_policy_of_compression_changes_nothing() {
    let (edge, _origin) = edge("compression: null", [("/a.m3u8", stored_playlist())]).await;
    for _ in 0..2 {
        let answer = get(&edge, Protocol::Http2, "/a.m3u8", &[("accept-encoding", "br")]).await;
        assert_eq!((answer.field("content-encoding"), answer.field("vary")), (None, None));
        assert_eq!(answer.field("etag"), Some("\"v1\""));
    }
}

#[tokio::test]
async fn origins_own_variants_stay_apart_and_are_not_coded_twice() {
    let gzipped = || {
        let coded = Script::status(200).text("not really").field("content-encoding", "gzip");
        coded.field("content-type", HLS).field("vary", "Accept-Encoding").field("cache-control", "max-age=60")
    };
    let (edge, _origin) = edge("compression: {}", [("/a.m3u8", gzipped())]).await;
    for _ in 0..2 {
        let answer = get(&edge, Protocol::Http1, "/a.m3u8", &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(
            (answer.field("content-encoding"), values(&answer, "vary")),
            (Some("gzip"), vec!["Accept-Encoding"])
        );
        assert_eq!(answer.body, "not really");
    }
}
