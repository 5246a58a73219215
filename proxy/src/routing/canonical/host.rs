//! The canonical host: lower case, without port and trailing dot; address literals in their shortest form.
//!
//! It owns syntax only. Internationalised names arrive as A-labels (RFC 5890 section 2.3.2.1) and stay so: a name
//! with bytes above ASCII is refused rather than guessed at.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest name without its trailing dot: 255 octets on the wire less a length octet and the root (RFC 1035
/// sections 2.3.4 and 3.1).
const MAX_NAME_LENGTH: usize = 253;
/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL_LENGTH: usize = 63;
/// Longest port as digits; more are leading zeros that nobody needs.
const MAX_PORT_DIGITS: usize = 5;

/// A host in canonical form. Equal hosts are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalHost<'a> {
    text: Cow<'a, str>,
    kind: HostKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum HostKind {
    Name,
    Address,
}

/// Why a text is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing in front of the port.
    #[error("host is empty")]
    Empty,
    /// A byte that no host name contains; control bytes, user information and percent-escapes are among them.
    #[error("host contains a byte that no host name contains")]
    InvalidByte,
    /// An empty label, or one longer than 63 octets.
    #[error("host has an empty label or one of more than 63 octets")]
    InvalidLabel,
    /// More than 253 octets.
    #[error("host is longer than 253 octets")]
    TooLong,
    /// Brackets without an IPv6 address in them, or a name that ends in a number without being an IPv4 address.
    #[error("host looks like an address and is none")]
    InvalidAddress,
    /// Not a number from 0 to 65,535.
    #[error("port is not a number from 0 to 65535")]
    InvalidPort,
}

impl<'a> CanonicalHost<'a> {
    /// Parses the value of a Host field or `:authority` (RFC 9110 section 7.2) into host and port. An empty port
    /// counts as none (RFC 3986 section 3.2.3).
    pub fn parse<T: AsRef<[u8]> + ?Sized>(authority: &'a T) -> Result<(Self, Option<u16>), HostError> {
        // Everything allowed is ASCII, so what is not text is refused by the same rule.
        let authority = str::from_utf8(authority.as_ref()).map_err(|_| HostError::InvalidByte)?;
        if let Some(rest) = authority.strip_prefix('[') {
            let (literal, port) = rest.split_once(']').ok_or(HostError::InvalidAddress)?;
            let port = match port.strip_prefix(':') {
                Some(digits) => parse_port(digits)?,
                None if port.is_empty() => None,
                None => return Err(HostError::InvalidPort),
            };
            return Ok((ipv6_literal(authority, literal)?, port));
        }
        // By bytes: searching for a character is made for longer texts than a host, and every request has one.
        let (name, port) = match authority.bytes().position(|byte| byte == b':') {
            Some(colon) => (&authority[..colon], parse_port(&authority[colon + 1..])?),
            None => (authority, None),
        };
        Ok((name_or_ipv4(name)?, port))
    }

    /// The host as text; an IPv6 address stands in brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is an IPv4 or IPv6 address, which no wildcard covers.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.kind == HostKind::Address
    }

    /// The same host without ties to the request.
    #[must_use]
    pub fn into_owned(self) -> CanonicalHost<'static> {
        CanonicalHost { text: Cow::Owned(self.text.into_owned()), kind: self.kind }
    }
}

impl fmt::Display for CanonicalHost<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn parse_port(digits: &str) -> Result<Option<u16>, HostError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() > MAX_PORT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HostError::InvalidPort);
    }
    digits.parse().map(Some).map_err(|_| HostError::InvalidPort)
}

fn ipv6_literal<'a>(authority: &'a str, literal: &str) -> Result<CanonicalHost<'a>, HostError> {
    // A zone (RFC 6874) means something only to the machine that wrote it; `Ipv6Addr` refuses it.
    let address: Ipv6Addr = literal.parse().map_err(|_| HostError::InvalidAddress)?;
    let canonical = format!("[{address}]"); // RFC 5952 section 4
    let text = match authority.get(..canonical.len()) {
        Some(written) if written == canonical => Cow::Borrowed(written),
        _ => Cow::Owned(canonical),
    };
    Ok(CanonicalHost { text, kind: HostKind::Address })
}

fn name_or_ipv4(written: &str) -> Result<CanonicalHost<'_>, HostError> {
    let name = written.strip_suffix('.').unwrap_or(written);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > MAX_NAME_LENGTH {
        return Err(HostError::TooLong);
    }
    let has_upper_case = check_labels(name)?;
    let kind = if ends_in_number(name) {
        // Some resolvers read `127.1` or `0x7f000001` as addresses: two readings of one host are one too many.
        name.parse::<Ipv4Addr>().map_err(|_| HostError::InvalidAddress)?;
        HostKind::Address
    } else {
        HostKind::Name
    };
    let text = if has_upper_case { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) };
    Ok(CanonicalHost { text, kind })
}

/// Checks characters and lengths; tells whether a letter is in upper case.
fn check_labels(name: &str) -> Result<bool, HostError> {
    let mut has_upper_case = false;
    let mut label_length = 0;
    for byte in name.bytes() {
        match byte {
            b'.' if label_length == 0 => return Err(HostError::InvalidLabel),
            b'.' => label_length = 0,
            // The underscore is no host name's (RFC 952) but is met in practice.
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label_length += 1,
            b'A'..=b'Z' => {
                has_upper_case = true;
                label_length += 1;
            }
            _ => return Err(HostError::InvalidByte),
        }
        if label_length > MAX_LABEL_LENGTH {
            return Err(HostError::InvalidLabel);
        }
    }
    if label_length == 0 { Err(HostError::InvalidLabel) } else { Ok(has_upper_case) }
}

fn ends_in_number(name: &str) -> bool {
    let last = name.bytes().rposition(|byte| byte == b'.').map_or(name, |dot| &name[dot + 1..]);
    if last.starts_with(|first: char| !first.is_ascii_digit()) {
        return false;
    }
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(authority: &str, expected: Result<(&str, Option<u16>), HostError>) {
        let parsed = CanonicalHost::parse(authority);
        let seen = parsed.as_ref().map(|(host, port)| (host.as_str(), *port)).map_err(|error| *error);
        assert_eq!(seen, expected, "{authority:?}");
    }

    #[test]
    fn names_are_lower_case_without_trailing_dot_and_port() {
        check("media.example", Ok(("media.example", None)));
        check("MEDIA.Example.:8443", Ok(("media.example", Some(8443))));
        check("localhost:", Ok(("localhost", None)));
        check("xn--bcher-kva.example", Ok(("xn--bcher-kva.example", None)));
        check("a_b.example:80", Ok(("a_b.example", Some(80))));
    }

    #[test]
    fn addresses_have_one_spelling() {
        check("127.0.11.1:8080", Ok(("127.0.11.1", Some(8080))));
        check("127.0.0.1.", Ok(("127.0.0.1", None)));
        check("[::1]", Ok(("[::1]", None)));
        check("[0:0:0:0:0:0:0:1]:443", Ok(("[::1]", Some(443))));
        check("[2001:DB8::A]", Ok(("[2001:db8::a]", None)));
        check("[2001:db8:0:0:1:0:0:1]:", Ok(("[2001:db8::1:0:0:1]", None)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        check("127.1", Err(HostError::InvalidAddress));
        check("2130706433", Err(HostError::InvalidAddress));
        check("0x7f000001", Err(HostError::InvalidAddress));
        check("127.0.0.01", Err(HostError::InvalidAddress));
        check("[fe80::1%25eth0]", Err(HostError::InvalidAddress));
        check("[::1", Err(HostError::InvalidAddress));
        check("[::1]x", Err(HostError::InvalidPort));
        check("::1", Err(HostError::InvalidPort));
        check("user@media.example", Err(HostError::InvalidByte));
        check("media.example:80:90", Err(HostError::InvalidPort));
        check("media.example:65536", Err(HostError::InvalidPort));
        check("media.example:+80", Err(HostError::InvalidPort));
        check("media.example:000080", Err(HostError::InvalidPort));
    }

    #[test]
    fn invalid_bytes_and_lengths_are_refused() {
        check("", Err(HostError::Empty));
        check(".", Err(HostError::Empty));
        check(":80", Err(HostError::Empty));
        check("media..example", Err(HostError::InvalidLabel));
        check(".media.example", Err(HostError::InvalidLabel));
        check("media.example..", Err(HostError::InvalidLabel));
        check(&"a".repeat(64), Err(HostError::InvalidLabel));
        check(&"a".repeat(63), Ok((&"a".repeat(63), None)));
        check(&format!("{}a", "a.".repeat(127)), Err(HostError::TooLong));
        check(&format!("{}a", "a.".repeat(126)), Ok((&format!("{}a", "a.".repeat(126)), None)));
        for byte in ["\0", "\n", " ", "\t", "%41", "/", "\\", "bücher", "*", ","] {
            check(&format!("a{byte}.example"), Err(HostError::InvalidByte));
        }
        assert_eq!(CanonicalHost::parse(b"a\xff"), Err(HostError::InvalidByte));
    }

    #[test]
    fn a_canonical_host_is_borrowed() {
        for authority in ["media.example:8443", "media.example.", "127.0.0.1", "[2001:db8::a]:80"] {
            let (host, _) = CanonicalHost::parse(authority).unwrap();
            assert!(matches!(host.text, Cow::Borrowed(_)), "{authority}");
        }
    }

    proptest! {
        #[test]
        fn parsing_a_canonical_host_again_changes_nothing(authority in "[a-zA-Z0-9._:\\[\\]-]{0,40}") {
            if let Ok((host, _)) = CanonicalHost::parse(&authority) {
                let (again, port) = CanonicalHost::parse(host.as_str()).unwrap();
                prop_assert_eq!(&again, &host);
                prop_assert_eq!(port, None);
            }
        }

        #[test]
        fn no_bytes_panic(authority in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(CanonicalHost::parse(&authority));
        }
    }
}
