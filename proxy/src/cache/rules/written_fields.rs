//! Stored fields as they are written, kept beside them so that each hit need not write them anew.
//!
//! Owns when they are written: at the first need, once for a stored response. What is written, and how, is for who
//! writes.

use std::sync::OnceLock;

/// Bytes of a stored header section, or the finding that it must be written field by field.
#[derive(Debug, Default)]
pub struct WrittenFields(OnceLock<Option<Box<[u8]>>>);

impl WrittenFields {
    /// The bytes; `write` makes them, or declines, when nobody did before.
    pub fn get_or_write(&self, write: impl FnOnce() -> Option<Vec<u8>>) -> Option<&[u8]> {
        self.0.get_or_init(|| write().map(Vec::into_boxed_slice)).as_deref()
    }
}

/// A copy begins without them: copies are made to have other fields.
impl Clone for WrittenFields {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_once_and_never_for_a_copy() {
        let written = WrittenFields::default();
        assert_eq!(written.get_or_write(|| Some(b"a: 1\r\n".to_vec())), Some(&b"a: 1\r\n"[..]));
        assert_eq!(written.get_or_write(|| Some(b"b: 2\r\n".to_vec())), Some(&b"a: 1\r\n"[..]));
        assert_eq!(written.clone().get_or_write(|| None), None);
    }
}
