//! What clients changed by unsafe methods (RFC 9111 section 4.4), and when: exactly as far as memory goes, and in common
//! with others beyond that.
//!
//! Clients say how much this is, so that it is kept by the names under which sites are reached: where there is too much of
//! it, names of that site fold which has most, and what is stored of others stays as it is.

use std::collections::{HashMap, VecDeque};

use ahash::RandomState;

use super::generation::Generation;

/// Places of names of one site that are not told apart any more; 8 KiB for a site that needs them.
pub(super) const SLOTS: usize = 1 << 10;

/// Names of sites whose changes are kept apart from others'. They are those of the configuration, so that hardly a node has
/// as many.
const MOST_SITES: usize = 1 << 14;

/// All that come after so many, and sites for whichever host: they may concern everything.
pub(super) const ANY_SITE: u64 = 0;

/// One share of its names is folded at once by the site that has most.
const FOLDED_AT_ONCE: usize = 4;

/// Changes by site and name.
pub(super) struct Changes {
    /// How many names are told apart, of all sites.
    most: usize,
    told_apart: usize,
    sites: HashMap<u64, OfSite, RandomState>,
}

#[derive(Default)]
struct OfSite {
    exact: HashMap<u64, Generation, RandomState>,
    /// In the order of their latest changes, with the generation of each.
    order: VecDeque<(u64, Generation)>,
    /// Empty until it is needed.
    slots: Vec<Generation>,
}

/// The latest changes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Changed {
    pub(super) exact: Generation,
    /// Of whatever has the same place.
    pub(super) folded: Generation,
}

impl Changes {
    pub(super) fn telling_apart(most: usize) -> Self {
        Self { most, told_apart: 0, sites: HashMap::default() }
    }

    /// Notes that something of a site has changed.
    pub(super) fn mark(&mut self, site: u64, name: u64, generation: Generation) {
        if self.site_mut(site).mark(name, generation) {
            self.told_apart += 1;
        }
        if self.told_apart > self.most
            && let Some(greatest) = self.sites.values_mut().max_by_key(|of| of.exact.len())
        {
            self.told_apart -= greatest.fold_oldest();
        }
    }

    /// Notes that all names of a slot have changed.
    pub(super) fn mark_slot(&mut self, site: u64, slot: u32, generation: Generation) {
        let slot = usize::try_from(slot).unwrap_or(0) % SLOTS;
        self.site_mut(site).merge(slot, generation);
    }

    /// The latest change of any of these names, at a site that has one of these.
    pub(super) fn of(&self, sites: impl Iterator<Item = u64>, names: [u64; 2]) -> Changed {
        let mut found = Changed::default();
        for site in sites.chain([ANY_SITE]) {
            let Some(of) = self.sites.get(&site) else { continue };
            for name in names {
                found.exact = found.exact.max(of.exact.get(&name).copied().unwrap_or_default());
                found.folded = found.folded.max(of.slots.get(slot(name)).copied().unwrap_or_default());
            }
        }
        found
    }

    /// The latest change of all names of a slot.
    pub(super) fn of_slot(&self, site: u64, slot: u32) -> Generation {
        let of = self.sites.get(&site);
        let slot = usize::try_from(slot).ok().and_then(|slot| of?.slots.get(slot % SLOTS));
        slot.copied().unwrap_or_default()
    }

    /// The names that it tells apart, as site and name. Those of a site in the order of their changes, so that a table
    /// that is made of them folds the same ones first.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, u64, Generation)> {
        self.sites.iter().flat_map(|(site, of)| {
            let latest = |(name, generation): &&(u64, Generation)| of.exact.get(name) == Some(generation);
            of.order.iter().filter(latest).map(|(name, generation)| (*site, *name, *generation))
        })
    }

    /// Changes of names that are not told apart, as site and slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u64, u32, Generation)> {
        self.sites.iter().flat_map(|(site, of)| {
            let used = of.slots.iter().enumerate().filter(|(_, generation)| **generation != Generation::default());
            used.filter_map(|(slot, generation)| Some((*site, u32::try_from(slot).ok()?, *generation)))
        })
    }

    /// Whether nothing has changed.
    pub(super) fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Names that are told apart.
    pub(super) fn len(&self) -> usize {
        self.told_apart
    }

    fn site_mut(&mut self, site: u64) -> &mut OfSite {
        let has_room = self.sites.len() < MOST_SITES || self.sites.contains_key(&site);
        self.sites.entry(if has_room { site } else { ANY_SITE }).or_default()
    }
}

impl OfSite {
    /// Whether the name is a new one.
    fn mark(&mut self, name: u64, generation: Generation) -> bool {
        let known = self.exact.get(&name).copied();
        if known.is_none_or(|known| generation > known) {
            self.exact.insert(name, generation);
            self.order.push_back((name, generation));
        }
        // A name that changes again and again stands in the order as often.
        if self.order.len() > 2 * self.exact.len() + FOLDED_AT_ONCE {
            let exact = &self.exact;
            self.order.retain(|(name, generation)| exact.get(name) == Some(generation));
        }
        known.is_none()
    }

    /// Folds some of its oldest names, and says how many.
    fn fold_oldest(&mut self) -> usize {
        let before = self.exact.len();
        let after = before - before.div_ceil(FOLDED_AT_ONCE);
        while self.exact.len() > after
            && let Some((name, generation)) = self.order.pop_front()
        {
            // Changed again since, it stands once more further behind.
            if self.exact.get(&name) == Some(&generation) {
                self.exact.remove(&name);
                self.merge(slot(name), generation);
            }
        }
        before - self.exact.len()
    }

    fn merge(&mut self, slot: usize, generation: Generation) {
        self.slots.resize(SLOTS, Generation::default());
        self.slots[slot] = self.slots[slot].max(generation);
    }
}

fn slot(name: u64) -> usize {
    usize::try_from(name % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_that_changes_most_folds_and_others_do_not() {
        let mut changes = Changes::telling_apart(100);
        for name in 0..30 {
            changes.mark(7, name, Generation(name + 1));
        }
        for name in 0..10_000 {
            changes.mark(8, name, Generation(100 + name));
            assert!(changes.len() <= 100);
        }
        for name in 0..30 {
            let found = changes.of([7].into_iter(), [name, u64::MAX]);
            assert_eq!(found, Changed { exact: Generation(name + 1), folded: Generation::default() });
        }
        for name in 0..10_000 {
            let Changed { exact, folded } = changes.of([8].into_iter(), [name, name]);
            assert!(exact.max(folded) >= Generation(100 + name), "{name}");
        }
        assert_eq!(changes.of([9].into_iter(), [3, 4]), Changed::default());
    }

    #[test]
    fn sites_beyond_the_bound_are_found_by_whoever_looks() {
        let mut changes = Changes::telling_apart(1 << 16);
        for site in 1..=MOST_SITES as u64 + 10 {
            changes.mark(site, site, Generation(site));
        }
        assert!(changes.sites.len() <= MOST_SITES + 1);
        for site in 1..=MOST_SITES as u64 + 10 {
            assert_eq!(changes.of([site].into_iter(), [site, 0]).exact, Generation(site));
        }
    }

    #[test]
    fn name_that_changes_again_and_again_takes_the_room_of_one() {
        let mut changes = Changes::telling_apart(10);
        for generation in 1..1000 {
            changes.mark(7, 1, Generation(generation));
        }
        assert_eq!((changes.len(), changes.entries().count()), (1, 1));
        assert!(changes.sites[&7].order.len() < 10);
    }
}
