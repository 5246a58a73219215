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
const LONGEST: u32 = 30;
/// Bits looked up at once: two codes of what texts are mostly made of.
const SHORT: u32 = 12;

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

/// The codes that some bits begin with: two, one, or none where they are the beginning of a longer one.
#[derive(Clone, Copy)]
struct Short {
    symbols: [u8; 2],
    /// Bits of the first.
    first: u8,
    /// Bits of both.
    both: u8,
}

struct Code {
    codes: [u32; SYMBOLS],
    /// The symbols by their codes.
    order: [u16; SYMBOLS],
    by_length: [Codes; LONGEST as usize + 1],
    /// What these bits begin with.
    short: [Short; 1 << SHORT],
}

static CODE: Code = make();

const fn make() -> Code {
    let mut made = Code {
        codes: [0; SYMBOLS],
        order: [0; SYMBOLS],
        by_length: [Codes { first: 0, end: 0, place: 0 }; LONGEST as usize + 1],
        short: [Short { symbols: [0; 2], first: 0, both: 0 }; 1 << SHORT],
    };
    let (mut next, mut place, mut length) = (0_u64, 0, 1);
    while length <= LONGEST {
        next <<= 1;
        let codes = &mut made.by_length[length as usize];
        (codes.first, codes.place) = ((next << (32 - length)) as u32, place);
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as u32 == length {
                made.codes[symbol] = next as u32;
                made.order[place] = symbol as u16;
                next += 1;
                place += 1;
            }
            symbol += 1;
        }
        made.by_length[length as usize].end = next << (32 - length);
        length += 1;
    }
    let mut bits = 0;
    while bits < made.short.len() {
        made.short[bits] = first_codes(bits as u32, &made);
        bits += 1;
    }
    made
}

const fn first_codes(bits: u32, code: &Code) -> Short {
    let none = Short { symbols: [0; 2], first: 0, both: 0 };
    let (symbol, first) = match first_code(bits << (32 - SHORT), code) {
        Some((symbol, length)) if length <= SHORT => (symbol, length),
        _ => return none,
    };
    // In two steps: no bits are left behind a code of `SHORT` ones.
    match first_code((bits << (32 - SHORT)) << (first - 1) << 1, code) {
        Some((second, length)) if first + length <= SHORT => {
            Short { symbols: [symbol, second], first: first as u8, both: (first + length) as u8 }
        }
        _ => Short { symbols: [symbol, 0], first: first as u8, both: first as u8 },
    }
}

/// The code in front of these bits, which is not the end.
const fn first_code(bits: u32, code: &Code) -> Option<(u8, u32)> {
    let mut length = 1;
    while length <= LONGEST {
        let codes = &code.by_length[length as usize];
        if (bits as u64) < codes.end {
            let symbol = code.order[codes.place + ((bits - codes.first) >> (32 - length)) as usize];
            return if symbol < 256 { Some((symbol as u8, length)) } else { None };
        }
        length += 1;
    }
    None
}

/// Decodes into `place`, which is made long enough and never shorter, and gives the string.
pub(super) fn decode<'a>(coded: &[u8], place: &'a mut Vec<u8>) -> Result<&'a [u8], BadCode> {
    // The shortest codes have five bits; two symbols are put at once.
    let longest = coded.len() * 8 / 5 + 2;
    if place.len() < longest {
        place.resize(longest, 0);
    }
    let length = decode_into(coded, place)?;
    place.get(..length).ok_or(BadCode)
}

fn decode_into(coded: &[u8], out: &mut [u8]) -> Result<usize, BadCode> {
    // The next bits are in front.
    let (mut bits, mut count, mut at) = (0_u64, 0_u32, 0);
    let (words, tail) = coded.as_chunks::<4>();
    for word in words {
        bits |= u64::from(u32::from_be_bytes(*word)) << (32 - count);
        count += 32;
        while count >= LONGEST {
            let codes = next_codes(bits)?;
            // Where there is one symbol, the place behind it is written again.
            out.get_mut(at..at + 2).ok_or(BadCode)?.copy_from_slice(&codes.symbols);
            at += codes.count();
            bits <<= codes.both;
            count -= u32::from(codes.both);
        }
    }
    for byte in tail {
        bits |= u64::from(*byte) << (56 - count);
        count += 8;
    }
    // Behind the last bit come those of the end, so that padding is a part of it.
    bits |= u64::MAX >> count;
    while count > 0 && !is_padding(bits, count) {
        let codes = next_codes(bits)?;
        let (places, length) =
            if u32::from(codes.both) <= count { (codes.count(), codes.both) } else { (1, codes.first) };
        count = count.checked_sub(u32::from(length)).ok_or(BadCode)?;
        out.get_mut(at..at + 2).ok_or(BadCode)?.copy_from_slice(&codes.symbols);
        at += places;
        bits = !(!bits << length);
    }
    Ok(at)
}

impl Short {
    #[inline]
    fn count(self) -> usize {
        1 + usize::from(self.both > self.first)
    }
}

/// RFC 7541 section 5.2: at most seven bits, and all of them ones.
#[inline]
fn is_padding(bits: u64, count: u32) -> bool {
    count < 8 && bits == u64::MAX
}

/// One or two codes that are in front. The end of a string never is.
#[inline]
fn next_codes(bits: u64) -> Result<Short, BadCode> {
    let codes = CODE.short[(bits >> (64 - SHORT)) as usize];
    if codes.first > 0 { Ok(codes) } else { long_code((bits >> 32) as u32) }
}

#[cold]
fn long_code(bits: u32) -> Result<Short, BadCode> {
    let (symbol, length) = first_code(bits, &CODE).ok_or(BadCode)?;
    Ok(Short { symbols: [symbol, 0], first: length as u8, both: length as u8 })
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
