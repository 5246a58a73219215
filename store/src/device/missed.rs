//! Removals that a device could not be told of: applied when it is back.
//!
//! Owns: the bounded list, and what is to be done when it was not enough. While a device's index is in memory nothing
//! needs to be noted: removals go there at once. Without this list a record that was removed or replaced while its
//! device was away would be served again when the device is back.

use std::collections::HashSet;

use crate::key::Key;
use crate::volume::Place;

/// Keys noted for one device. At a hundred bytes a key they are at most 16 MiB; more have the device emptied.
const MOST_KEYS: usize = 1 << 16;
/// Bytes of keys noted for one device.
const MOST_BYTES: usize = 16 << 20;
/// Places noted for one device: 4 MiB.
const MOST_PLACES: usize = 1 << 16;
/// Applied at a time: others wait for the lock meanwhile.
const BATCH: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Missed {
    keys: HashSet<Key>,
    bytes: usize,
    /// What was forgotten there, and could not be written down.
    places: Vec<Place>,
    overflown: bool,
}

/// What came of noting a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It is noted.
    New,
    /// It was before.
    Known,
    /// There are too many: everything is to be forgotten.
    TooMuch,
}

/// What a device that is back has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// Forget these, and ask again.
    These(Vec<Key>, Vec<Place>),
    /// Nothing any more.
    Nothing,
    /// Forget everything: nobody knows any more what was removed.
    Everything,
}

impl Missed {
    /// What is new about it.
    pub(crate) fn note(&mut self, key: &Key) -> Noted {
        if self.overflown {
            return Noted::TooMuch;
        }
        if self.keys.contains(key) {
            return Noted::Known;
        }
        self.bytes += key.as_bytes().len();
        if self.keys.len() >= MOST_KEYS || self.bytes > MOST_BYTES {
            self.overflow();
            return Noted::TooMuch;
        }
        self.keys.insert(key.clone());
        Noted::New
    }

    /// What stood there is forgotten, and is to be again when the index was read anew.
    pub(crate) fn note_place(&mut self, place: Place) {
        match self.places.len() {
            _ if self.overflown => {}
            MOST_PLACES.. => self.overflow(),
            _ => self.places.push(place),
        }
    }

    /// Some of what is to be done, which is not noted any more.
    pub(crate) fn take(&mut self) -> CatchUp {
        if self.overflown {
            *self = Self::default();
            return CatchUp::Everything;
        }
        let places = self.places.split_off(self.places.len().saturating_sub(BATCH));
        let keys: Vec<Key> = self.keys.iter().take(BATCH).cloned().collect();
        for key in &keys {
            self.keys.remove(key);
            self.bytes -= key.as_bytes().len();
        }
        match keys.is_empty() && places.is_empty() {
            true => CatchUp::Nothing,
            false => CatchUp::These(keys, places),
        }
    }

    /// All places, which are not noted any more.
    pub(crate) fn take_places(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.places)
    }

    /// Everything has to be forgotten after all.
    pub(crate) fn overflow(&mut self) {
        *self = Self { overflown: true, ..Self::default() };
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.places.len()
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
        let CatchUp::These(mut keys, places) = missed.take() else { panic!("there is something") };
        keys.sort_unstable();
        assert_eq!((keys, places), (vec![key(1), key(2)], vec![]));
        assert_eq!((missed.take(), missed.len()), (CatchUp::Nothing, 0));
    }

    #[test]
    fn removals_are_told_a_few_at_a_time_and_none_twice() {
        let (mut missed, mut told) = (Missed::default(), HashSet::new());
        (0..1000).for_each(|number| assert_eq!(missed.note(&key(number)), Noted::New));
        while let CatchUp::These(keys, _) = missed.take() {
            assert!(keys.len() <= BATCH);
            assert!(keys.into_iter().all(|key| told.insert(key)));
        }
        assert_eq!((told.len(), missed.bytes), (1000, 0));
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
