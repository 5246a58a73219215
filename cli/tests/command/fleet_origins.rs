//! The user's own origins behind the fleet.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::fleet::{Fleet, ask, text};

/// An origin that answers every request with its method, target and Host, and counts them.
struct Echo {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Echo {
    /// One that answers with these fields too. Its thread ends with the test's process.
    fn start(fields: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut lines =
                    BufReader::new(stream.try_clone().expect("a socket can be cloned")).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                let fields_sent: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let host = fields_sent.iter().find(|line| line.to_ascii_lowercase().starts_with("host:"));
                let body = format!("{request}|{}", host.map_or("", |line| line[5..].trim()));
                if !request.is_empty() {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
                drop(stream.write_all(format!("{head}{body}").as_bytes()));
            }
        });
        Self { url, requests }
    }
}

#[test]
fn own_origins_get_every_host_and_method() {
    let origin = Echo::start("");
    let (_fleet, ready) = Fleet::start(&["--origin", &format!("eu={}", origin.url)]);
    for (edge, host) in [("/edges/0/http", "anything.example"), ("/edges/1/http", "127.0.12.1")] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = ask(text(&ready, edge), method, "/some/path?query", host);
            let expected = format!("{method} /some/path?query HTTP/1.1|{host}");
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&expected), "{answer}");
        }
    }
    let described = &ready["origins"][0];
    assert_eq!((text(described, "/url"), &described["pid"]), (origin.url.as_str(), &Value::Null));
    assert_eq!(ready["site"]["hls"], Value::Null);
}

#[test]
fn before_own_origins_nothing_but_rfc_9111_decides() {
    let check = |fields: &'static str, path: &str, expected: usize| {
        let origin = Echo::start(fields);
        let (_fleet, ready) = Fleet::start(&["--origin", &format!("eu={}", origin.url)]);
        for _ in 0..3 {
            ask(text(&ready, "/edges/0/http"), "GET", path, "media.example");
        }
        assert_eq!(origin.requests.load(Ordering::SeqCst), expected, "{path} with {fields:?}");
    };
    // A segment without freshness has no default of ours; a page with freshness is stored.
    check("Content-Type: video/mp4\r\n", "/segment.m4s", 3);
    check("CDN-Cache-Control: max-age=60\r\n", "/page", 3);
    check("Cache-Control: max-age=60\r\n", "/page", 1);
}
