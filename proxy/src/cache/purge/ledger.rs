//! Which names were purged when: exactly as far as memory goes, and in common with others beyond that.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ahash::RandomState;

use super::generation::Generation;
use super::marks::Marks;
use super::place::Place;
use super::record::Stamp;
use super::secret::{Secret, is_of_prefix};

/// Places of names that are not told apart any more. When one comes to be among them, what is stored of all that have its
/// place is purged with it: that costs them a fetch.
pub(super) const SLOTS: usize = 1 << 16;

/// Purges by name.
pub(super) struct Ledger {
    /// How many names are told apart.
    most: usize,
    exact: HashMap<u64, Marks, RandomState>,
    /// In the order of their latest purges, with the generation of each.
    order: VecDeque<(u64, Generation)>,
    /// Empty until it is needed.
    slots: Vec<Marks>,
    prefixes: Prefixes,
}

/// Prefixes among the names.
#[derive(Default)]
struct Prefixes {
    by_hash: HashMap<u64, Prefix, RandomState>,
    /// Of each host, how many prefixes of each length there are.
    lengths: HashMap<u64, BTreeMap<u32, u32>, RandomState>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Prefix {
    /// Hash of its host.
    pub(super) host: u64,
    /// Bytes of it, the host's included.
    pub(super) length: u32,
}

impl Ledger {
    pub(super) fn telling_apart(most: usize) -> Self {
        Self {
            most,
            exact: HashMap::default(),
            order: VecDeque::new(),
            slots: Vec::new(),
            prefixes: Prefixes::default(),
        }
    }

    /// Notes a purge of a name, that of a prefix with what it is.
    pub(super) fn mark(&mut self, hash: u64, prefix: Option<Prefix>, stamp: Stamp) {
        if let Some(prefix) = prefix {
            self.prefixes.add(hash, prefix);
        }
        let marks = self.exact.entry(hash).or_default();
        let is_later = stamp.generation > marks.latest();
        marks.merge(Marks::of(stamp));
        if is_later {
            self.order.push_back((hash, stamp.generation));
        }
        while self.exact.len() > self.most {
            self.fold_oldest();
        }
        // A name that is purged again and again stands in the order as often.
        if self.order.len() > 2 * self.most {
            let exact = &self.exact;
            self.order.retain(|(hash, generation)| exact.get(hash).is_some_and(|it| it.latest() == *generation));
        }
    }

    /// Notes a purge of all names of a slot.
    pub(super) fn mark_slot(&mut self, slot: u32, stamp: Stamp) {
        let slot = usize::try_from(slot).unwrap_or(0) % SLOTS;
        self.slot_mut(slot).merge(Marks::of(stamp));
    }

    /// The latest purges of a name, and those of all that have its place.
    pub(super) fn of(&self, hash: u64) -> (Marks, Marks) {
        let marks = |found: Option<&Marks>| found.copied().unwrap_or_default();
        (marks(self.exact.get(&hash)), marks(self.slots.get(slot(hash))))
    }

    /// The latest purges of all names of a slot.
    pub(super) fn of_slot(&self, slot: u32) -> Marks {
        let slot = usize::try_from(slot).ok().and_then(|slot| self.slots.get(slot % SLOTS));
        slot.copied().unwrap_or_default()
    }

    /// The latest purges of the prefixes that a path begins with.
    pub(super) fn of_prefixes(&self, secret: &Secret, host: u64, place: &Place<'_>) -> Marks {
        let mut marks = Marks::default();
        let Some(lengths) = self.prefixes.lengths.get(&host) else { return marks };
        let path = place.path().as_bytes();
        let (mut hasher, mut done) = (secret.prefixes(), 0);
        for length in lengths.keys() {
            let Some(more) = usize::try_from(*length).ok().and_then(|length| path.get(done..length)) else { break };
            hasher.extend(more);
            done += more.len();
            if let Some(known) = self.exact.get(&hasher.value()) {
                marks.merge(*known);
            }
        }
        marks
    }

    /// The names that it tells apart, with what they are.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, Option<Prefix>, Marks)> {
        // In the order of their purges, so that a table that is made of them folds the same ones first.
        let latest = |(hash, generation): &(u64, Generation)| {
            let marks = self.exact.get(hash).filter(|marks| marks.latest() == *generation)?;
            Some((*hash, self.prefixes.by_hash.get(hash).copied(), *marks))
        };
        self.order.iter().filter_map(latest)
    }

    /// The purges of names that are not told apart.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, Marks)> {
        let numbered = self.slots.iter().enumerate().filter(|(_, marks)| **marks != Marks::default());
        numbered.filter_map(|(slot, marks)| Some((u32::try_from(slot).ok()?, *marks)))
    }

    /// Names that are told apart.
    pub(super) fn len(&self) -> usize {
        self.exact.len()
    }

    fn fold_oldest(&mut self) {
        let Some((hash, generation)) = self.order.pop_front() else { return };
        // Purged again since, it stands once more further behind.
        let Some(marks) = self.exact.get(&hash).copied().filter(|marks| marks.latest() == generation) else { return };
        self.exact.remove(&hash);
        // That of a prefix becomes one of its whole host: nobody could find it by its slot.
        let name = self.prefixes.take(hash).map_or(hash, |prefix| prefix.host);
        self.slot_mut(slot(name)).merge(marks);
    }

    fn slot_mut(&mut self, slot: usize) -> &mut Marks {
        self.slots.resize(SLOTS, Marks::default());
        &mut self.slots[slot]
    }
}

impl Prefixes {
    fn add(&mut self, hash: u64, prefix: Prefix) {
        if self.by_hash.insert(hash, prefix).is_none() {
            *self.lengths.entry(prefix.host).or_default().entry(prefix.length).or_default() += 1;
        }
    }

    fn take(&mut self, hash: u64) -> Option<Prefix> {
        if !is_of_prefix(hash) {
            return None;
        }
        let prefix = self.by_hash.remove(&hash)?;
        let lengths = self.lengths.get_mut(&prefix.host)?;
        if let Some(count) = lengths.get_mut(&prefix.length) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&prefix.length);
            }
        }
        if lengths.is_empty() {
            self.lengths.remove(&prefix.host);
        }
        Some(prefix)
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}
