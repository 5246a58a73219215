//! The pseudo-headers of a request, counted where they stand (RFC 9114 section 4.3).
//!
//! Owns one check that h3 leaves out: it keeps the last of several pseudo-headers of one name, and takes them behind
//! other fields and those of responses too. A second server might keep the first. Pure: it walks over a field section
//! that h3 has decoded already (RFC 9204 section 4.5, without the dynamic table, which is not offered).

use std::ops::RangeInclusive;

/// Entries of the static table (RFC 9204 appendix A) that are pseudo-headers.
const AUTHORITY: u64 = 0;
const PATH: u64 = 1;
const METHODS: RangeInclusive<u64> = 15..=21;
const SCHEMES: RangeInclusive<u64> = 22..=23;
const STATUSES: [RangeInclusive<u64>; 2] = [24..=28, 63..=71];

/// Names as literals, as they are and in Huffman's code (RFC 7541 appendix B).
const NAMES: [(PseudoHeader, &[u8], &[u8]); 5] = [
    (PseudoHeader::Method, b":method", &[0xb9, 0x49, 0x53, 0x39, 0xe4]),
    (PseudoHeader::Path, b":path", &[0xb9, 0x58, 0xd3, 0x3f]),
    (PseudoHeader::Scheme, b":scheme", &[0xb8, 0x82, 0x4e, 0x5a, 0x4b]),
    (PseudoHeader::Authority, b":authority", &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f]),
    (PseudoHeader::Protocol, b":protocol", &[0xb9, 0x5d, 0x87, 0x49, 0xc8, 0x7a, 0x3f]),
];

/// The seven bits of a colon in Huffman's code, with which any name of a pseudo-header begins.
const HUFFMAN_COLON: u8 = 0xb8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PseudoHeader {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
}

/// What a field line names.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Pseudo(PseudoHeader),
    /// One that no request has.
    Alien,
    Regular,
}

/// Whether each pseudo-header stands there at most once, before all other fields, and is one of requests.
pub(in crate::listener) fn are_well_placed(section: &[u8]) -> bool {
    walk(section).unwrap_or(false)
}

/// Nothing where the section is not what h3 takes.
fn walk(mut rest: &[u8]) -> Option<bool> {
    integer(&mut rest, 8)?; // required insert count
    integer(&mut rest, 7)?; // base
    let (mut seen, mut fields_begun) = (Vec::new(), false);
    while !rest.is_empty() {
        match field_name(&mut rest)? {
            Name::Alien => return Some(false),
            Name::Pseudo(header) if fields_begun || seen.contains(&header) => return Some(false),
            Name::Pseudo(header) => seen.push(header),
            Name::Regular => fields_begun = true,
        }
    }
    Some(true)
}

/// Takes a field line off, and tells its name.
fn field_name(rest: &mut &[u8]) -> Option<Name> {
    let first = *rest.first()?;
    if first & 0xc0 == 0xc0 {
        return Some(static_name(integer(rest, 6)?)); // indexed field line
    }
    if first & 0xd0 == 0x50 {
        let name = static_name(integer(rest, 4)?); // literal with a name of the static table
        string(rest)?;
        return Some(name);
    }
    if first & 0xe0 == 0x20 {
        let length = integer(rest, 3)?; // literal with a literal name
        let name = literal_name(take(rest, length)?, first & 0x08 != 0);
        string(rest)?;
        return Some(name);
    }
    None
}

fn static_name(index: u64) -> Name {
    match index {
        AUTHORITY => Name::Pseudo(PseudoHeader::Authority),
        PATH => Name::Pseudo(PseudoHeader::Path),
        _ if METHODS.contains(&index) => Name::Pseudo(PseudoHeader::Method),
        _ if SCHEMES.contains(&index) => Name::Pseudo(PseudoHeader::Scheme),
        _ if STATUSES.iter().any(|range| range.contains(&index)) => Name::Alien,
        _ => Name::Regular,
    }
}

fn literal_name(name: &[u8], huffman: bool) -> Name {
    let found = NAMES.iter().find(|(_, plain, coded)| name == if huffman { *coded } else { *plain });
    let begins_as_pseudo = match name.first() {
        Some(first) if huffman => first & 0xfe == HUFFMAN_COLON,
        Some(first) => *first == b':',
        None => false,
    };
    match found {
        Some((header, ..)) => Name::Pseudo(*header),
        None if begins_as_pseudo => Name::Alien,
        None => Name::Regular,
    }
}

/// Takes a string literal off.
fn string(rest: &mut &[u8]) -> Option<()> {
    let length = integer(rest, 7)?;
    take(rest, length).map(drop)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = left;
    Some(taken)
}

/// Takes an integer off whose first bits lie in the last `prefix_bits` of a byte (RFC 7541 section 5.1).
fn integer(rest: &mut &[u8], prefix_bits: u32) -> Option<u64> {
    /// Bits beyond which a length is none.
    const MOST_SHIFT: u32 = 56;
    let (first, mut left) = rest.split_first()?;
    let most = u64::from(u8::MAX >> (8 - prefix_bits));
    let mut value = u64::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, more) = left.split_first()?;
            left = more;
            value = value.checked_add(u64::from(byte & 0x7f).checked_shl(shift)?)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > MOST_SHIFT {
                return None;
            }
        }
    }
    *rest = left;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = &[0xd1]; // static 17
    const HTTPS: &[u8] = &[0xd7]; // static 23
    const ROOT: &[u8] = &[0xc1]; // static 1
    const AUTHORITY_A: &[u8] = &[0x50, 0x01, b'a']; // static 0
    const ACCEPT: &[u8] = &[0xdd]; // static 29

    fn check(lines: &[&[u8]], expected: bool) {
        let section = [&[0, 0], &lines.concat()[..]].concat();
        assert_eq!(are_well_placed(&section), expected, "{section:x?}");
    }

    #[test]
    fn each_stands_once_and_before_the_fields() {
        check(&[GET, HTTPS, AUTHORITY_A, ROOT, ACCEPT, ACCEPT], true);
        check(&[ROOT, GET, AUTHORITY_A, HTTPS], true);
        check(&[GET, GET, HTTPS, AUTHORITY_A, ROOT], false);
        check(&[GET, HTTPS, AUTHORITY_A, ROOT, ROOT], false);
        check(&[GET, HTTPS, AUTHORITY_A, ROOT, AUTHORITY_A], false);
        check(&[GET, HTTPS, AUTHORITY_A, ACCEPT, ROOT], false);
    }

    #[test]
    fn one_name_is_the_same_in_every_representation() {
        let path = b"\x50\x01/"; // not a path: authority by name reference
        check(&[path, b"\x27\x03:authority\x01a"], false);
        for (_, plain, coded) in NAMES {
            let literal = |flags: u8, name: &[u8]| match name.len() {
                length @ 0..7 => [&[flags | u8::try_from(length).unwrap()], name, &[1, b'x']].concat(),
                length => [&[flags | 7, u8::try_from(length - 7).unwrap()], name, &[1, b'x']].concat(),
            };
            let (plain, coded) = (literal(0x20, plain), literal(0x28, coded));
            check(&[&plain], true);
            check(&[&coded], true);
            check(&[&plain, &coded], false);
            check(&[&coded, &coded], false);
            check(&[ACCEPT, &coded], false);
        }
        check(&[&[0x50, 0x01, b'a'], b"\x2d\xb9\x49\x53\x39\xe4\x01x", GET], false);
    }

    #[test]
    fn those_of_responses_and_unknown_ones_are_refused() {
        for line in [&[0xd9][..], &[0xff, 0x00], &[0x5f, 0x09, 1, b'2'], b"\x27\x00:status\x01x", b"\x24:own\x01x"] {
            check(&[GET, HTTPS, AUTHORITY_A, ROOT, line], false);
        }
        check(&[GET, b"\x2a\xb8\x3f\x01x"], false);
    }

    #[test]
    fn what_is_cut_off_or_dynamic_is_refused() {
        for section in
            [&[][..], &[0], &[0, 0, 0x50], &[0, 0, 0x50, 5, b'a'], &[0, 0, 0x80], &[0, 0, 0x10], &[0, 0, 0x40, 0]]
        {
            assert!(!are_well_placed(section), "{section:x?}");
        }
        assert!(!are_well_placed(&[&[0, 0, 0xff][..], &[0xff; 20]].concat()));
    }
}
