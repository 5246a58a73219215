//! Bytes that are being fetched before anybody asks for them: how many there are, and which site may have how many.
//!
//! What is on its way counts, not what came of it: once stored it is weighed and evicted like anything else. A fill that
//! somebody reads is no longer ahead of anybody.

use std::collections::HashMap;
use std::sync::Arc;

use super::Budget;

/// Largest object that is fetched ahead: eight seconds at 32 Mbit/s. Whatever is longer is no segment, and nobody may come
/// for it.
const MOST_OF_OBJECT: u64 = 32 << 20;

/// Of the memory that fills may hold, one part of so many may be for what nobody has asked for.
const PART: u64 = 2;

/// Who has how many bytes.
#[derive(Default)]
pub(super) struct Taken {
    all: u64,
    sites: HashMap<Arc<str>, u64>,
}

/// Bytes of one fill, given back when it is dropped.
pub(in crate::cache::engine) struct AheadShare {
    budget: Arc<Budget>,
    site: Arc<str>,
    bytes: u64,
}

impl Budget {
    /// Nothing yet of a site's bytes, to be grown.
    pub(in crate::cache::engine) fn ahead_of(self: &Arc<Self>, site: &str) -> AheadShare {
        AheadShare { budget: Arc::clone(self), site: site.into(), bytes: 0 }
    }

    /// Whether a site may have anything more fetched ahead.
    pub(in crate::cache::engine) fn may_fetch_ahead(&self, site: &str) -> bool {
        self.taken_ahead.lock().room(site, self.most_ahead()) > 0
    }

    fn most_ahead(&self) -> u64 {
        self.max_held / PART
    }
}

impl Taken {
    /// Bytes that a site may take: as many as will be free then. Alone it has half of all, with another one like it a third;
    /// however many take all they can, something is left for the next one.
    fn room(&self, site: &str, most: u64) -> u64 {
        let free = most.saturating_sub(self.all);
        free.saturating_sub(self.sites.get(site).copied().unwrap_or(0)).div_ceil(2)
    }
}

impl AheadShare {
    /// Makes it as many bytes, if the object may have so many and its site as many more.
    pub(in crate::cache::engine) fn grow_to(&mut self, bytes: u64) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return true };
        let mut taken = self.budget.taken_ahead.lock();
        if bytes > MOST_OF_OBJECT || more > taken.room(&self.site, self.budget.most_ahead()) {
            return false;
        }
        taken.all += more;
        *taken.sites.entry(Arc::clone(&self.site)).or_default() += more;
        self.bytes = bytes;
        true
    }
}

impl Drop for AheadShare {
    fn drop(&mut self) {
        let mut taken = self.budget.taken_ahead.lock();
        taken.all -= self.bytes;
        if let Some(of_site) = taken.sites.get_mut(&self.site) {
            *of_site -= self.bytes;
            if *of_site == 0 {
                taken.sites.remove(&self.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn site_that_takes_all_it_can_leaves_bytes_for_others() {
        let budget = Budget::new(1, 96 * MIB);
        let grown = |site: &str| {
            let mut share = budget.ahead_of(site);
            share.grow_to(MIB).then_some(share)
        };
        let fill = |site: &str| (0..1000).map_while(|_| grown(site)).collect::<Vec<_>>();
        let (greedy, second) = (fill("greedy"), fill("second"));
        assert_eq!((greedy.len(), second.len()), (24, 12));
        assert!(!budget.may_fetch_ahead("greedy") && budget.may_fetch_ahead("third"));
        drop((greedy, second));
        let taken = budget.taken_ahead.lock();
        assert!(taken.all == 0 && taken.sites.is_empty(), "all came back");
    }

    #[test]
    fn one_object_has_no_more_than_a_segment() {
        let budget = Budget::new(1, 1 << 40);
        let mut share = budget.ahead_of("site");
        assert!(share.grow_to(MOST_OF_OBJECT) && share.grow_to(10));
        assert!(!share.grow_to(MOST_OF_OBJECT + 1));
        assert!(budget.ahead_of("site").grow_to(MOST_OF_OBJECT), "the next object may have as much");
    }
}
