//! Places for requests that origins hold back: how many there are, and who may have how many of them.
//!
//! Whoever counts up directives or adds arguments makes requests that all wait for as long as they may. So one playlist
//! has a few places, and one site never all of them. What waits is the cache's business.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::budget::Admission;

/// Requests held back for one playlist, or one announced part, at the same time. Its players ask for one part, while some
/// still wait for the one before, each in up to three forms (whole, and the two of `_HLS_skip`); device classes and
/// other parts of keys multiply that a little.
pub(super) const MAX_OF_RESOURCE: usize = 32;

/// All places, and who has them.
pub(super) struct HeldPlaces {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    sites: HashMap<Arc<str>, usize>,
    resources: HashMap<Arc<str>, usize>,
}

/// A place for one request, given back when it is dropped.
pub(super) struct HeldPlace {
    places: Arc<HeldPlaces>,
    site: Arc<str>,
    resource: Arc<str>,
}

/// Leave to run, of whichever kind.
pub(super) enum Place {
    /// Of the places for fills that work.
    Working(#[expect(dead_code, reason = "held to be dropped")] Admission),
    /// Of those for requests that are held back.
    HeldBack(#[expect(dead_code, reason = "held to be dropped")] HeldPlace),
}

impl HeldPlaces {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// A place for one more request, if its site and its resource may have one more.
    ///
    /// A site may have as many as are free: half of all when it is alone, a third when there is one more like it. However
    /// many of them take all they can, something is left for the next one.
    pub(super) fn admit(self: &Arc<Self>, site: &str, resource: &str) -> Option<HeldPlace> {
        let mut taken = self.taken.lock();
        let free = self.max.saturating_sub(taken.all);
        let has = |counts: &HashMap<Arc<str>, usize>, name: &str| counts.get(name).copied().unwrap_or(0);
        if has(&taken.sites, site) >= free || has(&taken.resources, resource) >= MAX_OF_RESOURCE {
            return None;
        }
        let (site, resource): (Arc<str>, Arc<str>) = (site.into(), resource.into());
        taken.all += 1;
        *taken.sites.entry(Arc::clone(&site)).or_default() += 1;
        *taken.resources.entry(Arc::clone(&resource)).or_default() += 1;
        Some(HeldPlace { places: Arc::clone(self), site, resource })
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        let taken = &mut *taken;
        give_back(&mut taken.sites, &self.site);
        give_back(&mut taken.resources, &self.resource);
    }
}

/// One less; nobody is remembered who has none.
fn give_back(counts: &mut HashMap<Arc<str>, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes places for playlists of a site until there are none.
    fn take_all(places: &Arc<HeldPlaces>, site: &str) -> Vec<HeldPlace> {
        (0..).map_while(|number| places.admit(site, &format!("{site}/{number}.m3u8"))).collect()
    }

    #[test]
    fn site_that_takes_all_it_can_leaves_places_for_others() {
        let places = HeldPlaces::new(1024);
        let greedy = take_all(&places, "greedy");
        let second = take_all(&places, "second");
        let third = take_all(&places, "third");
        assert_eq!((greedy.len(), second.len(), third.len()), (512, 256, 128));
        drop(greedy);
        assert!(places.admit("third", "third/x.m3u8").is_some());
        drop((second, third));
        let taken = places.taken.lock();
        assert!(taken.all == 0 && taken.sites.is_empty() && taken.resources.is_empty(), "all came back");
    }

    #[test]
    fn resource_has_a_few_places_of_its_site() {
        let places = HeldPlaces::new(1024);
        let of_one: Vec<_> = (0..).map_while(|_| places.admit("site", "/v.m3u8")).collect();
        assert_eq!(of_one.len(), MAX_OF_RESOURCE);
        assert!(places.admit("site", "/w.m3u8").is_some());
    }
}
