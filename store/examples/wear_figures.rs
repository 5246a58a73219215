//! What a device that is smaller than what is asked of it has written to it, and how much is found: keys asked for as often
//! as Zipf's law has it, a record stored whenever one is not found. Run it with
//! `cargo run --release -p tidegate-store --example wear_figures -- DIRECTORY BODY_BYTES TIMES [CAPACITY_MIB]`,
//! where all records together are TIMES the capacity (512 MiB unless said otherwise).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_store::{DeviceOptions, Found, Key, NewRecord, Refused, Store, StoreOptions};

/// Askings for each key there is: enough for everything to have been pushed out some times.
const ASKINGS_A_KEY: u64 = 6;
/// As popular as objects of the web are, roughly.
const EXPONENT: f64 = 0.8;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, body, times, rest @ ..] = &arguments[..] else {
        return Err("DIRECTORY BODY_BYTES TIMES [CAPACITY_MIB]".into());
    };
    let (body, times): (usize, u64) = (body.parse()?, times.parse()?);
    let capacity = rest.first().map_or(Ok(512), |mebibytes| mebibytes.parse::<u64>())? << 20;
    let store = Store::open(StoreOptions::new(vec![DeviceOptions { directory: directory.into(), capacity }]));
    store.recovered().await;
    let keys = capacity * times / (body as u64 + 500);
    let popular = Popularity::of(keys);
    let (mut found, mut late_found, mut busy) = (0_u64, 0_u64, 0_u64);
    let askings = keys * ASKINGS_A_KEY;
    let began = Instant::now();
    let body = Bytes::from(vec![b'b'; body]);
    for asking in 0..askings {
        let key = Key::new(format!("https://media.example/catalogue/{:012}", popular.draw(asking)))?;
        store.was_asked(&key);
        if store.find(&key) == Found::Maybe && store.read(&key).await.is_some() {
            found += 1;
            late_found += u64::from(asking >= askings / 2);
            continue;
        }
        let record = NewRecord {
            key,
            kind: 0,
            head: Bytes::from_static(&[b'h'; 300]),
            body: vec![body.clone()],
            expires: u64::from(u32::MAX),
            site: 0,
        };
        while store.write(record.clone()) == Err(Refused::Busy) {
            busy += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    report(&store, keys, askings, (found, late_found, busy), began.elapsed());
    store.close(Duration::from_secs(60)).await;
    Ok(())
}

fn report(store: &Arc<Store>, keys: u64, askings: u64, (found, late_found, busy): (u64, u64, u64), took: Duration) {
    let Some(figures) = store.figures().devices.into_iter().next().and_then(|device| device.volume) else { return };
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    println!(
        "{keys} keys, {askings} askings in {took:?} ({busy} times the queue was full): {:.1} % found, {:.1} % in the second half",
        100.0 * share(found, askings),
        100.0 * share(late_found, askings - askings / 2),
    );
    println!(
        "stored {} MiB of records, wrote {:.3} bytes for each of them, {:.3} of it carried over; {} segments reclaimed, {} records of {} MiB there",
        figures.appended_bytes >> 20,
        share(figures.written_bytes, figures.appended_bytes),
        share(figures.carried_bytes, figures.appended_bytes),
        figures.reclaimed_segments,
        figures.records,
        figures.living_bytes >> 20,
    );
}

/// Zipf's law over numbers from 0, by its continuous approximation.
struct Popularity {
    keys: f64,
}

impl Popularity {
    fn of(keys: u64) -> Self {
        Self { keys: keys as f64 }
    }

    fn draw(&self, asking: u64) -> u64 {
        let mut mixed = asking.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let uniform = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        let power = 1.0 - EXPONENT;
        (1.0 + uniform * ((self.keys + 1.0).powf(power) - 1.0)).powf(1.0 / power) as u64 - 1
    }
}
