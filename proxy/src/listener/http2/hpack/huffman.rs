//! The Huffman code of strings (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: shorter codes are smaller, and codes of one length follow each other in the order of their
//! symbols. So the lengths are all that has to be known, and the tables are made from them when this is compiled.

/// Bits of each symbol's code (RFC 7541 appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// All bytes, and the end of a string, which never stands in one.
const SYMBOLS: usize = 257;
const END: u16 = 256;
const LONGEST: usize = 30;
/// Bits looked up at once. What requests have in them is no longer.
const SHORT: usize = 8;

/// A string that is coded wrongly: the end within it, or padding that is too long or not the beginning of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadCode;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Codes {
    /// The first of them, its bits in front.
    first: u32,
    /// Behind the last of them, its bits in front; more than 32 bits behind the longest.
    end: u64,
    /// Place of the first one's symbol in `Code::order`.
    place: usize,
}

struct Code {
    codes: [u32; SYMBOLS],
    /// The symbols by their codes.
    order: [u16; SYMBOLS],
    by_length: [Codes; LONGEST + 1],
    /// Symbol and length of the code that these bits begin with; the length is 0 where they are not a whole code.
    short: [(u8, u8); 1 << SHORT],
}

static CODE: Code = make();

const fn make() -> Code {
    let mut made = Code {
        codes: [0; SYMBOLS],
        order: [0; SYMBOLS],
        by_length: [Codes { first: 0, end: 0, place: 0 }; LONGEST + 1],
        short: [(0, 0); 1 << SHORT],
    };
    let (mut next, mut place, mut length) = (0_u64, 0, 1);
    while length <= LONGEST {
        next <<= 1;
        made.by_length[length].first = (next << (32 - length)) as u32;
        made.by_length[length].place = place;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                made.codes[symbol] = next as u32;
                made.order[place] = symbol as u16;
                if length <= SHORT {
                    let mut bits = (next as usize) << (SHORT - length);
                    let end = (next as usize + 1) << (SHORT - length);
                    while bits < end {
                        made.short[bits] = (symbol as u8, length as u8);
                        bits += 1;
                    }
                }
                next += 1;
                place += 1;
            }
            symbol += 1;
        }
        made.by_length[length].end = next << (32 - length);
        length += 1;
    }
    made
}

/// Appends the string that `coded` says.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), BadCode> {
    out.reserve(coded.len() * 8 / 5);
    // The next bits are in front.
    let (mut bits, mut count) = (0_u64, 0_usize);
    let (words, tail) = coded.as_chunks::<4>();
    for word in words {
        bits |= u64::from(u32::from_be_bytes(*word)) << (32 - count);
        count += 32;
        while count >= LONGEST {
            let (symbol, length) = next_symbol(bits);
            let Ok(byte) = u8::try_from(symbol) else { return Err(BadCode) };
            out.push(byte);
            bits <<= length;
            count -= length;
        }
    }
    for byte in tail {
        bits |= u64::from(*byte) << (56 - count);
        count += 8;
    }
    // Behind the last bit come those of the end, so that padding is a part of it.
    bits |= u64::MAX >> count;
    decode_last(bits, count, out)
}

fn decode_last(mut bits: u64, mut count: usize, out: &mut Vec<u8>) -> Result<(), BadCode> {
    while count > 0 {
        let (symbol, length) = next_symbol(bits);
        if length > count {
            // RFC 7541 section 5.2: at most seven bits, and all of them ones.
            return if symbol == END && count < 8 { Ok(()) } else { Err(BadCode) };
        }
        let Ok(byte) = u8::try_from(symbol) else { return Err(BadCode) };
        out.push(byte);
        // More ones follow.
        bits = !(!bits << length);
        count -= length;
    }
    Ok(())
}

/// The symbol whose code is in front, and the bits it takes.
#[inline]
fn next_symbol(bits: u64) -> (u16, usize) {
    let (symbol, length) = CODE.short[(bits >> (64 - SHORT)) as usize];
    if length > 0 { (u16::from(symbol), usize::from(length)) } else { next_long_symbol((bits >> 32) as u32) }
}

fn next_long_symbol(bits: u32) -> (u16, usize) {
    for (length, codes) in CODE.by_length.iter().enumerate().skip(SHORT + 1) {
        if u64::from(bits) < codes.end {
            let among = (bits - codes.first) >> (32 - length);
            return (CODE.order[codes.place + among as usize], length);
        }
    }
    (END, LONGEST)
}

/// Bytes of the string when it is coded.
pub(super) fn coded_length(plain: &[u8]) -> usize {
    let bits: usize = plain.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the string, coded.
pub(super) fn encode(plain: &[u8], out: &mut Vec<u8>) {
    // The bits to be written are at the end, fewer than 8 of them before each symbol.
    let (mut bits, mut count) = (0_u64, 0);
    for byte in plain {
        let length = LENGTHS[usize::from(*byte)];
        bits = bits << length | u64::from(CODE.codes[usize::from(*byte)]);
        count += length;
        while count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        out.push((bits << (8 - count)) as u8 | 0xff >> count);
    }
}
