//! Compression of header sections (HPACK, RFC 7541).
//!
//! Owns both directions: a decoder with the dynamic table that clients fill, and an encoder that uses none. Whether a
//! section is a request, and what a connection does about errors, is for its callers.

mod decoder;
mod dynamic_table;
mod encoder;
mod field;
pub(crate) mod fuzzing;
mod huffman;
mod integer;
mod static_table;
#[cfg(test)]
mod tests;

pub(super) use self::decoder::{Decoder, Section};
pub(crate) use self::encoder::{write_field, write_field_compressed, write_field_with, write_number, write_status};
pub(super) use self::field::Field;
