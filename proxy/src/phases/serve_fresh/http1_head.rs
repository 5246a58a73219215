//! A response's header section as the bytes that HTTP/1.1 sends.
//!
//! Owns how fields become lines. Which fields there are is for [`HeadFields`]'s callers, who write to a list of fields
//! by the same calls.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_error::Result;

use crate::cache::rules::cache_status::{CACHE_STATUS, Member};
use crate::phases::shape_response::{HeadFields, Replaced, replaced};

/// Room for what a response has besides its stored fields.
const OWN_FIELDS: usize = 512;

/// A header section in the making.
pub(super) struct Http1Head<'t> {
    text: &'t mut Vec<u8>,
    dated: bool,
}

impl<'t> Http1Head<'t> {
    /// Begins with the status line; makes room for so many bytes of stored fields and body.
    pub(super) fn ok(room: usize, text: &'t mut Vec<u8>) -> Self {
        const STATUS_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
        text.reserve(STATUS_LINE.len() + OWN_FIELDS + room);
        text.extend_from_slice(STATUS_LINE);
        Self { text, dated: false }
    }

    /// Adds lines that were written before, by [`stored_lines`].
    pub(super) fn lines(&mut self, lines: &[u8], dated: bool) {
        self.text.extend_from_slice(lines);
        self.dated |= dated;
    }

    /// Adds a field.
    pub(super) fn line(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.dated |= *name == header::DATE;
        write_line(self.text, name, value.as_bytes());
    }

    /// The whole section. The connection goes on.
    pub(super) fn end(self) {
        self.text.extend_from_slice(b"connection: keep-alive\r\n\r\n");
    }

    fn begin_line(&mut self, name: &HeaderName) {
        self.dated |= *name == header::DATE;
        self.text.extend_from_slice(name.as_str().as_bytes());
        self.text.extend_from_slice(b": ");
    }

    fn end_line(&mut self) {
        self.text.extend_from_slice(b"\r\n");
    }
}

/// The stored fields as lines; nothing when what is written of them differs from response to response. The length is
/// left out: it is that of the body, which a hit knows best.
pub(super) fn stored_lines(fields: &HeaderMap) -> Option<Box<[u8]>> {
    let mut lines = Vec::with_capacity(fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum());
    for (name, value) in fields {
        match replaced(name) {
            Replaced::Sometimes => return None,
            Replaced::Never | Replaced::WhereShared if *name != header::CONTENT_LENGTH => {
                write_line(&mut lines, name, value.as_bytes());
            }
            Replaced::Never | Replaced::WhereShared | Replaced::Always => {}
        }
    }
    Some(lines.into_boxed_slice())
}

fn write_line(text: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let name = name.as_str().as_bytes();
    // In one step, so that the four pieces need not ask for room each.
    text.reserve(name.len() + value.len() + 4);
    // In lower case, as in HTTP/2 and HTTP/3: case means nothing in a field's name (RFC 9110 section 5.1).
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

impl HeadFields for Http1Head<'_> {
    /// The stored fields that are replaced have been left out before.
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.line(&name, &value);
        Ok(())
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.line(&name, &value);
        Ok(())
    }

    fn set_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.line(&name, value);
        Ok(())
    }

    fn add_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.line(&name, value);
        Ok(())
    }

    fn set_number(&mut self, name: HeaderName, number: u64) -> Result<()> {
        self.begin_line(&name);
        self.text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.end_line();
        Ok(())
    }

    fn set_unique(&mut self, name: HeaderName, id: &[u8]) -> Result<()> {
        self.begin_line(&name);
        self.text.extend_from_slice(id);
        self.end_line();
        Ok(())
    }

    fn add_cache_status(&mut self, member: &Member) -> Result<()> {
        self.begin_line(&CACHE_STATUS);
        member.write(self.text);
        self.end_line();
        Ok(())
    }

    fn take(&mut self, _name: &HeaderName) {}

    fn has_date(&self) -> bool {
        self.dated
    }
}
