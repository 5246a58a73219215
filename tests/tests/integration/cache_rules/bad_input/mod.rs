//! Bad input of origins and floods of clients: each has a clear outcome, and nothing wrong is served or stored.
//!
//! Playlists that are huge or lead elsewhere, and reloads that never come, stand beside the other tests of live media;
//! absurd ages and dates are cases of the rules.

mod answers;
mod floods;
mod versions;

use tidegate_tests::client::{End, Protocol, Response};
use tidegate_tests::edge::{Edge, EdgeConfig};
use tidegate_tests::origin::{Origin, Script, Step};
use tidegate_tests::pattern::Pattern;

/// Plaintext saves handshakes.
const PROTOCOLS: [Protocol; 3] = [Protocol::PlainHttp1, Protocol::Http2, Protocol::Http3];

/// An edge whose origin may lie as often as it likes.
async fn patient_edge(policy: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    let pool = "attempts: 1\nlimits: {failures: 0%}\ntimeouts: {read: 2s}";
    let edge = Edge::start(&EdgeConfig::to(&origin).pool_yaml(pool).policy_yaml(policy)).await;
    (edge, origin)
}

/// An answer of these bytes, after which the connection closes.
fn raw(bytes: &str) -> Script {
    Script::status(200).before(Step::Raw(bytes.to_owned())).before(Step::Close)
}

/// Whether a client can see that something went wrong.
fn is_visible(answer: &anyhow::Result<Response>) -> bool {
    answer.as_ref().map_or(true, |response| response.status >= 500 || response.end != End::Clean)
}

/// Whether this is all of the pattern, as a success.
fn is_whole(answer: &anyhow::Result<Response>, seed: u64, size: u64) -> bool {
    let whole = |response: &Response| {
        let right = Pattern::new(seed).check(0, &response.body).is_ok() && response.body.len() as u64 == size;
        response.status == 200 && response.end == End::Clean && right
    };
    answer.as_ref().is_ok_and(whole)
}

/// What it looks like, for messages.
fn shown(answer: &anyhow::Result<Response>) -> String {
    match answer {
        Ok(response) => {
            format!("{} with {} bytes, {:?}, {:?}", response.status, response.body.len(), response.end, response.fields)
        }
        Err(error) => format!("{error:#}"),
    }
}

/// A 200 with so many bytes of the pattern with seed 0.
fn assert_whole(response: &Response, size: u64) {
    assert!(response.status == 200 && response.end == End::Clean, "{} {:?}", response.status, response.end);
    assert!(response.body.len() as u64 == size && Pattern::new(0).check(0, &response.body).is_ok(), "wrong body");
}
