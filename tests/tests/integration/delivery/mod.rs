//! How media is delivered: compressed where that pays, for pages of other sites, as urgent and as fast as players ask.

mod cmcd;
mod compression;
mod cors;
mod players;

use tidegate_tests::client::{End, Protocol, Request, Response};
use tidegate_tests::edge::Edge;
use tidegate_tests::within;

/// All protocols, plaintext included.
const PROTOCOLS: [Protocol; 4] = [Protocol::PlainHttp1, Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// The answer to a GET with these fields.
async fn get(edge: &Edge, protocol: Protocol, path: &str, fields: &[(&str, &str)]) -> Response {
    let request = fields.iter().fold(Request::get(path), |request, (name, value)| request.field(name, value));
    within("an answer", edge.client(protocol).await.request(request)).await.unwrap()
}

/// Every value of a field.
fn values<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    response.fields.iter().filter(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str()).collect()
}

/// The body decoded as the response says, which has ended cleanly.
fn decoded(response: &Response) -> Vec<u8> {
    use std::io::Read;
    assert_eq!(response.end, End::Clean);
    let mut decoded = Vec::new();
    let body = &response.body[..];
    match response.field("content-encoding") {
        None => decoded.extend_from_slice(body),
        Some("zstd") => zstd::stream::copy_decode(body, &mut decoded).unwrap(),
        Some("br") => drop(brotli::Decompressor::new(body, 4096).read_to_end(&mut decoded).unwrap()),
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut decoded).unwrap()),
        Some(other) => panic!("coded as {other}"),
    }
    decoded
}
