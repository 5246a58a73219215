//! A secret in a file of its own.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use crate::origin::access::{NamedFile, OriginError};

/// Longest secret; session tokens, the longest kind, have about 2 KiB.
const MAX_BYTES: u64 = 16 * 1024;

/// What such a file should hold.
pub(super) const EXPECTED: &str = "one line of visible ASCII characters, at most 16 KiB";

/// A secret. It is not printed.
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn for_tests(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Reads a file that holds a secret and perhaps white space after it.
pub(super) fn read_secret(file: NamedFile<'_>) -> Result<Secret, OriginError> {
    let opened = File::open(file.path).map_err(|source| file.unreadable(source))?;
    if opened.metadata().is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
        log::warn!(file = file.path.display().to_string().as_str(); "a file with a secret is open to every user of this machine");
    }
    let mut text = Vec::new();
    opened.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|source| file.unreadable(source))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(file.wrong("it is longer"));
    }
    // Editors end a file with a line end that is no part of the secret.
    let line = text.trim_ascii_end();
    if line.is_empty() {
        return Err(file.wrong("it is empty"));
    }
    let visible = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if !line.iter().all(visible) || line.starts_with(b" ") {
        return Err(file.wrong("it holds other characters, several lines, or white space before"));
    }
    Ok(Secret(String::from_utf8_lossy(line).into_owned()))
}
