//! Blocks that mean harm, or that nobody can have meant.

use super::*;

/// Decodes a block on a connection that has entered `a: b`.
fn check(block: &[u8], expected: Result<&[&str], DecodeError>) {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &entered(b"a", b"b")).unwrap();
    let fields = decode(&mut decoder, block);
    let expected = expected.map(|fields| fields.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(fields, expected, "{block:x?}");
}

#[test]
fn integers_that_overflow_are_refused() {
    for flags in [0xff, 0x7f, 0x0f, 0x1f, 0x3f] {
        check(&[&[flags][..], &[0xff; 20]].concat(), Err(DecodeError::Integer));
        check(&[&[flags][..], &[0x80; 20], &[0]].concat(), Err(DecodeError::Integer));
        check(&[flags, 0xff, 0xff], Err(DecodeError::Truncated));
    }
    // Within the bound, and more than there is.
    check(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0x7f, b'a'], Err(DecodeError::Truncated));
}

#[test]
fn indices_that_name_no_field_are_refused() {
    check(&[0x80 | 62], Ok(&["a: b"]));
    check(&[0x40 | 62, 1, b'c'], Ok(&["a: c"]));
    for block in [&[0x80][..], &[0x80 | 63], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0x7f, 0, 1, b'x']] {
        check(block, Err(DecodeError::Index));
    }
    check(&[0x0f, 48, 1, b'x'], Err(DecodeError::Index));
    check(&[0x1f, 48, 1, b'x'], Err(DecodeError::Index));
}

#[test]
fn wrongly_coded_strings_are_refused() {
    let value = |coded: &[u8]| [&[0x0f, 62 - 15, 0x80 | coded.len() as u8][..], coded].concat();
    check(&value(&[]), Ok(&["a: "]));
    check(&value(&[0x1f]), Ok(&["a: a"])); // 00011 and padding
    check(&value(&[0x07, 0xff]), Err(DecodeError::Huffman)); // 8 bits of padding and more
    check(&value(&[0x18]), Err(DecodeError::Huffman)); // padding that is not ones
    check(&value(&[0xff]), Err(DecodeError::Huffman)); // nothing but padding, of 8 bits
    check(&value(&[0xff; 4]), Err(DecodeError::Huffman)); // the end itself
    check(&value(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeError::Huffman)); // the end within
    check(&value(&[0xff, 0xff, 0xfe]), Err(DecodeError::Huffman)); // a part of a long code
    check(&value(&[0x1e]), Err(DecodeError::Huffman)); // 00011 and 110, which is no whole code and no padding
}

#[test]
fn size_updates_stand_in_front_and_within_the_limit() {
    check(&[0x20, 0x3f, 0xe1, 0x1f, 0x82], Ok(&[":method: GET"])); // 0, 4096
    check(&[0x3f, 0xe2, 0x1f, 0x82], Err(DecodeError::TableSize)); // 4097
    check(&[0x82, 0x20], Err(DecodeError::TableSize));
    check(&[0x82, 0x3f, 0xe1, 0x1f], Err(DecodeError::TableSize));
    check(&[0x20, 0x80 | 62], Err(DecodeError::Index)); // evicted
    check(&[0x20 | 30, 0x80 | 62], Err(DecodeError::Index));
    check(&[0x3f, 3, 0x80 | 62], Ok(&["a: b"])); // 34, just as large as the field
    check(&[], Ok(&[]));
}

#[test]
fn entries_longer_than_the_table_empty_it() {
    let long = [b'v'; 4096];
    check(&[&entered(b"long", &long)[..], &[0x80 | 62]].concat(), Err(DecodeError::Index));
    // Its own name is that of an entry it drives out (RFC 7541 section 4.4).
    let mut decoder = Decoder::new(70);
    decode(&mut decoder, &entered(b"a", b"b")).unwrap();
    decode(&mut decoder, &entered(b"c", b"d")).unwrap();
    let mut block = vec![0x7f, 0, 37];
    block.extend_from_slice(&[b'v'; 37]);
    assert_eq!(decode(&mut decoder, &block).unwrap(), [format!("a: {}", "v".repeat(37))]);
    assert_eq!(decode(&mut decoder, &[0x80 | 62]).unwrap().len(), 1);
    assert_eq!(decode(&mut decoder, &[0x80 | 63]), Err(DecodeError::Index));
}

#[test]
fn blocks_that_are_cut_off_are_refused_or_say_less() {
    let whole = bytes(
        "82 86 84 41 8c f1e3 c2e5 f23a 6ba0 ab90 f4ff 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf 0f 01 01 78",
    );
    let fields = decode(&mut Decoder::new(4096), &whole).unwrap();
    let ends = [0, 1, 2, 3, 17, 37, whole.len()];
    for length in 0..=whole.len() {
        let told = decode(&mut Decoder::new(4096), &whole[..length]);
        match ends.iter().position(|end| *end == length) {
            Some(count) => assert_eq!(told.as_deref(), Ok(&fields[..count])),
            None => assert_eq!(told, Err(DecodeError::Truncated), "{length}"),
        }
    }
}

#[test]
fn malformed_fields_do_not_end_the_connection() {
    let malformed: [(&[u8], &[u8], &str); 9] = [
        (b"Upper", b"x", "malformed Name"),
        (b"", b"x", "malformed Name"),
        (b"a b", b"x", "malformed Name"),
        (b"a:", b"x", "malformed Name"),
        (b":own", b"x", "malformed PseudoHeader"),
        (b":status", b"200", "malformed PseudoHeader"),
        (b"a", b"x\r\ny", "malformed Value"),
        (b"a", b" x\0", "malformed Value"),
        (b":method", b"G T", "malformed Method"),
    ];
    for (name, value, expected) in malformed {
        let mut block = entered(name, value);
        block.extend_from_slice(&[0x80 | 62, 0x82]);
        check(&block, Ok(&[expected, expected, ":method: GET"]));
    }
    // The name of a field is good for others, although its value is malformed.
    check(&[&entered(b"c", b"x\n")[..], &[0x40 | 62, 1, b'y']].concat(), Ok(&["malformed Value", "c: y"]));
    for value in [&b"x\0"[..], b"\x7f", b"\x0b"] {
        check(&entered(b"c", value), Ok(&["malformed Value"]));
    }
    check(&entered(b"c", b"x\ty \xff"), Ok(&[r"c: x\ty \xff"]));
}

#[test]
fn white_space_around_a_value_is_taken_off_and_counts() {
    for (value, expected) in
        [(&b" x"[..], "a: x"), (b"x\t ", "a: x"), (b"\t", "a: "), (b"  ", "a: "), (b" x y ", "a: x y")]
    {
        check(&entered(b"a", value), Ok(&[expected]));
        let bound = 32 + 1 + value.len();
        assert_eq!(Decoder::new(4096).decode(&entered(b"a", value), bound, |_| {}), Ok(Section::Whole));
        assert_eq!(Decoder::new(4096).decode(&entered(b"a", value), bound - 1, |_| {}), Ok(Section::TooLarge));
    }
}

#[test]
fn sections_end_at_their_bound_and_the_table_goes_on() {
    // Three fields of 34 bytes, two of which are admitted; the third is entered all the same.
    let block = [entered(b"a", b"1"), entered(b"b", b"2"), entered(b"c", b"3")].concat();
    for (bound, admitted) in [(0, 0), (33, 0), (34, 1), (68, 2), (101, 2)] {
        let mut decoder = Decoder::new(4096);
        let mut fields = Vec::new();
        let section = decoder.decode(&block, bound, |field| fields.push(text(&field)));
        assert_eq!((section, fields.len()), (Ok(Section::TooLarge), admitted), "{bound}");
        assert_eq!(decode(&mut decoder, &[0xbe, 0xbf, 0xc0]).unwrap(), ["c: 3", "b: 2", "a: 1"]);
    }
    assert_eq!(Decoder::new(4096).decode(&block, 102, |_| {}), Ok(Section::Whole));
}

#[test]
fn a_small_field_behind_one_that_was_too_large_is_not_given() {
    let block = [entered(b"a", &[b'x'; 100]), entered(b"b", b"2")].concat();
    let mut given = 0;
    assert_eq!(Decoder::new(4096).decode(&block, 100, |_| given += 1), Ok(Section::TooLarge));
    assert_eq!(given, 0);
}

#[test]
fn errors_behind_the_bound_are_found() {
    for block in [&[0x82, 0x82, 0x80 | 62][..], &[0x82, 0x82, 0x00, 1, b'a', 0x81, 0x00], &[0x82, 0x82, 0x40]] {
        assert!(Decoder::new(4096).decode(block, 50, |_| {}).is_err(), "{block:x?}");
    }
}

#[test]
fn a_long_entry_named_ten_thousand_times_is_given_up_to_the_bound() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &entered(b"bomb", &[b'x'; 4000])).unwrap();
    let mut given = 0;
    let section = decoder.decode(&[0x80 | 62; 10_000], 65_536, |_| given += 1);
    assert_eq!((section, given), (Ok(Section::TooLarge), 65_536 / 4036));
}

#[test]
fn secrets_stay_marked_as_such() {
    for (first, is_secret) in [(0x00, false), (0x10, true), (0x40, false)] {
        let block = [first, 1, b'a', 1, b'b'];
        let given = |field| match field {
            Field::Regular(_, value) => assert_eq!(value.is_sensitive(), is_secret),
            other => panic!("{other:?}"),
        };
        assert_eq!(Decoder::new(4096).decode(&block, AMPLE, given), Ok(Section::Whole));
    }
}
