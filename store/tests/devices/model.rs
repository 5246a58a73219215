//! Random calls on devices with random faults, held against what a store must be: a read gives what was written last
//! under its key, or nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_store::faults::{EIO, EMFILE, ENOSPC, EROFS, Fault, Gate, Operation, Rule};
use tidegate_store::{NewRecord, Store};

use crate::fixture::{Fixture, key, record};

const DEVICES: u64 = 3;
const KEYS: u64 = 16;
const STEPS: usize = 400;
/// Seeds of a usual run; the variable asks for more.
const ROUNDS: u64 = 12;
const HEAD: &str = "head";
const ROUNDS_VARIABLE: &str = "TIDEGATE_STORE_ROUNDS";

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        let choice = self.below(choices.len() as u64);
        choices[usize::try_from(choice).unwrap()].clone()
    }
}

/// What a read of a key may give beside nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Nothing,
    Version(u64),
    /// The process ended with things to do: any version up to this.
    UpTo(u64),
}

struct Run {
    seed: u64,
    random: Random,
    fixture: Fixture,
    store: Arc<Store>,
    expected: HashMap<String, Expected>,
    version: u64,
    gates: Vec<Gate>,
    reads_that_found: usize,
    /// Whether something was written that is not what was to be: then a removal may not be known after a restart.
    flipped: bool,
    /// What was done, to be shown when something is wrong.
    story: Vec<String>,
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let mut fixture = Fixture::of(usize::try_from(DEVICES).unwrap());
        // What hangs is to be over soon; a read that is late for another reason is a miss, which is allowed.
        fixture.limits.read_deadline = Duration::from_millis(100);
        fixture.limits.write_deadline = Duration::from_millis(200);
        fixture.limits.queued_bytes = 1 << 20;
        fixture.limits.probe_interval = Duration::from_millis(5);
        let store = fixture.ready().await;
        let (random, expected) = (Random(seed), HashMap::new());
        Self {
            seed,
            random,
            fixture,
            store,
            expected,
            version: 0,
            gates: Vec::new(),
            reads_that_found: 0,
            flipped: false,
            story: Vec::new(),
        }
    }

    async fn step(&mut self, step: usize) {
        match self.random.below(100) {
            0..35 => self.write(),
            35..45 => self.remove(),
            45..85 => self.read(step).await,
            85..91 => self.fault(),
            91..96 => self.mend(),
            96..98 => tokio::task::yield_now().await,
            98 => self.restart().await,
            _ => self.crash().await,
        }
    }

    fn name(&mut self) -> String {
        format!("key {}", self.random.below(KEYS))
    }

    fn write(&mut self) {
        let name = self.name();
        self.version += 1;
        let padding = "x".repeat(self.random.one_of(&[0, 1000, 70_000, 300_000]));
        let body = format!("{name}/{}/{padding}", self.version);
        let asked = self.random.below(3);
        (0..asked).for_each(|_| self.store.was_asked(&key(&name)));
        let record = NewRecord { expires: self.expiry(), head: HEAD.into(), ..record(&name, &body) };
        let written = self.store.write(record);
        self.story.push(format!("{name}: write {} {written:?}", self.version));
        let expected = if written.is_ok() { Expected::Version(self.version) } else { Expected::Nothing };
        self.expected.insert(name, expected);
    }

    /// For each of the streams of a volume.
    fn expiry(&mut self) -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        now + self.random.one_of(&[300, 3600, 1 << 20])
    }

    fn remove(&mut self) {
        let name = self.name();
        self.store.remove(&key(&name));
        self.story.push(format!("{name}: remove"));
        self.expected.insert(name, Expected::Nothing);
    }

    async fn read(&mut self, step: usize) {
        let name = self.name();
        let Some(found) = self.store.read(&key(&name)).await else { return };
        assert_eq!(found.head, HEAD);
        let body = String::from_utf8(found.body.concat()).unwrap();
        self.story.push(format!("{name}: read"));
        self.reads_that_found += 1;
        let mut parts = body.split('/');
        let (of, version) = (parts.next().unwrap(), parts.next().unwrap().parse::<u64>().unwrap());
        assert_eq!(of, name, "seed {} step {step}: a body of another key", self.seed);
        let fits = match self.expected.get(&name).unwrap_or(&Expected::Nothing) {
            Expected::Nothing => false,
            Expected::Version(expected) => version == *expected,
            Expected::UpTo(last) => version <= *last,
        };
        let story =
            || self.story.iter().filter(|told| !told.starts_with("key") || told.starts_with(&format!("{name}:")));
        assert!(
            fits,
            "seed {} step {step}: {name} gave {version}, due is {:?}; {:#?}",
            self.seed,
            self.expected.get(&name),
            story().collect::<Vec<_>>()
        );
    }

    fn fault(&mut self) {
        let device = usize::try_from(self.random.below(DEVICES)).unwrap();
        let on =
            self.random.one_of(&[Operation::Open, Operation::Read, Operation::Write, Operation::Sync, Operation::Any]);
        let gate = self.fixture.gate();
        let number = self.random.one_of(&[EIO, ENOSPC, EROFS, EMFILE]);
        let faults = [Fault::Errno(number), Fault::Errno(EIO), Fault::Short, Fault::FlipBit, Fault::Hang(gate.clone())];
        let fault = self.random.one_of(&faults);
        let rule =
            Rule { percent: self.random.one_of(&[1, 20, 100]), ..Rule::always(on, self.fixture.at(device), fault) };
        self.flipped |= matches!(rule.fault, Fault::FlipBit);
        self.gates.push(gate);
        self.story.push(format!("{rule:?}"));
        self.fixture.io.inject(rule);
    }

    fn mend(&mut self) {
        self.story.push("mended".to_owned());
        self.fixture.io.clear();
        self.gates.drain(..).for_each(|gate| gate.open());
    }

    async fn restart(&mut self) {
        let healthy = self.random.below(2) == 0;
        if healthy {
            self.mend();
            self.settle();
        }
        let lost = self.store.figures().devices.iter().any(|device| device.lost_removals > 0);
        let closed = self.store.close(Duration::from_secs(10)).await;
        self.mend();
        self.story.push(format!("closed, healthy: {healthy}, {closed:?}"));
        if !healthy || self.flipped || lost || closed != Default::default() {
            self.anything_up_to_now();
        }
        self.reopen().await;
    }

    async fn crash(&mut self) {
        self.fixture.io.crash_after(self.random.below(50));
        for _ in 0..5 {
            self.write();
        }
        self.store.close(Duration::from_millis(100)).await;
        self.mend();
        self.fixture.io.restart();
        self.story.push("crashed".to_owned());
        self.anything_up_to_now();
        self.reopen().await;
    }

    /// Waits until every device works and has nothing left to do.
    fn settle(&self) {
        self.fixture.said.until(|_| {
            // A device that could not be written takes a record to be sure that it can: so many that one of them is for it.
            let figures = self.store.figures().devices;
            for number in 0..48 {
                self.store.write(record(&format!("settling {number}"), "x")).ok();
            }
            let works = |state| state == tidegate_store::DeviceState::Working;
            figures.iter().all(|device| works(device.state) && device.missed_removals == 0)
        });
        self.fixture.until_written(&self.store);
    }

    fn anything_up_to_now(&mut self) {
        for number in 0..KEYS {
            self.expected.insert(format!("key {number}"), Expected::UpTo(self.version));
        }
    }

    async fn reopen(&mut self) {
        // The threads of before may take a moment to let the directories go, which is tried again until they have.
        self.store = self.fixture.ready().await;
        self.flipped = false;
    }
}

#[test]
fn a_read_gives_what_was_written_last_or_nothing_whatever_devices_do() {
    let rounds = std::env::var(ROUNDS_VARIABLE).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut found = 0;
    for seed in 0..rounds {
        found += runtime.block_on(async {
            let mut run = Run::begin(seed).await;
            for step in 0..STEPS {
                run.step(step).await;
            }
            run.reads_that_found
        });
    }
    let reads = usize::try_from(rounds).unwrap() * STEPS * 2 / 5;
    assert!(found > reads / 10, "{found} of about {reads} reads found something: this tests nothing");
}
