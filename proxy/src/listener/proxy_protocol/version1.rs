//! Version 1: a line of text (section 2.1 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ProxyProtocolError, Told};

/// Longest line, its end included: two IPv6 addresses and two ports after `PROXY UNKNOWN`.
pub(super) const LINE_BYTES: usize = 107;

/// Reads a whole line with its end.
pub(super) fn parse(line: &[u8]) -> Result<Told, ProxyProtocolError> {
    told(line).ok_or(ProxyProtocolError::Malformed)
}

fn told(line: &[u8]) -> Option<Told> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        // Whatever follows is to be ignored.
        return Some(Told::Itself);
    }
    let mut words = line.split(' ');
    let parse: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let source = parse(words.next()?)?;
    parse(words.next()?)?;
    let port = port(words.next()?)?;
    self::port(words.next()?)?;
    words.next().is_none().then(|| Told::Client(SocketAddr::new(source.to_canonical(), port)))
}

/// A decimal number without leading zeros.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) { None } else { text.parse().ok() }
}
