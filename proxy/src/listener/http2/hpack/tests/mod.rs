//! Header compression by the examples of its RFC, against another implementation, and against hostile clients.

mod appendix_c;
mod encoding;
mod hostile;
mod properties;

use super::decoder::DecodeError;
use super::*;

/// More than any section of these tests has.
const AMPLE: usize = 1 << 20;

/// As sections are written in the RFC.
fn text(field: &Field) -> String {
    match field {
        Field::Method(method) => format!(":method: {method}"),
        Field::Scheme(scheme) => format!(":scheme: {}", scheme.escape_ascii()),
        Field::Authority(authority) => format!(":authority: {}", authority.as_bytes().escape_ascii()),
        Field::Path(path) => format!(":path: {}", path.escape_ascii()),
        Field::Regular(name, value) => format!("{name}: {}", value.as_bytes().escape_ascii()),
        Field::Malformed(reason) => format!("malformed {reason:?}"),
    }
}

/// The fields of one block.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut fields = Vec::new();
    let section = decoder.decode(block, AMPLE, |field| fields.push(text(&field)))?;
    assert_eq!(section, Section::Whole);
    Ok(fields)
}

/// The bytes that hexadecimal digits say, whatever stands between them.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A literal field that is entered, its strings as they are.
fn entered(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x40];
    for string in [name, value] {
        integer::write(&mut block, 0, 7, string.len());
        block.extend_from_slice(string);
    }
    block
}
