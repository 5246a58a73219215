//! A response's header section as HTTP/2 compresses it.
//!
//! Owns how fields become a block (RFC 7541), the stored ones of them once and for all. Which fields there are is for
//! [`HeadFields`]'s callers, who write to a list of fields by the same calls.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_error::Result;
use tidegate_config::field::HOP_BY_HOP;

use crate::cache::rules::cache_status::{CACHE_STATUS, Member};
use crate::listener::hpack::{write_field, write_field_compressed, write_field_with, write_number, write_status};
use crate::phases::shape_response::{HeadFields, Replaced, replaced};

/// Room for what a response has besides its stored fields.
const OWN_FIELDS: usize = 512;

/// A header section in the making.
pub(super) struct Http2Head<'s> {
    section: &'s mut Vec<u8>,
    dated: bool,
}

impl<'s> Http2Head<'s> {
    /// Begins a section behind what is there.
    pub(super) fn ok(section: &'s mut Vec<u8>) -> Self {
        write_status(section, StatusCode::OK);
        Self { section, dated: false }
    }

    /// Adds fields that were compressed before, by [`stored_block`].
    pub(super) fn block(&mut self, block: &[u8], dated: bool) {
        self.section.reserve(block.len() + OWN_FIELDS);
        self.section.extend_from_slice(block);
        self.dated |= dated;
    }

    /// Adds a field, unless it is one of a connection: those of HTTP/1.1 make a message malformed here (RFC 9113
    /// section 8.2.2).
    pub(super) fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        if !HOP_BY_HOP.contains(name) {
            self.write(name, value);
        }
    }

    fn write(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.dated |= *name == header::DATE;
        write_field(self.section, name, value.as_bytes());
    }
}

/// The stored fields as a block; nothing when what is written of them differs from response to response. The length is
/// left out: it is that of the body, which a hit knows best.
pub(super) fn stored_block(fields: &HeaderMap) -> Option<Box<[u8]>> {
    let mut block = Vec::new();
    for (name, value) in fields {
        match replaced(name) {
            Replaced::Sometimes => return None,
            Replaced::Always => {}
            Replaced::Never | Replaced::WhereShared => {
                if *name != header::CONTENT_LENGTH && !HOP_BY_HOP.contains(name) {
                    write_field_compressed(&mut block, name, value.as_bytes());
                }
            }
        }
    }
    Some(block.into_boxed_slice())
}

impl HeadFields for Http2Head<'_> {
    /// The stored fields that are replaced have been left out before.
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.write(&name, &value);
        Ok(())
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.write(&name, &value);
        Ok(())
    }

    fn set_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.write(&name, value);
        Ok(())
    }

    fn add_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.write(&name, value);
        Ok(())
    }

    fn set_number(&mut self, name: HeaderName, number: u64) -> Result<()> {
        write_number(self.section, &name, number);
        Ok(())
    }

    fn set_unique(&mut self, name: HeaderName, id: &[u8]) -> Result<()> {
        write_field(self.section, &name, id);
        Ok(())
    }

    fn add_cache_status(&mut self, member: &Member) -> Result<()> {
        write_field_with(self.section, &CACHE_STATUS, |out| member.write(out));
        Ok(())
    }

    fn take(&mut self, _name: &HeaderName) {}

    fn has_date(&self) -> bool {
        self.dated
    }
}
