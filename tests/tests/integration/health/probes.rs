//! What probes find out, and what origins see of them.

use std::net::SocketAddr;

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, OriginEntry};
use tidegate_tests::origin::{Body, Origin, Script, Step};

use super::{BY_HTTP, BY_TCP, PROBED, get_new, nobody, origin, until, until_state};

/// Many requests of this moment need a second attempt.
const UNLIMITED: &str = "retry: {budget: 100%}";

/// Probes of one origin that answers them by this script, with these further fields of the probe.
async fn check(script: Script, probe: &str, state: &str, outcome: &str) {
    let origin = Origin::start().await;
    origin.on(PROBED, script);
    let health = format!(
        "health: {{probe: {{http: {{path: {PROBED}, {probe}}}}}, interval: 500ms, timeout: 400ms, fall: 1, rise: 1}}"
    );
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml(&health)).await;
    let name = OriginEntry::new("eu", &origin.url()).name;
    let seen = until_state(&edge, &name, state).await;
    assert_eq!(seen["last_probe"]["outcome"], outcome, "{seen}");
    let healthy = edge.metric("tidegate_origin_healthy", &[]).await;
    assert_eq!(healthy, if state == "healthy" { 1.0 } else { 0.0 }, "{seen}");
    let label = format!("outcome=\"{outcome}\"");
    assert!(edge.metric("tidegate_origin_probes_total", &[&label]).await >= 1.0, "{outcome}");
}

#[tokio::test]
async fn status_and_body_of_the_answer_decide() {
    let fine = || Script::status(200).text("all is fine");
    check(fine(), "", "healthy", "passed").await;
    check(fine(), "method: HEAD", "healthy", "passed").await;
    check(Script::status(503), "", "down", "wrong_status").await;
    check(Script::status(503), "statuses: [200, 500-599]", "healthy", "passed").await;
    check(fine(), "body_contains: is fine", "healthy", "passed").await;
    check(fine(), "body_contains: is wrong", "down", "wrong_body").await;
}

#[tokio::test]
async fn only_the_first_64_kib_of_a_body_are_searched() {
    let text = |filling: usize| Script::status(200).text(&format!("{}needle", "x".repeat(filling)));
    check(text(64 * 1024 - 6), "body_contains: needle", "healthy", "passed").await;
    check(text(64 * 1024 - 5), "body_contains: needle", "down", "wrong_body").await;
}

#[tokio::test]
async fn answer_that_does_not_come_or_breaks_off_is_a_failure() {
    check(Script::status(200).before(Step::Hang), "", "down", "timed_out").await;
    check(Script::status(200).before(Step::Close), "", "down", "broken").await;
    check(Script::status(200).before(Step::Reset), "", "down", "broken").await;
    let cut = Script::status(200).body(Body::Text("all is fine".to_owned())).then(Step::Send(3)).then(Step::Close);
    check(cut, "body_contains: is fine", "down", "broken").await;
}

#[tokio::test]
async fn origin_without_a_listener_or_a_name_or_trust_is_down() {
    let inner = Edge::start(&EdgeConfig::to_url(&nobody())).await;
    let untrusted = format!("https://{}", SocketAddr::new(inner.place().address, inner.place().https));
    for (url, outcomes) in [
        (nobody(), &["refused"][..]),
        ("http://nobody.invalid:80".to_owned(), &["unresolved", "timed_out"]),
        (untrusted, &["tls"]),
    ] {
        let config = EdgeConfig::with_origins(vec![OriginEntry::new("eu", &url).named("one")]).pool_yaml(BY_HTTP);
        let edge = Edge::start(&config).await;
        let seen = until_state(&edge, "one", "down").await;
        let outcome = seen["last_probe"]["outcome"].as_str().unwrap();
        assert!(outcomes.contains(&outcome), "{url}: {seen}");
        assert!(!seen["last_error"].as_str().unwrap().is_empty(), "{seen}");
    }
}

#[tokio::test]
async fn probe_over_tls_trusts_the_origins_own_authority() {
    let behind = Origin::start().await;
    let inner = Edge::start(&EdgeConfig::to(&behind)).await;
    let url = format!("https://{}", SocketAddr::new(inner.place().address, inner.place().https));
    let health = "health: {probe: {http: {path: /.well-known/tidegate/ready}}, interval: 500ms, timeout: 400ms}";
    for version in ["1", "2", "auto"] {
        let tls = format!("tls: {{server_name: {HOST}, ca_file: \"{}\"}}", inner.authority_file().display());
        let entry = OriginEntry::new("eu", &url).named("one").yaml(&tls).yaml(&format!("http_version: {version}"));
        let edge = Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml(health)).await;
        let seen = until_state(&edge, "one", "healthy").await;
        assert_eq!(seen["last_probe"]["outcome"], "passed", "HTTP/{version}: {seen}");
    }
}

#[tokio::test]
async fn probe_says_what_it_is_and_is_no_request() {
    let origin = Origin::start().await;
    origin.on("/media/healthz", Script::status(200).text("all is fine"));
    let entry = OriginEntry::new("eu", &format!("{}/media", origin.url())).named("one");
    let config = EdgeConfig::with_origins(vec![entry]);
    for (host, expected) in [
        ("host: client", origin.address().to_string()),
        ("host: origin", origin.address().to_string()),
        ("host: {fixed: storage.test}", "storage.test".to_owned()),
    ] {
        let edge = Edge::start(&config.clone().pool_yaml(BY_HTTP).pool_yaml(host)).await;
        until_state(&edge, "one", "healthy").await;
        let probes = origin.requests("/media/healthz");
        let probe = probes.last().unwrap();
        assert!(probe.field("user-agent").unwrap().starts_with("Tidegate-Health/"), "{probe:?}");
        assert_eq!((probe.method.as_str(), probe.host()), ("GET", expected.as_str()), "{host}");
        assert_eq!(edge.metric("tidegate_origin_requests_total", &[]).await, 0.0);
        assert!(edge.metric("tidegate_origin_probe_duration_seconds_count", &[]).await >= 1.0);
    }
}

#[tokio::test]
async fn probe_by_tcp_asks_nothing() {
    let origin = Origin::start().await;
    origin.on("/a", Script::cacheable(1_000));
    let entry = OriginEntry::new("eu", &origin.url()).named("one");
    let edge = Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml(BY_TCP)).await;
    let seen = until_state(&edge, "one", "healthy").await;
    assert_eq!(seen["addresses"][0], origin.address().to_string(), "{seen}");
    get_new(&edge.client(Protocol::Http2).await, 0).await;
    assert_eq!(origin.requests("/").len() + origin.requests(PROBED).len(), 0);
    assert_eq!(origin.requests("/a").len(), 1);
}

#[tokio::test]
async fn pool_in_panic_uses_all_and_says_so() {
    let alive = Origin::start().await;
    alive.on(PROBED, Script::status(200));
    alive.on("/a", Script::cacheable(1_000));
    let entry = |name: &str, url: &str| OriginEntry::new("eu", url).named(name);
    let (one, two) = (nobody(), nobody());
    let origins = vec![entry("alive", &alive.url()), entry("one", &one), entry("two", &two)];
    let edge = Edge::start(&EdgeConfig::with_origins(origins).pool_yaml(BY_HTTP).pool_yaml(UNLIMITED)).await;
    for dead in ["one", "two"] {
        until_state(&edge, dead, "down").await;
    }
    until_state(&edge, "alive", "healthy").await;
    assert_eq!(edge.metric("tidegate_pool_panic", &["pool=\"origins\""]).await, 1.0);
    assert_eq!(edge.metric("tidegate_origin_effective_weight_ratio", &["origin=\"one\""]).await, 1.0);
    let client = edge.client(Protocol::Http2).await;
    for number in 0..20 {
        get_new(&client, number).await;
    }
    let tried = edge.metric("tidegate_origin_connect_failures_total", &[]).await;
    assert!(tried >= 1.0, "in panic the dead ones are tried, too");
}

#[tokio::test]
async fn slow_answers_of_probes_are_shown_with_their_time() {
    let slow = Origin::start().await;
    slow.on(PROBED, Script::status(200).before(Step::Pause(100)));
    let entry = OriginEntry::new("eu", &slow.url()).named("one");
    let edge = Edge::start(&EdgeConfig::with_origins(vec![entry]).pool_yaml(BY_HTTP)).await;
    let seen = until(&edge, "one", "probed", |seen| seen["last_probe"]["outcome"] == "passed").await;
    let duration = seen["last_probe"]["duration_seconds"].as_f64().unwrap();
    assert!((0.1..0.4).contains(&duration), "{seen}");
    let shown = origin(&edge, "one").await;
    for field in ["since", "region", "url", "reason", "effective_weight", "ejections", "circuit", "steering"] {
        assert!(!shown[field].is_null(), "{field} is missing: {shown}");
    }
}
