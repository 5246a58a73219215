//! Changes of a header section: remove, set, add, in this order.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use tidegate_config::field::is_of_connection;
use tidegate_config::model::FieldActions;

use super::template::{Facts, field_value};

/// A header section in the making.
pub trait HeaderSection {
    /// The first value of this name.
    fn get(&self, name: &HeaderName) -> Option<&HeaderValue>;
    /// Takes all lines of this name away.
    fn remove(&mut self, name: &HeaderName);
    /// Sets a field in place of what is there under this name.
    ///
    /// # Errors
    /// When there is no room.
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()>;
    /// Adds a line after those that are there.
    ///
    /// # Errors
    /// When there is no room.
    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()>;
}

impl HeaderSection for HeaderMap {
    fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        Self::get(self, name)
    }

    fn remove(&mut self, name: &HeaderName) {
        Self::remove(self, name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.insert(name, value);
        Ok(())
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.append(name, value);
        Ok(())
    }
}

impl HeaderSection for RequestHeader {
    fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.append_header(name, value).map(drop)
    }
}

impl HeaderSection for ResponseHeader {
    fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.append_header(name, value).map(drop)
    }
}

/// Makes the changes.
///
/// # Errors
/// When the section has no room.
pub fn apply(actions: &FieldActions, facts: &Facts<'_>, section: &mut (impl HeaderSection + ?Sized)) -> Result<()> {
    // The type of several ranges has the boundary between them (RFC 9110 section 14.6).
    let has_boundary = section.get(&header::CONTENT_TYPE).is_some_and(is_multipart);
    // Configuration refuses to name what frames a message or says which bytes follow; this is the second lock.
    let is_free = |name: &HeaderName| {
        let is_framing = is_of_connection(name) || *name == header::CONTENT_RANGE;
        !(is_framing || has_boundary && *name == header::CONTENT_TYPE)
    };
    for name in actions.remove.iter().filter(|name| is_free(name)) {
        section.remove(name);
    }
    for (name, template) in actions.set.iter().filter(|(name, _)| is_free(name)) {
        section.set(name.clone(), field_value(template, facts))?;
    }
    for (name, template) in actions.add.iter().filter(|(name, _)| is_free(name)) {
        section.add(name.clone(), field_value(template, facts))?;
    }
    Ok(())
}

fn is_multipart(value: &HeaderValue) -> bool {
    let kind = b"multipart/byteranges";
    value.as_bytes().get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind))
}

/// Whether nothing is changed.
#[must_use]
pub fn is_empty(actions: &FieldActions) -> bool {
    actions.remove.is_empty() && actions.set.is_empty() && actions.add.is_empty()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_config::model::{Template, TemplatePart};

    use super::*;

    fn named(name: &str) -> HeaderName {
        HeaderName::from_bytes(name.as_bytes()).unwrap()
    }

    fn field(name: &str, text: &str) -> (HeaderName, Template) {
        (named(name), Template(Arc::from([TemplatePart::Text(text.to_owned())].as_slice())))
    }

    #[test]
    fn fields_are_removed_then_set_then_added_and_framing_stays() {
        let mut actions = FieldActions::default();
        actions.remove = ["x-gone", "x-set", "content-length", "transfer-encoding"].map(named).to_vec();
        actions.set = vec![field("x-set", "new"), field("connection", "close"), field("x-added", "first")];
        actions.add = vec![
            field("x-added", "second"),
            field("content-range", "bytes 0-1/2"),
            field("content-type", "text/plain"),
        ];
        let mut section = HeaderMap::new();
        for (name, value) in [
            ("x-gone", "1"),
            ("x-gone", "2"),
            ("x-set", "old"),
            ("content-length", "5"),
            ("content-type", "Multipart/byteranges; boundary=a"),
        ] {
            section.append(named(name), value.parse().unwrap());
        }
        apply(&actions, &Facts::default(), &mut section).unwrap();
        let mut lines: Vec<_> = section.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        lines.sort_unstable();
        let expected = [
            ("content-length", "5"),
            ("content-type", "Multipart/byteranges; boundary=a"),
            ("x-added", "first"),
            ("x-added", "second"),
            ("x-set", "new"),
        ];
        assert_eq!(lines, expected);
    }
}
