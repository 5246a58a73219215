//! The bytes of a request and of the client's control stream. Made once a run: every request sends the same bytes.

use bytes::Bytes;

use crate::target::Target;

/// Sent at the start of our control stream: its type, then an empty SETTINGS frame (RFC 9114 sections 6.2.1 and
/// 7.2.4). What it leaves out means that the server may not use QPACK's dynamic table.
pub(super) const CONTROL_STREAM: &[u8] = &[0x00, 0x04, 0x00];

/// Every static line that a request uses (RFC 9204 Appendix A).
const METHOD_GET: u8 = 0xc0 | 17;
const SCHEME_HTTPS: u8 = 0xc0 | 23;
const ACCEPT_ANY: u8 = 0xc0 | 29;
/// Literal values with the name of a static entry (section 4.5.4).
const AUTHORITY: &[u8] = &[0x50];
const PATH: &[u8] = &[0x51];
const USER_AGENT: &[u8] = &[0x5f, 95 - 15];

/// One GET as a HEADERS frame.
pub(super) fn encode_get(target: &Target) -> Bytes {
    let mut section = vec![0, 0, METHOD_GET, SCHEME_HTTPS];
    literal(&mut section, AUTHORITY, target.authority());
    literal(&mut section, PATH, target.path());
    section.push(ACCEPT_ANY);
    literal(&mut section, USER_AGENT, concat!("tidegate-loadtest/", env!("CARGO_PKG_VERSION")));
    let mut frame = vec![0x01];
    // Two bytes of length hold every target that `Target` lets through.
    frame.extend_from_slice(&(0x4000 | section.len() as u16).to_be_bytes());
    frame.extend_from_slice(&section);
    frame.into()
}

fn literal(section: &mut Vec<u8>, name: &[u8], value: &str) {
    section.extend_from_slice(name);
    let mut left = value.len();
    if left < 0x7f {
        section.push(left as u8);
    } else {
        section.push(0x7f);
        left -= 0x7f;
        while left >= 0x80 {
            section.push(left as u8 | 0x80);
            left >>= 7;
        }
        section.push(left as u8);
    }
    section.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http3::field_section;

    fn check(url: &str, authority: &str, path: &str) {
        let frame = encode_get(&Target::parse(url).unwrap());
        let section = &frame[3..];
        assert_eq!(usize::from(u16::from_be_bytes([frame[1], frame[2]]) & 0x3fff), section.len());
        let fields = field_section::fields(section).unwrap();
        let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str());
        assert_eq!(value(":method"), Some("GET"));
        assert_eq!(value(":scheme"), Some("https"));
        assert_eq!(value(":authority"), Some(authority));
        assert_eq!(value(":path"), Some(path));
        assert_eq!(value("accept"), Some("*/*"));
    }

    #[test]
    fn a_request_reads_back_as_written() {
        check("https://media.tidegate.test/a?b=c", "media.tidegate.test", "/a?b=c");
        check("https://[::1]:8443", "[::1]:8443", "/");
        let long = "x".repeat(900);
        check(&format!("https://a/{long}"), "a", &format!("/{long}"));
    }
}
