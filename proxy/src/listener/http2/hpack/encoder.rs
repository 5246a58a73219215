//! From fields to header blocks, without a dynamic table: every block stands for itself, and what is in it can be
//! written beforehand and copied.
//!
//! Values that differ from response to response are written as they are: coding them costs thirty instructions a byte
//! and saves a fifth of the bytes. What is written once and sent often is coded.

use http::{HeaderName, StatusCode};

use super::static_table::{self, RegularIndex};
use super::{huffman, integer};

/// Literals (RFC 7541 sections 6.2.2 and 6.2.3).
const NOT_INDEXED: u8 = 0;
const NEVER_INDEXED: u8 = 0x10;
/// Four ones: the rest of the index follows.
const NAME_PREFIX: u8 = 0x0f;
/// Strings (RFC 7541 section 5.2).
const PLAIN: u8 = 0;
const CODED: u8 = 0x80;
const STRING_PREFIX: u32 = 7;

/// The longest length that is one byte.
const SHORT: usize = 0x7e;

/// Writes `:status`, which stands in front of all fields.
pub(crate) fn write_status(out: &mut Vec<u8>, status: StatusCode) {
    let indexed = match status.as_u16() {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            out.extend_from_slice(&[NOT_INDEXED | 8, 3]);
            out.extend_from_slice(status.as_str().as_bytes());
            return;
        }
    };
    out.push(0x80 | indexed);
}

/// Writes a field whose value differs from response to response.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    write_name(out, name);
    write_plain(out, value);
}

/// Writes a field in as few bytes as there can be, for what is sent often.
pub(crate) fn write_field_compressed(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let text = name.as_str().as_bytes();
    match static_table::index_of(name, text) {
        Some(index) => write_index(out, index),
        None => {
            out.push(NOT_INDEXED);
            write_compressed(out, text);
        }
    }
    write_compressed(out, value);
}

/// Writes a field whose value `write` appends.
pub(crate) fn write_field_with(out: &mut Vec<u8>, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
    write_name(out, name);
    let place = out.len();
    out.push(PLAIN);
    write(out);
    let length = out.len() - place - 1;
    if length <= SHORT {
        out[place] = PLAIN | length as u8;
    } else {
        let value = out.split_off(place + 1);
        out.truncate(place);
        integer::write(out, PLAIN, STRING_PREFIX, length);
        out.extend_from_slice(&value);
    }
}

/// Writes a field that is a number.
pub(crate) fn write_number(out: &mut Vec<u8>, name: &HeaderName, number: u64) {
    write_field(out, name, itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
fn write_name(out: &mut Vec<u8>, name: &HeaderName) {
    let text = name.as_str().as_bytes();
    match static_table::index_of(name, text) {
        Some(index) => write_index(out, index),
        None => {
            out.push(NOT_INDEXED);
            write_plain(out, text);
        }
    }
}

/// Begins a literal with the name of a field of the static table, all of which take two bytes.
#[inline]
fn write_index(out: &mut Vec<u8>, index: RegularIndex) {
    // What is secret is not for the tables of those who pass it on, either (RFC 7541 section 7.1.3).
    let representation = if index == RegularIndex::SET_COOKIE { NEVER_INDEXED } else { NOT_INDEXED };
    out.extend_from_slice(&[representation | NAME_PREFIX, index.beyond_prefix()]);
}

#[inline]
fn write_plain(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() <= SHORT {
        out.push(PLAIN | text.len() as u8);
    } else {
        integer::write(out, PLAIN, STRING_PREFIX, text.len());
    }
    out.extend_from_slice(text);
}

fn write_compressed(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::coded_length(text);
    if coded < text.len() {
        integer::write(out, CODED, STRING_PREFIX, coded);
        huffman::encode(text, out);
    } else {
        write_plain(out, text);
    }
}
