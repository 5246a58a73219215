//! How much of a trace the memory tier's policy serves, beside plain LRU and the offline optimum.
//!
//! Traces are made up, from a seed: requests by Zipf's law over a library of media files of many sizes, mixed with
//! scans, which ask for each of many files once (a crawler, a backup, a viewer who skims). The memory tier's policy is
//! moka's TinyLFU, weighed in bytes and hashed as there. The optimum knows the future: it throws out what is asked for
//! again last, a newcomer included. It chooses without looking at sizes: with objects of unequal sizes even that is an
//! approximation, as the true optimum is not computable for traces of this length.
//!
//! `cargo run --release -p tidegate-proxy --example hit_ratio [SEED]` prints a table as Markdown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use moka::sync::Cache;

/// Files that Zipf's law chooses from, and requests of one trace.
const LIBRARY: usize = 50_000;
const REQUESTS: usize = 1_000_000;

/// Of every so many requests a scan begins, which asks for so many files in a row.
const SCAN_EVERY: usize = 20_000;
const SCAN_LENGTH: usize = 5_000;

/// Of every so many requests, popularity moves on: the most popular tenth changes places with others.
const SHIFT_EVERY: usize = 250_000;

/// Sizes: playlists and pictures of some KiB, segments of some hundred KiB to some MiB.
const SMALL: std::ops::Range<u64> = 1 << 10..64 << 10;
const SEGMENT: std::ops::Range<u64> = 256 << 10..4 << 20;

/// Capacities in per cent of the library's bytes.
const CAPACITIES: [u64; 4] = [1, 5, 10, 25];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    Scans,
    ScansAndShifts,
}

/// One request: which object, and how large it is.
type Asked = (u64, u64);

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same trace from the same seed everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn within(&mut self, range: &std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

/// Chooses ranks by Zipf's law.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=LIBRARY)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        sums.iter_mut().for_each(|so_far| *so_far /= sum);
        Self(sums)
    }

    fn rank(&self, random: &mut Random) -> usize {
        let chosen = random.fraction();
        self.0.partition_point(|so_far| *so_far < chosen).min(LIBRARY - 1)
    }
}

fn trace(exponent: f64, shape: Shape, seed: u64) -> Vec<Asked> {
    let mut random = Random(seed);
    let zipf = Zipf::new(exponent);
    let size = |random: &mut Random| match random.next() % 4 {
        0 => random.within(&SMALL),
        _ => random.within(&SEGMENT),
    };
    let library: Vec<u64> = (0..LIBRARY).map(|_| size(&mut random)).collect();
    let mut by_rank: Vec<usize> = (0..LIBRARY).collect();
    let mut once = LIBRARY as u64; // objects of scans, never asked for again
    let mut asked = Vec::with_capacity(REQUESTS);
    while asked.len() < REQUESTS {
        let position = asked.len() + 1;
        if shape == Shape::ScansAndShifts && position % SHIFT_EVERY == 0 {
            for rank in 0..LIBRARY / 10 {
                let other = (random.next() % LIBRARY as u64) as usize;
                by_rank.swap(rank, other);
            }
        }
        if shape != Shape::Plain && position % SCAN_EVERY == 0 {
            for _ in 0..SCAN_LENGTH.min(REQUESTS - asked.len()) {
                asked.push((once, size(&mut random)));
                once += 1;
            }
            continue;
        }
        let object = by_rank[zipf.rank(&mut random)];
        asked.push((object as u64, library[object]));
    }
    asked
}

/// What was served from a cache.
#[derive(Debug, Default, Clone, Copy)]
struct Served {
    requests: u64,
    bytes: u64,
}

impl Served {
    fn add(&mut self, size: u64) {
        self.requests += 1;
        self.bytes += size;
    }
}

/// The memory tier's policy.
fn tier(trace: &[Asked], capacity: u64) -> Served {
    let cache: Cache<u64, u64, ahash::RandomState> = Cache::builder()
        .max_capacity(capacity)
        .weigher(|_, size: &u64| u32::try_from(*size).unwrap_or(u32::MAX))
        .build_with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4));
    let mut served = Served::default();
    for (object, size) in trace {
        if cache.get(object).is_some() {
            served.add(*size);
        } else {
            cache.insert(*object, *size);
        }
    }
    served
}

/// Throws out what was asked for longest ago.
fn lru(trace: &[Asked], capacity: u64) -> Served {
    let (mut stored, mut by_age) = (HashMap::new(), BTreeMap::new());
    let (mut used, mut served) = (0, Served::default());
    for (now, (object, size)) in trace.iter().enumerate() {
        if let Some(last) = stored.insert(*object, now) {
            by_age.remove(&last);
            served.add(*size);
        } else {
            used += size;
        }
        by_age.insert(now, (*object, *size));
        while used > capacity {
            let Some((_, (oldest, size))) = by_age.pop_first() else { break };
            stored.remove(&oldest);
            used -= size;
        }
    }
    served
}

/// Throws out what is asked for again last (Belady, IBM Systems Journal 1966), a newcomer included.
fn optimum(trace: &[Asked], capacity: u64) -> Served {
    let mut next = vec![usize::MAX; trace.len()];
    let mut later = HashMap::new();
    for (now, (object, _)) in trace.iter().enumerate().rev() {
        next[now] = later.insert(*object, now).unwrap_or(usize::MAX);
    }
    // Stored objects by when they are asked for again, those that never are last.
    let mut stored: BTreeSet<(Reverse<usize>, u64, u64)> = BTreeSet::new();
    let (mut used, mut served) = (0, Served::default());
    for (now, (object, size)) in trace.iter().enumerate() {
        if stored.remove(&(Reverse(now), *object, *size)) {
            served.add(*size);
        } else {
            used += size;
        }
        if next[now] == usize::MAX {
            used -= size; // nothing is lost without it
            continue;
        }
        stored.insert((Reverse(next[now]), *object, *size));
        while used > capacity {
            let Some((_, _, size)) = stored.pop_first() else { break };
            used -= size;
        }
    }
    served
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("| Trace | Capacity | Memory tier | LRU | Optimum | By bytes: memory tier | LRU | Optimum |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for (shape, words) in
        [(Shape::Plain, "no scans"), (Shape::Scans, "scans"), (Shape::ScansAndShifts, "scans, shifts")]
    {
        for exponent in [0.7, 0.9, 1.1] {
            let trace = trace(exponent, shape, seed);
            let library: u64 = {
                let sizes: HashMap<u64, u64> = trace.iter().copied().collect();
                sizes.iter().filter(|(object, _)| **object < LIBRARY as u64).map(|(_, size)| size).sum()
            };
            let bytes: u64 = trace.iter().map(|(_, size)| size).sum();
            for percent in CAPACITIES {
                let capacity = library * percent / 100;
                let served = [tier, lru, optimum].map(|policy| policy(&trace, capacity));
                let requests = served.map(|it| it.requests as f64 / trace.len() as f64 * 100.0);
                let by_bytes = served.map(|it| it.bytes as f64 / bytes as f64 * 100.0);
                println!(
                    "| {exponent}, {words} | {percent} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
                    requests[0], requests[1], requests[2], by_bytes[0], by_bytes[1], by_bytes[2],
                );
            }
        }
    }
}
