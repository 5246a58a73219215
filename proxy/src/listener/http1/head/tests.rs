//! Where header sections end, against Pingora's parser as the judge of what is complete.

use std::path::PathBuf;

use pingora_core::protocols::http::ServerSession;
use proptest::prelude::*;
use tidegate_config::units::ByteSize;
use tokio::io::AsyncWriteExt;

use super::super::known_fields::{KnownFields, MOST_KNOWN};
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
    let expected = Head::Complete { length: text.len(), framing: BodyFraming::Length(4), plain: None };
    assert_eq!(examine(format!("{text}restGET / HTTP/1.1\r\n").as_bytes(), &limits(), b""), expected);
}

#[test]
fn what_is_malformed_is_refused_as_soon_as_its_line_is_there() {
    for text in ["POST /\r\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "\n"] {
        let found = examine(text.as_bytes(), &limits(), b"");
        assert!(matches!(found, Head::Refused(RequestRefusal::Malformed(_))), "{text:?}: {found:?}");
    }
}

#[test]
fn every_prefix_of_a_request_is_partial() {
    let text = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for length in 0..text.len() {
        assert_eq!(examine(&text[..length], &limits(), b""), Head::Partial, "{length} bytes");
    }
}

#[test]
fn limits_are_found_before_the_section_is_whole() {
    let check = |text: &str, expected: Option<RequestRefusal>| {
        let found = match examine(text.as_bytes(), &small(), b"") {
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

/// Requests of these texts, one after the other on a connection that knows the fields of the last plain one.
fn examine_in_turn(texts: [&String; 2], limits: &Limits) -> Vec<Head> {
    let mut known = KnownFields::default();
    let mut found = Vec::new();
    for text in texts {
        let head = examine(text.as_bytes(), limits, known.section());
        if let Head::Complete { length, plain: Some(line), .. } = head {
            known.number(&text.as_bytes()[line.length..length]);
        }
        found.push(head);
    }
    found
}

#[test]
fn fields_that_are_known_mean_what_they_mean_alone() {
    const LINES: [&str; 5] = ["GET /a", "GET /b?c", "POST /", "GET http://a/", "OPTIONS *"];
    const FIELDS: [&str; 5] =
        ["Host: a\r\n\r\n", "Host: a\r\n\r\nrest", "Host: a\r\nX: y\r\n\r\n", "Host: b\r\n\r\n", "Host: a\r\n"];
    let lines = LINES.iter().flat_map(|line| [format!("{line} HTTP/1.1\r\n"), format!("{line} HTTP/1.0\r\n")]);
    let lengths = ["", "Content-Length: 0\r\n", "Content-Length: 4\r\n"];
    let texts: Vec<String> = lines
        .flat_map(|line| FIELDS.map(|fields| format!("{line}{fields}")))
        .chain(lengths.map(|length| format!("GET / HTTP/1.1\r\n{length}Host: a\r\n\r\n")))
        .collect();
    let limits = limits();
    for first in &texts {
        for second in &texts {
            let both = examine_in_turn([first, second], &limits);
            assert_eq!(both[1], examine(second.as_bytes(), &limits, b""), "{first:?} then {second:?}");
        }
    }
}

#[test]
fn fields_have_the_number_of_those_that_are_the_same() {
    let mut known = KnownFields::default();
    let first = known.number(b"host: a\r\n\r\n").unwrap();
    assert_eq!(known.number(b"host: a\r\n\r\n"), Some(first));
    let other = known.number(b"host: b\r\n\r\n").unwrap();
    assert_ne!(other, first);
    assert_eq!(known.number(&[b'x'; MOST_KNOWN + 1]), None, "too long");
    assert_eq!(known.section(), b"");
    let again = known.number(b"host: b\r\n\r\n").unwrap();
    assert!(again != other && again != first, "what was forgotten in between is known anew");
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
        if let Head::Complete { length, .. } = examine(text, &limits(), b"") {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            prop_assert!(runtime.block_on(is_decided_by_pingora(&text[..length])));
        }
    }
}
