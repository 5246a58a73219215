//! What fuzzing checks of header blocks, from any bytes. Called by [`crate::fuzzing`]; not for use by anything that serves.

use super::{Decoder, Field, Section, write_field, write_field_compressed};

/// A table that a few fields fill, and a section that a few exceed.
const TABLE_BYTES: usize = 300;
const SMALL_SECTION: usize = 200;
const LARGE_SECTION: usize = 1 << 20;

/// One connection's blocks, each behind its length: whatever bound its sections have, the table is the same, and so is
/// what is given up to there; and fields come back from what we write.
pub(crate) fn check_blocks(mut bytes: &[u8]) {
    let (mut ample, mut bounded) = (Decoder::new(TABLE_BYTES), Decoder::new(TABLE_BYTES));
    while let Some((length, rest)) = bytes.split_first() {
        let (block, behind) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes = behind;
        let (mut fields, mut first_fields) = (Vec::new(), Vec::new());
        let whole = ample.decode(block, LARGE_SECTION, |field| fields.push(field));
        let first = bounded.decode(block, SMALL_SECTION, |field| first_fields.push(field));
        assert_eq!(whole.is_ok(), first.is_ok(), "{whole:?} {first:?}");
        assert!(fields.starts_with(&first_fields), "{fields:?} {first_fields:?}");
        let admitted: usize = first_fields.iter().map(smallest_size).sum();
        assert!(admitted <= SMALL_SECTION && (first != Ok(Section::Whole) || fields == first_fields));
        if whole.is_err() {
            return;
        }
        check_writing(&fields);
    }
}

/// The size of a field, or of less where it was not kept.
fn smallest_size(field: &Field) -> usize {
    32 + match field {
        Field::Method(method) => method.as_str().len(),
        Field::Scheme(value) | Field::Path(value) => value.len(),
        Field::Authority(value) => value.len(),
        Field::Regular(name, value) => name.as_str().len() + value.len(),
        Field::Malformed(_) => 0,
    }
}

fn check_writing(fields: &[Field]) {
    let (mut plain, mut compressed, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        if let Field::Regular(name, value) = field {
            write_field(&mut plain, name, value.as_bytes());
            write_field_compressed(&mut compressed, name, value.as_bytes());
            expected.push(field.clone());
        }
    }
    for block in [plain, compressed] {
        let mut read = Vec::new();
        assert_eq!(Decoder::new(0).decode(&block, usize::MAX, |field| read.push(field)), Ok(Section::Whole));
        assert_eq!(read, expected);
    }
}
