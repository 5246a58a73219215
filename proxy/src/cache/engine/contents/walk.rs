//! A walk over what is in memory, in pages. Nobody waits between two pages, so that nothing must be held for a walk.
//!
//! Entries are in the order of a hash of their keys, which no other entry's coming or going changes: whatever is there from
//! the beginning of a walk to its end is shown once. To find a page all entries are looked at; many pages are prepared at
//! once, so that this is done a few times in a walk over a million of them.

use std::collections::BinaryHeap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Contents, StoredEntry, Wanted, pause_after};
use crate::cache::engine::memory::FullKey;

/// Entries that are prepared at once: some 10 MiB with usual URLs, and as much again where what they name was evicted meanwhile.
pub(super) const MOST_PREPARED: usize = 1 << 16;

/// How long pages are kept for a walk of which none is asked for.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// Where a walk goes on. The default is its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryCursor(Option<NonZeroU64>);

/// A page.
#[derive(Debug)]
pub struct MemoryPage {
    /// What was wanted; none may come before the end as well.
    pub entries: Vec<StoredEntry>,
    /// Where to go on; `None`: that was all.
    pub next: Option<MemoryCursor>,
}

impl fmt::Display for MemoryCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.number())
    }
}

impl FromStr for MemoryCursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(|number| Self(NonZeroU64::new(number)))
    }
}

impl MemoryCursor {
    fn number(self) -> u64 {
        self.0.map_or(0, NonZeroU64::get)
    }
}

/// The next entries of a walk. They keep nothing in memory but their own place.
pub(super) struct Prepared<T> {
    wanted: Wanted,
    from: u64,
    entries: Vec<Next<T>>,
    /// Nothing follows.
    is_all: bool,
    /// When a page was asked for last.
    asked: Instant,
}

struct Next<T> {
    order: u64,
    key: FullKey,
    object: Weak<T>,
}

impl<T> PartialEq for Next<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<T> Eq for Next<T> {}

impl<T> PartialOrd for Next<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Next<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl<T> Prepared<T> {
    /// Whether it has what follows this place of a walk, unless nothing does. A walk that begins sees what is there now.
    fn goes_on_from(&self, wanted: &Wanted, after: u64) -> bool {
        let is_before_end = self.entries.last().is_some_and(|last| after < last.order);
        self.wanted == *wanted && self.from < after && (self.is_all || is_before_end)
    }
}

impl<T> Contents<T> {
    /// About `most` entries behind a place, and where to go on.
    pub(super) fn page<I: Iterator<Item = (Arc<FullKey>, Arc<T>)>>(
        &self,
        wanted: &Wanted,
        after: MemoryCursor,
        most: usize,
        all: impl Fn() -> I,
        includes: impl Fn(&FullKey, &T) -> bool,
    ) -> (Vec<(FullKey, Arc<T>)>, Option<MemoryCursor>) {
        let after = after.number();
        // Held while pages are prepared: two walks at once would only be slower beside one another.
        let mut slot = self.prepared.lock();
        let mut prepared = match slot.take().filter(|known| known.goes_on_from(wanted, after)) {
            Some(known) => known,
            None => self.prepare(wanted, after, self.most_prepared, all(), includes),
        };
        let begin = prepared.entries.partition_point(|next| next.order <= after);
        let shown = &prepared.entries[begin..prepared.entries.len().min(begin + most.max(1))];
        let is_end = prepared.is_all && begin + shown.len() == prepared.entries.len();
        let next = shown.last().filter(|_| !is_end).map(|last| MemoryCursor(NonZeroU64::new(last.order)));
        let there = shown.iter().filter_map(|next| Some((next.key.clone(), next.object.upgrade()?)));
        let there = there.collect();
        prepared.asked = Instant::now();
        *slot = (!is_end).then_some(prepared);
        (there, next)
    }

    fn prepare(
        &self,
        wanted: &Wanted,
        after: u64,
        most: usize,
        all: impl Iterator<Item = (Arc<FullKey>, Arc<T>)>,
        includes: impl Fn(&FullKey, &T) -> bool,
    ) -> Prepared<T> {
        let mut first: BinaryHeap<Next<T>> = BinaryHeap::new();
        let mut is_all = true;
        for (number, (key, object)) in all.enumerate() {
            pause_after(number);
            let order = self.order.hash_one(&*key).max(1);
            if order <= after || !includes(&key, &object) {
                continue;
            }
            if first.len() >= most {
                is_all = false;
                if first.peek().is_some_and(|last| last.order < order) {
                    continue;
                }
                first.pop();
            }
            first.push(Next { order, key: (*key).clone(), object: Arc::downgrade(&object) });
        }
        Prepared {
            wanted: wanted.clone(),
            from: after,
            entries: first.into_sorted_vec(),
            is_all,
            asked: Instant::now(),
        }
    }

    /// Forgets what is prepared for a walk that nobody goes on with.
    pub(super) fn forget_idle(&self, now: Instant) {
        // Pages are being prepared: that walk goes on.
        let Some(mut slot) = self.prepared.try_lock() else { return };
        slot.take_if(|prepared| now.saturating_duration_since(prepared.asked) >= LONGEST_IDLE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cache::key::{CacheKey, Scheme};

    type Stored = Vec<(Arc<FullKey>, Arc<u32>)>;

    fn stored(numbers: std::ops::Range<u32>) -> Stored {
        let key = |number| CacheKey::new(Scheme::Https, "a.test", &format!("/{number}"), None);
        let entry = |number| (Arc::new(FullKey { primary: key(number), variant: Arc::default() }), Arc::new(number));
        numbers.map(entry).collect()
    }

    /// What a walk shows of what `at` says is stored at each of its pages, and how often it looked at all of it.
    fn walk(
        most_prepared: usize,
        most: usize,
        wanted: &Wanted,
        mut at: impl FnMut(usize) -> Stored,
    ) -> (Vec<u32>, usize) {
        let contents = Contents { most_prepared, ..Contents::default() };
        let (mut shown, mut cursor, looks) = (Vec::new(), MemoryCursor::default(), std::cell::Cell::new(0));
        for page in 0..1000 {
            let now = at(page);
            let all = || {
                looks.set(looks.get() + 1);
                now.clone().into_iter()
            };
            let (entries, next) = contents.page(wanted, cursor, most, all, |_, number: &u32| number.is_multiple_of(2));
            assert!(entries.len() <= most);
            shown.extend(entries.iter().map(|(_, number)| **number));
            match next {
                Some(next) => cursor = next.to_string().parse().unwrap(),
                None => return (shown, looks.get()),
            }
        }
        panic!("no end");
    }

    #[test]
    fn each_entry_is_shown_once_however_pages_and_preparations_are_cut() {
        let all = stored(0..1000);
        for (most_prepared, most, looks) in [(1000, 1000, 1), (1000, 7, 1), (100, 7, 5), (7, 100, 72), (1, 1, 500)] {
            let (shown, looked) = walk(most_prepared, most, &Wanted::default(), |_| all.clone());
            let told: BTreeSet<u32> = shown.iter().copied().collect();
            assert_eq!((shown.len(), told.len()), (500, 500), "{most_prepared} {most}");
            assert!(looked.abs_diff(looks) <= 1, "{most_prepared} {most}: {looked} looks");
        }
    }

    #[test]
    fn pages_that_nobody_asks_for_are_forgotten() {
        let contents = Contents::default();
        let page =
            || contents.page(&Wanted::default(), MemoryCursor::default(), 1, || stored(0..3).into_iter(), |_, _| true);
        assert!(page().1.is_some());
        for (later, is_there) in [(LONGEST_IDLE / 2, true), (LONGEST_IDLE * 2, false)] {
            contents.forget_idle(Instant::now() + later);
            assert_eq!(contents.prepared.lock().is_some(), is_there);
        }
    }

    #[test]
    fn what_is_there_all_the_time_is_shown_though_others_come_and_go() {
        let kept = stored(0..200);
        let (shown, _) = walk(32, 10, &Wanted::default(), |page| {
            let others = u32::try_from(page).unwrap() * 1000 + 1000;
            [kept.clone(), stored(others..others + 100)].concat()
        });
        let shown: BTreeSet<u32> = shown.into_iter().collect();
        assert!((0..200).step_by(2).all(|number| shown.contains(&number)), "{shown:?}");
    }
}
