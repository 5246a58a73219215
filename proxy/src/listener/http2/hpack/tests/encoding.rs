//! What we write, as we and another implementation read it.

use http::{HeaderName, StatusCode};

use super::*;

/// The fields that another implementation reads.
pub(super) fn read_by_other(block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    httlib_hpack::Decoder::default().decode(&mut block.to_vec(), &mut fields).unwrap();
    fields.into_iter().map(|(name, value, _flags)| (name, value)).collect()
}

#[test]
fn every_status_is_written() {
    for code in 100..1000 {
        let status = StatusCode::from_u16(code).unwrap();
        let mut block = Vec::new();
        write_status(&mut block, status);
        let expected = (b":status".to_vec(), status.as_str().as_bytes().to_vec());
        assert_eq!(read_by_other(&block), [expected], "{code}");
        assert_eq!(block.len() == 1, [200, 204, 206, 304, 400, 404, 500].contains(&code));
    }
}

#[test]
fn names_of_the_static_table_are_one_or_two_bytes() {
    for (index, entry) in static_table::ENTRIES.iter().enumerate() {
        let field::Name::Regular(name) = &entry.name else { continue };
        let found = static_table::index_of(name, name.as_str().as_bytes()).map(|found| found.beyond_prefix());
        assert_eq!(found.map(usize::from), Some(index + 1 - 15));
        let mut block = Vec::new();
        write_field(&mut block, name, b"x");
        assert!(block.len() <= 4, "{name}");
        assert_eq!(read_by_other(&block), [(name.as_str().as_bytes().to_vec(), b"x".to_vec())]);
    }
    for name in ["x-request-id", "cache-status", "alt-svc", "a", "accept-", "serverx", "viaa", "tag"] {
        assert_eq!(static_table::index_of(&HeaderName::from_static(name), name.as_bytes()), None, "{name}");
    }
}

#[test]
fn values_of_any_length_are_written() {
    let name = HeaderName::from_static("cache-status");
    for length in [0, 1, 2, 126, 127, 128, 254, 255, 256, 5_000, 70_000] {
        let value = vec![b'a'; length];
        let expected = [(b"cache-status".to_vec(), value.clone())];
        let (mut plain, mut in_place, mut compressed) = (Vec::new(), Vec::new(), Vec::new());
        write_field(&mut plain, &name, &value);
        write_field_with(&mut in_place, &name, |out| out.extend_from_slice(&value));
        write_field_compressed(&mut compressed, &name, &value);
        assert_eq!(plain, in_place);
        for block in [&plain, &compressed] {
            assert_eq!(read_by_other(block), expected);
            assert_eq!(decode(&mut Decoder::new(4096), block).unwrap().len(), 1);
        }
        assert!(compressed.len() < plain.len() || length == 0 && compressed.len() <= plain.len());
    }
}

#[test]
fn numbers_are_written_in_digits() {
    for number in [0, 7, 1_024, u64::MAX] {
        let mut block = Vec::new();
        write_number(&mut block, &http::header::CONTENT_LENGTH, number);
        assert_eq!(decode(&mut Decoder::new(4096), &block).unwrap(), [format!("content-length: {number}")]);
    }
}

#[test]
fn what_huffman_coding_makes_longer_is_written_plainly() {
    let mut block = Vec::new();
    write_field_compressed(&mut block, &http::header::ETAG, b"\x80\x81\x82");
    assert!(block.ends_with(b"\x03\x80\x81\x82"));
}

#[test]
fn cookies_are_never_entered_into_tables() {
    for write in [write_field, write_field_compressed] {
        let mut block = Vec::new();
        write(&mut block, &http::header::SET_COOKIE, b"id=1");
        assert_eq!(block[0] & 0xf0, 0x10);
        assert_eq!(decode(&mut Decoder::new(4096), &block).unwrap(), ["set-cookie: id=1"]);
    }
}
