//! A walk over everything that is stored, in pages.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::device::{Question, Reply};
use crate::record::RecordHead;
use crate::volume::{Cursor, Place};

use super::Store;

/// Records of one page, at most: their heads are read within the deadline of one read, from a disk that may be slow.
const LARGEST_PAGE: usize = 64;

/// Where a walk goes on. The default is its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCursor {
    device: usize,
    cursor: Cursor,
}

/// Some of the records.
#[derive(Debug)]
pub struct Listing {
    /// The records; fewer than asked for, even none, does not mean that the walk is over.
    pub entries: Vec<Listed>,
    /// Where to go on; `None`: that was all.
    pub next: Option<StoreCursor>,
}

/// A record of a walk.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The directory of its device.
    pub device: Arc<str>,
    /// Where it stands and what the index says of it.
    pub place: Place,
    /// What it says of itself.
    pub head: RecordHead,
}

impl Store {
    /// Some of the records that are stored. Reads their heads, which does not count as reading them. A device that
    /// cannot be read, or does not answer in time, is left out from there on.
    pub async fn entries(&self, cursor: StoreCursor, most: usize) -> Listing {
        let Some(device) = self.devices.get(cursor.device) else {
            return Listing { entries: Vec::new(), next: None };
        };
        let question = Question::Page(cursor.cursor, most.clamp(1, LARGEST_PAGE));
        let asked = device.readable().then(|| device.ask(question)).flatten();
        let page = match asked {
            Some(asked) => match asked.await {
                Ok(Reply::Page(page)) => page,
                _ => Default::default(),
            },
            None => Default::default(),
        };
        let listed = |(place, head)| Listed { device: device.name.clone(), place, head };
        let after = StoreCursor { device: cursor.device + 1, cursor: Cursor::default() };
        let next = match page.next {
            Some(next) => Some(StoreCursor { cursor: next, ..cursor }),
            None => (after.device < self.devices.len()).then_some(after),
        };
        Listing { entries: page.entries.into_iter().map(listed).collect(), next }
    }
}

impl fmt::Display for StoreCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{:x}-{:x}", self.device, self.cursor.shard, self.cursor.slot)
    }
}

/// A text is no cursor of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCursor;

impl FromStr for StoreCursor {
    type Err = NoCursor;

    /// One of another store is as good: the walk goes on at some place.
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut numbers = text.split('-').map(|part| u32::from_str_radix(part, 16));
        let (Some(Ok(device)), Some(Ok(shard)), Some(Ok(slot)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(NoCursor);
        };
        Ok(Self { device: device as usize, cursor: Cursor { shard, slot } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_comes_back_from_its_text() {
        let cursor = StoreCursor { device: 2, cursor: Cursor { shard: 17, slot: u32::MAX } };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "1", "1-2", "1-2-3-4", "1-2-x", "1-2-100000000", "-1-2-3"] {
            assert_eq!(wrong.parse::<StoreCursor>(), Err(NoCursor), "{wrong}");
        }
    }
}
