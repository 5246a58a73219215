//! Letting go of what nobody will ask for, before its room is wanted: what expired, and what the keeper gives up.

use std::io;

use super::{Cursor, Place, Volume};
use crate::keeper::{EntryView, Fate, Keeper};
use crate::key::Key;

/// What a step of a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records looked at.
    pub seen: u64,
    /// Records that went because their time was over.
    pub expired: u64,
    /// Records that the keeper let go.
    pub dropped: u64,
    /// Keys of the latter.
    pub dropped_keys: Vec<Key>,
    /// Records that could not be read.
    pub unreadable: u64,
    /// Where the next step begins; `None` when this was the last.
    pub next: Option<Cursor>,
}

impl Volume {
    /// One step of a sweep over all records, about `most` of them. Without a keeper only the index is looked at and
    /// nothing is read; with one the head of each is. An error of writing that records are gone means that they may come
    /// back after a restart.
    pub fn sweep(&self, from: Cursor, most: usize, keeper: Option<&dyn Keeper>) -> io::Result<Swept> {
        let (places, next) = self.index.page(from, most);
        let mut swept = Swept { seen: places.len() as u64, next, ..Swept::default() };
        let now = self.now();
        // Time that was not written down may be another after a restart, and then it is for another sweep.
        if places.iter().any(|place| place.expires <= now && !self.void.lock().covers(place.sequence, place.expires)) {
            self.void_what_is_over(now).ok();
        }
        for place in places {
            if place.expires <= now {
                let may_go = self.void.lock().covers(place.sequence, place.expires);
                swept.expired += u64::from(may_go && self.index.remove_if_there(&place));
            } else if let Some(keeper) = keeper {
                self.judge_and_drop(&place, keeper, &mut swept)?;
            }
        }
        Ok(swept)
    }

    fn judge_and_drop(&self, place: &Place, keeper: &dyn Keeper, swept: &mut Swept) -> io::Result<()> {
        let Ok(head) = self.read_head_at(place) else {
            swept.unreadable += 1;
            return Ok(());
        };
        // Another record came meanwhile: it is newer than what was looked at, and will be judged with the next sweep.
        let Some(head) = head.filter(|head| head.sequence == place.sequence) else { return Ok(()) };
        let fate = keeper.keeps(&EntryView {
            key: &head.key,
            head: &head.head,
            kind: head.kind,
            site: head.site,
            expires: head.expires,
            reads: place.reads,
        });
        match fate {
            Fate::Drop => self.drop_swept(place, head.key, swept),
            Fate::Keep => Ok(()),
            Fate::KeepPinned => {
                self.index.pin(place.hash, true, self.most_pinned());
                Ok(())
            }
        }
    }

    fn drop_swept(&self, place: &Place, key: Key, swept: &mut Swept) -> io::Result<()> {
        let Some(gone) = self.index.take_if_there(place) else { return Ok(()) };
        swept.dropped += 1;
        swept.dropped_keys.push(key);
        self.settle_or_keep(&gone)
    }
}
