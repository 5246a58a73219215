//! What is stored, as operators are told: summed up, and object by object.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::{Edge, EdgeConfig, HOST, tidegate_binary};
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

async fn ask(edge: &Edge, path: &str) -> Value {
    let response = within("an answer", edge.admin("GET", path)).await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

async fn fill(edge: &Edge, paths: impl IntoIterator<Item = String>) {
    let client = edge.client(Protocol::Http2).await;
    for path in paths {
        assert_eq!(within("an answer", client.request(Request::get(&path))).await.unwrap().status, 200, "{path}");
    }
    edge.until_fills_end().await;
    edge.until_written().await;
}

/// All objects of all pages, each page of at most so many.
async fn list(edge: &Edge, selected: &str, page: usize) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1000 {
        let answer = ask(edge, &format!("/cache/entries?limit={page}{selected}{cursor}")).await;
        let shown = answer["entries"].as_array().unwrap();
        assert!(shown.len() <= page, "{} of {page}", shown.len());
        entries.extend(shown.iter().cloned());
        match answer["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
    panic!("the list has no end");
}

fn urls(entries: &[Value], tier: &str) -> BTreeSet<String> {
    let of_tier = entries.iter().filter(|entry| entry["tier"] == tier);
    of_tier.map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("/v/{number}?token=secret"))
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap()
}

async fn edge(origin: &Origin, disk: bool) -> Edge {
    for (number, path) in names(25).enumerate() {
        let tag = if number % 5 == 0 { "fives others" } else { "others" };
        origin.on(without_query(&path), Script::cacheable(1000 + number as u64).field("surrogate-key", tag));
    }
    let config = EdgeConfig::to(origin);
    Edge::start(&if disk { config.on_disk() } else { config }).await
}

#[tokio::test]
async fn every_object_is_listed_once_in_each_tier_whatever_the_pages() {
    let origin = Origin::start().await;
    let edge = edge(&origin, true).await;
    fill(&edge, names(25)).await;
    let expected: BTreeSet<String> = names(25).map(|path| format!("https://{HOST}{path}")).collect();
    for page in [1, 7, 25, 4096] {
        let entries = list(&edge, "", page).await;
        assert_eq!(entries.len(), 50, "pages of {page}");
        assert_eq!(urls(&entries, "memory"), expected, "pages of {page}");
        assert_eq!(urls(&entries, "disk"), expected, "pages of {page}");
    }
}

#[tokio::test]
async fn objects_are_selected_by_tier_site_tag_and_prefix_also_after_a_restart() {
    let origin = Origin::start().await;
    let mut edge = edge(&origin, true).await;
    fill(&edge, names(25)).await;
    let prefix = format!("&prefix={HOST}%2Fv%2F1");
    let check = async |edge: &Edge, selected: &str, in_memory: usize, on_disk: usize| {
        let entries = list(edge, selected, 3).await;
        let found = (urls(&entries, "memory").len(), urls(&entries, "disk").len());
        assert_eq!(found, (in_memory, on_disk), "{selected}");
    };
    check(&edge, "&tier=memory", 25, 0).await;
    check(&edge, "&tier=disk", 0, 25).await;
    check(&edge, "&tag=fives", 5, 5).await;
    check(&edge, "&tag=nothing", 0, 0).await;
    check(&edge, "&site=media", 25, 25).await;
    check(&edge, &prefix, 11, 11).await;
    check(&edge, &format!("{prefix}&tag=fives"), 2, 2).await;
    edge.kill_and_restart().await;
    check(&edge, "&tag=fives&tier=disk", 0, 5).await;
    check(&edge, &format!("{prefix}&site=media&tier=disk"), 0, 11).await;
}

#[tokio::test]
async fn object_is_listed_with_what_is_known_of_it() {
    let origin = Origin::start().await;
    let edge = edge(&origin, true).await;
    fill(&edge, names(1)).await;
    let purge = json!({ "tag": "fives", "soft": true }).to_string();
    assert_eq!(edge.admin_request(Request::new("POST", "/cache/purge").body(purge)).await.status, 200);
    for (entry, tier) in list(&edge, "", 10).await.iter().zip(["memory", "disk"]) {
        let shown = ["tier", "site", "status", "length", "tags", "variant"].map(|name| entry[name].clone());
        let expected = [json!(tier), json!("media"), json!(200), json!(1000), json!(2), json!(false)];
        assert_eq!(shown, expected, "{entry}");
        assert!(entry["bytes"].as_u64().unwrap() > 1000 && entry["generation"].as_u64().unwrap() > 0, "{entry}");
        assert_eq!(entry["purged"]["mode"], "soft", "{entry}");
        assert_eq!(entry["device"].is_string(), tier == "disk", "{entry}");
    }
}

#[tokio::test]
async fn wrong_questions_are_refused_with_a_reason() {
    let origin = Origin::start().await;
    let edge = edge(&origin, false).await;
    for query in
        ["site=elsewhere", "tier=tape", "limit=0", "limit=5000", "cursor=x", "cursor=d.1-2", "cursor=m.g", "a=b"]
    {
        let response = within("a refusal", edge.admin("GET", &format!("/cache/entries?{query}"))).await;
        assert_eq!(response.status, 400, "{query}");
        assert!(response.text().contains("invalid_query"), "{query}: {}", response.text());
    }
    for cursor in ["m.ffffffffffffffff", "d.0-0-0", "d.ffffffff-ffffffff-ffffffff"] {
        let page = ask(&edge, &format!("/cache/entries?cursor={cursor}")).await;
        assert_eq!((&page["entries"], &page["next"]), (&json!([]), &Value::Null), "{cursor}");
    }
}

#[tokio::test]
async fn sums_say_what_each_tier_and_each_site_has() {
    let origin = Origin::start().await;
    let mut edge = edge(&origin, true).await;
    fill(&edge, names(25).chain(names(25))).await;
    let stats = ask(&edge, "/cache/stats").await;
    assert_eq!((&stats["memory"]["objects"], &stats["disk"]["records"]), (&json!(25), &json!(25)), "{stats}");
    let device = &stats["disk"]["devices"][0];
    assert_eq!((&device["state"], &device["counted"]["written"]), (&json!("working"), &json!(25)), "{stats}");
    assert!(stats["disk"]["write_amplification"].as_f64().unwrap() >= 1.0, "{stats}");
    assert!(stats["generation"].as_u64().unwrap() > 0, "{stats}");
    let site = &stats["sites"][0];
    assert_eq!((&site["site"], &site["memory"]["objects"]), (&json!("media"), &json!(25)), "{stats}");
    assert_eq!(site["disk"]["bytes"], stats["disk"]["bytes"], "{stats}");
    assert_eq!((&site["requests"]["hit"], &site["requests"]["miss"]), (&json!(25), &json!(25)), "{stats}");
    edge.restart().await;
    let stats = ask(&edge, "/cache/stats").await;
    assert_eq!(stats["disk"]["devices"][0]["counted"]["recovered"], 25, "{stats}");
}

fn call(edge: &Edge, arguments: &[&str]) -> Output {
    let node = format!("http://{}", edge.admin_address());
    Command::new(tidegate_binary()).arg("cache").args(arguments).args(["--node", &node]).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_it_for_people_and_for_programs() {
    let origin = Origin::start().await;
    let edge = edge(&origin, true).await;
    fill(&edge, names(25)).await;
    let dumped = said(&call(&edge, &["dump", "--tag", "fives", "--output", "json"]));
    let entries: Vec<Value> = dumped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((urls(&entries, "memory").len(), urls(&entries, "disk").len()), (5, 5));
    let text = said(&call(&edge, &["dump", "--tier", "disk", "--prefix", &format!("https://{HOST}/v/2?")]));
    assert!(text.starts_with("disk ") && text.contains("/v/2?token=secret") && text.lines().count() == 1, "{text}");
    let stats: Value =
        serde_json::from_str(&said(&call(&edge, &["stats", "--tag", "fives", "--output", "json"]))).unwrap();
    assert_eq!(
        (&stats["tag"]["memory"]["objects"], &stats["tag"]["disk"]["objects"]),
        (&json!(5), &json!(5)),
        "{stats}"
    );
    let text = said(&call(&edge, &["stats"]));
    for part in ["memory      ", "25 objects", "device      ", ": working", "site        media: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!call(&edge, &["dump", "--site", "elsewhere"]).status.success());
}

#[tokio::test]
async fn without_a_disk_there_is_only_memory() {
    let origin = Origin::start().await;
    let edge = edge(&origin, false).await;
    fill(&edge, names(3)).await;
    assert_eq!(list(&edge, "", 2).await.len(), 3);
    let stats = ask(&edge, "/cache/stats").await;
    assert_eq!((&stats["disk"], &stats["memory"]["objects"]), (&Value::Null, &json!(3)), "{stats}");
}
