//! PROXY protocol on listeners, seen from outside: by raw headers, by curl and by HAProxy.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tidegate_tests::address::free_port;
use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST};
use tidegate_tests::programs::Program;
use tidegate_tests::within;

use super::{ask, last, origin, request, values};

/// A client at 203.0.113.7, port 4711, in both versions.
const VERSION_1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb";
/// One at 2001:db8::7 with an extension behind the addresses.
const VERSION_2_IPV6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x29\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x67\x01\xbb\x01\x00\x02h2";

const FROM_LOOPBACK: &str = "proxy_protocol: {from: [127.0.0.0/8]}";

const TCP: [Protocol; 3] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2];

#[tokio::test]
async fn client_that_a_proxy_tells_of_is_logged_and_told_to_the_origin() {
    for (header, client) in [(VERSION_1, "203.0.113.7"), (VERSION_2, "203.0.113.7"), (VERSION_2_IPV6, "2001:db8::7")] {
        let origin = origin().await;
        let mut config = EdgeConfig::to(&origin).listener_yaml(FROM_LOOPBACK);
        config.preamble = header.to_vec();
        let edge = Edge::start(&config).await;
        for protocol in TCP {
            for path in ["/passed", "/stored", "/stored"] {
                let asking = request(path, &["x-forwarded-for: 192.0.2.66"]);
                assert_eq!(ask(&edge, protocol, asking).await.status, 200, "{protocol:?} {path}");
            }
            assert_eq!(values(&last(&origin, "/passed"), "x-forwarded-for"), client, "{protocol:?}");
        }
        let entries = edge.access_log(9, |entry| entry["host"] == HOST && entry["path"] != "").await;
        let peers: Vec<_> = entries.iter().filter(|entry| entry["path"] != "/.well-known/tidegate/ready").collect();
        for entry in peers {
            assert_eq!(entry["client"], client, "{entry}");
            assert!(entry["connection_peer"].as_str().is_some_and(|peer| peer.starts_with("127.")), "{entry}");
        }
    }
}

#[tokio::test]
async fn connection_without_a_good_header_is_closed_and_counted_by_reason() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).listener_yaml(FROM_LOOPBACK);
    config.preamble = VERSION_2.to_vec();
    let edge = Edge::start(&config).await;
    let request = format!("GET /passed HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let cases = [
        (request.clone(), "missing"),
        (format!("PROXY TCP4 nonsense\r\n{request}"), "malformed"),
        (format!("PROXY UNKNOWN {}\r\n{request}", "x".repeat(200)), "too_long"),
    ];
    for (bytes, reason) in cases {
        let mut target = edge.target(Protocol::PlainHttp1);
        target.preamble = bytes.into_bytes();
        let opening = tidegate_tests::client::RawConnection::open(&target, false);
        let mut raw = within("a connection", opening).await.unwrap();
        // Bytes that nobody reads make the close a reset.
        let rest = within("the end", raw.closed()).await.unwrap_or_default();
        assert!(rest.is_empty(), "{reason}: {rest:?}");
        let label = format!("reason=\"{reason}\"");
        assert_eq!(edge.metric("tidegate_proxy_protocol_errors_total", &[&label]).await, 1.0, "{reason}");
    }
    assert!(origin.requests("/passed").is_empty());
}

#[tokio::test]
async fn header_from_another_network_closes_the_connection() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).listener_yaml("proxy_protocol: {from: [127.0.0.1/32]}");
    config.preamble = VERSION_2.to_vec();
    let edge = Edge::start(&config).await;
    let place = edge.place();
    let mut command = tokio::process::Command::new(Program::Curl.path());
    command.args(["--silent", "--max-time", "20", "--haproxy-protocol", "--interface", "127.0.9.7"]);
    let url = format!("http://{}:{}/passed", place.address, place.http);
    let status = command.args(["--header", &format!("Host: {HOST}"), &url]).status().await.unwrap();
    assert!(!status.success(), "the connection was closed");
    assert_eq!(edge.metric("tidegate_proxy_protocol_errors_total", &["reason=\"untrusted\""]).await, 1.0);
    assert!(origin.requests("/passed").is_empty());
}

#[tokio::test]
async fn header_where_none_is_asked_for_is_a_bad_request() {
    let origin = origin().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    for header in [VERSION_1, VERSION_2] {
        let mut raw = edge.raw(Protocol::PlainHttp1).await;
        let request = format!("GET /passed HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        raw.send(&[header, request.as_bytes()].concat()).await.unwrap();
        let answer = within("an answer or the end", raw.response("GET")).await;
        assert!(answer.as_ref().is_ok_and(|answer| answer.status == 400), "{answer:?}");
    }
    assert!(origin.requests("/passed").is_empty());
}

#[tokio::test]
async fn quic_beside_a_listener_with_proxy_protocol_needs_no_header() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).listener_yaml(FROM_LOOPBACK);
    config.preamble = VERSION_2.to_vec();
    let edge = Edge::start(&config).await;
    assert_eq!(ask(&edge, Protocol::Http3, request("/passed", &[])).await.status, 200);
    assert!(values(&last(&origin, "/passed"), "x-forwarded-for").starts_with("127."));
}

/// curl's exit, its status line, and what it wrote to standard error.
async fn curl(edge: &Edge, address: SocketAddr, options: &[&str]) -> String {
    let mut command = tokio::process::Command::new(Program::Curl.path());
    command.args(["--silent", "--show-error", "--max-time", "20", "--output", "/dev/null"]);
    command.args(["--write-out", "%{http_code} %{http_version}"]).arg("--cacert").arg(edge.authority_file());
    command.args(["--request", "POST", "--data", "", "--connect-to", &format!("{HOST}:443:{address}")]).args(options);
    let output = command.arg(format!("https://{HOST}/passed")).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn curl_is_understood() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).listener_yaml(FROM_LOOPBACK);
    config.preamble = VERSION_2.to_vec();
    let edge = Edge::start(&config).await;
    let place = edge.place();
    let address = SocketAddr::new(place.address, place.https);
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let client = if version == "2" { "127.0.9.7" } else { "127.0.9.8" };
        let told = curl(&edge, address, &["--haproxy-protocol", option, "--interface", client]).await;
        assert_eq!(told, format!("200 {version}"));
        assert_eq!(values(&last(&origin, "/passed"), "x-forwarded-for"), client);
    }
}

/// HAProxy in front of an edge; killed when dropped.
struct Haproxy {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    /// One that passes TCP on to the edge's TLS listener, with a header of version 2 and its checksum.
    async fn in_front_of(edge: &Edge) -> Self {
        let place = edge.place();
        let address = SocketAddr::new(place.address, free_port(place.address));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server \
             20s\nlisten edge\n  bind {address}\n  server edge {}:{} send-proxy-v2 proxy-v2-options \
             crc32c,unique-id\n  unique-id-format %{{+X}}o\\ %ci:%cp\n",
            place.address, place.https
        );
        fs::write(&file, text).unwrap();
        let child = Command::new(Program::Haproxy.path())
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within("HAProxy to listen", listening).await;
        Self { child, address, _folder: folder }
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}

#[tokio::test]
async fn haproxy_in_front_tells_of_its_clients() {
    let origin = origin().await;
    let mut config = EdgeConfig::to(&origin).listener_yaml(FROM_LOOPBACK);
    config.preamble = VERSION_2.to_vec();
    let edge = Edge::start(&config).await;
    let haproxy = Haproxy::in_front_of(&edge).await;
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let told = curl(&edge, haproxy.address, &[option, "--interface", "127.0.9.9"]).await;
        assert_eq!(told, format!("200 {version}"));
        assert_eq!(values(&last(&origin, "/passed"), "x-forwarded-for"), "127.0.9.9");
    }
    let entries = edge.access_log(2, |entry| entry["path"] == "/passed").await;
    assert!(entries.iter().all(|entry| entry["client"] == "127.0.9.9"), "{entries:#?}");
    assert_eq!(edge.metric("tidegate_proxy_protocol_errors_total", &["reason=\"checksum\""]).await, 0.0);
}
