//! What a volume costs: memory for a record, opening, writing, reading, removing, reclaiming. Run it with
//! `cargo run --release -p tidegate-store --example volume_figures -- DIRECTORY [RECORDS] [BODY_BYTES]`.
//!
//! The directory's parent must exist and have room; the volume stays, so that a second run opens what the first one left.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidegate_store::io::RealIo;
use tidegate_store::{KeepAll, Key, Lookup, NewRecord, Volume, VolumeOptions};

/// What a record takes beside its body: key, head, header, the rest of its last unit, its part of an index file.
const AROUND: u64 = 1200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("a directory is needed")?;
    let records: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let length: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let capacity = (records * (length as u64 + AROUND)).max(64 << 20);
    let options = VolumeOptions::new(directory, capacity);
    open(&options)?;
    let volume = open(&options)?;
    write(&volume, records, length)?;
    read(&volume, records)?;
    drop(volume);
    open(&options)?;
    press(&open(&options)?, records, length)
}

fn key(number: u64) -> Result<Key, Box<dyn std::error::Error>> {
    Ok(Key::new(format!("https://media.example/films/{:05}/segment-{number:012}.m4s", number % 997))?)
}

fn resident() -> u64 {
    let statistics = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statistics.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn open(options: &VolumeOptions) -> Result<Volume, Box<dyn std::error::Error>> {
    let before = resident();
    let began = Instant::now();
    let volume = Volume::open(Arc::new(RealIo), options)?;
    let opened = began.elapsed();
    let recovered = volume.recover(&|_| {});
    let figures = volume.figures();
    println!(
        "open {opened:?}, index read {:?}: {} records, {} bytes of index each, resident {} each, {:?}",
        recovered.took,
        recovered.records,
        figures.index_memory / recovered.records.max(1),
        resident().saturating_sub(before) / recovered.records.max(1),
        recovered.discarded,
    );
    Ok(volume)
}

fn write(volume: &Volume, records: u64, length: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (head, body) = (Bytes::from(vec![b'h'; 300]), Bytes::from(vec![b'b'; length]));
    let began = Instant::now();
    for number in 0..records {
        let (head, body) = (head.clone(), vec![body.clone()]);
        let new = NewRecord { key: key(number)?, kind: 0, head, body, expires: u64::MAX, site: 0 };
        volume.append(&new, &KeepAll)?;
    }
    tell("written", records, began, volume);
    Ok(())
}

fn read(volume: &Volume, records: u64) -> Result<(), Box<dyn std::error::Error>> {
    let order = |number: u64| number.wrapping_mul(7_919) % records;
    let began = Instant::now();
    let mut absent = 0;
    for number in 0..records {
        absent += u64::from(volume.find(&key(order(number))?) == Lookup::Absent);
    }
    tell("looked up", records, began, volume);
    println!("{absent} of these are not there");
    let (began, few) = (Instant::now(), records.min(200_000));
    for number in 0..few {
        let key = key(order(number))?;
        if let Lookup::Present(place) = volume.find(&key) {
            volume.read(&key, &place)?;
        }
    }
    tell("read", few, began, volume);
    Ok(())
}

/// Twice as much again as there is room for, with a quarter of what comes read once.
fn press(volume: &Volume, records: u64, length: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (head, body) = (Bytes::from(vec![b'h'; 300]), Bytes::from(vec![b'b'; length]));
    let (began, mut longest) = (Instant::now(), std::time::Duration::ZERO);
    for number in records..records * 3 {
        let (head, body) = (head.clone(), vec![body.clone()]);
        let new = NewRecord { key: key(number)?, kind: 0, head, body, expires: u64::MAX, site: 0 };
        let one = Instant::now();
        volume.append(&new, &KeepAll)?;
        longest = longest.max(one.elapsed());
        if let (true, Lookup::Present(place)) = (number % 4 == 0, volume.find(&new.key)) {
            volume.read(&new.key, &place)?;
        }
    }
    tell("written over", records * 2, began, volume);
    println!("the longest of these took {longest:?}");
    Ok(())
}

fn tell(what: &str, count: u64, began: Instant, volume: &Volume) {
    let took = began.elapsed();
    let figures = volume.figures();
    println!(
        "{what}: {count} in {took:?}, {:?} each; {} written for 1,000 bytes of records; {} evicted, {} segments reclaimed, {} of {} free",
        took / u32::try_from(count.max(1)).unwrap_or(u32::MAX),
        figures.written_bytes * 1000 / figures.appended_bytes.max(1),
        figures.evicted,
        figures.reclaimed_segments,
        figures.free_segments,
        figures.segments,
    );
}
