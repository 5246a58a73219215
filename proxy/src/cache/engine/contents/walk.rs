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

use super::{Contents, StoredEntry, Wanted, pause_after};
use crate::cache::engine::memory::FullKey;
use crate::cache::engine::object::Object;

/// Entries that are prepared at once: some 4 MiB.
const MOST_PREPARED: usize = 1 << 16;

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
pub(super) struct Prepared {
    wanted: Wanted,
    from: u64,
    entries: Vec<Next>,
    /// Nothing follows.
    is_all: bool,
}

struct Next {
    order: u64,
    key: FullKey,
    object: Weak<Object>,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl Prepared {
    /// Whether it has what follows this place of a walk, unless nothing does. A walk that begins sees what is there now.
    fn goes_on_from(&self, wanted: &Wanted, after: u64) -> bool {
        let is_before_end = self.entries.last().is_some_and(|last| after < last.order);
        self.wanted == *wanted && self.from < after && (self.is_all || is_before_end)
    }
}

impl Contents {
    /// About `most` entries behind a place, and where to go on.
    pub(super) fn page<I: Iterator<Item = (Arc<FullKey>, Arc<Object>)>>(
        &self,
        wanted: &Wanted,
        after: MemoryCursor,
        most: usize,
        all: impl Fn() -> I,
        includes: impl Fn(&FullKey, &Object) -> bool,
    ) -> (Vec<(FullKey, Arc<Object>)>, Option<MemoryCursor>) {
        let after = after.number();
        // Held while pages are prepared: two walks at once would only be slower beside one another.
        let mut slot = self.prepared.lock();
        let prepared = match slot.take().filter(|known| known.goes_on_from(wanted, after)) {
            Some(known) => known,
            None => self.prepare(wanted, after, MOST_PREPARED, all(), includes),
        };
        let begin = prepared.entries.partition_point(|next| next.order <= after);
        let shown = &prepared.entries[begin..prepared.entries.len().min(begin + most.max(1))];
        let is_end = prepared.is_all && begin + shown.len() == prepared.entries.len();
        let next = shown.last().filter(|_| !is_end).map(|last| MemoryCursor(NonZeroU64::new(last.order)));
        let there = shown.iter().filter_map(|next| Some((next.key.clone(), next.object.upgrade()?)));
        let there = there.collect();
        *slot = (!is_end).then_some(prepared);
        (there, next)
    }

    fn prepare(
        &self,
        wanted: &Wanted,
        after: u64,
        most: usize,
        all: impl Iterator<Item = (Arc<FullKey>, Arc<Object>)>,
        includes: impl Fn(&FullKey, &Object) -> bool,
    ) -> Prepared {
        let mut first: BinaryHeap<Next> = BinaryHeap::new();
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
        Prepared { wanted: wanted.clone(), from: after, entries: first.into_sorted_vec(), is_all }
    }
}
