//! What becomes of records where room is made: what was purged is not carried over.

use std::sync::{Arc, OnceLock};

use tidegate_store::{EntryView, Fate, Keeper};

use crate::cache::engine::{Kind, record_is_gone};
use crate::cache::purge::Purges;

/// Judges the records of the cache. Until it knows the purges it has no opinion: only what is written anew is looked at,
/// and whatever is found later is held against them again.
#[derive(Default)]
pub(super) struct Judge {
    purges: OnceLock<Arc<Purges>>,
}

impl Judge {
    pub(super) fn purges(&self) -> Option<&Arc<Purges>> {
        self.purges.get()
    }

    pub(super) fn set(&self, purges: Arc<Purges>) {
        if self.purges.set(purges).is_err() {
            log::warn!("the disk tier knows the purges already");
        }
    }
}

impl Keeper for Judge {
    fn keeps(&self, view: &EntryView<'_>) -> Fate {
        let Some(kind) = Kind::of(view.kind) else { return Fate::Drop };
        let Some(purges) = self.purges.get() else { return Fate::Keep };
        match record_is_gone(view.key.as_bytes(), kind, view.head, purges) {
            true => Fate::Drop,
            false => Fate::Keep,
        }
    }
}
