//! The Huffman code of HPACK and QPACK strings (RFC 7541 section 5.2 and Appendix B), decoding only.
//!
//! The code is canonical: codes of one length ascend with the symbol, and the first code of a length follows from
//! the shorter ones. The lengths alone therefore carry all of Appendix B.

use super::field_section::FieldSectionError;

/// Bits of the longest code.
const LONGEST: usize = 30;
/// The end-of-string symbol, which must not occur inside a string.
const END_OF_STRING: u16 = 256;

/// Length in bits of every symbol's code; the last is the end-of-string symbol.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6,
    6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6,
    6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
    22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
    23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22,
    25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The code turned into what decoding needs.
struct Code {
    /// First code of each length.
    first: [u32; LONGEST + 1],
    /// How many codes each length has.
    count: [u32; LONGEST + 1],
    /// Where the symbols of each length start in `symbols`.
    start: [u32; LONGEST + 1],
    /// Symbols by length, then value.
    symbols: [u16; LENGTHS.len()],
}

static CODE: Code = Code::build();

impl Code {
    const fn build() -> Self {
        let mut code = Self {
            first: [0; LONGEST + 1],
            count: [0; LONGEST + 1],
            start: [0; LONGEST + 1],
            symbols: [0; LENGTHS.len()],
        };
        let (mut length, mut next_code, mut filled) = (1, 0_u32, 0_usize);
        while length <= LONGEST {
            next_code <<= 1;
            code.first[length] = next_code;
            code.start[length] = filled as u32;
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[filled] = symbol as u16;
                    filled += 1;
                    next_code += 1;
                }
                symbol += 1;
            }
            code.count[length] = next_code - code.first[length];
            length += 1;
        }
        code
    }

    /// The symbol of `bits`, when they are a whole code of `length`.
    fn symbol(&self, bits: u32, length: usize) -> Option<u16> {
        let offset = bits.checked_sub(self.first[length]).filter(|offset| *offset < self.count[length])?;
        self.symbols.get((self.start[length] + offset) as usize).copied()
    }
}

/// Decodes one string. Padding must be the beginning of the end-of-string code and shorter than a byte.
pub(super) fn decode(encoded: &[u8]) -> Result<Vec<u8>, FieldSectionError> {
    let mut decoded = Vec::with_capacity(encoded.len() * 8 / 5);
    let (mut bits, mut length) = (0_u32, 0_usize);
    for byte in encoded {
        for position in (0..8).rev() {
            bits = bits << 1 | u32::from(byte >> position & 1);
            length += 1;
            if let Some(symbol) = CODE.symbol(bits, length) {
                if symbol == END_OF_STRING {
                    return Err(FieldSectionError::Huffman);
                }
                decoded.push(symbol as u8);
                (bits, length) = (0, 0);
            } else if length == LONGEST {
                return Err(FieldSectionError::Huffman);
            }
        }
    }
    let padding_is_ones = bits == (1_u32 << length) - 1;
    if length < 8 && padding_is_ones { Ok(decoded) } else { Err(FieldSectionError::Huffman) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoded: &[u8], expected: Option<&str>) {
        assert_eq!(decode(encoded).ok().as_deref(), expected.map(str::as_bytes), "{encoded:02x?}");
    }

    #[test]
    fn strings_of_the_standard_decode() {
        // RFC 7541 Appendix C.4 and C.6.
        check(&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff], Some("www.example.com"));
        check(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], Some("no-cache"));
        check(&[0x64, 0x02], Some("302"));
        check(&[0xae, 0xc3, 0x77, 0x1a, 0x4b], Some("private"));
        check(&[], Some(""));
    }

    #[test]
    fn wrong_padding_is_refused() {
        check(&[0x1f], Some("a"));
        check(&[0x18], None);
        check(&[0x64, 0x02, 0xff], None);
        check(&[0xff, 0xff, 0xff, 0xff], None);
    }
}
