//! Metrics and the access log.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::programs::Program;
use tidegate_tests::within;

async fn edge_and_origin() -> (Edge, Origin) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000));
    origin.on("/b", Script::status(200).text("passed").field("cache-control", "no-store"));
    (Edge::start(&EdgeConfig::to(&origin)).await, origin)
}

/// A miss, a hit, a pass, a refusal and a missing one over each protocol.
async fn some_of_everything(edge: &Edge) {
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let requests = [
            Request::get(&format!("/a?{protocol:?}")),
            Request::get(&format!("/a?{protocol:?}")),
            Request::get("/b"),
            Request::get("/missing"),
            Request::get("/a").authority("nobody.test"),
            Request::new("POST", "/b").body("body"),
        ];
        for request in requests {
            within("an answer", client.request(request)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn metrics_are_clean_by_promtool() {
    let promtool = Program::Promtool.path();
    let (edge, _origin) = edge_and_origin().await;
    some_of_everything(&edge).await;
    let text = edge.metrics().await;
    let check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut check = check.unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.trim().is_empty(), "{told}\n{text}");
}

#[tokio::test]
async fn requests_are_counted_by_protocol_status_and_cache() {
    let (edge, _origin) = edge_and_origin().await;
    some_of_everything(&edge).await;
    // Figures follow the last byte of a response, which may come a moment later; the log has them all in the end.
    edge.access_log(18, |entry| entry["host"] == HOST || entry["host"] == "nobody.test").await;
    for (protocol, label) in [(Protocol::Http1, "h1"), (Protocol::Http2, "h2"), (Protocol::Http3, "h3")] {
        let protocol_label = format!("protocol=\"{label}\"");
        let count = async |labels: &[&str]| {
            let labels = [&[protocol_label.as_str(), "site=\"media\""], labels].concat();
            edge.metric("tidegate_requests_total", &labels).await
        };
        assert_eq!(count(&["cache=\"hit\""]).await, 1.0, "{protocol:?}");
        assert_eq!(count(&["status=\"2xx\""]).await, 4.0, "{protocol:?}");
        assert_eq!(count(&["status=\"4xx\""]).await, 1.0, "{protocol:?}");
        assert!(edge.metric("tidegate_connections_total", &[&protocol_label]).await >= 1.0, "{protocol:?}");
        assert!(
            edge.metric("tidegate_request_duration_seconds_count", &[&protocol_label]).await >= 5.0,
            "{protocol:?}"
        );
        assert!(edge.metric("tidegate_time_to_first_byte_seconds_count", &[&protocol_label]).await >= 5.0);
        assert!(edge.metric("tidegate_response_bytes_total", &[&protocol_label]).await >= 2000.0, "{protocol:?}");
        assert!(edge.metric("tidegate_request_bytes_total", &[&protocol_label]).await >= 4.0, "{protocol:?}");
    }
    assert!(edge.metric("tidegate_fills_started_total", &[]).await >= 3.0);
    assert_eq!(edge.metric("tidegate_fills_in_flight", &[]).await, 0.0);
    assert!(edge.metric("tidegate_cache_entries", &[]).await >= 3.0);
    assert!(edge.metric("tidegate_cache_bytes", &[]).await >= 3000.0);
    assert!(edge.metric("tidegate_handshakes_total", &["transport=\"quic\"", "completed"]).await >= 1.0);
    assert!(edge.metric("tidegate_handshakes_total", &["transport=\"tcp\"", "completed"]).await >= 2.0);
    assert_eq!(edge.metric("tidegate_build_info", &[]).await, 1.0);
    assert_eq!(edge.metric("tidegate_snapshot_generation", &[]).await, 1.0);
    assert_eq!(edge.metric("tidegate_access_log_dropped_total", &[]).await, 0.0);
}

#[tokio::test]
async fn labels_do_not_grow_with_what_clients_send() {
    let (edge, _origin) = edge_and_origin().await;
    let client = edge.client(Protocol::Http1).await;
    for number in 0..30 {
        let request = Request::new(&format!("METHOD{number}"), &format!("/{number}"))
            .authority(&format!("host{number}.test"))
            .field("user-agent", &format!("agent{number}"));
        within("an answer", client.request(request)).await.unwrap();
    }
    let text = edge.metrics().await;
    for word in ["METHOD", "host7", "agent7"] {
        assert!(!text.contains(word), "{word} is in the metrics");
    }
}

#[tokio::test]
async fn access_log_has_one_json_line_for_each_request() {
    let (edge, _origin) = edge_and_origin().await;
    let mut ids = Vec::new();
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let path = format!("/a?{protocol:?}");
        for _ in 0..2 {
            let request = Request::get(&path)
                .field("user-agent", "tests \"quoted\"\\")
                .field("referer", "https://r.test/page?token=secret");
            let response = within("an answer", client.request(request)).await.unwrap();
            ids.push(response.field("x-request-id").unwrap_or_default().to_owned());
        }
    }
    let entries = edge.access_log(6, |entry| entry["path"].as_str().is_some_and(|path| path.starts_with("/a"))).await;
    assert_eq!(entries.len(), 6, "{entries:#?}");
    for (entry, id) in entries.iter().zip(&ids) {
        assert_eq!(entry["status"], 200, "{entry}");
        assert_eq!(entry["method"], "GET", "{entry}");
        assert_eq!(entry["host"], HOST, "{entry}");
        assert_eq!(entry["bytes_sent"], 1000, "{entry}");
        assert_eq!(entry["user_agent"], "tests \"quoted\"\\", "{entry}");
        assert_eq!(entry["path"], "/a", "without the query: {entry}");
        assert_eq!(entry["referer"], "https://r.test/page", "without the query: {entry}");
        assert!(ids.iter().any(|id| entry["request_id"] == id.as_str()), "{id} {entry}");
    }
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 6, "request ids are unique");
}

#[tokio::test]
async fn trace_context_reaches_the_origin() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let (edge, origin) = edge_and_origin().await;
    for (protocol, path) in [(Protocol::Http1, "/a"), (Protocol::Http2, "/b")] {
        let request = Request::get(path)
            .field("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01"))
            .field("tracestate", "vendor=1");
        within("an answer", edge.client(protocol).await.request(request)).await.unwrap();
        let asked = &origin.arrived(path, 1).await[0];
        let parent = asked.field("traceparent").unwrap_or_default();
        assert!(parent.contains(TRACE), "{path}: {parent:?}");
        assert_eq!(asked.field("tracestate"), Some("vendor=1"), "{path}");
    }
}
