//! How often a key was asked for lately: a count-min sketch that forgets, by which a full disk admits.
//!
//! Owns: the counters and their ageing. Not: when admission is asked at all (`store`). Constant memory, no locks; what
//! two threads count at once may be lost, which costs an admission at worst.
//!
//! Source: Cormode and Muthukrishnan, "An improved data stream summary: the count-min sketch" (2005); the ageing by
//! halving is that of Einziger, Friedman and Manes, "TinyLFU" (2017), done bit by bit here, so that nobody waits for it.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Rows: four make a wrong admission as rare as the share of used counters to the fourth.
const ROWS: usize = 4;
/// Counters beyond this say no more: admission wants to know of two.
const MOST: u8 = 15;
/// Every counter is halved once for so many askings a column: a key that is not asked for again in about twice that
/// many askings is forgotten.
const ASKINGS_A_COLUMN: usize = 4;
/// Columns, at least and at most: 16 KiB and 16 MiB of counters.
const COLUMNS: std::ops::RangeInclusive<usize> = (1 << 12)..=(1 << 22);

/// The sketch.
pub(crate) struct Sketch {
    counters: Box<[AtomicU8]>,
    /// Columns less one: columns are a power of two.
    mask: usize,
    /// All askings; the hand that halves counters follows it.
    askings: AtomicUsize,
    /// Keyed by the process: nobody outside can aim at a counter.
    hasher: ahash::RandomState,
}

impl Sketch {
    /// For about so many keys that compete for the disk.
    pub(crate) fn for_keys(keys: usize) -> Self {
        let columns = keys.clamp(*COLUMNS.start(), *COLUMNS.end()).next_power_of_two();
        Self {
            counters: (0..columns * ROWS).map(|_| AtomicU8::new(0)).collect(),
            mask: columns - 1,
            askings: AtomicUsize::new(0),
            hasher: ahash::RandomState::new(),
        }
    }

    /// Notes that this key was asked for.
    pub(crate) fn add(&self, key: &[u8]) {
        self.age();
        let hash = self.hasher.hash_one(key);
        for row in 0..ROWS {
            let counter = self.counter(hash, row);
            let value = counter.load(Ordering::Relaxed);
            if value < MOST {
                counter.store(value + 1, Ordering::Relaxed);
            }
        }
    }

    /// How often this key was asked for, or more: never less, but for what has aged.
    pub(crate) fn estimate(&self, key: &[u8]) -> u8 {
        let hash = self.hasher.hash_one(key);
        (0..ROWS).map(|row| self.counter(hash, row).load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    fn counter(&self, hash: u64, row: usize) -> &AtomicU8 {
        // Two halves of one hash make as many as are wanted (Kirsch and Mitzenmacher, 2006).
        let (low, high) = (hash & 0xffff_ffff, hash >> 32);
        let mixed = low.wrapping_add(high.wrapping_mul(row as u64 * 2 + 1)).wrapping_add(high >> 7);
        let column = usize::try_from(mixed & self.mask as u64).unwrap_or(0);
        &self.counters[row * (self.mask + 1) + column]
    }

    /// One column of all rows is halved with every `ASKINGS_A_COLUMN`th asking.
    fn age(&self) {
        let askings = self.askings.fetch_add(1, Ordering::Relaxed);
        if !askings.is_multiple_of(ASKINGS_A_COLUMN) {
            return;
        }
        let column = (askings / ASKINGS_A_COLUMN) & self.mask;
        for row in 0..ROWS {
            let counter = &self.counters[row * (self.mask + 1) + column];
            counter.store(counter.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Vec<u8> {
        format!("https://example.test/{number}").into_bytes()
    }

    #[test]
    fn what_was_asked_for_twice_is_told_from_what_was_asked_for_once() {
        let sketch = Sketch::for_keys(1 << 12);
        for number in 0..1000 {
            sketch.add(&key(number));
        }
        let wrong = (0..1000).filter(|number| sketch.estimate(&key(*number)) > 1).count();
        assert!(wrong < 10, "{wrong} of 1000 keys that were asked for once count as twice");
        for number in 0..100 {
            sketch.add(&key(number));
        }
        // A few were halved between their two askings.
        let known = (0..100).filter(|number| sketch.estimate(&key(*number)) >= 2).count();
        assert!(known > 90, "{known} of 100 keys that were asked for twice count as twice");
    }

    #[test]
    fn a_key_that_nobody_asks_for_again_is_forgotten() {
        let sketch = Sketch::for_keys(1 << 12);
        for _ in 0..100 {
            sketch.add(b"once dear");
        }
        assert!(sketch.estimate(b"once dear") >= 2);
        for number in 0..(1 << 12) * ASKINGS_A_COLUMN * 8 {
            // Of few keys, so that collisions do not hide the forgetting.
            sketch.add(&key(number % 16));
        }
        assert_eq!(sketch.estimate(b"once dear"), 0);
    }

    #[test]
    fn a_scan_does_not_make_keys_look_asked_for_twice() {
        let sketch = Sketch::for_keys(1 << 12);
        let admitted = (0..100_000).filter(|number| {
            sketch.add(&key(*number));
            sketch.estimate(&key(*number)) >= 2
        });
        let admitted = admitted.count();
        assert!(admitted < 30_000, "{admitted} of 100000 keys of a scan were admitted");
    }

    #[test]
    fn memory_stays_between_its_bounds() {
        for (keys, columns) in [(0, 1 << 12), (5000, 1 << 13), (usize::MAX, 1 << 22)] {
            assert_eq!(Sketch::for_keys(keys).counters.len(), columns * ROWS);
        }
    }
}
