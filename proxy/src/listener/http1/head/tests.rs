//! Where header sections end, against Pingora's parser as the judge of what is complete.

use std::path::PathBuf;

use pingora_core::protocols::http::ServerSession;
use proptest::prelude::*;
use tidegate_config::units::ByteSize;
use tokio::io::AsyncWriteExt;

use super::*;

fn limits() -> Limits {
    let text = include_str!("../../../../../config/examples/edge.yaml").to_owned();
    tidegate_config::load_texts(&[(PathBuf::from("edge.yaml"), text)]).unwrap().node.limits
}

fn small() -> Limits {
    let mut limits = limits();
    limits.target_bytes = ByteSize(10);
    limits.header_bytes = ByteSize(20);
    limits.header_count = 3;
    limits
}

#[test]
fn what_follows_the_section_is_not_part_of_it() {
    let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let expected = Head::Complete { length: text.len(), framing: BodyFraming::Length(4) };
    assert_eq!(examine(format!("{text}restGET / HTTP/1.1\r\n").as_bytes(), &limits()), expected);
}

#[test]
fn what_is_malformed_is_refused_as_soon_as_its_line_is_there() {
    for text in ["POST /\r\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "\n"] {
        let found = examine(text.as_bytes(), &limits());
        assert!(matches!(found, Head::Refused(RequestRefusal::Malformed(_))), "{text:?}: {found:?}");
    }
}

#[test]
fn every_prefix_of_a_request_is_partial() {
    let text = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for length in 0..text.len() {
        assert_eq!(examine(&text[..length], &limits()), Head::Partial, "{length} bytes");
    }
}

#[test]
fn limits_are_found_before_the_section_is_whole() {
    let check = |text: &str, expected: Option<RequestRefusal>| {
        let found = match examine(text.as_bytes(), &small()) {
            Head::Refused(refusal) => Some(refusal),
            Head::Partial | Head::Complete { .. } => None,
        };
        assert_eq!(found, expected, "{text:?}");
    };
    check("GET /234567890 HTTP/1.1\r\n", None);
    check("GET /2345678901 HTTP/1.1\r\n", Some(RequestRefusal::TargetTooLong));
    check(&"x".repeat(METHOD_AND_VERSION + 11), Some(RequestRefusal::TargetTooLong));
    check("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n", None);
    check("GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n", Some(RequestRefusal::FieldsTooLarge));
    check("GET / HTTP/1.1\r\nA: 34567890123456789012\r\n", Some(RequestRefusal::FieldsTooLarge));
    check("GET / HTTP/1.1\r\nA: 34567890123456789012345", Some(RequestRefusal::FieldsTooLarge));
}

#[test]
fn empty_lines_before_a_request_are_counted() {
    for (text, expected) in
        [("GET", 0), ("\r\nGET", 2), ("\r\n\r\nGET", 4), ("\n\r\nGET", 0), ("\r", 0), ("\r\rGET", 0), ("", 0)]
    {
        assert_eq!(leading_empty_lines(text.as_bytes()), expected, "{text:?}");
    }
}

/// Whether Pingora's parser comes to a verdict without waiting for more.
async fn is_decided_by_pingora(bytes: &[u8]) -> bool {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    client.write_all(bytes).await.unwrap();
    let mut session = ServerSession::new_http1(Box::new(server));
    // The client stays, so that a parser that needs more would wait for ever; a paused clock does not.
    tokio::time::timeout(std::time::Duration::from_millis(1), session.read_request()).await.is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_complete_here_never_waits_in_the_parser(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("GET / HTTP/1.1"), Just("\r\n"), Just("\n"), Just("\r"), Just("Host: a"), Just("A:b"), Just(" x"),
                Just(":"), Just("Content-Length: 3"), Just("\r\n\r\n"), Just("\n\n"), Just("\0"),
            ],
            1..12,
        )
    ) {
        let text = pieces.concat().into_bytes();
        let text = &text[leading_empty_lines(&text)..];
        if let Head::Complete { length, .. } = examine(text, &limits()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            prop_assert!(runtime.block_on(is_decided_by_pingora(&text[..length])));
        }
    }
}
