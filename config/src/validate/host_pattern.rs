//! Host patterns: only the canonical form, so that two patterns are the same exactly when their texts are.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::HostPattern;

/// RFC 1035 section 2.3.4.
const MAX_HOST_LENGTH: usize = 253;
/// RFC 1035 section 2.3.4.
const MAX_LABEL_LENGTH: usize = 63;

/// Reads a pattern, or says what would be one.
pub(super) fn parse_host_pattern(text: &str) -> Result<HostPattern, String> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    match text.strip_prefix("*.") {
        Some(suffix) if is_address(suffix) => Err("a name after `*.`, not an address".to_owned()),
        Some(suffix) => check_host(suffix).map(|()| HostPattern::Wildcard(suffix.to_owned())),
        None => check_host(text).map(|()| HostPattern::Exact(text.to_owned())),
    }
}

/// Checks a host without a port: a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn check_host(text: &str) -> Result<(), String> {
    if text.starts_with('[') {
        return check_ipv6(text);
    }
    if text.contains('*') {
        return Err("`*` alone or `*.` at the start".to_owned());
    }
    if text.contains(':') {
        return Err("a host without a port (an IPv6 address stands in brackets)".to_owned());
    }
    if !text.is_ascii() {
        return Err("a name in its ASCII form (RFC 5891: xn--…)".to_owned());
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("lower case: {}", text.to_ascii_lowercase()));
    }
    if let Some(name) = text.strip_suffix('.').filter(|name| !name.is_empty()) {
        return Err(format!("no dot at the end: {name}"));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    check_name(text)
}

fn check_ipv6(text: &str) -> Result<(), String> {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let Some(address) = address.and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
        return Err("an IPv6 address in brackets, such as [2001:db8::1]".to_owned());
    };
    let canonical = format!("[{address}]");
    if canonical == text { Ok(()) } else { Err(format!("its canonical form (RFC 5952): {canonical}")) }
}

fn check_name(text: &str) -> Result<(), String> {
    let is_label = |label: &str| {
        let characters_fit = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        let ends_fit = !label.starts_with('-') && !label.ends_with('-');
        !label.is_empty() && label.len() <= MAX_LABEL_LENGTH && characters_fit && ends_fit
    };
    if text.is_empty() || text.len() > MAX_HOST_LENGTH || !text.split('.').all(is_label) {
        return Err("a host name: labels of 1 to 63 of a-z, 0-9, '-' and '_', parted by dots, at most 253".to_owned());
    }
    // WHATWG URL, "ends in a number": what clients take for an IPv4 address can never be reached as a name.
    let last = text.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a host name, or an IPv4 address of four numbers from 0 to 255".to_owned());
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    text.starts_with('[') || text.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_hosts_are_taken_as_they_are() {
        let check = |text: &str, expected: HostPattern| assert_eq!(parse_host_pattern(text), Ok(expected), "{text}");
        check("*", HostPattern::Any);
        check("*.example.org", HostPattern::Wildcard("example.org".to_owned()));
        for text in ["media.example.org", "localhost", "_a.b-c.d0", "192.0.2.1", "[2001:db8::1]", "xn--bcher-kva.de"] {
            check(text, HostPattern::Exact(text.to_owned()));
        }
    }

    #[test]
    fn other_spellings_are_refused_with_the_canonical_one() {
        let check = |text: &str, expected: &str| {
            let error = parse_host_pattern(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("Media.Example", "media.example");
        check("media.example.", "no dot at the end: media.example");
        check("media.example:443", "without a port");
        check("2001:db8::1", "brackets");
        check("[2001:DB8::1]", "[2001:db8::1]");
        check("[2001:db8:0::1]", "[2001:db8::1]");
        check("[::1", "in brackets");
        check("a.*.example", "`*.` at the start");
        check("*.*", "`*.` at the start");
        check("*.192.0.2.1", "not an address");
        check("bücher.example", "xn--");
        check("192.0.2.256", "IPv4");
        check("a..b", "labels");
        check("-a.example", "labels");
        check("", "labels");
        check(".", "labels");
        check("a b", "labels");
        check(&"a".repeat(64), "labels");
        check(&["abcdefgh"; 29].join("."), "at most 253");
    }
}
