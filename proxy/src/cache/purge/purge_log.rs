//! The record of purges on disk: what stands in it, and what of it is believed.
//!
//! It is made of parts, each written and checked as a whole by whoever keeps them: a heading, and purges. There may be a
//! copy on each device. Copies of one lineage are put together; of several lineages one is chosen, and what is stored of
//! the others is of no use (see [`Provenance::decode`](super::Provenance::decode)).

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::generation::Generation;
use super::record::{PurgeRecord, RECORD_BYTES};
use super::secret::Secret;

/// Begins a record of purges, with the version of what follows.
const MAGIC: [u8; 8] = *b"tgpurge1";

const HEADING_BYTES: usize = MAGIC.len() + 16;

const LINEAGE_BYTES: usize = 8;

/// How far something is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Places that have it, durably.
    pub on: usize,
    /// Places that there are.
    pub of: usize,
}

/// A record of purges as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCopy {
    /// Its parts, each as it was given.
    pub parts: Vec<Bytes>,
    /// Whether there was more that cannot be read.
    pub is_damaged: bool,
}

/// Whoever hears of copies that come late.
pub type LogFollower = Arc<dyn Fn(LogCopy) + Send + Sync>;

/// Keeps the record of purges.
pub trait PurgeLog: Send + Sync + 'static {
    /// Tells of copies in places that are opened from now on, each before anything that is stored beside it is found. What
    /// was loaded before may be told once more.
    fn follow(&self, follower: LogFollower);
    /// All copies that there are.
    fn load(&self) -> BoxFuture<'_, Vec<LogCopy>>;
    /// Adds a part to every copy. It is durable when this is done.
    fn append(&self, part: Bytes) -> BoxFuture<'_, Kept>;
    /// Puts one part in the place of all that is there, on every copy.
    fn replace(&self, part: Bytes) -> BoxFuture<'_, Kept>;
}

/// What was read.
pub(super) struct Loaded {
    pub(super) secret: Secret,
    pub(super) records: Vec<PurgeRecord>,
    /// Whether a purge may be missing: no copy of it is whole.
    pub(super) is_damaged: bool,
}

impl Loaded {
    /// The greatest number in it.
    pub(super) fn latest(&self) -> Generation {
        self.records.iter().map(PurgeRecord::generation).max().unwrap_or_default()
    }
}

/// A whole record of purges as one part.
pub(super) fn whole(secret: &Secret, records: &[PurgeRecord]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEADING_BYTES + records.len() * RECORD_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&secret.0);
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes.into()
}

/// Purges as a part that is added. It names its lineage: a device that was away may have a record of another one.
pub(super) fn added(secret: &Secret, records: &[PurgeRecord]) -> Bytes {
    let mut bytes = Vec::with_capacity(LINEAGE_BYTES + records.len() * RECORD_BYTES);
    bytes.extend_from_slice(&secret.lineage().0.to_le_bytes());
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes.into()
}

/// What copies say: of the lineage with the latest purge. `None` when there is none that can be read.
pub(super) fn read(copies: &[LogCopy]) -> Option<Loaded> {
    let mut lineages: Vec<Loaded> = Vec::new();
    for copy in copies.iter().filter_map(read_copy) {
        match lineages.iter_mut().find(|known| known.secret == copy.secret) {
            Some(known) => {
                // One that is whole and older lacks something itself.
                let latest = known.latest().cmp(&copy.latest());
                known.is_damaged = match latest {
                    std::cmp::Ordering::Less => copy.is_damaged,
                    std::cmp::Ordering::Equal => known.is_damaged && copy.is_damaged,
                    std::cmp::Ordering::Greater => known.is_damaged,
                };
                known.records.extend(copy.records);
            }
            None => lineages.push(copy),
        }
    }
    lineages.into_iter().max_by_key(Loaded::latest)
}

/// A copy with anything in it that is not understood says nothing.
fn read_copy(copy: &LogCopy) -> Option<Loaded> {
    let (first, others) = copy.parts.split_first()?;
    let (heading, rest) = first.split_first_chunk::<HEADING_BYTES>()?;
    let secret = heading.strip_prefix(&MAGIC)?.first_chunk()?;
    let secret = Secret(*secret);
    let mut records = read_records(rest)?;
    let mut is_damaged = copy.is_damaged;
    for part in others {
        let (lineage, rest) = part.split_first_chunk::<LINEAGE_BYTES>()?;
        match *lineage == secret.lineage().0.to_le_bytes() {
            true => records.extend(read_records(rest)?),
            false => is_damaged = true,
        }
    }
    Some(Loaded { secret, records, is_damaged })
}

fn read_records(bytes: &[u8]) -> Option<Vec<PurgeRecord>> {
    let (chunks, rest) = bytes.as_chunks::<RECORD_BYTES>();
    let read: Option<Vec<PurgeRecord>> = chunks.iter().map(PurgeRecord::read).collect();
    read.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::purge::{Generations, Mode, Scope};

    fn sound(parts: Vec<Bytes>) -> LogCopy {
        LogCopy { parts, is_damaged: false }
    }

    #[test]
    fn purge_may_be_missing_where_no_copy_with_the_latest_one_is_whole() {
        let secret = Secret::random();
        let (_, records) = purged(secret, 10, 3);
        let copy = |count: usize, is_damaged| LogCopy { parts: vec![whole(&secret, &records[..count])], is_damaged };
        let check = |copies: [LogCopy; 2], expected: bool| {
            for copies in [copies.clone(), [copies[1].clone(), copies[0].clone()]] {
                assert_eq!(read(&copies).unwrap().is_damaged, expected, "{copies:?}");
            }
        };
        check([copy(3, false), copy(3, true)], false);
        check([copy(3, false), copy(2, true)], false);
        check([copy(3, true), copy(3, true)], true);
        check([copy(3, true), copy(2, false)], true);
    }

    fn purged(secret: Secret, latest: u64, count: usize) -> (Generations, Vec<PurgeRecord>) {
        let generations = Generations::new(secret, Generation(latest));
        let records = (0..count).map(|number| generations.purge(&[Scope::Tag(number.to_string())], Mode::Soft, 7)[0]);
        let records = records.collect();
        (generations, records)
    }

    #[test]
    fn record_comes_back_with_what_was_added_and_copies_are_put_together() {
        let secret = Secret::random();
        let (_, records) = purged(secret, 10, 9);
        let one = vec![whole(&secret, &records[..2]), added(&secret, &records[2..5])];
        let other = vec![whole(&secret, &records[4..5]), added(&secret, &[]), added(&secret, &records[5..])];
        let loaded = read(&[one, Vec::new(), other].map(sound)).unwrap();
        assert!(loaded.secret == secret);
        assert_eq!(loaded.latest(), Generation(19));
        assert!(records.iter().all(|record| loaded.records.contains(record)));
    }

    #[test]
    fn part_of_another_lineage_says_that_something_may_be_missing() {
        let (one, other) = (Secret::random(), Secret::random());
        let (_, records) = purged(one, 10, 3);
        let loaded = read(&[sound(vec![whole(&one, &records), added(&other, &records)])]).unwrap();
        assert!(loaded.secret == one && loaded.is_damaged);
    }

    #[test]
    fn of_several_lineages_that_counts_which_has_the_latest_purge() {
        let (old, new) = (Secret::random(), Secret::random());
        let copies = [(old, 10), (new, 500), (old, 20)].map(|(secret, latest)| {
            let (_, records) = purged(secret, latest, 3);
            sound(vec![whole(&secret, &records)])
        });
        assert!(read(&copies).unwrap().secret == new);
    }

    #[test]
    fn copy_that_is_not_understood_is_not_believed() {
        let secret = Secret::random();
        let (_, records) = purged(secret, 10, 3);
        let good = whole(&secret, &records);
        let check = |parts: Vec<Bytes>, is_read: bool| {
            assert_eq!(read(&[sound(parts)]).is_some_and(|loaded| !loaded.is_damaged), is_read)
        };
        check(vec![good.clone()], true);
        check(vec![], false);
        check(vec![Bytes::from_static(b"tgpurge2")], false);
        check(vec![good.slice(1..)], false);
        check(vec![good.slice(..good.len() - 1)], false);
        check(vec![good.clone(), Bytes::from_static(&[0xff; RECORD_BYTES])], false);
        check(vec![good.clone(), good], false);
    }
}
