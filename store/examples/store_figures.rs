//! What a store costs its caller: a lookup, a read in place and through its threads (the same ones in turn), a write and a
//! removal, and what reads cost while it writes at full speed. Run it with
//! `cargo run --release -p tidegate-store --example store_figures -- DIRECTORY [DIRECTORY...]`.
//!
//! Each directory's parent must exist and have 2 GiB of room. Reads come from the page cache, as everything was just written,
//! but for those that are said to be cold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_store::{DeviceOptions, Key, NewRecord, Refused, Store, StoreOptions};

const CAPACITY: u64 = 2 << 30;
const SIZES: [(usize, usize); 4] = [(1 << 10, 20_000), (64 << 10, 4_000), (100 << 10, 3_000), (4 << 20, 100)];
const AT_ONCE: [usize; 2] = [1, 16];
const ROUNDS: usize = 3;
/// Records of a size that are read cold.
const COLD: usize = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let device = |directory: String| DeviceOptions { directory: directory.into(), capacity: CAPACITY };
    let devices: Vec<DeviceOptions> = std::env::args().skip(1).map(device).collect();
    let mut store = open(&devices, true).await;
    for (length, records) in SIZES {
        write(&store, length, records).await?;
    }
    for _ in 0..ROUNDS {
        for in_place in [false, true] {
            store.close(Duration::from_secs(30)).await;
            store = open(&devices, in_place).await;
            // Files are opened by the first read.
            for (length, records) in SIZES {
                read(&store, length, records.min(100), 1, "first").await?;
                for at_once in AT_ONCE {
                    read(&store, length, records, at_once, if in_place { "in place" } else { "threads" }).await?;
                }
            }
        }
    }
    for (length, records) in SIZES {
        forget_pages(&devices)?;
        // From the end on, and with gaps: else the system would have read ahead.
        let gap = records / records.min(COLD);
        cold(&store, length, records, gap).await?;
    }
    lookups(&store)?;
    beside_writes(&store).await?;
    println!("{:?}", store.close(Duration::from_secs(30)).await);
    Ok(())
}

async fn open(devices: &[DeviceOptions], in_place: bool) -> Arc<Store> {
    let opened = Instant::now();
    let mut options = StoreOptions::new(devices.to_vec());
    if !in_place {
        options.limits.read_now = 0;
    }
    let store = Store::open(options);
    store.recovered().await;
    println!("opened in {:?}", opened.elapsed());
    store
}

/// Has the system let go what it has of the devices in memory.
fn forget_pages(devices: &[DeviceOptions]) -> Result<(), Failure> {
    for device in devices {
        for entry in std::fs::read_dir(device.directory.join("segments"))? {
            let file = std::fs::File::open(entry?.path())?;
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// What all threads of this process had of the processors so far.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn key(length: usize, number: usize) -> Result<Key, Failure> {
    Ok(Key::new(format!("https://media.example/{length}/segment-{number:09}.m4s"))?)
}

/// Writes them all, waiting whenever the queue is full.
async fn write(store: &Store, length: usize, records: usize) -> Result<(), Failure> {
    let body = Bytes::from(vec![b'b'; length]);
    let began = Instant::now();
    for number in 0..records {
        let record = NewRecord {
            key: key(length, number)?,
            kind: 0,
            head: Bytes::from_static(&[b'h'; 300]),
            body: vec![body.clone()],
            expires: u64::from(u32::MAX),
            site: 0,
        };
        store.was_asked(&record.key);
        store.was_asked(&record.key);
        while store.write(record.clone()) == Err(Refused::Busy) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while store.figures().devices.iter().any(|device| device.queued_records > 0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    let rate = (length * records) as f64 / took.as_secs_f64() / 1e6;
    println!("{length:>8} B: {records} written in {took:?}, {rate:.0} MB/s");
    Ok(())
}

async fn read(store: &Arc<Store>, length: usize, records: usize, at_once: usize, when: &str) -> Result<(), Failure> {
    let reader = |reader: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            for number in (reader..records).step_by(at_once) {
                let began = Instant::now();
                let found = store.read(&key(length, number)?).await;
                times.extend(found.map(|_| began.elapsed()));
            }
            Ok::<_, Failure>(times)
        })
    };
    let mut times = Vec::new();
    let before = processor_time();
    let readers: Vec<_> = (0..at_once).map(reader).collect();
    for reader in readers {
        times.extend(reader.await??);
    }
    let processor = processor_time().saturating_sub(before) / records as u32;
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{length:>8} B, {at_once:>2} at once, {when}: p50 {:?} p99 {:?} p99.9 {:?}, {processor:?} of processor, {} of {records} found",
        at(0.5),
        at(0.99),
        at(0.999),
        times.len(),
    );
    Ok(())
}

async fn cold(store: &Arc<Store>, length: usize, records: usize, gap: usize) -> Result<(), Failure> {
    let mut times = Vec::new();
    for number in (0..records).rev().step_by(gap) {
        let began = Instant::now();
        let found = store.read(&key(length, number)?).await;
        times.extend(found.map(|_| began.elapsed()));
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("{length:>8} B, cold: p50 {:?} p99 {:?}, {} found", at(0.5), at(0.99), times.len());
    Ok(())
}

fn lookups(store: &Store) -> Result<(), Failure> {
    const TIMES: usize = 100_000;
    let keys = (0..TIMES).map(|number| key(1 << 10, number)).collect::<Result<Vec<_>, _>>()?;
    let time = |name: &str, work: &dyn Fn(&Key)| {
        let began = Instant::now();
        keys.iter().for_each(work);
        println!("{name}: {:?} each", began.elapsed() / TIMES as u32);
    };
    time("find", &|key| {
        std::hint::black_box(store.find(key));
    });
    time("was_asked", &|key| store.was_asked(key));
    time("remove", &|key| store.remove(key));
    Ok(())
}

async fn beside_writes(store: &Arc<Store>) -> Result<(), Failure> {
    let (length, records) = SIZES[1];
    write(store, length, records).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (writing, stopping) = (store.clone(), stop.clone());
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while !stopping.load(Ordering::Relaxed) {
            write(&writing, 1 << 20, 64).await?;
            number += 1;
        }
        Ok::<_, Failure>(number)
    });
    read(store, length, records, 4, "while it writes").await?;
    stop.store(true, Ordering::Relaxed);
    println!("{} times 64 MiB were written meanwhile", writer.await??);
    Ok(())
}
