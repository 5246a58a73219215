//! What each kind of purge reaches, and what operators are told of it.

use std::process::Command;

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, tidegate_binary};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

use super::{explain, get, order, orders, purge, url};

async fn edge() -> (Edge, Origin) {
    let origin = Origin::start().await;
    let edge = Edge::start(&EdgeConfig::to(&origin)).await;
    (edge, origin)
}

fn page(version: &str, tags: &str) -> Script {
    let page = Script::status(200).text(version).field("cache-control", "max-age=600").field("surrogate-key", tags);
    page.field("etag", &format!("\"{version}\"")).resource()
}

#[tokio::test]
async fn purge_reaches_what_it_names_and_nothing_else_on_every_protocol() {
    let (edge, origin) = edge().await;
    let mut number = 0;
    for protocol in Protocol::SECURE {
        for soft in [false, true] {
            for kind in 0..6 {
                number += 1;
                let (folder, tag) = (format!("/f{number}/"), format!("t{number}"));
                let (one, other) = (format!("{folder}one?v=1"), format!("/other{number}"));
                let (kind, mut what) = orders(&one, &folder, &tag).swap_remove(kind);
                what["soft"] = json!(soft);
                origin.on(&format!("{folder}one"), page("old", &format!("x {tag} y")));
                origin.on(&other, page("old", "x"));
                for path in [&one, &other] {
                    assert_eq!(get(&edge, protocol, path).await.text(), "old");
                }
                edge.until_fills_end().await;
                origin.on(&format!("{folder}one"), page("new", &tag));
                origin.on(&other, page("new", "x"));
                let hit = get(&edge, protocol, &one).await;
                assert_eq!((hit.text(), hit.field("surrogate-key")), ("old".to_owned(), None));
                let answer = purge(&edge, what).await;
                assert_eq!(
                    (&answer["scope"], &answer["mode"]),
                    (&json!(kind), &json!(["hard", "soft"][usize::from(soft)]))
                );
                let about = format!("{protocol:?} {kind} soft: {soft}");
                assert_eq!(get(&edge, protocol, &one).await.text(), "new", "{about}");
                let asked = origin.requests(&format!("{folder}one")).pop().unwrap();
                assert_eq!(asked.field("if-none-match"), soft.then_some("\"old\""), "{about}");
                let all = matches!(kind, "host" | "everything");
                assert_eq!(get(&edge, protocol, &other).await.text(), if all { "new" } else { "old" }, "{about}");
            }
        }
    }
}

#[tokio::test]
async fn softly_purged_response_serves_in_the_stead_of_an_origin_that_fails_and_a_purged_one_does_not() {
    let (edge, origin) = edge().await;
    for (soft, path) in [(true, "/soft"), (false, "/hard")] {
        origin.on(path, page("old", "t").field("cache-control", "stale-if-error=600"));
        get(&edge, Protocol::Http2, path).await;
        edge.until_fills_end().await;
        origin.on(path, Script::status(503));
        purge(&edge, json!({ "url": url(path), "soft": soft })).await;
        for protocol in Protocol::SECURE {
            let response = get(&edge, protocol, path).await;
            assert_eq!((response.status == 200, response.text() == "old"), (soft, soft), "{path} {protocol:?}");
        }
    }
}

#[tokio::test]
async fn generation_of_the_answer_is_what_later_objects_are_held_against() {
    let (edge, origin) = edge().await;
    origin.on("/a", page("old", "t"));
    get(&edge, Protocol::Http2, "/a").await;
    edge.until_fills_end().await;
    let born = |explained: &Value| explained["stored"]["generation"].as_u64().unwrap();
    let before = explain(&edge, "/a").await;
    let answer = purge(&edge, json!({ "url": url("/a") })).await;
    let generation = answer["generation"].as_u64().unwrap();
    assert!(born(&before) < generation, "{before}");
    assert_eq!((&answer["names"], &answer["durable"]), (&json!(1), &json!({ "on": 0, "devices": 0 })));
    let after = explain(&edge, "/a").await;
    assert_eq!(after["stored"], Value::Null);
    assert_eq!(after["purged"], json!({ "generation": generation, "scope": "url", "mode": "hard" }));
    assert_eq!(after["purge_generation"], json!(generation));
    get(&edge, Protocol::Http2, "/a").await;
    edge.until_fills_end().await;
    let again = explain(&edge, "/a").await;
    assert!(born(&again) >= generation, "{again}");
    assert_eq!((&again["stored"]["tags"], &again["purged"]), (&json!(1), &Value::Null));
    assert_eq!(edge.metric("tidegate_purges_total", &["scope=\"url\"", "mode=\"hard\""]).await, 1.0);
    assert!(edge.metric("tidegate_purge_generation", &[]).await >= generation as f64);
    assert!(edge.metric("tidegate_purged_objects_total", &["mode=\"hard\""]).await >= 1.0);
    let listed = edge.admin("GET", "/cache/purges").await;
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(
        (&listed["purges"][0]["generation"], &listed["purges"][0]["first"]),
        (&json!(generation), &json!(url("/a")))
    );
    edge.stderr_with("purged").await;
}

#[tokio::test]
async fn tags_are_read_from_the_fields_of_the_policy_and_reach_clients_only_if_they_are_to() {
    let origin = Origin::start().await;
    let tagged = Script::status(200).text("old").field("cache-control", "max-age=600");
    origin.on("/a", tagged.clone().field("cache-tag", "one, two").field("surrogate-key", "three"));
    origin.on("/pass", Script::status(200).text("own").field("cache-control", "private").field("cache-tag", "one"));
    let config = EdgeConfig::to(&origin);
    let edge = Edge::start(&config).await;
    for path in ["/a", "/a", "/pass", "/pass"] {
        for protocol in Protocol::SECURE {
            let response = get(&edge, protocol, path).await;
            assert_eq!((response.field("cache-tag"), response.field("surrogate-key")), (None, None), "{path}");
        }
        edge.until_fills_end().await;
    }
    let exposing = Edge::start(&config.policy_yaml("tags: {fields: [Cache-Tag], expose: true}")).await;
    for path in ["/a", "/a", "/pass"] {
        assert!(get(&exposing, Protocol::Http2, path).await.field("cache-tag").is_some(), "{path}");
        exposing.until_fills_end().await;
    }
    origin.on("/a", tagged.text("new"));
    purge(&exposing, json!({ "tag": "three" })).await;
    assert_eq!(get(&exposing, Protocol::Http2, "/a").await.text(), "old", "no tag by this policy");
    purge(&exposing, json!({ "tag": "two" })).await;
    assert_eq!(get(&exposing, Protocol::Http2, "/a").await.text(), "new");
}

#[tokio::test]
async fn aliases_and_counting_arguments_are_purged_as_keys_have_them() {
    let origin = Origin::start().await;
    let policy = "key: {query: {except: [utm]}, headers: [x-tier]}";
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    origin.on("/a", page("old", "t"));
    let ask = async |tier: &str| {
        let client = edge.client(Protocol::Http2).await;
        client.request(Request::get("/a?utm=9&v=1").field("x-tier", tier)).await.unwrap().text()
    };
    for tier in ["gold", "silver"] {
        assert_eq!(ask(tier).await, "old");
    }
    edge.until_fills_end().await;
    origin.on("/a", page("new", "t"));
    purge(&edge, json!({ "url": url("/a?v=2") })).await;
    assert_eq!(ask("gold").await, "old");
    purge(&edge, json!({ "url": format!("http://{}/%61?v=1&utm=3", HOST.to_uppercase()) })).await;
    for tier in ["gold", "silver"] {
        assert_eq!(ask(tier).await, "new");
    }
}

#[tokio::test]
async fn command_purges_and_says_so() {
    let (edge, origin) = edge().await;
    origin.on("/a", page("old", "t"));
    get(&edge, Protocol::Http2, "/a").await;
    edge.until_fills_end().await;
    origin.on("/a", page("new", "t"));
    let node = format!("http://{}", edge.admin_address());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(tidegate_binary());
        command.arg("purge").args(arguments).args(["--node", &node]);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = run(&["tag", "t", "u", "--output", "json"]).await.unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["names"], &answer["scope"]), (Some(0), &json!(2), &json!("tag")));
    assert_eq!(get(&edge, Protocol::Http2, "/a").await.text(), "new");
    let output = run(&["url", &url("/a"), "--soft"]).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("purged url, soft: generation "), "{text}");
    let output = run(&["host", "nowhere.test"]).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("nowhere.test"), "{told}");
    let (status, _) = order(&edge, &json!({ "everything": true })).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn unsafe_method_makes_its_url_invalid_as_keys_have_it_and_no_other_query() {
    let origin = Origin::start().await;
    let policy = "key: {query: {except: [utm]}, sort_query: true, headers: [x-tier]}";
    let edge = Edge::start(&EdgeConfig::to(&origin).policy_yaml(policy)).await;
    let client = edge.client(Protocol::Http2).await;
    let ask = async |target: &str, tier: &str| {
        let request = Request::get(target).field("x-tier", tier);
        within("an answer", client.request(request)).await.unwrap().text()
    };
    let change = async |target: &str| {
        let posted = within("an answer", client.request(Request::new("POST", target).body("x"))).await.unwrap();
        assert_eq!(posted.status, 200);
    };
    origin.on("/a", page("old", "t"));
    for (target, tier) in [("/a?b=1&c=2", "gold"), ("/a?b=1&c=2", "silver"), ("/a?b=2", "gold"), ("/a", "gold")] {
        assert_eq!(ask(target, tier).await, "old");
    }
    edge.until_fills_end().await;
    origin.on("/a", page("new", "t"));
    change("/a?utm=x&c=2&b=1").await;
    for (target, tier, version) in [
        ("/a?b=1&c=2", "gold", "new"),
        ("/a?c=2&b=1&utm=y", "silver", "new"),
        ("/a?b=2", "gold", "old"),
        ("/a?utm=z", "gold", "old"),
    ] {
        assert_eq!(ask(target, tier).await, version, "{target} {tier}");
    }
    // Players of one state of a playlist wait for what any change of it makes.
    origin.on("/l.m3u8", page("old", "t"));
    assert_eq!(ask("/l.m3u8?_HLS_msn=2", "gold").await, "old");
    edge.until_fills_end().await;
    origin.on("/l.m3u8", page("new", "t"));
    change("/l.m3u8").await;
    assert_eq!(ask("/l.m3u8?_HLS_msn=2", "gold").await, "new");
    change("/a?utm=x").await;
    assert_eq!((ask("/a", "gold").await, ask("/a?b=2", "gold").await), ("new".to_owned(), "old".to_owned()));
}
