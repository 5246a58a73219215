//! The header section of a hit, written in two ways: as a list of fields, and as the bytes of HTTP/1.1.
//!
//! Both say the same, in the same order for each name. Pure: what the node adds is brought in.

use std::time::SystemTime;

use http::{HeaderMap, header};
use pingora_error::Result;

use super::http1_head::{Http1Head, stored_lines};
use crate::cache::compression::Representation;
use crate::cache::rules::cache_status::Member;
use crate::cache::rules::decide::StoredMeta;
use crate::phases::shape_response::{HeadFields, NodeFields};

/// What the section is made of.
pub(super) struct HitHead<'a> {
    pub(super) meta: &'a StoredMeta,
    pub(super) representation: Representation,
    /// Of the body in this representation.
    pub(super) length: u64,
    pub(super) now: SystemTime,
    pub(super) member: Member,
    pub(super) node: NodeFields<'a>,
}

impl HitHead<'_> {
    /// As a list of fields.
    pub(super) fn fields(&self) -> Result<HeaderMap> {
        let mut fields = self.meta.headers.clone();
        self.representation.describe(&mut fields);
        self.finish(&mut fields)?;
        Ok(fields)
    }

    /// As HTTP/1.1 sends it, with room behind it for so many bytes of the body.
    pub(super) fn write_http1(&self, room: usize, text: &mut Vec<u8>) -> Result<()> {
        let mut head = self.stored_http1(room, text);
        self.finish(&mut head)?;
        head.end();
        Ok(())
    }

    fn stored_http1<'t>(&self, room: usize, text: &'t mut Vec<u8>) -> Http1Head<'t> {
        let stored = &self.meta.headers;
        if !matches!(self.representation, Representation::Coded(_))
            && !self.node.withholds(stored)
            && let Some(lines) = self.meta.written.get_or(|| stored_lines(stored))
        {
            let mut head = Http1Head::ok(lines.len() + room, text);
            head.lines(lines, *self.meta.dated.get_or(|| stored.contains_key(header::DATE)));
            if self.representation != Representation::Only {
                self.representation.fields(stored).for_each(|(name, value)| head.line(&name, &value));
            }
            return head;
        }
        let mut head = Http1Head::ok(room, text);
        for (name, value) in stored {
            let replaced = self.node.replaces(name) || self.representation.replaces(name);
            if !replaced && *name != header::CONTENT_LENGTH {
                head.line(name, value);
            }
        }
        for (name, value) in self.representation.fields(stored) {
            head.line(&name, &value);
        }
        head
    }

    /// Adds what a hit has besides the stored fields.
    fn finish(&self, head: &mut impl HeadFields) -> Result<()> {
        head.set_number(header::CONTENT_LENGTH, self.length)?;
        head.set_number(header::AGE, self.meta.times.age_seconds(self.now))?;
        head.add_cache_status(&self.member)?;
        self.node.add_to(head, self.now)
    }
}

#[cfg(test)]
mod tests;
