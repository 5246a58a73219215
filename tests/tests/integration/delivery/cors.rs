//! Sharing with pages of other sites, answered by this node.

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{PROTOCOLS, values};

const PAGE: &str = "https://player.test";

/// What an origin of its own accord says of sharing, as one that echoes does.
fn echoing(size: u64) -> Script {
    Script::cacheable(size)
        .field("access-control-allow-origin", "https://whoever.asked.first")
        .field("access-control-allow-credentials", "true")
        .field("vary", "Origin")
}

async fn edge(route: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/seg.m4s", echoing(1000));
    origin.on("/private", echoing(1000).field("cache-control", "private"));
    origin.on("/missing", Script::status(404).field("access-control-allow-origin", "null"));
    let edge = Edge::start(&EdgeConfig::to(&origin).route_yaml(route)).await;
    (edge, origin)
}

async fn ask(edge: &Edge, protocol: Protocol, request: Request, page: Option<&str>) -> Response {
    let request = page.map_or(request.clone(), |page| request.field("origin", page));
    within("an answer", edge.client(protocol).await.request(request)).await.unwrap()
}

/// Every line about sharing, and Vary.
fn sharing(response: &Response) -> Vec<String> {
    let about = |name: &str| name.starts_with("access-control-") || name == "vary";
    let lines = response.fields.iter().filter(|(name, _)| about(name)).map(|(name, value)| format!("{name}: {value}"));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

const EXPOSED: &str = "access-control-expose-headers: content-length, content-range, date, server-timing, cmsd-static, \
                       cmsd-dynamic";

#[tokio::test]
async fn public_content_is_shared_with_everyone_alike_and_stored_once() {
    let (edge, origin) = edge("cors: {}").await;
    for protocol in PROTOCOLS {
        for page in [Some(PAGE), None, Some("null"), Some("https://other.test")] {
            let answer = ask(&edge, protocol, Request::get("/seg.m4s"), page).await;
            let told = format!("{} {page:?}", protocol.label());
            assert_eq!(sharing(&answer), ["access-control-allow-origin: *", EXPOSED], "{told}");
        }
    }
    let asked = origin.requests("/seg.m4s");
    assert_eq!(asked.len(), 2, "one a scheme, whichever page asks");
    assert!(asked.iter().all(|request| request.field("origin").is_none()), "the origin cannot answer by it");
}

#[tokio::test]
async fn listed_pages_are_echoed_and_everyone_told_that_it_varies() {
    let cors = "cors: {origins: ['https://player.test', 'https://*.below.test'], credentials: true}";
    let (edge, origin) = edge(cors).await;
    for protocol in PROTOCOLS {
        for path in ["/seg.m4s", "/private", "/missing"] {
            for (page, allowed) in [
                (Some(PAGE), true),
                (Some("https://a.b.below.test"), true),
                (Some("https://below.test"), false),
                (Some("https://evilbelow.test"), false),
                (Some("http://player.test"), false),
                (Some("null"), false),
                (None, false),
            ] {
                let answer = ask(&edge, protocol, Request::get(path), page).await;
                let told = format!("{} {path} {page:?}", protocol.label());
                let mut expected = Vec::new();
                if allowed {
                    expected.push("access-control-allow-credentials: true".to_owned());
                    expected.push(format!("access-control-allow-origin: {}", page.unwrap()));
                    expected.push(EXPOSED.to_owned());
                }
                expected.push("vary: Origin".to_owned());
                assert_eq!(sharing(&answer), expected, "{told}");
            }
        }
    }
    assert_eq!(origin.requests("/seg.m4s").len(), 2, "never keyed on the page");
}

#[tokio::test]
async fn preflight_is_answered_here_for_routes_that_take_the_request() {
    let (edge, origin) = edge("cors: {methods: [GET, HEAD, PUT], max_age: 1h}\nmethods: [GET, HEAD, PUT]").await;
    let preflight = |method: &str| {
        let request = Request::new("OPTIONS", "/seg.m4s").field("access-control-request-method", method);
        request.field("access-control-request-headers", "range, x-other")
    };
    for protocol in PROTOCOLS {
        let answer = ask(&edge, protocol, preflight("PUT"), Some(PAGE)).await;
        let expected = [
            "access-control-allow-headers: range, cmcd-request, cmcd-object, cmcd-status, cmcd-session",
            "access-control-allow-methods: GET, HEAD, PUT",
            "access-control-allow-origin: *",
            EXPOSED,
            "access-control-max-age: 3600",
        ];
        assert_eq!((answer.status, &sharing(&answer)[..]), (204, &expected.map(str::to_owned)[..]), "{protocol:?}");
        assert!(answer.body.is_empty());
        // No preflight, as it names no origin, and no method of the route.
        assert_eq!(ask(&edge, protocol, preflight("PUT"), None).await.status, 405);
        assert_eq!(ask(&edge, protocol, preflight("DELETE"), Some(PAGE)).await.status, 405);
    }
    assert!(origin.requests("/seg.m4s").is_empty());
}

#[tokio::test]
async fn preflight_of_a_page_that_may_not_gets_no_leave() {
    let (edge, _origin) = edge("cors: {origins: ['https://player.test']}").await;
    let preflight = Request::new("OPTIONS", "/seg.m4s").field("access-control-request-method", "GET");
    let refused = ask(&edge, Protocol::Http2, preflight.clone(), Some("https://other.test")).await;
    assert_eq!((refused.status, sharing(&refused)), (204, vec!["vary: Origin".to_owned()]));
    let allowed = ask(&edge, Protocol::Http2, preflight, Some(PAGE)).await;
    assert_eq!(values(&allowed, "access-control-allow-origin"), [PAGE]);
    assert_eq!(values(&allowed, "access-control-max-age"), ["600"]);
}

#[tokio::test]
async fn players_may_read_the_status_of_errors_of_whatever_kind() {
    let (edge, origin) = edge("cors: {}").await;
    origin.on("/dead", Script::status(200).before(tidegate_tests::origin::Step::Reset));
    origin.on("/failing", Script::status(500).text("no"));
    let requests = [
        ("GET", "/missing", None, 404),
        ("GET", "/dead", None, 502),
        ("GET", "/failing", None, 500),
        ("GET", "/never", Some(("cache-control", "only-if-cached")), 504),
        ("GET", "/seg.m4s", Some(("range", "bytes=5000-")), 416),
    ];
    for protocol in PROTOCOLS {
        for (method, path, field, status) in requests {
            let mut request = Request::new(method, path);
            if let Some((name, value)) = field {
                request = request.field(name, value);
            }
            let answer = ask(&edge, protocol, request, Some(PAGE)).await;
            let told = format!("{} {path} {field:?}", protocol.label());
            assert_eq!(answer.status, status, "{told}");
            assert_eq!(values(&answer, "access-control-allow-origin"), ["*"], "{told}");
        }
    }
}

#[tokio::test]
async fn unsafe_requests_keep_the_page_by_which_origins_protect_themselves() {
    let (edge, origin) = edge("cors: {}").await;
    ask(&edge, Protocol::Http2, Request::new("POST", "/seg.m4s").body("a"), Some(PAGE)).await;
    ask(&edge, Protocol::Http2, Request::new("HEAD", "/private"), Some(PAGE)).await;
    assert_eq!(origin.requests("/seg.m4s")[0].field("origin"), Some(PAGE));
    assert_eq!(origin.requests("/private")[0].field("origin"), None);
}

#[tokio::test]
async fn routes_that_do_not_share_leave_it_to_origins() {
    let (edge, origin) = edge("methods: [GET, OPTIONS]").await;
    let answer = ask(&edge, Protocol::Http1, Request::get("/seg.m4s"), Some(PAGE)).await;
    assert_eq!(values(&answer, "access-control-allow-origin"), ["https://whoever.asked.first"]);
    let preflight = Request::new("OPTIONS", "/seg.m4s").field("access-control-request-method", "GET");
    ask(&edge, Protocol::Http1, preflight, Some(PAGE)).await;
    assert_eq!(origin.requests("/seg.m4s").last().unwrap().method, "OPTIONS");
}
