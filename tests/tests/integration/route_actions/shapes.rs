//! What origins and clients get of a message that a route changes.

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{ALL, ask, is_hit};

#[tokio::test]
async fn origin_gets_the_rewritten_target_and_clients_know_nothing_of_it() {
    let origin = Origin::start().await;
    for path in ["/new/a%20b", "/x/m.test/whole/c"] {
        origin.on(path, Script::cacheable(10));
    }
    let config = EdgeConfig { hosts: vec![HOST.to_owned(), "m.test".to_owned()], ..EdgeConfig::to(&origin) }
        .routes_yaml(
            "
        - name: prefix
          path: /old/*
          rewrite: {prefix: /new/}
          origin_pool: origins
          cache_policy: tested
        - name: whole
          path: /whole/*
          rewrite: {path: '/x/${host}${path}'}
          origin_pool: origins
          cache_policy: tested
        ",
        );
    let edge = Edge::start(&config).await;
    for protocol in ALL {
        for (target, path, sent) in
            [("/old/a%20b", "/new/a%20b", "/new/a%20b"), ("/whole/c", "/x/m.test/whole/c", "/x/m.test/whole/c")]
        {
            let ask = |method: &str, query: &str| {
                ask(&edge, protocol, Request::new(method, &format!("{target}{query}")).authority("m.test"))
            };
            let query = format!("?q={}&%61", protocol.label());
            assert_eq!(ask("GET", &query).await.status, 200, "{protocol:?} {target} miss");
            edge.until_fills_end().await;
            assert!(is_hit(&ask("GET", &query).await), "{protocol:?} {target} hit");
            assert_eq!(ask("POST", &query).await.status, 200, "{protocol:?} {target} pass");
            let expected = format!("{sent}{query}");
            let asked = origin.requests_of("m.test", path);
            let asked: Vec<_> = asked.iter().filter(|request| request.target == expected).collect();
            assert_eq!(asked.len(), 2, "{protocol:?} {expected}: a fill and a pass");
        }
    }
    let logged = edge.access_log(1, |entry| entry["path"] == "/old/a%20b").await;
    assert_eq!(logged[0]["route"], "prefix");
}

const FIELDS: &str = "
    request_fields:
      remove: [x-secret]
      set: [{name: x-client, value: 'c=${client.address}'}, {name: x-edge, value: '${edge}'}]
      add: [{name: x-list, value: two}]
    response_fields:
      remove: [x-origin, x-tidegate-edge]
      set: [{name: x-path, value: '${path}|${query}'}, {name: cache-control, value: no-cache}]
      add: [{name: vary, value: Origin}]
";

#[tokio::test]
async fn fields_are_changed_towards_origins_and_fills_name_no_client() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(10));
    let edge = Edge::start(&EdgeConfig::to(&origin).route_yaml(FIELDS)).await;
    for protocol in ALL {
        let target = format!("/a?{}", protocol.label());
        for method in ["GET", "POST"] {
            let request = Request::new(method, &target).field("x-secret", "1").field("x-client", "forged");
            assert_eq!(ask(&edge, protocol, request.field("x-list", "one")).await.status, 200);
        }
        let asked = origin.requests("/a");
        for request in asked.iter().filter(|request| request.target == target) {
            let told = format!("{protocol:?} {}", request.method);
            assert_eq!(request.field("x-secret"), None, "{told}");
            assert_eq!(request.field("x-edge"), Some("eu-a-1"), "{told}");
            let lists: Vec<_> = request.fields.iter().filter(|(name, _)| name == "x-list").collect();
            assert_eq!(lists.len(), 2, "{told}");
            let client = request.field("x-client").unwrap_or_default();
            assert_eq!(client.starts_with("c=127."), request.method == "POST", "{told}: {client}");
            assert!(client.starts_with("c="), "{told}: {client}");
        }
    }
}

#[tokio::test]
async fn every_response_of_a_route_has_its_fields_changed_and_none_is_stored_changed() {
    let origin = Origin::start().await;
    let script = Script::status(200).pattern(0, 1000).field("cache-control", "max-age=600");
    origin.on("/a", script.field("x-origin", "1").field("vary", "Accept").field("etag", "\"v\""));
    origin.on("/missing", Script::status(404).field("x-origin", "1").text("no"));
    let mut config = EdgeConfig::to(&origin).route_yaml(FIELDS);
    let edge = Edge::start(&config).await;
    for protocol in ALL {
        let cases = [
            ("miss", Request::get("/a?q"), 200),
            ("hit", Request::get("/a?q"), 200),
            ("range", Request::get("/a?q").field("range", "bytes=1-2"), 206),
            ("ranges", Request::get("/a?q").field("range", "bytes=1-2,5-6"), 206),
            ("unsatisfiable", Request::get("/a?q").field("range", "bytes=5000-"), 416),
            ("not modified", Request::get("/a?q").field("if-none-match", "\"v\""), 304),
            ("head", Request::new("HEAD", "/a?q"), 200),
            ("pass", Request::new("POST", "/a?q").body("x"), 200),
            ("not found", Request::get("/missing?q"), 404),
            ("refused by the cache", Request::get("/b?q").field("cache-control", "only-if-cached"), 504),
        ];
        for (what, request, status) in cases {
            let path = request.target.split('?').next().unwrap_or_default().to_owned();
            let answer = ask(&edge, protocol, request).await;
            let told = format!("{protocol:?} {what}");
            assert_eq!(answer.status, status, "{told}");
            assert_eq!(answer.end, tidegate_tests::client::End::Clean, "{told}");
            assert_eq!(answer.field("x-path"), Some(format!("{path}|?q").as_str()), "{told}");
            assert_eq!(answer.field("cache-control"), Some("no-cache"), "{told}");
            assert_eq!((answer.field("x-origin"), answer.field("x-tidegate-edge")), (None, None), "{told}");
            let vary: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "vary").collect();
            assert_eq!(vary.last().map(|(_, value)| value.as_str()), Some("Origin"), "{told}");
        }
    }
    config.route.clear();
    edge.rewrite(&config);
    edge.sighup();
    let reloaded = async {
        while edge.metric("tidegate_snapshot_generation", &[]).await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the reload", reloaded).await;
    // The POST has ended what was stored for HTTPS; over it, nothing of the changes may be found either.
    for protocol in [Protocol::PlainHttp1, Protocol::Http2] {
        for _ in 0..2 {
            let answer = ask(&edge, protocol, Request::get("/a?q")).await;
            assert_eq!((answer.field("x-path"), answer.field("x-origin")), (None, Some("1")), "{protocol:?}");
            assert_eq!(answer.field("cache-control"), Some("max-age=600"), "{protocol:?}");
        }
    }
}
