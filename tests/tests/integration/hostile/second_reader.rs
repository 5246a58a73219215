//! A second reading of HTTP/1.1 requests, which shares nothing with the edge's: as RFC 9112 has it and not a byte
//! otherwise.

use tidegate_tests::edge::HOST;

/// A request as somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) body: Vec<u8>,
}

/// Why there is no request to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Its end has not come.
    Partial,
    /// Nothing that may follow would make it one.
    Malformed,
}
use Unread::{Malformed, Partial};

/// Reads one request off the front.
pub(super) fn read_one(bytes: &[u8]) -> Result<(Read, &[u8]), Unread> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(Partial)?;
    let head: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let rest = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().ok_or(Malformed)?.split(' ').collect();
    let [method, target, version @ ("HTTP/1.1" | "HTTP/1.0")] = words[..] else { return Err(Malformed) };
    if !is_token(method) || target.chars().any(|it| it.is_ascii_control() || it == '#') {
        return Err(Malformed);
    }
    let (mut hosts, mut lengths, mut codings) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Malformed)?;
        if !is_token(name) || value.chars().any(|it| it.is_ascii_control() && it != '\t') {
            return Err(Malformed);
        }
        let value = value.trim_matches([' ', '\t']).to_owned();
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts.push(value),
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    let [host] = <[String; 1]>::try_from(hosts).map_err(|_| Malformed)?;
    let target = target.strip_prefix(&format!("http://{HOST}")).filter(|path| path.starts_with('/')).unwrap_or(target);
    if !target.starts_with('/') {
        return Err(Malformed);
    }
    let (body, rest) = match (&lengths[..], &codings[..]) {
        ([], []) => (Vec::new(), rest),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| Malformed)?;
            let (body, rest) = rest.split_at_checked(length).ok_or(Partial)?;
            (body.to_vec(), rest)
        }
        ([], [coding]) if coding == "chunked" && version == "HTTP/1.1" => read_chunks(rest)?,
        _ => return Err(Malformed),
    };
    Ok((Read { method: method.to_owned(), target: target.to_owned(), host, body }, rest))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(it))
}

fn read_line(rest: &[u8]) -> Result<(&str, &[u8]), Unread> {
    let end = rest.windows(2).position(|window| window == b"\r\n").ok_or(Partial)?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| Malformed)?;
    if line.chars().any(|it| it.is_control() && it != '\t') {
        return Err(Malformed);
    }
    Ok((line, &rest[end + 2..]))
}

fn read_chunks(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unread> {
    let mut body = Vec::new();
    loop {
        let (line, more) = read_line(rest)?;
        let digits = line.split_once(';').map_or(line, |(digits, _)| digits.trim_end_matches([' ', '\t']));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        let size = usize::from_str_radix(digits, 16).map_err(|_| Malformed)?;
        if size == 0 {
            return Ok((body, read_trailers(more)?));
        }
        let (data, more) = more.split_at_checked(size).ok_or(Partial)?;
        body.extend_from_slice(data);
        rest = match more {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Err(Partial),
            _ => return Err(Malformed),
        };
    }
}

/// What comes behind them.
fn read_trailers(mut rest: &[u8]) -> Result<&[u8], Unread> {
    loop {
        let (line, more) = read_line(rest)?;
        if line.is_empty() {
            return Ok(more);
        }
        line.split_once(':').ok_or(Malformed)?;
        rest = more;
    }
}

#[test]
fn second_reading_is_strict_and_tells_what_is_not_whole_yet() {
    let get = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n");
    let chunked = format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let counted = |length: &str| format!("POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\n");
    for (text, expected) in [
        (format!("{get}\r\n"), Ok(0)),
        (format!("{get}\r\n{get}\r\n"), Ok(get.len() + 2)),
        (get.clone(), Err(Partial)),
        (counted("2") + "ab", Ok(0)),
        (counted("2") + "a", Err(Partial)),
        (counted("+2") + "ab", Err(Malformed)),
        (counted("") + "ab", Err(Malformed)),
        (chunked.clone() + "1\r\na\r\n0\r\n\r\n", Ok(0)),
        (chunked.clone() + "1\r\na\r\n0\r\nT: 1\r\n\r\n", Ok(0)),
        (chunked.clone() + "1\r\na\r\n0\r\n", Err(Partial)),
        (chunked.clone() + "1\r\na\r", Err(Partial)),
        (chunked.clone() + "1\na\r\n0\r\n\r\n", Err(Malformed)),
        (chunked.clone() + "1\r\nab\r\n0\r\n\r\n", Err(Malformed)),
        // What looks like the last chunk stands in the data of another.
        (chunked + "C\r\nhello\r\n0\r\n\r\n\r\n", Err(Partial)),
        (format!("{get}A: b\r\n c\r\n\r\n"), Err(Malformed)),
        (format!("GET /a HTTP/1.1\nHost: {HOST}\r\n\r\n"), Err(Malformed)),
        ("GET /a HTTP/1.1\r\n\r\n".to_owned(), Err(Malformed)),
    ] {
        assert_eq!(read_one(text.as_bytes()).map(|(_, rest)| rest.len()), expected, "{text:?}");
    }
}
