//! What a store costs its caller: a lookup, a read through its threads, a write and a removal, and what reads cost while
//! it writes at full speed. Run it with
//! `cargo run --release -p tidegate-store --example store_figures -- DIRECTORY [DIRECTORY...]`.
//!
//! Each directory's parent must exist and have 2 GiB of room. Reads come from the page cache: everything was just written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_store::{DeviceOptions, Key, NewRecord, Refused, Store, StoreOptions};

const CAPACITY: u64 = 2 << 30;
const SIZES: [(usize, usize); 3] = [(1 << 10, 20_000), (100 << 10, 3_000), (4 << 20, 100)];
const AT_ONCE: [usize; 2] = [1, 16];

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let device = |directory: String| DeviceOptions { directory: directory.into(), capacity: CAPACITY };
    let devices: Vec<DeviceOptions> = std::env::args().skip(1).map(device).collect();
    let opened = Instant::now();
    let store = Store::open(StoreOptions::new(devices));
    store.recovered().await;
    println!("opened in {:?}", opened.elapsed());
    for (length, records) in SIZES {
        write(&store, length, records).await?;
        for at_once in AT_ONCE {
            read(&store, length, records, at_once, "idle").await?;
        }
    }
    lookups(&store)?;
    beside_writes(&store).await?;
    println!("{:?}", store.close(Duration::from_secs(30)).await);
    Ok(())
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
    let readers: Vec<_> = (0..at_once).map(reader).collect();
    for reader in readers {
        times.extend(reader.await??);
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{length:>8} B, {at_once:>2} at once, {when}: p50 {:?} p99 {:?} p99.9 {:?}, {} of {records} found",
        at(0.5),
        at(0.99),
        at(0.999),
        times.len(),
    );
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
