//! A process that is killed in the midst of writing, again and again: what it had been told to be stored is there,
//! what it had been told to be gone stays gone, and nothing is half.
//!
//! `TIDEGATE_SOAK_ROUNDS` sets how often.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tidegate_store::io::RealIo;
use tidegate_store::{Volume, VolumeOptions, system_clock};

use crate::kit::{self, MIB, Random, append, disk_usage, record, version};

const ROUNDS: u64 = 60;
const CAPACITY: u64 = 16 * MIB;
const KEYS: u64 = 300;
const CHILD: &str = "killed::child_that_writes_until_it_is_killed";
/// A child that nobody kills ends by itself after so many operations.
const MOST_OPERATIONS: u64 = 200_000;
/// With more free segments than this, storing one record has none reclaimed.
const SCARCE: u32 = 2;

fn name(key: u64) -> String {
    format!("key {key}")
}

fn options(directory: &Path) -> VolumeOptions {
    let mut options = VolumeOptions::new(directory, CAPACITY);
    options.clock = system_clock();
    options
}

fn open(directory: &Path) -> Volume {
    let volume = Volume::open(Arc::new(RealIo), &options(directory)).unwrap();
    volume.recover(&|_| {});
    volume
}

/// One line, at once: what is buffered would die with the process.
fn say(line: &str) {
    std::io::stdout().write_all(format!("@{line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(directory) = std::env::var("TIDEGATE_KILLED_DIRECTORY") else { return };
    let mut random = Random(std::env::var("TIDEGATE_KILLED_SEED").unwrap().parse().unwrap());
    let first: u64 = std::env::var("TIDEGATE_KILLED_FIRST").unwrap().parse().unwrap();
    let volume = open(Path::new(&directory));
    let hour = (system_clock())() + 3600;
    let mut room_was_scarce = false;
    for step in first..first + MOST_OPERATIONS {
        let key = random.below(KEYS);
        match random.below(20) {
            0..3 => {
                say(&format!("begin {key} remove {step}"));
                volume.remove(&kit::key(&name(key))).unwrap();
                say(&format!("end {key} remove {step}"));
            }
            3 => {
                volume.append_state("log", step.to_string().as_bytes()).unwrap();
                say(&format!("logged 0 state {step}"));
            }
            4 => drop(version(&volume, &name(key))),
            _ => {
                // Said before it may happen: killed right after it, nobody could say so any more.
                if !room_was_scarce && volume.figures().free_segments <= SCARCE {
                    room_was_scarce = true;
                    say("reclaimed 0 store 0");
                }
                say(&format!("begin {key} store {step}"));
                let length = [100, 3_000, 40_000, 200_000][random.below(4) as usize];
                let new = tidegate_store::NewRecord { expires: hour, ..record(&name(key), step, length) };
                assert!(append(&volume, &new).reclaimed.is_empty() || room_was_scarce);
                say(&format!("end {key} store {step}"));
            }
        }
    }
}

/// What is known of a key: the last version that it certainly had, and one that it may have.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    certain: Option<u64>,
    /// What had begun and not ended when the process was killed.
    begun: Option<Option<u64>>,
}

#[derive(Default)]
struct Model {
    keys: HashMap<u64, Known>,
    logged: Vec<u64>,
    reclaimed: bool,
    last: u64,
}

impl Model {
    fn heard(&mut self, line: &str) -> Option<()> {
        let mut words = line.strip_prefix('@')?.split(' ');
        let (event, key) = (words.next()?, words.next()?.parse().ok()?);
        let (action, step) = (words.next()?, words.next()?.parse().ok()?);
        let version = (action == "store").then_some(step);
        self.last = self.last.max(step);
        match event {
            "begin" => self.keys.entry(key).or_default().begun = Some(version),
            "end" => drop(self.keys.insert(key, Known { certain: version, begun: None })),
            "logged" => self.logged.push(step),
            "reclaimed" => self.reclaimed = true,
            _ => {}
        }
        Some(())
    }

    /// Compares with what is on disk, which is what is known from then on.
    fn check(&mut self, volume: &Volume, round: u64) {
        for key in 0..KEYS {
            let known = self.keys.entry(key).or_default();
            let found = version(volume, &name(key));
            let evicted = self.reclaimed && found.is_none();
            let right = found == known.certain || known.begun == Some(found) || evicted;
            assert!(right, "round {round}: {} has {found:?}, not {known:?}", name(key));
            *known = Known { certain: found, begun: None };
        }
        let blob = volume.load_state("log").unwrap().unwrap_or_default();
        let parts: Vec<u64> = blob.parts.iter().map(|part| String::from_utf8_lossy(part).parse().unwrap()).collect();
        let mut parts = parts.iter();
        for logged in &self.logged {
            assert!(parts.any(|part| part == logged), "round {round}: {logged} was durable and is lost");
        }
    }
}

#[test]
fn what_was_stored_outlives_kill_and_nothing_is_half() {
    let rounds = std::env::var("TIDEGATE_SOAK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let directory = kit::directory(CAPACITY);
    let mut model = Model::default();
    let mut random = Random(rounds);
    let mut found = 0;
    for round in 0..rounds {
        if round % 20 == 19 {
            // A fresh one now and then: only while nothing was evicted is every record expected.
            std::fs::remove_dir_all(directory.path()).unwrap();
            model = Model { last: model.last, ..Model::default() };
        }
        run_and_kill(directory.path(), &mut model, random.below(3000), random.next());
        let volume = open(directory.path());
        model.check(&volume, round);
        found += volume.figures().records;
        assert!(disk_usage(directory.path()) <= CAPACITY);
    }
    assert!(found > rounds, "nothing was stored");
}

fn run_and_kill(directory: &Path, model: &mut Model, lines: u64, seed: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env("TIDEGATE_KILLED_DIRECTORY", directory)
        .env("TIDEGATE_KILLED_SEED", seed.to_string())
        .env("TIDEGATE_KILLED_FIRST", (model.last + 1).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = Vec::new();
    let mut heard = 0;
    while output.read_until(b'\n', &mut line).unwrap() > 0 {
        if line.ends_with(b"\n") {
            // The harness writes the test's name before the first line.
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let text = text.find('@').map_or("", |at| &text[at..]);
            heard += u64::from(model.heard(text).is_some());
        }
        line.clear();
        if heard == lines.max(1) {
            // It goes on meanwhile; what it still says comes after.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success() && heard >= lines, "it ended by itself after {heard} lines");
}
