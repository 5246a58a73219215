//! What is stored, for operators: listed object by object, and summed up by site. Reads and changes nothing.
//!
//! Owns what is told of a stored object, wherever it is, and which objects are meant. Pages of what is in memory are cut by
//! [`walk`]; what is on disk is listed by the store, and only understood here.

mod walk;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::CacheEngine;
use super::disk::HeadRecord;
use super::disk::{Kind, Laid, key};
use super::fetch::FetchRequest;
use super::memory::FullKey;
use super::object::Object;
use crate::cache::key::CacheKey;
use crate::cache::purge::{Generation, Mode, Provenance, Purged, Tags};
use crate::cache::rules::decide::StoredMeta;
use walk::{MOST_PREPARED, Prepared};
pub use walk::{MemoryCursor, MemoryPage};

/// Objects that are looked at without a pause: others need the processor, too.
const LOOKED_AT_ONCE: usize = 1024;

/// The pause.
const PAUSE: Duration = Duration::from_millis(1);

/// Which objects are meant: those of which all of this holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this site, see [`site_tag`](super::site_tag).
    pub site: Option<u32>,
    /// With this tag, as [`CacheEngine::tag`] has it. What counts as having all tags has it, too.
    pub tag: Option<u64>,
    /// Whose URL begins so, with or without the scheme.
    pub prefix: Option<String>,
}

/// What is told of a stored object.
#[derive(Debug)]
pub struct StoredEntry {
    /// Its key.
    pub key: CacheKey,
    /// Whether it is one variant of several that there may be.
    pub is_variant: bool,
    /// Whose it is, see [`site_tag`](super::site_tag).
    pub site: u32,
    /// Its status.
    pub status: StatusCode,
    /// Bytes of its body; of the whole of it where it is stored in slices.
    pub length: Option<u64>,
    /// How many slices it has, where it is stored so; there may be fewer.
    pub slices: Option<u64>,
    /// Seconds since its origin made it.
    pub age: u64,
    /// Seconds that it stays fresh; negative once it is stale.
    pub fresh_for: i64,
    /// The purge that was the latest when it was fetched.
    pub born: Generation,
    /// How many tags it has; `None` where it counts as having all.
    pub tags: Option<usize>,
    /// The purge that it has not outlived.
    pub purged: Option<(Purged, Mode)>,
    /// Whether an operator has pinned it.
    pub pinned: bool,
    /// Bytes that it is accounted for in memory, where it is there.
    pub weight: Option<u64>,
}

/// What a site has in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SiteContents {
    /// Objects, of those in slices their heads.
    pub objects: u64,
    /// Slices.
    pub slices: u64,
    /// Bytes that both are accounted for.
    pub bytes: u64,
}

/// Pages of what is in memory, as far as they are prepared.
pub(super) struct Contents<T> {
    order: ahash::RandomState,
    most_prepared: usize,
    prepared: parking_lot::Mutex<Option<Prepared<T>>>,
}

impl<T> Default for Contents<T> {
    fn default() -> Self {
        Self { order: ahash::RandomState::new(), most_prepared: MOST_PREPARED, prepared: parking_lot::Mutex::default() }
    }
}

impl Wanted {
    fn includes(&self, key: &CacheKey, site: u32, tags: &Tags) -> bool {
        let has = |tag: &u64| match tags {
            Tags::All => true,
            Tags::Listed(tags) => tags.binary_search(tag).is_ok(),
        };
        self.site.is_none_or(|wanted| wanted == site)
            && self.tag.as_ref().is_none_or(has)
            && self.prefix.as_deref().is_none_or(|prefix| begins_so(key, prefix))
    }
}

/// Whether the URL of a key begins so. The name of a partition that stands in front of it does not count.
fn begins_so(key: &CacheKey, prefix: &str) -> bool {
    let resource = key.resource();
    let Some(scheme_end) = resource.find("://") else { return resource.starts_with(prefix) };
    let scheme = resource[..scheme_end].rfind(' ').map_or(0, |space| space + 1);
    resource[scheme..].starts_with(prefix) || resource[scheme_end + 3..].starts_with(prefix)
}

impl<R: FetchRequest> CacheEngine<R> {
    /// A tag as objects have it.
    #[must_use]
    pub fn tag(&self, text: &str) -> Option<u64> {
        match self.purges.tags([text]) {
            Tags::Listed(tags) => tags.first().copied(),
            Tags::All => None,
        }
    }

    /// Gives back the memory of walks that nobody goes on with. To be called now and then.
    pub fn forget_idle_walks(&self) {
        self.contents.forget_idle(Instant::now());
    }

    /// What every site has in memory. Looks at all that is there, so that it takes a while: not for where requests are
    /// answered.
    #[must_use]
    pub fn memory_by_site(&self) -> HashMap<u32, SiteContents> {
        let mut sites: HashMap<u32, SiteContents> = HashMap::new();
        let mut owners: HashMap<CacheKey, u32> = HashMap::new();
        for (number, (key, object)) in self.memory.objects().enumerate() {
            let site = object.body.deposit.site();
            if object.body.in_slices().is_some() {
                owners.insert(key.primary.clone(), site);
            }
            let contents = sites.entry(site).or_default();
            contents.objects += 1;
            contents.bytes += object.weight() + key.weight() as u64;
            pause_after(number);
        }
        for (number, (key, bytes)) in self.memory.slices().enumerate() {
            // That of a version which is gone is of nobody, and about to go as well.
            if let Some(site) = owners.get(&key.primary) {
                let contents = sites.entry(*site).or_default();
                contents.slices += 1;
                contents.bytes += bytes + key.weight() as u64;
            }
            pause_after(number);
        }
        sites
    }

    /// What is in memory and wanted, about `most` of it. Takes a while: not for where requests are answered.
    #[must_use]
    pub fn list_memory(&self, wanted: &Wanted, after: MemoryCursor, most: usize) -> MemoryPage {
        let now = SystemTime::now();
        let includes = |key: &FullKey, object: &Object| {
            wanted.includes(&key.primary, object.body.deposit.site(), &object.provenance.tags)
        };
        let page = self.contents.page(wanted, after, most, || self.memory.objects(), includes);
        let entries = page.0.iter().map(|(key, object)| self.in_memory(key, object, now));
        MemoryPage { entries: entries.collect(), next: page.1 }
    }

    /// What a record on disk is, where it is an object that is wanted. `None` for all else, and for what nobody can read any
    /// more.
    #[must_use]
    pub fn describe_record(
        &self,
        record: (&[u8], Kind, &[u8]),
        site: u32,
        wanted: &Wanted,
        now: SystemTime,
    ) -> Option<StoredEntry> {
        let (key, kind, head) = record;
        if !matches!(kind, Kind::Object | Kind::Head) || wanted.site.is_some_and(|wanted| wanted != site) {
            return None;
        }
        let is_variant = key::has_variant(key);
        let key = key::cache_key_of(key)?;
        let head = HeadRecord::decode(head, &key, self.lineage())?;
        if !wanted.includes(&key, site, &head.provenance.tags) {
            return None;
        }
        let slices = match &head.laid {
            Laid::Slices { size, .. } => {
                head.meta.body_length.filter(|_| *size > 0).map(|length| length.div_ceil(*size))
            }
            Laid::Inline | Laid::Parts(_) => None,
        };
        let entry = self.entry(key, &head.meta, &head.provenance, now);
        Some(StoredEntry { is_variant, site, slices, ..entry })
    }

    fn in_memory(&self, key: &FullKey, object: &Arc<Object>, now: SystemTime) -> StoredEntry {
        let entry = self.entry(key.primary.clone(), &object.meta, &object.provenance, now);
        StoredEntry {
            is_variant: !key.variant.is_empty(),
            site: object.body.deposit.site(),
            length: object.body.length().or(object.meta.body_length),
            slices: object.body.in_slices().map(|sliced| sliced.count()),
            pinned: self.pinned.contains(key),
            weight: Some(object.weight() + key.weight() as u64),
            ..entry
        }
    }

    fn entry(&self, key: CacheKey, meta: &StoredMeta, provenance: &Provenance, now: SystemTime) -> StoredEntry {
        StoredEntry {
            key,
            is_variant: false,
            site: 0,
            status: meta.status,
            length: meta.body_length,
            slices: None,
            age: meta.times.age_seconds(now),
            fresh_for: meta.times.ttl(now),
            born: provenance.born,
            tags: match &provenance.tags {
                Tags::Listed(tags) => Some(tags.len()),
                Tags::All => None,
            },
            purged: self.purges.concerning(provenance),
            pinned: false,
            weight: None,
        }
    }
}

fn pause_after(number: usize) {
    if number % LOOKED_AT_ONCE == LOOKED_AT_ONCE - 1 {
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::{Scheme, Target};

    fn key(partition: Option<&str>) -> CacheKey {
        let policy =
            tidegate_config::model::CachePolicy::plain(tidegate_config::ids::CachePolicyName::parse("p").unwrap());
        let query = Some(&b"u=http://b.test/"[..]);
        CacheKey::by(&policy, &Target { partition, scheme: Scheme::Https, host: "a.test", path: "/v/1", query })
    }

    #[test]
    fn what_is_wanted_has_all_that_is_asked_of_it() {
        let check = |wanted: Wanted, expected: bool| {
            for partition in [None, Some("germany/next")] {
                let includes = wanted.includes(&key(partition), 7, &Tags::Listed(Box::new([3, 5])));
                assert_eq!(includes, expected, "{wanted:?} {partition:?}");
            }
        };
        let of = |prefix: &str| Wanted { prefix: Some(prefix.to_owned()), ..Wanted::default() };
        check(Wanted::default(), true);
        check(Wanted { site: Some(7), tag: Some(5), prefix: Some("a.test/v".to_owned()) }, true);
        check(Wanted { site: Some(8), ..Wanted::default() }, false);
        check(Wanted { tag: Some(4), ..Wanted::default() }, false);
        check(Wanted { site: Some(7), tag: Some(4), prefix: None }, false);
        check(of("https://a.test/"), true);
        check(of("http://a.test/"), false);
        check(of("a.test/w"), false);
        check(of("b.test/"), false);
        check(of("germany"), false);
        assert!(Wanted { tag: Some(4), ..Wanted::default() }.includes(&key(None), 7, &Tags::All));
    }
}
