//! Which requests ask to leave HTTP, and which of them is the handshake of a WebSocket (RFC 6455 section 4.1).

use http::{HeaderMap, Method, Version, header};

/// What a request says about leaving HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing, or something that may be ignored (RFC 9110 section 7.8): the request goes on without it.
    None,
    /// A whole handshake of a WebSocket.
    WebSocket,
    /// A WebSocket is asked for and the handshake is not one.
    Malformed,
}

/// Octets of a `Sec-WebSocket-Key`: 16 bytes in base64.
const KEY_LENGTH: usize = 24;

/// Reads what a request says. Whatever this node and an origin could understand differently is malformed: one of them
/// would take the bytes that follow for requests, the other for frames.
#[must_use]
pub fn upgrade(method: &Method, version: Version, fields: &HeaderMap) -> Upgrade {
    let asked = fields.get_all(header::UPGRADE).iter();
    let mut protocols = asked.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let is_websocket = |protocol: &[u8]| protocol.eq_ignore_ascii_case(b"websocket");
    // Neither HTTP/1.0 (RFC 9110 section 7.8) nor HTTP/2 and HTTP/3 know the field.
    if version != Version::HTTP_11 || !protocols.by_ref().any(is_websocket) {
        return Upgrade::None;
    }
    let alone = fields.get_all(header::UPGRADE).iter().count() == 1
        && fields.get(header::UPGRADE).is_some_and(|line| is_websocket(line.as_bytes()));
    let whole = alone && *method == Method::GET && names_upgrade(fields) && has_one_key(fields) && !has_body(fields);
    if whole { Upgrade::WebSocket } else { Upgrade::Malformed }
}

fn names_upgrade(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(header::CONNECTION).iter();
    let mut options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The version is for client and origin to agree on (RFC 6455 section 4.4), but there is one of it.
fn has_one_key(fields: &HeaderMap) -> bool {
    let one = |name| fields.get_all(name).iter().count() == 1;
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let key = fields.get(header::SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
    one(header::SEC_WEBSOCKET_KEY)
        && one(header::SEC_WEBSOCKET_VERSION)
        && key.is_some_and(|key| key.len() == KEY_LENGTH && key.iter().all(is_base64))
}

fn has_body(fields: &HeaderMap) -> bool {
    fields.contains_key(header::CONTENT_LENGTH) || fields.contains_key(header::TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const WHOLE: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    fn fields(changes: &[(&str, Option<&str>)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in WHOLE {
            fields.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            match value {
                Some(value) => drop(fields.append(name, value.parse().unwrap())),
                None => drop(fields.remove(name)),
            }
        }
        fields
    }

    #[test]
    fn only_a_whole_handshake_is_one() {
        let check = |changes: &[(&str, Option<&str>)], expected| {
            assert_eq!(upgrade(&Method::GET, Version::HTTP_11, &fields(changes)), expected, "{changes:?}");
        };
        check(&[], Upgrade::WebSocket);
        check(&[("upgrade", None), ("upgrade", Some("WebSocket"))], Upgrade::WebSocket);
        check(&[("upgrade", None)], Upgrade::None);
        check(&[("upgrade", None), ("upgrade", Some("h2c"))], Upgrade::None);
        check(&[("upgrade", Some("h2c"))], Upgrade::Malformed);
        check(&[("upgrade", None), ("upgrade", Some("h2c, websocket"))], Upgrade::Malformed);
        check(&[("connection", None)], Upgrade::Malformed);
        check(&[("connection", None), ("connection", Some("keep-alive"))], Upgrade::Malformed);
        check(&[("sec-websocket-key", None)], Upgrade::Malformed);
        check(&[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ=="))], Upgrade::Malformed);
        check(&[("sec-websocket-key", None), ("sec-websocket-key", Some("short"))], Upgrade::Malformed);
        check(&[("sec-websocket-version", None)], Upgrade::Malformed);
        check(&[("content-length", Some("0"))], Upgrade::Malformed);
        check(&[("transfer-encoding", Some("chunked"))], Upgrade::Malformed);
        assert_eq!(upgrade(&Method::POST, Version::HTTP_11, &fields(&[])), Upgrade::Malformed);
        for version in [Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(upgrade(&Method::GET, version, &fields(&[])), Upgrade::None, "{version:?}");
        }
    }
}
