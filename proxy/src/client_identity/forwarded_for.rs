//! `X-Forwarded-For`: addresses that each proxy appends to. It has no standard; what is read here is what common proxies
//! write: an address, or one with a port (`192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`).

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The hops that the lines name, nearest first; `None` is one that names no address.
pub(super) fn hops(fields: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<&[u8]> = fields.get_all("x-forwarded-for").iter().map(|line| line.as_bytes()).collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|hop| !hop.is_empty())
        .map(address)
}

/// An address, canonical, whatever port it has.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_ports() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text.as_bytes()), expected.map(|text| text.parse().unwrap()), "{text}");
        };
        check("192.0.2.1", Some("192.0.2.1"));
        check("192.0.2.1:4711", Some("192.0.2.1"));
        check("2001:db8::1", Some("2001:db8::1"));
        check("[2001:db8::1]", Some("2001:db8::1"));
        check("[2001:db8::1]:443", Some("2001:db8::1"));
        check("::ffff:192.0.2.1", Some("192.0.2.1"));
        for wrong in
            ["unknown", "_secret", "192.0.2.1:99999", "192.0.2", "[192.0.2.1]", "[::1", "::1]", "1.2.3.4 5", "\"::1\""]
        {
            check(wrong, None);
        }
        assert_eq!(address(b"\xff\xfe"), None);
    }

    #[test]
    fn lines_and_their_hops_are_read_from_the_right() {
        let mut fields = HeaderMap::new();
        fields.append("x-forwarded-for", "192.0.2.1,, 192.0.2.2".parse().unwrap());
        fields.append("x-forwarded-for", " unknown , 192.0.2.3".parse().unwrap());
        let found: Vec<_> = hops(&fields).map(|hop| hop.map(|hop| hop.to_string())).collect();
        let expected = [Some("192.0.2.3"), None, Some("192.0.2.2"), Some("192.0.2.1")];
        assert_eq!(found, expected.map(|hop| hop.map(str::to_owned)));
    }
}
