//! Purges: after the answer to one, nobody gets what was fetched before and is concerned, on no protocol.

mod bad_input;
mod durable;
mod racing;
mod scopes;

use serde_json::{Value, json};
use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::{Edge, HOST};
use tidegate_tests::within;

/// Has the node purge; the answer, and its status.
async fn order(edge: &Edge, order: &Value) -> (u16, Value) {
    let response = edge.admin_request(Request::new("POST", "/cache/purge").body(order.to_string())).await;
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

async fn purge(edge: &Edge, what: Value) -> Value {
    let (status, answer) = order(edge, &what).await;
    assert_eq!(status, 200, "{what}: {answer}");
    answer
}

async fn get(edge: &Edge, protocol: Protocol, target: &str) -> Response {
    let client = edge.client(protocol).await;
    within("an answer", client.request(Request::get(target))).await.unwrap()
}

fn url(path: &str) -> String {
    format!("https://{HOST}{path}")
}

async fn explain(edge: &Edge, path: &str) -> Value {
    let url: String = url(path).bytes().map(|byte| format!("%{byte:02X}")).collect();
    let response = edge.admin("GET", &format!("/cache/explain?url={url}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_slice(&response.body).unwrap()
}

/// Every way to name `path` among its like, that is `{folder}one?v=1` with the tag `{tag}`.
fn orders(path: &str, folder: &str, tag: &str) -> Vec<(&'static str, Value)> {
    let without_query = path.split('?').next().unwrap();
    vec![
        ("url", json!({ "url": url(path) })),
        ("url_any_query", json!({ "url": url(&format!("{without_query}?v=other")), "any_query": true })),
        ("prefix", json!({ "prefix": url(folder) })),
        ("tag", json!({ "tag": [tag, "another"] })),
        ("host", json!({ "host": HOST })),
        ("everything", json!({ "everything": true })),
    ]
}
