//! In which order the addresses of a name are tried, as a pure function.

use std::net::IpAddr;

/// Families by turns, IPv6 first (RFC 8305 section 4), each family rotated so that connections spread over its
/// addresses.
#[must_use]
pub(in crate::origin) fn interleaved(addresses: &[IpAddr], rotation: usize) -> Vec<IpAddr> {
    let (mut six, mut four): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    for family in [&mut six, &mut four] {
        let by = rotation.checked_rem(family.len()).unwrap_or(0);
        family.rotate_left(by);
    }
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut ordered = Vec::with_capacity(addresses.len());
    loop {
        let (first, second) = (six.next(), four.next());
        ordered.extend(first);
        ordered.extend(second);
        if first.is_none() && second.is_none() {
            return ordered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], rotation: usize, expected: &[&str]) {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(interleaved(&parse(addresses), rotation), parse(expected));
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        check(&[], 3, &[]);
        check(&["192.0.2.1", "192.0.2.2", "2001:db8::1"], 0, &["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
        check(
            &["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"],
            0,
            &["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"],
        );
    }

    #[test]
    fn rotation_spreads_over_each_family() {
        let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        check(&all, 1, &["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
        check(&all, usize::MAX, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        check(&["2001:db8::1", "2001:db8::2", "192.0.2.1"], 1, &["2001:db8::2", "192.0.2.1", "2001:db8::1"]);
    }
}
