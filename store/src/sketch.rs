//! How often a key was asked for lately: a counting sketch that forgets, by which a full disk admits.
//!
//! Owns: the counters and their ageing. Not: when admission is asked at all (`store`). Constant memory, no locks, nobody
//! ever waits for its ageing.
//!
//! Source: the estimate is the least of several counters, as in Cormode and Muthukrishnan, "An improved data stream
//! summary: the count-min sketch" (2005), with the counters in one array, as in Cohen and Matias, "Spectral Bloom
//! filters" (2003). It forgets by generations: two are asked, while the third is emptied for the next.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Counters of a key.
const COUNTERS: u64 = 4;
/// Counters beyond this say no more: admission wants to know of two.
const MOST: u8 = 3;
/// Counters in a byte.
const A_BYTE: u64 = 4;
/// Bytes a generation has for each asking: eight counters, of which a key uses four. At a generation's end four in ten
/// counters are used, so that one key in forty looks as if it had been asked for once more than it was.
const BYTES_AN_ASKING: u64 = 2;
/// Askings of a generation, at least and at most: 24 KiB and 24 MiB for three.
const ASKINGS: std::ops::RangeInclusive<u64> = (1 << 12)..=(1 << 22);
/// One is filled and asked, one is asked, one is emptied.
const GENERATIONS: u64 = 3;

/// The sketch.
pub(crate) struct Sketch {
    bytes: Box<[AtomicU8]>,
    /// Askings of a generation.
    generation: u64,
    /// All askings so far.
    askings: AtomicU64,
    /// Keyed by the process: nobody outside can aim at a counter.
    hasher: ahash::RandomState,
}

impl Sketch {
    /// What was asked for within this many askings is remembered, and up to twice as long.
    pub(crate) fn remembering(askings: u64) -> Self {
        let generation = askings.clamp(*ASKINGS.start(), *ASKINGS.end()).next_power_of_two();
        let bytes = usize::try_from(generation * BYTES_AN_ASKING * GENERATIONS).unwrap_or(0);
        Self {
            bytes: (0..bytes).map(|_| AtomicU8::new(0)).collect(),
            generation,
            askings: AtomicU64::new(0),
            hasher: ahash::RandomState::new(),
        }
    }

    /// Notes that this key was asked for.
    pub(crate) fn add(&self, key: &[u8]) {
        let asking = self.askings.fetch_add(1, Ordering::Relaxed);
        let number = asking / self.generation;
        self.empty_a_part(number + 1, asking % self.generation);
        let hash = self.hasher.hash_one(key);
        for counter in 0..COUNTERS {
            let (byte, shift) = self.counter(number, hash, counter);
            let more = |value: u8| ((value >> shift) & MOST < MOST).then(|| value + (1 << shift));
            // Full already is as good as counted.
            byte.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
        }
    }

    /// How often this key was asked for lately, or a little more.
    pub(crate) fn estimate(&self, key: &[u8]) -> u8 {
        let number = self.askings.load(Ordering::Relaxed) / self.generation;
        let hash = self.hasher.hash_one(key);
        // The one before the current, counted so that it is not below zero.
        self.least(number, hash) + self.least(number + GENERATIONS - 1, hash)
    }

    fn least(&self, number: u64, hash: u64) -> u8 {
        let value = |counter| {
            let (byte, shift) = self.counter(number, hash, counter);
            (byte.load(Ordering::Relaxed) >> shift) & MOST
        };
        (0..COUNTERS).map(value).min().unwrap_or(0)
    }

    fn counter(&self, number: u64, hash: u64, counter: u64) -> (&AtomicU8, u32) {
        // Two halves of one hash make as many as are wanted (Kirsch and Mitzenmacher, 2006); the second is odd, so that
        // the counters of a key differ.
        let mixed = hash.wrapping_add((hash.rotate_left(32) | 1).wrapping_mul(counter));
        let shift = (mixed % A_BYTE) * 2;
        (self.byte(number, (mixed / A_BYTE) % self.bytes_of_one()), u32::try_from(shift).unwrap_or(0))
    }

    fn byte(&self, number: u64, place: u64) -> &AtomicU8 {
        let place = (number % GENERATIONS) * self.bytes_of_one() + place;
        &self.bytes[usize::try_from(place).unwrap_or(0)]
    }

    fn bytes_of_one(&self) -> u64 {
        self.generation * BYTES_AN_ASKING
    }

    /// With every asking a part of the next generation is emptied, so that all of it is when its time comes.
    fn empty_a_part(&self, number: u64, part: u64) {
        for place in part * BYTES_AN_ASKING..(part + 1) * BYTES_AN_ASKING {
            self.byte(number, place).store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the smallest sketch.
    const GENERATION: u64 = 1 << 12;

    fn key(number: u64) -> Vec<u8> {
        format!("https://example.test/{number}").into_bytes()
    }

    #[test]
    fn what_was_asked_for_twice_is_told_from_what_was_asked_for_once() {
        let sketch = Sketch::remembering(GENERATION);
        (0..3000).for_each(|number| sketch.add(&key(number)));
        let wrong = (0..3000).filter(|number| sketch.estimate(&key(*number)) > 1).count();
        assert!(wrong < 150, "{wrong} of 3000 keys that were asked for once count as twice");
        (0..3000).for_each(|number| sketch.add(&key(number)));
        for number in 0..3000 {
            assert!(sketch.estimate(&key(number)) >= 2, "key {number} was asked for twice");
        }
    }

    #[test]
    fn a_key_that_nobody_asks_for_again_is_forgotten() {
        let sketch = Sketch::remembering(GENERATION);
        for _ in 0..100 {
            sketch.add(b"once dear");
        }
        for (askings, remembered) in [(GENERATION - 100, true), (GENERATION, false)] {
            // Of few keys, so that collisions do not hide the forgetting.
            (0..askings).for_each(|number| sketch.add(&key(number % 16)));
            assert_eq!(sketch.estimate(b"once dear") >= 2, remembered, "after {askings} more");
        }
    }

    #[test]
    fn a_scan_does_not_make_keys_look_asked_for_twice() {
        let sketch = Sketch::remembering(GENERATION);
        let admitted = (0..100_000).filter(|number| {
            sketch.add(&key(*number));
            sketch.estimate(&key(*number)) >= 2
        });
        let admitted = admitted.count();
        assert!(admitted < 8_000, "{admitted} of 100000 keys of a scan were admitted");
    }

    #[test]
    fn memory_stays_between_its_bounds() {
        for (askings, bytes) in [(0, 24 << 10), (5000, 48 << 10), (u64::MAX, 24 << 20)] {
            assert_eq!(Sketch::remembering(askings).bytes.len(), bytes);
        }
    }
}
