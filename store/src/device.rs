//! One device: a volume, the threads that work on it, and what may be asked of it now.
//!
//! Owns: the queues, the threads, the state and what is done when operations fail or hang. Not: which device a record
//! goes to, and which of two devices has the newer record (`store`). Nothing here blocks its caller on the device: who
//! asks gets a receiver, and everything on files happens on threads of the device's own.

mod answering;
mod condition;
mod lane;
mod missed;
mod peers;
mod removals;
mod state_copies;
mod sweeping;
mod writer;
mod writes;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::oneshot;

use crate::io::Io;
use crate::keeper::Keeper;
use crate::key::Key;
use crate::options::{Share, VolumeOptions};
use crate::placement::{Candidate, PlacementHash};
use crate::store::{DeviceFigures, Limits};
use crate::volume::{Lookup, Place, Volume};
use crate::watcher::{DeviceState, Event, ReadOutcome, Watcher};

pub(crate) use answering::{Question, Reply, StateQuestion, StateReply};
use condition::Condition;
use lane::Lane;
pub(crate) use peers::Peers;
use removals::Removals;
pub(crate) use writes::{Ending, Queue, QueueFull, Writes};

/// State that waits for its thread: whoever saves state waits for the answer, so these are few.
const QUEUED_STATE: usize = 1024;

/// What a device is made with.
pub(crate) struct Setting {
    pub(crate) volume: VolumeOptions,
    pub(crate) io: Arc<dyn Io>,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) watcher: Arc<dyn Watcher>,
    pub(crate) limits: Limits,
    pub(crate) peers: Arc<Peers>,
}

/// One device.
pub(crate) struct Device {
    pub(crate) name: Arc<str>,
    placement: PlacementHash,
    setting: Setting,
    /// `None` while it is opened, has failed or is closed.
    volume: RwLock<Option<Arc<Volume>>>,
    /// What failed, until it is opened anew: perhaps it can still be written.
    failed: Mutex<Option<Arc<Volume>>>,
    /// Stands for the volume that was opened last.
    volume_name: Mutex<Option<PlacementHash>>,
    condition: Mutex<Condition>,
    condition_changed: Condvar,
    /// What the watcher is to be told of it, in order.
    changes: Mutex<VecDeque<Change>>,
    /// Held by the thread that tells.
    telling: Mutex<()>,
    until: Mutex<Vec<Until>>,
    removals: Mutex<Removals>,
    writes: Writes,
    reads: Lane<Question, Reply>,
    states: Lane<StateQuestion, StateReply>,
    shares: Mutex<HashMap<u32, Share>>,
    /// Names of state of which this device has missed something.
    states_behind: Mutex<BTreeSet<String>>,
    /// Since when the writing thread is at one operation.
    busy_since: Mutex<Option<Instant>>,
    /// Whether the keeper is to be asked of all that is stored.
    sweep_wanted: AtomicBool,
    threads: AtomicUsize,
    late: AtomicU64,
}

/// A thread of a device, which is told when it ends, however it does.
struct Thread(Arc<Device>);

impl Drop for Thread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A mistake of ours. Without that thread the device cannot work, and who asks it must not wait.
            self.0.fail("one of its threads has panicked");
            self.0.end(Ending::Abandon);
        }
        self.0.thread_left();
    }
}

/// Another state, or another reason for it.
struct Change {
    from: DeviceState,
    to: DeviceState,
    why: String,
}

struct Until {
    reached: fn(DeviceState) -> bool,
    tell: oneshot::Sender<()>,
}

impl Device {
    /// A device that does nothing before it is started.
    pub(crate) fn new(setting: Setting) -> Arc<Self> {
        let name: Arc<str> = setting.volume.directory.display().to_string().into();
        let limits = setting.limits;
        Arc::new(Self {
            placement: PlacementHash::of(name.as_bytes()),
            name,
            volume: RwLock::new(None),
            failed: Mutex::default(),
            volume_name: Mutex::default(),
            condition: Mutex::new(Condition::opening()),
            condition_changed: Condvar::new(),
            changes: Mutex::default(),
            telling: Mutex::default(),
            until: Mutex::default(),
            removals: Mutex::default(),
            writes: Writes::new(limits.queued_bytes),
            reads: Lane::new(limits.queued_reads, limits.read_deadline),
            states: Lane::new(QUEUED_STATE, limits.write_deadline),
            shares: Mutex::default(),
            states_behind: Mutex::default(),
            busy_since: Mutex::default(),
            sweep_wanted: AtomicBool::new(false),
            threads: AtomicUsize::new(0),
            late: AtomicU64::new(0),
            setting,
        })
    }

    /// Starts its threads, which open it. A device that cannot have threads has failed for good.
    pub(crate) fn start(self: &Arc<Self>) {
        if let Err(error) = self.start_threads() {
            self.fail(&format!("its threads cannot be started: {error}"));
            self.end(Ending::Abandon);
        }
    }

    fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        self.thread("store-write", writer::run)?;
        self.thread("store-state", answering::answer_state)?;
        for _ in 0..self.setting.limits.readers.max(1) {
            self.thread("store-read", answering::answer_reads)?;
        }
        Ok(())
    }

    fn thread(self: &Arc<Self>, name: &str, work: fn(&Self)) -> io::Result<()> {
        let thread = Thread(self.clone());
        self.threads.fetch_add(1, Ordering::AcqRel);
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&thread.0));
        started.map(drop)
    }

    /// With the last thread the volume is closed and its lock let go.
    fn thread_left(&self) {
        if self.threads.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.volume.write() = None;
            *self.failed.lock() = None;
            self.change(|condition| condition.became(DeviceState::Closed, ""));
        }
    }

    pub(crate) fn volume(&self) -> Option<Arc<Volume>> {
        self.volume.read().clone()
    }

    pub(crate) fn state(&self) -> DeviceState {
        self.condition.lock().state()
    }

    /// Whether it can be asked for records.
    pub(crate) fn readable(&self) -> bool {
        use DeviceState::{Full, ReadOnly, Working, WritesFailing};
        matches!(self.state(), Working | Full | ReadOnly | WritesFailing)
    }

    /// Takes part in the choice of a device for a record, if it can be written.
    pub(crate) fn candidate(&self, number: usize) -> Option<Candidate> {
        let writable = self.condition.lock().writable();
        let weight = self.setting.volume.capacity;
        writable.then_some(Candidate { device: number, name: self.placement, weight })
    }

    /// What is queued of a key.
    pub(crate) fn queued(&self, key: &Key) -> Queue {
        self.writes.look(key)
    }

    /// What is known of a key, also what is over: it is newer than what another device may have.
    pub(crate) fn known(&self, key: &Key) -> Option<Place> {
        self.volume().and_then(|volume| volume.known(key))
    }

    /// Whether the time of a record is over.
    pub(crate) fn is_over(&self, place: &Place) -> bool {
        place.expires <= (self.setting.volume.clock)()
    }

    /// What is stored of a key.
    pub(crate) fn find(&self, key: &Key) -> Lookup {
        match self.volume() {
            Some(volume) => volume.find(key),
            None if self.state() == DeviceState::Opening => Lookup::Unknown,
            None => Lookup::Absent,
        }
    }

    pub(crate) fn push(&self, record: crate::NewRecord) -> Result<(), QueueFull> {
        self.writes.push(record)
    }

    pub(crate) fn ask(&self, question: Question) -> Option<oneshot::Receiver<Reply>> {
        self.reads.ask(question)
    }

    pub(crate) fn ask_state(&self, question: StateQuestion) -> Option<oneshot::Receiver<StateReply>> {
        self.states.ask(question)
    }

    pub(crate) fn set_shares(&self, shares: HashMap<u32, Share>) {
        // First where a volume that is just being opened looks for them.
        *self.shares.lock() = shares.clone();
        if let Some(volume) = self.volume() {
            volume.set_shares(shares);
        }
    }

    /// Told when the device's state is one of these; at once if it is.
    pub(crate) fn until(&self, reached: fn(DeviceState) -> bool) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.until.lock().push(Until { reached, tell });
        self.tell(self.state());
        told
    }

    fn tell(&self, state: DeviceState) {
        let mut until = self.until.lock();
        let (reached, waiting): (Vec<Until>, Vec<Until>) =
            std::mem::take(&mut *until).into_iter().partition(|until| (until.reached)(state));
        *until = waiting;
        drop(until);
        for Until { tell, .. } in reached {
            // Who does not wait any more need not be told.
            tell.send(()).ok();
        }
    }

    /// Changes the condition, and says so where the state or its reason is another.
    fn change<T>(&self, change: impl FnOnce(&mut Condition) -> T) -> T {
        let mut condition = self.condition.lock();
        let (from, why) = (condition.state(), condition.why().to_owned());
        let result = change(&mut condition);
        let to = condition.state();
        if from != to || (to == DeviceState::Failed && why != condition.why()) {
            condition.since = Instant::now();
            // Noted under the lock, so that changes are told in their order, and told without it: who looks at the
            // condition does not wait for a watcher.
            self.changes.lock().push_back(Change { from, to, why: condition.why().to_owned() });
        }
        drop(condition);
        if from != to {
            self.condition_changed.notify_all();
            self.tell(to);
        }
        self.tell_changes();
        result
    }

    /// One thread tells, also what others note meanwhile.
    fn tell_changes(&self) {
        while !self.changes.lock().is_empty() {
            let Some(_telling) = self.telling.try_lock() else { return };
            loop {
                let next = self.changes.lock().pop_front();
                let Some(Change { from, to, why }) = next else { break };
                self.saw(&Event::State { from, to, why: &why });
            }
        }
    }

    fn saw(&self, event: &Event<'_>) {
        self.setting.watcher.saw(&self.name, event);
    }

    /// Lets go whoever waited too long, and sees whether an operation hangs.
    pub(crate) fn look_at_clock(&self, now: Instant) {
        let limits = &self.setting.limits;
        let reads = self.reads.look_at_clock(now);
        let states = self.states.look_at_clock(now);
        for _ in 0..reads.let_go {
            self.late.fetch_add(1, Ordering::Relaxed);
            self.saw(&Event::Read {
                outcome: ReadOutcome::Late,
                bytes: 0,
                waited: limits.read_deadline,
                took: Duration::ZERO,
            });
        }
        let busy =
            self.busy_since.lock().is_some_and(|since| now.saturating_duration_since(since) >= limits.write_deadline);
        let why = match (reads.hanging, states.hanging) {
            (1.., _) => Some(format!("{} reads hang for more than {:?}", reads.hanging, limits.read_deadline)),
            (_, 1..) => Some(format!("saving state hangs for more than {:?}", limits.write_deadline)),
            _ if busy => Some(format!("an operation hangs for more than {:?}", limits.write_deadline)),
            _ => None,
        };
        if why.is_some() {
            self.reads.dismiss();
        }
        self.change(|condition| condition.hangs(why));
    }

    /// The writing thread begins an operation, or is still at it and gets on.
    fn busy(&self) {
        *self.busy_since.lock() = Some(Instant::now());
    }

    fn idle(&self) {
        *self.busy_since.lock() = None;
    }

    /// Comes to its end: no more questions, and what is queued is written or lost.
    pub(crate) fn end(&self, ending: Ending) {
        self.reads.close();
        if ending == Ending::Abandon {
            self.states.close();
        }
        self.writes.end(ending);
        // Not between somebody's look at the queue and his waiting.
        drop(self.condition.lock());
        self.condition_changed.notify_all();
    }

    /// Does not wait for threads that hang.
    pub(crate) fn abandon(&self) {
        self.end(Ending::Abandon);
        self.change(|condition| condition.became(DeviceState::Closed, ""));
    }

    /// Threads that are at something.
    pub(crate) fn at_work(&self) -> usize {
        self.reads.running() + self.states.running() + usize::from(self.busy_since.lock().is_some())
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.setting.volume.capacity
    }

    pub(crate) fn queue_depth(&self) -> (u64, u64) {
        self.writes.depth()
    }

    pub(crate) fn figures(&self) -> DeviceFigures {
        let (queued_records, queued_bytes) = self.writes.depth();
        let condition = self.condition.lock();
        let (state, why, since) = (condition.state(), condition.why().to_owned(), condition.since);
        drop(condition);
        DeviceFigures {
            directory: self.name.clone(),
            state,
            why,
            state_for: since.elapsed(),
            queued_records,
            queued_bytes,
            queued_reads: self.reads.waiting() as u64,
            late_reads: self.late.load(Ordering::Relaxed),
            queued_removals: self.writes.settlements() as u64,
            missed_removals: self.removals.lock().to_tell() as u64,
            lost_removals: self.writes.settlements_lost(),
            volume: self.volume().map(|volume| volume.figures()),
        }
    }
}
