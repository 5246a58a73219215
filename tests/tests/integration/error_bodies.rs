//! Bodies of errors: a page, JSON or plain text by `Accept`, operators' pages, and pages in place of an origin's.

use tidegate_tests::client::{Client, End, Protocol, Request, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Framing, Origin, Script};
use tidegate_tests::within;

const EVERY: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

async fn ask(client: &Client, method: &str, target: &str, accept: &str) -> Response {
    let mut request = Request::new(method, target);
    if !accept.is_empty() {
        request = request.field("accept", accept);
    }
    let answer = within("an answer", client.request(request)).await;
    answer.unwrap_or_else(|error| panic!("{method} {target}: {error:#}"))
}

fn request_id(response: &Response) -> &str {
    response.field("x-request-id").expect("every response has a request id")
}

#[tokio::test]
async fn errors_come_in_the_form_that_the_client_prefers() {
    let origin = Origin::start().await;
    let config =
        EdgeConfig::to(&origin).routes_yaml("- { name: get, path: /get, methods: [GET], origin_pool: origins }");
    let edge = Edge::start(&config).await;
    for protocol in EVERY {
        let client = edge.client(protocol).await;
        for (accept, content_type) in [
            ("", "text/plain; charset=utf-8"),
            ("*/*", "text/plain; charset=utf-8"),
            ("application/json", "application/json"),
            ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
            ("video/mp4", "text/plain; charset=utf-8"),
        ] {
            let what = format!("{protocol:?} {accept}");
            let response = ask(&client, "TRACE", "/", accept).await;
            assert_eq!((response.status, &response.end), (405, &End::Clean), "{what}");
            assert_eq!(response.field("content-type"), Some(content_type), "{what}");
            assert_eq!(response.field("cache-control"), Some("no-store"), "{what}");
            let text = response.text();
            assert!(text.contains(request_id(&response)) && text.contains("405"), "{what}: {text}");
            if content_type == "application/json" {
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(json["status"], 405, "{what}");
                assert_eq!(json["error"], "Method Not Allowed", "{what}");
                assert_eq!(json["request_id"], request_id(&response), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_route_and_site_take_the_place_of_ours() {
    let origin = Origin::start().await;
    origin.on("/stored", Script::cacheable(1000));
    let config = EdgeConfig::to(&origin)
        .file("down.html", "<h1>${status} ${reason}</h1><p>${request_id} ${unknown}")
        .site_yaml("error_pages: [{ statuses: [400-599], file: down.html }]")
        .routes_yaml(
            r#"
            - name: own
              path: /own
              methods: [GET]
              origin_pool: origins
              error_pages: [{ statuses: [405, 416], content: "own ${request_id}", content_type: text/x-own }]
            - { name: missing, path: /missing/*, redirect: { location: /elsewhere } }
            "#,
        )
        .destination_yaml("origin_pool: origins")
        .route_yaml("methods: [GET]");
    let edge = Edge::start(&config).await;
    for protocol in EVERY {
        let client = edge.client(protocol).await;
        let page = ask(&client, "PUT", "/stored", "").await;
        let expected = format!("<h1>405 Method Not Allowed</h1><p>{} ${{unknown}}", request_id(&page));
        assert_eq!((page.status, page.text()), (405, expected), "{protocol:?}");
        assert_eq!(page.field("allow"), Some("GET"), "{protocol:?}");
        let json = ask(&client, "PUT", "/stored", "application/json").await;
        assert_eq!(json.field("content-type"), Some("application/json"), "{protocol:?}");
        let range = Request::get("/stored").field("range", "bytes=5000-");
        let range = within("an answer", client.request(range)).await.unwrap();
        assert_eq!((range.status, range.field("content-range")), (416, Some("bytes */1000")), "{protocol:?}");
        assert!(range.text().starts_with("<h1>416"), "{protocol:?} {}", range.text());
        let head = ask(&client, "HEAD", "/stored", "").await;
        assert_eq!((head.status, head.body.len()), (405, 0), "{protocol:?}");
        assert_eq!(head.field("content-length"), page.field("content-length"), "{protocol:?}: as that of GET");
    }
    assert_eq!(origin.requests("/own").len(), 0);
}

#[tokio::test]
async fn an_error_of_the_origin_gets_the_page_where_the_operator_says_so() {
    let origin = Origin::start().await;
    let missing = |length| Script::status(404).pattern(1, length).field("www-authenticate", "Basic realm=a");
    origin.on("/stored", missing(100_000).field("cache-control", "max-age=60").field("etag", "\"v1\""));
    origin.on("/passed", missing(100_000).field("cache-control", "no-store").field("content-encoding", "gzip"));
    origin.on("/chunked", missing(100_000).field("cache-control", "no-store").framing(Framing::Chunked));
    origin.on("/empty", missing(0).field("cache-control", "no-store"));
    origin.on("/other", Script::status(410).text("gone").field("cache-control", "no-store"));
    let config = EdgeConfig::to(&origin).site_yaml(
        "error_pages: [{ statuses: [404], content: 'no ${request_id}', replace_origin: true }, { statuses: [410], content: ours }]",
    );
    let edge = Edge::start(&config).await;
    for protocol in EVERY {
        let client = edge.client(protocol).await;
        for path in ["/stored", "/stored", "/passed", "/chunked", "/empty"] {
            let what = format!("{protocol:?} {path}");
            let page = ask(&client, "GET", path, "text/html").await;
            assert_eq!((page.status, &page.end), (404, &End::Clean), "{what}");
            assert_eq!(page.text(), format!("no {}", request_id(&page)), "{what}");
            assert_eq!(page.field("content-length"), Some(page.body.len().to_string().as_str()), "{what}");
            assert_eq!(page.field("www-authenticate"), Some("Basic realm=a"), "{what}: what is not of the body stays");
            assert_eq!((page.field("content-encoding"), page.field("etag")), (None, None), "{what}");
            let head = ask(&client, "HEAD", path, "text/html").await;
            assert_eq!((head.status, head.body.len()), (404, 0), "{what}");
            assert_eq!(head.field("content-length"), page.field("content-length"), "{what}");
        }
        let post = Request::new("POST", "/passed").field("accept", "text/html").body(vec![b'a'; 10_000]);
        let post = within("an answer", client.request(post)).await.unwrap();
        assert_eq!(post.text(), format!("no {}", request_id(&post)), "{protocol:?} POST");
        for path in ["/stored", "/passed"] {
            let own = ask(&client, "GET", path, "application/json").await;
            assert_eq!((own.status, own.body.len()), (404, 100_000), "{protocol:?} {path}: the page is not accepted");
        }
        assert_eq!(ask(&client, "GET", "/other", "text/html").await.text(), "gone", "{protocol:?}");
    }
    // What is stored is the origin's, once for each scheme.
    // HEAD may pass while the fetch is under way.
    assert_eq!(origin.requests("/stored").iter().filter(|request| request.method == "GET").count(), 2);
}

/// RFC 9110 section 12.5.5: who gets the page and who does not is said by `Accept`, and a cache on the way must know.
#[tokio::test]
async fn a_replaced_error_is_kept_by_caches_on_the_way_as_long_and_for_whom_the_origins_own_is() {
    let origin = Origin::start().await;
    origin.on("/stored", Script::status(404).text("o").field("cache-control", "max-age=60").field("vary", "X-A"));
    origin.on("/passed", Script::status(404).text("o").field("cache-control", "no-store").field("age", "7"));
    origin.on("/found", Script::status(410).text("o").field("cache-control", "max-age=60"));
    origin.on("/silent", Script::status(404).text("o"));
    let config =
        EdgeConfig::to(&origin).site_yaml("error_pages: [{ statuses: [404], content: page, replace_origin: true }]");
    let edge = Edge::start(&config).await;
    for protocol in EVERY {
        let client = edge.client(protocol).await;
        for (path, control, vary) in [
            ("/stored", Some("max-age=60"), vec!["X-A", "Accept"]),
            ("/stored", Some("max-age=60"), vec!["X-A", "Accept"]),
            ("/passed", Some("no-store"), vec!["Accept"]),
            ("/silent", None, vec!["Accept"]),
            ("/found", Some("max-age=60"), vec![]),
        ] {
            for accept in ["text/html", "application/json"] {
                let what = format!("{protocol:?} {path} {accept}");
                let answer = ask(&client, "GET", path, accept).await;
                let is_page = accept == "text/html" && path != "/found";
                assert_eq!(answer.text(), if is_page { "page" } else { "o" }, "{what}");
                let varies = answer.fields.iter().filter(|(name, _)| name == "vary");
                let varies: Vec<_> = varies.map(|(_, value)| value.as_str()).collect();
                assert_eq!(varies, vary, "{what}");
                assert_eq!(answer.field("cache-control"), control, "{what}");
                let age = answer.field("age").and_then(|age| age.parse::<u64>().ok());
                assert!(age.is_some() || !path.starts_with("/stored"), "{what}");
                assert!(path != "/passed" || age >= Some(7), "{what}: {age:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_replaced_error_is_no_failure_in_the_log_and_ends_the_connection_only_where_it_must() {
    let origin = Origin::start().await;
    origin.on("/passed", Script::status(404).text("origin").field("cache-control", "no-store"));
    let config =
        EdgeConfig::to(&origin).site_yaml("error_pages: [{ statuses: [404], content: page, replace_origin: true }]");
    let edge = Edge::start(&config).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http1] {
        let mut raw = edge.raw(protocol).await;
        // The first is fetched by the cache, which learns that it is not to be stored; the second passes.
        for connection in ["keep-alive", "close"] {
            raw.send(b"GET /passed HTTP/1.1\r\nhost: media.tidegate.test\r\n\r\n").await.unwrap();
            let response = within("an answer", raw.response("GET")).await.unwrap();
            assert_eq!((response.status, response.text().as_str()), (404, "page"), "{protocol:?}");
            assert_eq!(response.field("connection"), Some(connection), "{protocol:?}");
        }
    }
    let entries = edge.access_log(4, |entry| entry["status"] == 404).await;
    assert!(entries.iter().all(|entry| entry["error"].is_null()), "{entries:#?}");
}
