//! What routes do beside sending requests to their pool, over every protocol.

mod answers;
mod bounds;
mod clients;
mod mirror;
mod shapes;
mod split;
mod websocket;

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, Script};
use tidegate_tests::within;

const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// A document of a pool with this origin.
fn pool(name: &str, origin: &Origin) -> String {
    let url = origin.url();
    format!("kind: origin_pool\nname: {name}\norigins: [{{name: {name}, url: \"{url}\", region: eu}}]")
}

/// A stored answer that says whose it is.
fn stored(text: &str) -> Script {
    Script::status(200).field("cache-control", "max-age=600").text(text)
}

async fn ask(edge: &Edge, protocol: Protocol, request: Request) -> Response {
    let client = edge.client(protocol).await;
    within("an answer", client.request(request)).await.unwrap()
}

fn is_hit(response: &Response) -> bool {
    response.field("cache-status").is_some_and(|status| status.contains("; hit"))
}
