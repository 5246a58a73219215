//! Memory after a start: what it held before is read from disk in the background, never from origins.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::join_all;

use super::CacheEngine;
use super::disk::hot_list;
use super::fetch::FetchRequest;
use super::memory::FullKey;

/// How full memory becomes by this: the rest is for what is asked for now.
const FULL_ENOUGH: f64 = 0.8;

/// Keys that are read at the same time: as many as a device has readers.
const AT_ONCE: usize = 4;

/// Between two such groups at least: some 1,000 objects a second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);

/// Bytes a second, so that clients' own reads come first on all but the slowest disks.
const RATE: u64 = 64 << 20;

/// Why a warm-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUpEnd {
    /// All that was listed was looked for.
    Done,
    /// Memory is as full as it is to be.
    Full,
}

impl WarmUpEnd {
    /// The reason as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Full => "memory_full",
        }
    }
}

/// What came of a warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUp {
    /// Keys on the list.
    pub listed: u64,
    /// What was read from disk, how keys vary included.
    pub loaded: u64,
    /// What was in memory already: somebody had asked for it, or it is pinned.
    pub in_memory: u64,
    /// What was not there any more, or could not be read.
    pub not_there: u64,
    /// Bytes of bodies that were read.
    pub bytes: u64,
    /// Why it ended.
    pub end: WarmUpEnd,
    /// How long it took.
    pub took: Duration,
}

/// What came of one key of a list.
enum Warmed {
    /// It was read; so long is its body.
    Loaded(u64),
    InMemory,
    NotThere,
}

/// When a list was made, in seconds since 1970. `None`: it is no list that this version understands.
#[must_use]
pub fn hot_list_made_at(list: &[u8]) -> Option<u64> {
    hot_list::made_at(list)
}

impl<R: FetchRequest> CacheEngine<R> {
    /// The list of what memory holds, to be kept on disk, of about so many bytes at most. Looks at all that is there.
    #[must_use]
    pub fn hot_list(&self, most_bytes: usize) -> Bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        hot_list::write(&self.memory, now, most_bytes)
    }

    /// Reads into memory what this list has, as far as it is on disk.
    pub async fn warm_up(self: &Arc<Self>, list: &[u8]) -> WarmUp {
        let begun = Instant::now();
        let keys = hot_list::read(list);
        let mut warm_up = WarmUp {
            listed: keys.len() as u64,
            loaded: 0,
            in_memory: 0,
            not_there: 0,
            bytes: 0,
            end: WarmUpEnd::Done,
            took: Duration::ZERO,
        };
        for keys in keys.chunks(AT_ONCE) {
            if self.memory.figures().bytes as f64 >= self.bounds.capacity as f64 * FULL_ENOUGH {
                warm_up.end = WarmUpEnd::Full;
                break;
            }
            let mut bytes = 0;
            for read in join_all(keys.iter().map(|key| self.warm(key))).await {
                match read {
                    Warmed::Loaded(length) => {
                        warm_up.loaded += 1;
                        bytes += length;
                    }
                    Warmed::InMemory => warm_up.in_memory += 1,
                    Warmed::NotThere => warm_up.not_there += 1,
                }
            }
            warm_up.bytes += bytes;
            tokio::time::sleep(SHORTEST_PAUSE.max(Duration::from_micros(bytes * 1_000_000 / RATE))).await;
        }
        warm_up.took = begun.elapsed();
        warm_up
    }

    /// Reads what is on disk under a key, unless memory has it.
    async fn warm(self: &Arc<Self>, key: &FullKey) -> Warmed {
        if self.memory.has(key) {
            return Warmed::InMemory;
        }
        self.raise_for_later(key).await.map_or(Warmed::NotThere, Warmed::Loaded)
    }
}
