//! What a fleet that serves says about itself, and that it is true.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::fleet::{Fleet, ask, is_running, node_pids, text};

#[test]
fn the_ready_file_says_what_runs_where() {
    let (fleet, ready) = Fleet::start(&["--edges-per-region", "2"]);
    assert_eq!(ready["version"], json!(1));
    assert_eq!((&ready["control"], &ready["dns"]), (&Value::Null, &Value::Null));
    let site = json!({"host": "media.tidegate.test", "page": "/", "hls": "/vod/demo/master.m3u8",
        "dash": "/vod/demo/manifest.mpd", "mp4": "/vod/demo/demo.mp4", "mp3": "/vod/demo/demo.mp3"});
    assert_eq!(ready["site"], site);
    let port = text(&ready, "/edges/0/http").rsplit_once(':').unwrap().1.to_owned();
    let tls_port = text(&ready, "/edges/0/https").rsplit_once(':').unwrap().1.to_owned();
    let admin_port = text(&ready, "/edges/0/admin").rsplit_once(':').unwrap().1.to_owned();
    let edge = |index: usize, name: &str, region: &str, address: &str| {
        let entry = &ready["edges"][index];
        let pid = &entry["pid"];
        let expected = json!({"name": name, "pop": format!("{region}-a"), "region": region, "pid": pid,
            "http": format!("http://{address}:{port}"), "https": format!("https://{address}:{tls_port}"),
            "quic": format!("{address}:{tls_port}"), "admin": format!("http://{address}:{admin_port}")});
        assert_eq!(*entry, expected);
    };
    edge(0, "eu-1", "eu", "127.0.11.1");
    edge(1, "eu-2", "eu", "127.0.11.2");
    edge(2, "us-1", "us", "127.0.12.1");
    edge(3, "us-2", "us", "127.0.12.2");
    let origins: Vec<_> = ready["origins"].as_array().unwrap().iter().map(|origin| text(origin, "/name")).collect();
    assert_eq!(origins, ["eu-origin", "us-origin"]);
    assert!(node_pids(&ready).into_iter().all(is_running));
    drop(fleet);
}

#[test]
fn every_node_serves_the_clip_and_the_page_over_plaintext() {
    let (_fleet, ready) = Fleet::start(&[]);
    let nodes = ready["edges"].as_array().unwrap().iter().map(|edge| text(edge, "/http"));
    for url in nodes.chain(ready["origins"].as_array().unwrap().iter().map(|origin| text(origin, "/url"))) {
        for member in ["/page", "/hls", "/dash", "/mp4", "/mp3"] {
            let path = text(&ready["site"], member);
            let answer = ask(url, "GET", path, url.strip_prefix("http://").unwrap());
            assert!(answer.starts_with("HTTP/1.1 200 "), "{url}{path}: {}", answer.lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn printed_curl_lines_work_as_they_are() {
    let (fleet, _) = Fleet::start(&[]);
    let printed = fleet.stdout();
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 3, "{printed}");
    for line in lines {
        let ran = Command::new("sh").args(["-c", &format!("{line} --fail --silent --max-time 10")]).output().unwrap();
        assert!(ran.status.success() && !ran.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn json_output_is_what_the_ready_file_says() {
    let (fleet, ready) = Fleet::start(&["--output", "json"]);
    // The line is printed right after the file appears; the readiness of one is not that of the other.
    let printed = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        serde_json::from_str::<Value>(&fleet.stdout()).ok()
    });
    assert_eq!(printed, Some(ready));
}

#[test]
fn nobody_else_may_read_keys_and_token() {
    let (fleet, ready) = Fleet::start(&[]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fleet.data_directory()), 0o700);
    assert_eq!(mode(&fleet.data_directory().join("ca.key")), 0o600);
    assert_eq!(mode(&fleet.data_directory().join("site.key")), 0o600);
    assert_eq!(mode(text(&ready, "/admin_token_file").as_ref()), 0o600);
    assert!(std::fs::read_to_string(text(&ready, "/ca_certificate")).unwrap().contains("BEGIN CERTIFICATE"));
}
