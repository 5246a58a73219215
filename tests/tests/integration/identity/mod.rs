//! Who a client is: told by proxies in front, told to origins, and found again when a request goes round.

mod forwarding;
mod hop_by_hop;
mod loops;
mod proxy_protocol;
mod schemes;

use tidegate_tests::client::{Protocol, Request, Response};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, Recorded, Script};
use tidegate_tests::within;

/// All that an edge speaks.
const ALL: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// What is trusted in these tests: every client.
const TRUST_LOOPBACK: &str = "trusted_proxies: [127.0.0.0/8]";

/// An origin with something that passes and something that is stored.
async fn origin() -> Origin {
    let origin = Origin::start().await;
    origin.on("/passed", Script::status(200).text("passed").field("cache-control", "no-store"));
    origin.on("/stored", Script::cacheable(1000));
    origin
}

async fn ask(edge: &Edge, protocol: Protocol, request: Request) -> Response {
    within("an answer", edge.client(protocol).await.request(request)).await.unwrap()
}

/// A request for this path with these fields, written `name: value`. It passes when its path says so: of a GET that
/// would only be known after the first.
fn request(path: &str, fields: &[&str]) -> Request {
    let method = if path.starts_with("/passed") { "POST" } else { "GET" };
    fields.iter().fold(Request::new(method, path), |request, field| {
        let (name, value) = field.split_once(": ").unwrap();
        request.field(name, value)
    })
}

/// All values of a field that arrived, joined as a list.
fn values(request: &Recorded, name: &str) -> String {
    list(&request.fields, name)
}

fn list(fields: &[(String, String)], name: &str) -> String {
    let found = fields.iter().filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
}

/// The last request for a path that arrived at the origin.
fn last(origin: &Origin, path: &str) -> Recorded {
    origin.requests(path).pop().unwrap_or_else(|| panic!("{path} was not asked for"))
}
