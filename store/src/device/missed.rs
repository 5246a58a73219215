//! Removals that a device could not be told of: applied when it is back.
//!
//! Owns: the bounded list, and what is to be done when it was not enough. While a device's index is in memory nothing
//! needs to be noted: removals go there at once. Without this list a record that was removed or replaced while its
//! device was away would be served again when the device is back.

use std::collections::HashSet;

use crate::key::Key;

/// Keys noted for one device. At a hundred bytes a key they are at most 16 MiB; more have the device emptied.
const MOST_KEYS: usize = 1 << 16;
/// Bytes of keys noted for one device.
const MOST_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Missed {
    keys: HashSet<Key>,
    bytes: usize,
    overflown: bool,
}

/// What a device that is back has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// Forget these.
    Keys(HashSet<Key>),
    /// Forget everything: nobody knows any more what was removed.
    Everything,
}

impl Missed {
    pub(crate) fn note(&mut self, key: &Key) {
        if self.overflown || self.keys.contains(key) {
            return;
        }
        self.bytes += key.as_bytes().len();
        if self.keys.len() >= MOST_KEYS || self.bytes > MOST_BYTES {
            *self = Self { overflown: true, ..Self::default() };
            return;
        }
        self.keys.insert(key.clone());
    }

    /// What is to be done; nothing is noted afterwards.
    pub(crate) fn take(&mut self) -> CatchUp {
        match std::mem::take(self) {
            Self { overflown: true, .. } => CatchUp::Everything,
            Self { keys, .. } => CatchUp::Keys(keys),
        }
    }

    /// Everything has to be forgotten after all.
    pub(crate) fn overflow(&mut self) {
        *self = Self { overflown: true, ..Self::default() };
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new(format!("key {number}")).unwrap()
    }

    #[test]
    fn removals_are_told_once() {
        let mut missed = Missed::default();
        for number in [1, 2, 1] {
            missed.note(&key(number));
        }
        assert_eq!(missed.len(), 2);
        assert_eq!(missed.take(), CatchUp::Keys([key(1), key(2)].into()));
        assert_eq!(missed.take(), CatchUp::Keys(HashSet::new()));
    }

    #[test]
    fn too_many_removals_are_all_of_them() {
        let mut missed = Missed::default();
        for number in 0..=MOST_KEYS {
            missed.note(&key(number));
        }
        assert_eq!(missed.len(), 0);
        assert_eq!(missed.take(), CatchUp::Everything);
        let mut missed = Missed::default();
        for number in 0..=MOST_BYTES / 8000 {
            missed.note(&Key::new(format!("{number:08000}")).unwrap());
        }
        assert_eq!(missed.take(), CatchUp::Everything);
    }
}
