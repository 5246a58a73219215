//! SIGHUP swaps the whole configuration or none of it; certificates are taken again.

use std::time::Duration;

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

const OTHER: &str = "other.test";
/// Between two looks at what SIGHUP has done; nothing else tells of it.
const POLL: Duration = Duration::from_millis(20);

async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !met().await {
            tokio::time::sleep(POLL).await;
        }
    };
    within(what, looking).await;
}

async fn status(edge: &Edge, protocol: Protocol, authority: &str) -> u16 {
    let client = edge.client(protocol).await;
    within("an answer", client.request(Request::get("/a").authority(authority))).await.unwrap().status
}

async fn edge_and_origin() -> (Edge, Origin, EdgeConfig) {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1000));
    let config = EdgeConfig::to(&origin);
    (Edge::start(&config).await, origin, config)
}

#[tokio::test]
async fn new_configuration_takes_effect_on_new_and_old_connections() {
    let (edge, _origin, mut config) = edge_and_origin().await;
    let old = edge.client(Protocol::Http2).await;
    assert_eq!(status(&edge, Protocol::Http2, OTHER).await, 421);
    config.hosts.push(OTHER.to_owned());
    edge.rewrite(&config);
    edge.sighup();
    until("the new host to be served", async || status(&edge, Protocol::Http1, OTHER).await == 200).await;
    for protocol in [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3] {
        assert_eq!(status(&edge, protocol, OTHER).await, 200, "{protocol:?}");
    }
    let response = within("an answer", old.request(Request::get("/a").authority(OTHER))).await.unwrap();
    assert_eq!(response.status, 200, "one snapshot a request, not a connection");
    assert_eq!(edge.metric("tidegate_snapshot_generation", &[]).await, 2.0);
}

#[tokio::test]
async fn request_in_flight_survives_a_reload() {
    let (edge, origin, mut config) = edge_and_origin().await;
    origin.on("/slow", Script::cacheable(200_000).pausing_after(100_000, "middle"));
    let mut running = Vec::new();
    for protocol in Protocol::SECURE {
        let client = edge.client(protocol).await;
        let mut reading = within("a head", client.open(Request::get("/slow"))).await.unwrap();
        reading.read_at_least(100_000).await.unwrap();
        running.push((client, reading));
    }
    config.hosts.push(OTHER.to_owned());
    edge.rewrite(&config);
    edge.sighup();
    until("the new host to be served", async || status(&edge, Protocol::Http1, OTHER).await == 200).await;
    origin.gate("middle").open();
    for (client, reading) in running {
        let what = format!("{:?}", client.protocol());
        crate::assert_whole(&within(&what, reading.finish()).await.unwrap(), 200_000, &what);
    }
}

#[tokio::test]
async fn bad_configuration_is_refused_with_reasons_and_the_old_one_goes_on() {
    let (edge, _origin, config) = edge_and_origin().await;
    let good = config.documents(edge.place());
    let bad = [
        ("unknown field", good.replace("kind: site", "kind: site\ncolour: blue"), "colour"),
        ("unknown pool", good.replace("origin_pool: origins", "origin_pool: nowhere"), "nowhere"),
        ("no YAML", "kind: [".to_owned(), "edge.yaml"),
        ("missing certificate", good.replace("chain_file: chain.pem", "chain_file: missing.pem"), "missing.pem"),
    ];
    for (name, text, reason) in bad {
        assert_ne!(text, good, "{name}");
        edge.rewrite_text(&text);
        edge.sighup();
        let told = edge.stderr_with(reason).await;
        assert!(told.contains(reason), "{name}");
        for protocol in Protocol::SECURE {
            assert_eq!(status(&edge, protocol, "media.tidegate.test").await, 200, "{name} {protocol:?}");
        }
        assert_eq!(edge.metric("tidegate_snapshot_generation", &[]).await, 1.0, "{name}");
    }
    let mut fixed = config;
    fixed.hosts.push(OTHER.to_owned());
    edge.rewrite(&fixed);
    edge.sighup();
    until("the repaired one to take effect", async || status(&edge, Protocol::Http1, OTHER).await == 200).await;
}

#[tokio::test]
async fn renewed_certificate_is_shown_after_sighup_on_every_protocol() {
    let (mut edge, _origin, _config) = edge_and_origin().await;
    let before = edge.raw(Protocol::Http1).await.certificate().map(<[u8]>::to_vec);
    assert!(before.is_some());
    let old = edge.client(Protocol::Http2).await;
    edge.renew_certificate();
    edge.sighup();
    let renewed = async || edge.raw(Protocol::Http1).await.certificate().map(<[u8]>::to_vec) != before;
    until("the new certificate", renewed).await;
    for protocol in Protocol::SECURE {
        assert_eq!(status(&edge, protocol, "media.tidegate.test").await, 200, "{protocol:?}");
    }
    assert_eq!(within("the old connection", old.get("/a")).await.unwrap().status, 200);
}

#[tokio::test]
async fn edge_with_a_bad_configuration_does_not_start_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("edge.yaml");
    std::fs::write(&file, "kind: node\nname: one\npop: nowhere\nunknown: 1\n").unwrap();
    let output = tokio::process::Command::new(tidegate_tests::edge::tidegate_binary())
        .args(["edge", "--config"])
        .arg(&file)
        .output();
    let output = within("an exit", output).await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("unknown") && text.contains("edge.yaml"), "{text}");
}
