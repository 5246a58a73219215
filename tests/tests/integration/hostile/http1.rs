//! HTTP/1.1 as attackers write it (RFC 9112): sent byte for byte, against what the origin got byte for byte.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::HOST;
use tidegate_tests::within;

use super::{Arena, statuses};

/// What must come of a row.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// This answer and the end of the connection; the origin got nothing.
    Refused(u16),
    /// This answer or none, and the end of the connection; the origin got no whole request.
    Cut(u16),
    /// These answers; the origin got that many requests, each whole and alone.
    Served(&'static [u16]),
    /// This answer by the edge itself; the connection may go on.
    Own(u16),
}
use Expected::{Cut, Own, Refused, Served};

/// Sends a row, with `~` for the host's name, and holds it against what must come of it.
async fn check(arena: &Arena, name: &str, text: &[u8], expected: Expected) {
    let text = replace(text);
    let mut raw = arena.edge.raw(Protocol::PlainHttp1).await;
    // A refusal may close before all of it is sent.
    let sent = raw.send(&text).await;
    arena.assert_serves_others(name).await;
    let answer = within(&format!("{name}: the end of the connection"), raw.closed()).await.unwrap_or_default();
    let found = statuses(&answer);
    let received = arena.recorder.take().await;
    let told: Vec<String> = received.iter().map(|it| String::from_utf8_lossy(&it.bytes).into_owned()).collect();
    match expected {
        Refused(status) => {
            assert_eq!((found, told), (vec![status], Vec::new()), "{name}");
        }
        Cut(status) => {
            assert!(found.is_empty() || found == [status], "{name}: answered with {found:?}");
            assert!(received.iter().all(|it| !it.whole), "{name}: passed on as {told:#?}");
        }
        Served(expected) => {
            sent.unwrap();
            assert_eq!(found, expected, "{name}");
            assert_eq!(received.len(), expected.iter().filter(|status| **status == 200).count(), "{name}: {told:#?}");
            for (it, told) in received.iter().zip(&told) {
                assert!(it.whole, "{name}: {told}");
                assert_eq!(told.matches("HTTP/1.1\r\n").count(), 1, "{name}: {told}");
            }
        }
        Own(status) => assert_eq!((found, told), (vec![status], Vec::new()), "{name}"),
    }
}

fn replace(text: &[u8]) -> Vec<u8> {
    text.split(|byte| *byte == b'~').collect::<Vec<_>>().join(HOST.as_bytes())
}

async fn check_all(arena: &Arena, rows: &[(&str, &[u8], Expected)]) {
    for (name, text, expected) in rows {
        check(arena, name, text, *expected).await;
    }
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let arena = Arena::start().await;
    let rows: [(&str, &str, Expected); 31] = [
        ("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Refused(400)),
        ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", Refused(400)),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", Refused(400)),
        ("a list of equal lengths", "Content-Length: 5, 5\r\n", Refused(400)),
        ("a list of lengths", "Content-Length: 5, 6\r\n", Refused(400)),
        ("a plus sign", "Content-Length: +5\r\n", Refused(400)),
        ("a minus sign", "Content-Length: -5\r\n", Refused(400)),
        ("hexadecimal", "Content-Length: 0x5\r\n", Refused(400)),
        ("leading zeros", "Content-Length: 005\r\n", Refused(400)),
        ("an empty length", "Content-Length: \r\n", Refused(400)),
        ("a length in two words", "Content-Length: 5 5\r\n", Refused(400)),
        ("an overflowing length", "Content-Length: 18446744073709551621\r\n", Refused(400)),
        ("a length beyond i64", "Content-Length: 9223372036854775808\r\n", Refused(413)),
        ("a length with a vertical tab", "Content-Length: \x0b5\r\n", Refused(400)),
        ("a length as option", "Content-Length: 5\r\nConnection: close, content-length\r\n", Refused(400)),
        ("coding as option", "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n", Refused(400)),
        ("identity", "Transfer-Encoding: identity\r\n", Refused(400)),
        ("chunked before identity", "Transfer-Encoding: chunked, identity\r\n", Refused(400)),
        ("xchunked", "Transfer-Encoding: xchunked\r\n", Refused(400)),
        ("two codings", "Transfer-Encoding: gzip, chunked\r\n", Refused(501)),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", Refused(400)),
        ("two coding fields", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("a parameter", "Transfer-Encoding: chunked;q=1\r\n", Refused(400)),
        ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n", Refused(400)),
        ("a vertical tab before a coding", "Transfer-Encoding: \x0bchunked\r\n", Refused(400)),
        ("a coding in a folded line", "Transfer-Encoding:\r\n chunked\r\n", Refused(400)),
        ("a space in the name of the coding", "Transfer-Encoding : chunked\r\n", Refused(400)),
        ("a null in the coding", "Transfer-Encoding: chunked\0\r\n", Refused(400)),
        ("an empty coding", "Transfer-Encoding: \r\n", Refused(400)),
    ];
    for (name, fields, expected) in rows {
        let text =
            format!("POST /a HTTP/1.1\r\nHost: ~\r\n{fields}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ~\r\n\r\n");
        check(&arena, name, text.as_bytes(), expected).await;
    }
    let over_http_1_0 = b"POST /a HTTP/1.0\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(&arena, "chunked over HTTP/1.0", over_http_1_0, Refused(400)).await;
}

#[tokio::test]
async fn header_sections_that_can_be_read_in_two_ways_are_refused() {
    let arena = Arena::start().await;
    let rows: &[(&str, &[u8], Expected)] = &[
        ("folded field", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\r\n c\r\n\r\n", Refused(400)),
        ("folded by a tab", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\r\n\tc\r\n\r\n", Refused(400)),
        ("folded first field", b"GET /a HTTP/1.1\r\n Host: ~\r\n\r\n", Refused(400)),
        ("bare line feed after the request line", b"GET /a HTTP/1.1\nHost: ~\r\n\r\n", Refused(400)),
        ("bare line feed after a field", b"GET /a HTTP/1.1\r\nHost: ~\n\r\n", Refused(400)),
        ("bare line feeds at the end", b"GET /a HTTP/1.1\r\nHost: ~\r\n\n", Refused(400)),
        ("bare line feed in front", b"\nGET /a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("bare return in a value", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\rC: d\r\n\r\n", Refused(400)),
        ("bare return before an end", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\r\r\n\r\n", Refused(400)),
        ("bare return in the request line", b"GET /a\r HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("space before a colon", b"GET /a HTTP/1.1\r\nHost : ~\r\n\r\n", Refused(400)),
        ("tab before a colon", b"GET /a HTTP/1.1\r\nHost: ~\r\nA\t: b\r\n\r\n", Refused(400)),
        ("space in a name", b"GET /a HTTP/1.1\r\nHost: ~\r\nA b: c\r\n\r\n", Refused(400)),
        ("no name", b"GET /a HTTP/1.1\r\nHost: ~\r\n: c\r\n\r\n", Refused(400)),
        ("no colon", b"GET /a HTTP/1.1\r\nHost: ~\r\nabc\r\n\r\n", Refused(400)),
        ("null in a name", b"GET /a HTTP/1.1\r\nHost: ~\r\nA\0: c\r\n\r\n", Refused(400)),
        ("null in a value", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\0\r\n\r\n", Refused(400)),
        ("control byte in a value", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: b\x08\r\n\r\n", Refused(400)),
        ("delete in a value", b"GET /a HTTP/1.1\r\nHost: ~\r\nA: \x7f\r\n\r\n", Refused(400)),
        ("high byte in a name", b"GET /a HTTP/1.1\r\nHost: ~\r\n\xc3\xa9: c\r\n\r\n", Refused(400)),
        ("null in the target", b"GET /a\0 HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("control byte in the target", b"GET /a\x01 HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("space in the target", b"GET /a b HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("tab in the target", b"GET /a\tb HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("fragment in the target", b"GET /a#b HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("two spaces", b"GET  /a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("tab for a space", b"GET\t/a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("no target", b"GET HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("relative target", b"GET a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("asterisk for GET", b"GET * HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("other scheme", b"GET ftp://~/a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("method that is no token", b"G(T /a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("null in the method", b"G\0T /a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("HTTP/0.9", b"GET /a\r\n", Refused(505)),
        ("HTTP/0.9 with an empty line", b"GET /\r\n\r\n", Refused(505)),
        ("HTTP/0.9 of another method", b"POST /a\r\n", Refused(400)),
        ("HTTP/0.9 in words", b"GET /a HTTP/0.9\r\n\r\n", Refused(505)),
        ("HTTP/1.2", b"GET /a HTTP/1.2\r\nHost: ~\r\n\r\n", Refused(505)),
        ("HTTP/2.0", b"GET /a HTTP/2.0\r\nHost: ~\r\n\r\n", Refused(505)),
        ("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
        ("lower case version", b"GET /a http/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("version that overflows", b"GET /a HTTP/1.11\r\nHost: ~\r\n\r\n", Refused(400)),
        ("TLS on plaintext", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", Refused(400)),
        ("empty lines without end", b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", Refused(400)),
    ];
    check_all(&arena, rows).await;
}

#[tokio::test]
async fn authorities_that_name_nobody_or_two_are_refused() {
    let arena = Arena::start().await;
    let rows: &[(&str, &[u8], Expected)] = &[
        ("no Host", b"GET /a HTTP/1.1\r\n\r\n", Refused(400)),
        ("two Hosts", b"GET /a HTTP/1.1\r\nHost: ~\r\nHost: other.test\r\n\r\n", Refused(400)),
        ("two equal Hosts", b"GET /a HTTP/1.1\r\nHost: ~\r\nhost: ~\r\n\r\n", Refused(400)),
        ("empty Host", b"GET /a HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with a user", b"GET /a HTTP/1.1\r\nHost: me@~\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with a path", b"GET /a HTTP/1.1\r\nHost: ~/x\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with a false port", b"GET /a HTTP/1.1\r\nHost: ~:x\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with a port too large", b"GET /a HTTP/1.1\r\nHost: ~:65536\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with two ports", b"GET /a HTTP/1.1\r\nHost: ~:80:80\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host with a space", b"GET /a HTTP/1.1\r\nHost: ~ x\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host in a list", b"GET /a HTTP/1.1\r\nHost: ~, ~\r\nConnection: close\r\n\r\n", Refused(400)),
        ("Host as option", b"GET /a HTTP/1.1\r\nHost: ~\r\nConnection: host\r\n\r\n", Refused(400)),
        ("unknown Host", b"GET /a HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n", Refused(421)),
        ("absolute form", b"GET http://~/a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200])),
        ("absolute form of another host", b"GET http://other.test/a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("another host than the absolute form", b"GET http://~/a HTTP/1.1\r\nHost: other.test\r\n\r\n", Refused(400)),
        ("absolute form with a user", b"GET http://me@~/a HTTP/1.1\r\nHost: ~\r\n\r\n", Refused(400)),
        ("absolute form without Host", b"GET http://~/a HTTP/1.1\r\n\r\n", Refused(400)),
        (
            "absolute form of another scheme",
            b"GET https://~/a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n",
            Own(421),
        ),
        ("absolute form of HTTP/1.0", b"GET http://~/a HTTP/1.0\r\nHost: ~\r\n\r\n", Served(&[200])),
        ("CONNECT", b"CONNECT ~:443 HTTP/1.1\r\nHost: ~:443\r\nConnection: close\r\n\r\n", Own(405)),
        ("TRACE", b"TRACE /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Own(405)),
        ("OPTIONS of the server", b"OPTIONS * HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Own(204)),
        ("OPTIONS of an unknown server", b"OPTIONS * HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n", Own(421)),
        ("OPTIONS of a resource", b"OPTIONS /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200])),
    ];
    check_all(&arena, rows).await;
}

#[tokio::test]
async fn chunked_bodies_that_can_be_read_in_two_ways_never_arrive_whole() {
    let arena = Arena::start().await;
    let rows: [(&str, &[u8]); 26] = [
        ("no size", b"\r\na\r\n0\r\n\r\n"),
        ("size that is no number", b"g\r\na\r\n0\r\n\r\n"),
        ("minus sign", b"-1\r\na\r\n0\r\n\r\n"),
        ("plus sign", b"+1\r\na\r\n0\r\n\r\n"),
        ("0x", b"0x1\r\na\r\n0\r\n\r\n"),
        ("space before the size", b" 1\r\na\r\n0\r\n\r\n"),
        ("space after the size", b"1 \r\na\r\n0\r\n\r\n"),
        ("tab after the size", b"1\t\r\na\r\n0\r\n\r\n"),
        ("bare line feed after the size", b"1\na\r\n0\r\n\r\n"),
        ("bare return after the size", b"1\ra\r\n0\r\n\r\n"),
        ("bare line feed after the data", b"1\r\na\n0\r\n\r\n"),
        ("data longer than its size", b"1\r\nab\r\n0\r\n\r\n"),
        ("no end of the data", b"1\r\na0\r\n\r\n"),
        ("size that overflows", b"10000000000000001\r\na\r\n0\r\n\r\n"),
        ("size of all ones", b"ffffffffffffffff\r\na\r\n0\r\n\r\n"),
        ("bare line feed in an extension", b"1;a\nb\r\na\r\n0\r\n\r\n"),
        ("bare return in an extension", b"1;a\rb\r\na\r\n0\r\n\r\n"),
        ("null in an extension", b"1;a\0\r\na\r\n0\r\n\r\n"),
        ("size with a comma", b"1,1\r\na\r\n0\r\n\r\n"),
        ("bare line feed at the end", b"1\r\na\r\n0\r\n\n"),
        ("bare line feed after the last size", b"1\r\na\r\n0\n\r\n"),
        ("trailer without a colon", b"1\r\na\r\n0\r\nabc\r\n\r\n"),
        ("trailer with a space before its colon", b"1\r\na\r\n0\r\nA : b\r\n\r\n"),
        ("folded trailer", b"1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n"),
        ("null in a trailer", b"1\r\na\r\n0\r\nA: b\0\r\n\r\n"),
        ("request for a trailer", b"1\r\na\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ];
    for (name, body) in rows {
        let head = &b"POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n"[..];
        check(&arena, name, &[head, body].concat(), Cut(400)).await;
    }
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(20_000));
    let text = format!("POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n{long}");
    check(&arena, "extension without end", text.as_bytes(), Cut(400)).await;
    let many = "1;xxxxxxxx\r\na\r\n".repeat(2_000);
    let text = format!("POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n{many}0\r\n\r\n");
    check(&arena, "extensions without end", text.as_bytes(), Cut(400)).await;
    let trailers = "A: b\r\n".repeat(5_000);
    let text = format!("POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
    check(&arena, "trailers without end", text.as_bytes(), Cut(400)).await;
}

#[tokio::test]
async fn odd_but_clear_requests_arrive_as_they_were_meant() {
    let arena = Arena::start().await;
    let rows: &[(&str, &[u8], Expected)] = &[
        ("coding in capitals", b"POST /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", Served(&[200])),
        ("coding after a tab", b"POST /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\nTransfer-Encoding:\tchunked \r\n\r\n1\r\na\r\n0\r\n\r\n", Served(&[200])),
        ("extensions", b"POST /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b;c=\"d\"\r\na\r\n0;e\r\n\r\n", Served(&[200])),
        ("empty lines in front", b"\r\n\r\nGET /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200])),
        ("HTTP/1.0", b"GET /a HTTP/1.0\r\nHost: ~\r\n\r\n", Served(&[200])),
        ("what follows the last request", b"GET /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\n\r\n", Served(&[200])),
        ("pipelined behind a length", b"POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200, 200])),
        ("pipelined behind chunks", b"POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200, 200])),
        ("pipelined behind trailers", b"POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 7\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n", Served(&[200, 200])),
        ("pipelined behind a refused one", b"GET /a HTTP/1.1\r\nHost: ~\r\n\r\nGET /b HTTP/1.1\r\nHost : ~\r\n\r\nGET /c HTTP/1.1\r\nHost: ~\r\n\r\n", Served(&[200, 400])),
        ("a body for GET", b"GET /a HTTP/1.1\r\nHost: ~\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", Served(&[200])),
    ];
    check_all(&arena, rows).await;
}

#[tokio::test]
async fn trailers_never_become_fields() {
    let arena = Arena::start().await;
    let mut raw = arena.edge.raw(Protocol::PlainHttp1).await;
    let text = format!(
        "POST /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\nTrailer: Authorization\r\n\r\n\
         1;ext=1\r\na\r\n0\r\nAuthorization: Basic eA==\r\nContent-Length: 9\r\nHost: other.test\r\nX-Own: 1\r\n\r\n"
    );
    raw.send(text.as_bytes()).await.unwrap();
    let answer = within("an answer", raw.closed()).await.unwrap();
    assert_eq!(statuses(&answer), [200]);
    let received = arena.recorder.take().await;
    let told = String::from_utf8_lossy(&received[0].bytes).to_ascii_lowercase();
    for absent in ["authorization: ", "content-length", "other.test", "x-own", "ext=1", "chunked, "] {
        assert!(!told.contains(absent), "{absent} in {told}");
    }
    assert!(told.contains("\r\ntransfer-encoding: chunked\r\n") && told.ends_with("0\r\n\r\n"), "{told}");
}

#[tokio::test]
async fn request_in_single_bytes_is_one_request() {
    let arena = Arena::start().await;
    let mut raw = arena.edge.raw(Protocol::PlainHttp1).await;
    let text = format!(
        "\r\nPOST /a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n\
         GET /b HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    );
    for byte in text.as_bytes() {
        raw.send(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = within("two answers", raw.closed()).await.unwrap();
    assert_eq!(statuses(&answer), [200, 200]);
    let received = arena.recorder.take().await;
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|it| it.whole), "{received:?}");
}

#[tokio::test]
async fn bounds_are_answered_with_their_status() {
    let arena = Arena::with(|config| {
        config.limits = ["target_bytes: 1KiB", "header_bytes: 4KiB", "header_count: 20", "body_bytes: 1KiB"]
            .map(String::from)
            .into();
    })
    .await;
    let long = "x".repeat(5_000);
    let many = "A: b\r\n".repeat(30);
    for (name, text, status) in [
        ("target", format!("GET /{long} HTTP/1.1\r\nHost: ~\r\n\r\n"), 414),
        ("field", format!("GET /a HTTP/1.1\r\nHost: ~\r\nA: {long}\r\n\r\n"), 431),
        ("name", format!("GET /a HTTP/1.1\r\nHost: ~\r\n{long}: a\r\n\r\n"), 431),
        ("fields", format!("GET /a HTTP/1.1\r\nHost: ~\r\n{many}\r\n"), 431),
        ("field without end", format!("GET /a HTTP/1.1\r\nHost: ~\r\nA: {long}"), 431),
        ("target without end", format!("GET /{long}"), 414),
        ("body", format!("POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 5000\r\n\r\n{long}"), 413),
    ] {
        check(&arena, name, text.as_bytes(), Refused(status)).await;
    }
    let refused = arena.edge.metric("tidegate_requests_refused_total", &["protocol=\"h1\"", "status=\"431\""]).await;
    assert!(refused >= 4.0, "refusals are counted: {refused}");
    let text = format!("POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}\r\n0\r\n\r\n");
    check(&arena, "chunked body", text.as_bytes(), Cut(413)).await;
}

#[tokio::test]
async fn slow_header_sections_and_bodies_end() {
    let arena = Arena::with(|config| {
        config.limits = ["header_timeout: 300ms", "body_timeout: 300ms"].map(String::from).into();
    })
    .await;
    for (name, text, expected) in [
        ("header section", "GET /a HTTP/1.1\r\nHost: ~\r\n", Refused(408)),
        ("length", "POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 9\r\n\r\nab", Cut(408)),
        ("chunks", "POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Cut(408)),
        ("trailers", "POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", Cut(408)),
    ] {
        check(&arena, name, text.as_bytes(), expected).await;
    }
}

#[tokio::test]
async fn upgrades_to_other_protocols_are_not_passed_on() {
    let arena = Arena::start().await;
    let text = "GET /a HTTP/1.1\r\nHost: ~\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let mut raw = arena.edge.raw(Protocol::PlainHttp1).await;
    raw.send(&replace(text.as_bytes())).await.unwrap();
    let answer = within("an answer", raw.closed()).await.unwrap();
    assert_eq!(statuses(&answer), [200], "served as the plain request it is as well");
    let received = arena.recorder.take().await;
    let told = String::from_utf8_lossy(&received[0].bytes).to_ascii_lowercase();
    assert!(!told.contains("h2c") && !told.contains("http2-settings"), "an origin could switch: {told}");
}
