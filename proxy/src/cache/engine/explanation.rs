//! What the engine knows of a request's key, for operators. Nothing is fetched for it, and nothing that is stored changes; what
//! is on disk alone comes into memory, as for a request.

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;

use super::CacheEngine;
use super::answer::{Lookup, Outcome};
use super::disk::Looked;
use super::fetch::FetchRequest;
use super::object::Object;
use super::recollection::Mark;
use super::slices::first_read;
use crate::cache::purge::{Generation, Mode, Provenance, Purged, Tags};
use crate::cache::rules::decide::{Decision, OriginFailure, decide};
use crate::cache::rules::storability::NotStored;
use crate::cache::rules::vary::VaryRule;

/// Why a response was not stored, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStoredNote {
    /// Why.
    pub why: NotStored,
    /// Status of the response.
    pub status: StatusCode,
    /// When its header section arrived.
    pub at: SystemTime,
}

/// Slices of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceCounts {
    /// How many are stored.
    pub stored: u64,
    /// How many there are.
    pub all: u64,
}

/// Whether a response is in the cache, for those who had it fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// All of it is stored.
    Whole,
    /// What is not stored of it is on its way.
    Arriving,
    /// Some of its slices are stored, or on their way.
    Slices(SliceCounts),
    /// Nothing is.
    Nothing,
}

/// Where a stored response was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundIn {
    /// In memory.
    Memory,
    /// On disk alone.
    Disk,
}

impl FoundIn {
    /// The tier as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

/// All that the engine knows of a key.
pub struct Explanation {
    /// The key under which a response would be looked for; another than the request's own where it is shared by
    /// `No-Vary-Search`.
    pub key: String,
    /// How responses under this key vary, where one is stored.
    pub vary: Option<VaryRule>,
    /// What is stored.
    pub object: Option<Arc<Object>>,
    /// Where it was found.
    pub tier: FoundIn,
    /// Whether there may be something on disk, too.
    pub on_disk: bool,
    /// Its slices, where it is stored so.
    pub slices: Option<SliceCounts>,
    /// Of these, the ones that this request reads first.
    pub wanted: Option<SliceCounts>,
    /// What a request would come to now.
    pub decision: Decision,
    /// Whether the last response could not be shared, so that requests go to the origin side by side for a while.
    pub unshareable: bool,
    /// Whether it was too large, likewise.
    pub oversize: bool,
    /// How the origin has just failed to renew it.
    pub failure: Option<OriginFailure>,
    /// Whether an operator has pinned what is stored.
    pub pinned: bool,
    /// Whether it is being fetched.
    pub fill_in_flight: bool,
    /// Why the last response that was not stored was not.
    pub not_stored: Option<NotStoredNote>,
    /// The purge that what is stored has not outlived: it is gone now, or stale. Where nothing is stored, the latest one of
    /// its place, whether anything was stored then or not.
    pub purged: Option<(Purged, Mode)>,
    /// The latest purge.
    pub generation: Generation,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// What is known of this request's key, and what it would come to at `now`.
    pub async fn explain(self: &Arc<Self>, lookup: &Lookup<'_>, now: SystemTime) -> Explanation {
        let stored = self.memory.find(lookup.key, lookup.fields).object;
        let purged = stored.and_then(|object| self.purges.concerning(&object.provenance));
        let Looked { found, hit } = self.look(lookup).await;
        // What nobody knows the tags of any more, its place may tell of.
        let of_place = || Provenance::new(lookup.key.clone(), Generation::default(), Tags::default());
        let purged = match &found.object {
            None => purged.or_else(|| self.purges.concerning(&of_place())),
            Some(object) => purged.or_else(|| self.purges.concerning(&object.provenance)),
        };
        let tier = if hit == Outcome::HitOnDisk { FoundIn::Disk } else { FoundIn::Memory };
        let mark = self.recollection.marked(&found.key, lookup.audience());
        let object = found.object;
        let slices = object.as_ref().and_then(|object| Some((object, object.body.in_slices()?)));
        Explanation {
            decision: decide(lookup.facts, object.as_ref().map(|object| &object.meta), now, lookup.policy),
            slices: slices.map(|(_, sliced)| sliced.present()),
            wanted: slices.and_then(|(object, sliced)| Some(sliced.present_of(first_read(lookup, object)?))),
            vary: object.as_ref().map(|object| object.meta.vary.clone()),
            unshareable: mark == Some(Mark::Unshareable),
            oversize: mark == Some(Mark::Oversize),
            failure: self.recollection.recent_failure(&found.key),
            tier,
            on_disk: self.memory.beneath().is_some_and(|beneath| beneath.may_have(&found.key)),
            pinned: self.pinned.contains(&found.key),
            fill_in_flight: self.fill_of(&found.key).is_some(),
            not_stored: self.not_stored(lookup),
            purged,
            generation: self.purges.latest(),
            key: found.key.primary.as_str().to_owned(),
            object,
        }
    }

    /// How much of what answers this request is stored. What was turned away for want of room counts from
    /// [`Self::figures`] on, which bring the store up to date.
    #[must_use]
    pub fn presence(&self, lookup: &Lookup<'_>) -> Presence {
        let found = self.find(lookup);
        let Some(object) = found.object else {
            return if self.fills.get(&found.key).is_some() { Presence::Arriving } else { Presence::Nothing };
        };
        let Some(sliced) = object.body.in_slices() else { return Presence::Whole };
        let counts = sliced.present();
        match counts.all - counts.stored.min(counts.all) {
            0 => Presence::Whole,
            left if sliced.arriving() >= left => Presence::Arriving,
            _ => Presence::Slices(counts),
        }
    }

    /// Bytes that may be stored.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.bounds.capacity
    }

    /// Why the last response for this key that was not stored was not, while that is remembered.
    #[must_use]
    pub fn not_stored(&self, lookup: &Lookup<'_>) -> Option<NotStoredNote> {
        self.recollection.not_stored(lookup.key)
    }
}
