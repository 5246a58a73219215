//! The grammar, line by line.

use super::*;

fn judge(head: &str) -> Result<BodyFraming, RequestRefusal> {
    let end = head.find('\n').unwrap() + 1;
    let line = request_line(without_line_end(&head.as_bytes()[..end])?)?;
    fields(&head.as_bytes()[end..], line)
}

fn with_fields(fields: &str) -> Result<BodyFraming, RequestRefusal> {
    judge(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn is_malformed<T>(judged: &Result<T, RequestRefusal>) -> bool {
    matches!(judged, Err(RequestRefusal::Malformed(_)))
}

#[test]
fn request_lines_of_four_forms_are_accepted() {
    for line in [
        "GET / HTTP/1.1",
        "GET /a?b=\"<>{}|\\^`\" HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "GET http://a/b HTTP/1.1",
        "GET HTTPS://a?b HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "M-SEARCH /é HTTP/1.1",
    ] {
        assert!(request_line(line.as_bytes()).is_ok(), "{line}");
    }
}

#[test]
fn other_request_lines_are_refused() {
    for line in [
        "",
        "GET",
        "POST /",
        "GET a",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "G@T / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://u@a/ HTTP/1.1",
        "GET http:/a HTTP/1.1",
        "OPTIONS *a HTTP/1.1",
    ] {
        assert!(is_malformed(&request_line(line.as_bytes())), "{line:?}");
    }
    for line in ["GET /", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/3.0"] {
        let judged = request_line(line.as_bytes()).map(|_| ());
        assert_eq!(judged, Err(RequestRefusal::UnsupportedVersion), "{line}");
    }
}

#[test]
fn framing_follows_the_fields() {
    for (fields, expected) in [
        ("", BodyFraming::None),
        ("Cookie: a=b\r\nTE: trailers\r\nEmpty:\r\nTab:\ta\tb\t\r\nObs: \u{e9}\r\n", BodyFraming::None),
        ("Content-Length: 0\r\n", BodyFraming::None),
        ("content-LENGTH:12\r\n", BodyFraming::Length(12)),
        ("Content-Length: \t 12 \r\n", BodyFraming::Length(12)),
        ("Transfer-Encoding: Chunked\r\n", BodyFraming::Chunked),
        ("Connection: close, keep-alive, X-Own\r\n", BodyFraming::None),
    ] {
        assert_eq!(with_fields(fields), Ok(expected), "{fields:?}");
    }
}

#[test]
fn fields_that_can_be_read_in_two_ways_are_refused() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 01\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 1.0\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Host: a\r\n",
        "Space : a\r\n",
        "Tab\t: a\r\n",
        "In side: a\r\n",
        " Fold: a\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A: b\n",
        "A: b\rc\r\n",
        "A: b\0c\r\n",
        "A: b\u{1}\r\n",
        "A: b\u{7f}\r\n",
        "A\0: b\r\n",
        "no colon\r\n",
        ": b\r\n",
        "Connection: close, Content-Length\r\n",
        "Connection: host\r\n",
        "Connection: transfer-encoding\r\n",
    ] {
        assert!(is_malformed(&with_fields(fields)), "{fields:?}: {:?}", with_fields(fields));
    }
    let both = with_fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n");
    assert_eq!(both, Err(RequestRefusal::AmbiguousFraming));
    assert_eq!(with_fields("Transfer-Encoding: gzip, chunked\r\n"), Err(RequestRefusal::UnsupportedCoding));
    assert!(is_malformed(&judge("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")));
}

#[test]
fn host_is_there_once_and_agrees_with_the_target() {
    for (head, accepted) in [
        ("GET / HTTP/1.1\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", true),
        ("GET http://a/ HTTP/1.1\r\n\r\n", false),
        ("GET http://a/ HTTP/1.1\r\nHost: A\r\n\r\n", true),
        ("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", false),
        ("GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n", false),
        ("GET http://a/ HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", false),
    ] {
        assert_eq!(judge(head).is_ok(), accepted, "{head:?}");
    }
}
