//! What was written and not made durable, and what a power cut leaves of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Random;
use crate::io::{IoFile, read_up_to, write_all_at};

/// What a disk writes as a whole.
const SECTOR: u64 = 512;

/// Writes since their files were last made durable, oldest first.
#[derive(Default)]
pub(super) struct Unsynced(Mutex<Vec<Write>>);

struct Write {
    path: PathBuf,
    file: Arc<dyn IoFile>,
    offset: u64,
    /// What was there before.
    before: Vec<u8>,
    /// The file's length before.
    length: u64,
    written: u64,
}

impl Unsynced {
    /// To be called before a write of so many bytes; nothing is noted of a file that cannot be read.
    pub(super) fn note(&self, path: &Path, file: &Arc<dyn IoFile>, offset: u64, written: usize) {
        let Ok(length) = file.length() else { return };
        let mut before = vec![0; written];
        let Ok(read) = read_up_to(&**file, &mut before, offset) else { return };
        before.truncate(read);
        let write = Write { path: path.into(), file: file.clone(), offset, before, length, written: written as u64 };
        self.0.lock().push(write);
    }

    /// What was written to this file is durable now.
    pub(super) fn durable(&self, path: &Path) {
        self.0.lock().retain(|write| write.path != path);
    }

    /// A third of the writes is lost, a third is lost from some sector on, a third got through.
    pub(super) fn lose(&self, random: &Random) {
        let writes = std::mem::take(&mut *self.0.lock());
        for write in writes.into_iter().rev() {
            let kept = match random.below(3) {
                0 => 0,
                1 => (random.below(write.written / SECTOR + 1) * SECTOR).min(write.written),
                _ => continue,
            };
            write.undo_from(kept);
        }
    }
}

impl Write {
    /// Best effort: a file that went meanwhile has nothing to undo.
    fn undo_from(&self, kept: u64) {
        let from = usize::try_from(kept).unwrap_or(usize::MAX).min(self.before.len());
        let lost = (self.written - kept).min(self.length.saturating_sub(self.offset + kept));
        let mut before = self.before[from..].to_vec();
        before.resize(usize::try_from(lost).unwrap_or(0), 0);
        let undone = write_all_at(&*self.file, &before, self.offset + kept);
        // What lies beyond the old end is cut off if it is still the end.
        let end = self.offset + self.written;
        if undone.is_ok() && self.length < end && self.file.length().is_ok_and(|length| length == end) {
            self.file.truncate(self.length.max(self.offset + kept)).ok();
        }
    }
}
