//! Integers (RFC 7541 section 5.1).

use super::decoder::DecodeError;

/// Bytes behind the first that an integer may have: 28 bits, more than any block is long. RFC 7541 section 5.1 has
/// longer ones be errors.
const MORE_BYTES: usize = 4;

/// Reads an integer whose first bits, of which there are `prefix`, are in the byte before `rest`.
#[inline]
pub(super) fn read(first: u8, prefix: u32, rest: &mut &[u8]) -> Result<usize, DecodeError> {
    let most = (1 << prefix) - 1;
    let value = usize::from(first) & most;
    if value < most { Ok(value) } else { read_more(most, rest) }
}

#[cold]
fn read_more(most: usize, rest: &mut &[u8]) -> Result<usize, DecodeError> {
    let mut value = 0;
    for place in 0..MORE_BYTES {
        let Some((byte, behind)) = rest.split_first() else { return Err(DecodeError::Truncated) };
        *rest = behind;
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(most + value);
        }
    }
    Err(DecodeError::Integer)
}

/// Writes an integer behind `flags`, the bits of the first byte in front of the prefix.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, flags: u8, prefix: u32, value: usize) {
    let most = (1_u8 << prefix) - 1;
    match u8::try_from(value) {
        Ok(short) if short < most => out.push(flags | short),
        _ => {
            out.push(flags | most);
            write_more(out, value - usize::from(most));
        }
    }
}

fn write_more(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
