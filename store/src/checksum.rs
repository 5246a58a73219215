//! Checksums of everything on disk.
//!
//! CRC-32 begun with a number of the volume's own: what was copied from another volume never has the right one.

use crc32fast::Hasher;
use sha2::{Digest, Sha256};

use crate::key::Secret;

/// What a volume's checksums begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn of(secret: &Secret) -> Self {
        let digest = Sha256::new().chain_update(b"checksums").chain_update(secret.0).finalize();
        // Never zero, with which the checksum of zeros is zero: a hole in a file must not look valid.
        Self(u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]) | 1)
    }

    /// The checksum of these bytes one after another.
    pub(crate) fn sum<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        parts.into_iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }

    /// A checksum of bytes that come in pieces.
    pub(crate) fn hasher(self) -> Hasher {
        Hasher::new_with_initial(self.0)
    }
}
