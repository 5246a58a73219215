//! `Via` and `CDN-Loop`.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::Script;
use tidegate_tests::within;

use super::{ALL, ask, last, list, origin, request, values};

/// The version of HTTP as `Via` has it.
fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::PlainHttp1 | Protocol::Http1 => "1.1",
        Protocol::Http2 => "2",
        Protocol::Http3 => "3",
    }
}

#[tokio::test]
async fn via_grows_by_one_member_on_the_way_to_the_origin() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin).node_yaml("cdn_id: cdn.example")).await;
    for protocol in ALL {
        ask(&edge, protocol, request("/passed", &[])).await;
        assert_eq!(values(&last(&origin, "/passed"), "via"), format!("{} cdn.example", version(protocol)));
        ask(&edge, protocol, request("/passed", &["via: 1.0 fred, 1.1 p.example.net"])).await;
        let expected = format!("1.0 fred, 1.1 p.example.net, {} cdn.example", version(protocol));
        assert_eq!(values(&last(&origin, "/passed"), "via"), expected);
    }
}

#[tokio::test]
async fn responses_have_via_once_however_they_come_about() {
    let origin = origin().await;
    origin.on("/through", Script::cacheable(100).field("via", "1.0 before"));
    origin.on(
        "/stale",
        Script::status(200).text("old").field("cache-control", "max-age=0").field("etag", "\"1\"").resource(),
    );
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in ALL {
        for what in ["first", "second", "third"] {
            for (path, expected) in [
                ("/passed", "1.1 tidegate"),
                ("/stored", "1.1 tidegate"),
                ("/stale", "1.1 tidegate"),
                ("/through", "1.0 before, 1.1 tidegate"),
            ] {
                let answer = ask(&edge, protocol, Request::get(path)).await;
                assert_eq!(list(&answer.fields, "via"), expected, "{what} {path} over {protocol:?}");
            }
        }
        let head = ask(&edge, protocol, Request::new("HEAD", "/stored")).await;
        assert_eq!(list(&head.fields, "via"), "1.1 tidegate", "{protocol:?}");
    }
}

#[tokio::test]
async fn cdn_loop_grows_by_this_node() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in ALL {
        for path in ["/passed".to_owned(), format!("/stored?{protocol:?}")] {
            let plain = path.split('?').next().unwrap();
            ask(&edge, protocol, Request::get(&path)).await;
            assert_eq!(values(&last(&origin, plain), "cdn-loop"), "tidegate;node=eu-a-1");
        }
        for path in ["/passed".to_owned(), format!("/stored?other{protocol:?}")] {
            let plain = path.split('?').next().unwrap();
            ask(&edge, protocol, request(&path, &["cdn-loop: other.example;x=1", "cdn-loop: tidegate;node=us-a-1"]))
                .await;
            let expected = "other.example;x=1, tidegate;node=us-a-1, tidegate;node=eu-a-1";
            assert_eq!(values(&last(&origin, plain), "cdn-loop"), expected, "{protocol:?} {path}");
        }
    }
}

#[tokio::test]
async fn request_that_has_been_here_is_refused_as_a_loop() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for protocol in ALL {
        ask(&edge, protocol, Request::get("/stored")).await;
        let loops = [
            "cdn-loop: tidegate;node=eu-a-1",
            "cdn-loop: other, TIDEGATE ; Node=\"EU-A-1\"",
            "cdn-loop: tidegate;node=a, tidegate;node=b, tidegate",
        ];
        for field in loops {
            for path in ["/stored", "/passed", "/unknown"] {
                assert_eq!(
                    ask(&edge, protocol, request(path, &[field])).await.status,
                    508,
                    "{protocol:?} {path} {field}"
                );
            }
            let ready = request("/.well-known/tidegate/ready", &[field]);
            assert_eq!(ask(&edge, protocol, ready).await.status, 200, "health before every other rule");
        }
        assert_eq!(ask(&edge, protocol, request("/stored", &["cdn-loop: tidegate;node=b"])).await.status, 200);
    }
    assert!(origin.requests("/passed").is_empty());
}

#[tokio::test]
async fn edge_that_is_its_own_origin_ends_the_loop() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    let place = edge.place();
    edge.rewrite(&EdgeConfig::to_url(&format!("http://{}:{}", place.address, place.http)));
    edge.sighup();
    let reloaded = async {
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the reload", reloaded).await;
    for protocol in ALL {
        for path in ["/stored", "/passed"] {
            let asking = Request::new(if path == "/passed" { "POST" } else { "GET" }, path);
            assert_eq!(ask(&edge, protocol, asking).await.status, 508, "{protocol:?} {path}");
        }
    }
}
