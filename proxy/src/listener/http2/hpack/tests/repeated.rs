//! Sections that repeat the last one but for the path.

use super::*;

/// `:method: GET`, `:scheme: https`, a path, `a: b` of the dynamic table, `te: trailers` as a literal.
fn request(path: &[u8]) -> Vec<u8> {
    let literal = [&[0x04, path.len() as u8], path].concat();
    [&[0x82, 0x87][..], &literal, &[0x80 | 62], b"\x00\x02te\x08trailers"].concat()
}

/// A decoder that has read the section with this path, and entered `a: b` before.
fn decoder(path: &[u8]) -> Decoder {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &entered(b"a", b"b")).unwrap();
    decode(&mut decoder, &request(path)).unwrap();
    decoder
}

#[test]
fn the_same_fields_with_another_path_are_told_by_their_path() {
    let mut decoder = decoder(b"/1");
    let number = decoder.number();
    for path in [&b"/1"[..], b"/2", b"/a/much/longer/one?with=query", b"", b"\x82"] {
        let expected = Repeated { number, path: path.to_vec().into() };
        assert_eq!(decoder.repeated(&request(path), AMPLE), Some(expected));
    }
    let coded = bytes("82 87 04 82 60 3f be 00 02 7465 08 74 72 61 69 6c 65 72 73");
    let path = decoder.repeated(&coded, AMPLE).map(|repeated| repeated.path);
    assert_eq!(path.as_deref(), Some(&b"/1"[..]));
}

#[test]
fn sections_that_differ_in_something_else_are_decoded() {
    let whole = request(b"/1");
    for length in 0..whole.len() {
        assert_eq!(decoder(b"/1").repeated(&whole[..length], AMPLE), None, "{length}");
    }
    for place in (0..whole.len()).filter(|place| !(3..6).contains(place)) {
        let mut other = whole.clone();
        other[place] ^= 1;
        let repeated = decoder(b"/1").repeated(&other, AMPLE);
        // The other index with the name of a path (RFC 7541 appendix A) means the same.
        assert_eq!(repeated.is_some(), place == 2, "{place}");
    }
    for literal in [&b"\x04\x03/1"[..], b"\x04\x01/1", b"\x04\x02/1\x84", b"\x44\x02/1", b"\x84", b"", b"\x04\x81\x00"]
    {
        let other = [&whole[..2], literal, &whole[6..]].concat();
        assert_eq!(decoder(b"/1").repeated(&other, AMPLE), None, "{literal:x?}");
    }
}

#[test]
fn no_section_repeats_another_one_beyond_a_change_of_the_table() {
    for change in [entered(b"c", b"d"), entered(b"long", &[b'x'; 5000]), vec![0x3f, 0xe1, 0x1f], vec![0x20]] {
        let mut decoder = decoder(b"/1");
        decode(&mut decoder, &change).unwrap();
        assert_eq!(decoder.repeated(&request(b"/1"), AMPLE), None, "{change:x?}");
    }
    // Nor one that changed it itself: the same bytes mean something else the next time.
    let mut decoder = decoder(b"/1");
    let other = [&request(b"/2")[..], &entered(b"c", b"d")].concat();
    decode(&mut decoder, &other).unwrap();
    assert_eq!(decoder.repeated(&other, AMPLE), None);
}

#[test]
fn sections_in_between_that_leave_the_table_change_nothing() {
    let mut decoder = decoder(b"/1");
    let number = decoder.number();
    decode(&mut decoder, &[0x82, 0x87, 0x84]).unwrap();
    assert_ne!(decoder.number(), number);
    assert_eq!(decoder.repeated(&request(b"/1"), AMPLE).unwrap().number, number);
}

#[test]
fn a_path_that_makes_the_section_too_large_is_left_to_decoding() {
    let mut decoder = Decoder::new(4096);
    let block = |length: usize| {
        let mut block = vec![0x82, 0x04];
        integer::write(&mut block, 0, 7, length);
        block.resize(block.len() + length, b'p');
        block
    };
    // `:method: GET` counts 42, `:path` and its overhead 37.
    let bound = 42 + 37 + 50;
    assert_eq!(decoder.decode(&block(10), bound, |_| {}), Ok(Section::Whole));
    for (length, fits) in [(10, true), (50, true), (51, false)] {
        assert_eq!(decoder.repeated(&block(length), bound).is_some(), fits, "{length}");
        let section = decoder.decode(&block(length), bound, |_| {}).unwrap();
        assert_eq!(section == Section::Whole, fits);
    }
    // What was too large is not kept.
    assert_eq!(decoder.repeated(&block(51), AMPLE).unwrap().path.len(), 51);
    assert_eq!(decoder.decode(&[0x83, 0x04, 0x01, b'/'], 60, |_| {}), Ok(Section::TooLarge));
    assert_eq!(decoder.repeated(&[0x83, 0x04, 0x01, b'/'], AMPLE), None);
}
