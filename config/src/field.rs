//! What names of header fields are made of, and which fields end at each hop.
//!
//! Owns the lists and the grammar that configuration and traffic must agree on: a field that no route may change is one
//! that this node takes away or makes itself. What is done about such a field is for others to say.

use http::{HeaderName, header};

/// Fields that are for one connection alone (RFC 9110 section 7.6.1).
pub const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client says to its proxy, and how it would speak HTTP/2 with it. `Trailer` goes with the trailers of a
/// request, which are not passed on.
pub const HOP_BY_HOP_IN_REQUESTS: [HeaderName; 4] = [
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("http2-settings"),
    header::TRAILER,
];

/// What a proxy says to its own peer (RFC 9110 section 11.7); never stored (RFC 9111 section 3.1).
pub const HOP_BY_HOP_IN_RESPONSES: [HeaderName; 2] =
    [header::PROXY_AUTHENTICATE, HeaderName::from_static("proxy-authentication-info")];

/// Whether this node makes a field anew on each connection, because it frames the message or is for one connection
/// alone: no change of a route may turn one message into two.
#[must_use]
pub fn is_of_connection(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
        || HOP_BY_HOP_IN_REQUESTS.contains(name)
        || HOP_BY_HOP_IN_RESPONSES.contains(name)
        || [header::CONTENT_LENGTH, header::EXPECT].contains(name)
}

/// Whether this is a token: a method, the name of a field (RFC 9110 section 5.6.2). [`HeaderName`] takes a little more.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Whether a token may have this byte.
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_no_separators() {
        for byte in 0..=u8::MAX {
            let separates = byte <= b' ' || byte >= 0x7f || b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert_eq!(is_token_byte(byte), !separates, "{byte:#x}");
        }
        assert!(is_token(b"X-a!") && !is_token(b"") && !is_token(b"a b"));
    }

    #[test]
    fn whatever_ends_at_a_hop_or_frames_a_message_is_of_the_connection() {
        let of = ["connection", "trailer", "proxy-authenticate", "proxy-authentication-info", "content-length", "te"];
        for (names, expected) in [(&of[..], true), (&["content-type", "host", "via", "date"][..], false)] {
            for name in names {
                assert_eq!(is_of_connection(&HeaderName::from_static(name)), expected, "{name}");
            }
        }
    }
}
