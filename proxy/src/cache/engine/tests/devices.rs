//! An engine over devices that fail, hang and are well again: clients get what is right, those who are answered from memory
//! notice nothing, and what is stored afterwards is found on disk.

use tempfile::TempDir;
use tidegate_config::model::CacheDisk;
use tidegate_store::faults::{EIO, EMFILE, ENOSPC, EROFS, Fault, FaultyIo, Gate, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{DeviceFigures, DeviceState, Limits};

use super::disk::{FRESH, hit, miss};
use super::*;
use crate::cache::disk::DiskStore;

struct Node {
    rig: Rig,
    disk: DiskStore,
    io: Arc<FaultyIo>,
    directory: TempDir,
}

/// Short enough to be waited for.
const LIMITS: Limits = Limits {
    read_deadline: Duration::from_millis(300),
    write_deadline: Duration::from_millis(500),
    probe_interval: Duration::from_millis(50),
    sweep_interval: Duration::from_secs(60),
    queued_bytes: 64 << 20,
    queued_reads: 1024,
    readers: 2,
    read_now: 0,
    read_errors: 3,
};

fn configured(directory: &TempDir) -> CacheDisk {
    let text = format!(
        "kind: node\nname: n\npop: p\ncache: {{disk: {{min_lifetime: 0s, devices: [{{directory: {:?}, capacity: \
         64MiB}}]}}}}\n---\n{{kind: region, name: eu}}\n---\n{{kind: pop, name: p, region: eu}}\n",
        directory.path().join("disk")
    );
    let model = tidegate_config::load_texts(&[("edge.yaml".into(), text)]).unwrap();
    model.node.cache.disk.expect("a disk")
}

impl Node {
    /// Over a new directory, of which these operations fail from the beginning.
    fn with(rule: impl FnOnce(&TempDir) -> Option<Rule>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let io = FaultyIo::over(Arc::new(RealIo), 1);
        rule(&directory).into_iter().for_each(|rule| io.inject(rule));
        let rig = Rig::new();
        let disk = DiskStore::open_by(&configured(&directory), &rig.engine.metrics, io.clone(), LIMITS);
        disk.set_purges(Arc::clone(rig.engine.purges()));
        rig.engine.set_disk(disk.tier(), disk.min_lifetime());
        Self { rig, disk, io, directory }
    }

    fn inject(&self, on: Operation, fault: Fault) {
        self.io.inject(Rule::always(on, self.directory.path(), fault));
    }

    fn figures(&self) -> DeviceFigures {
        self.disk.store().figures().devices.remove(0)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&DeviceFigures) -> bool) {
        let waiting = async {
            while !is_so(&self.figures()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(what, waiting).await;
    }

    async fn until_working(&self) {
        self.until("a device that works", |device| device.state == DeviceState::Working).await;
    }

    async fn until_written(&self) {
        self.until("what is queued to be written", |device| device.queued_bytes == 0).await;
    }

    /// What is stored now is on disk, and comes back from there.
    async fn works(&self, path: &'static str) {
        miss(&self.rig, get(path), FRESH, "new").await;
        self.until_written().await;
        self.rig.engine.memory.forget_all();
        assert_eq!(hit(&self.rig, get(path)).await.1, "new", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_fails_costs_no_client_anything_and_is_used_again() {
    let check = async |on: Operation, error: i32| {
        let node = Node::with(|_| None);
        node.until_working().await;
        node.works("/before").await;
        node.inject(on, Fault::Errno(error));
        assert_eq!(node.rig.ask(get("/before")).await.object().outcome, Outcome::Hit, "{on:?} {error}");
        for path in ["/1", "/2", "/3", "/4"] {
            miss(&node.rig, get(path), FRESH, "served").await;
            assert_eq!(hit(&node.rig, get(path)).await.1, "served", "{on:?} {error}");
        }
        let is_told = |device: &DeviceFigures| device.state != DeviceState::Working;
        node.until("a device that is told to fail", is_told).await;
        node.io.clear();
        // The next record tells that it can be written again, once a probe has found out that it may be tried.
        for number in 0.. {
            miss(&node.rig, get(format!("/again/{number}").leak()), FRESH, "served").await;
            node.until_written().await;
            if node.figures().state == DeviceState::Working {
                break;
            }
            assert!(number < 1000, "{on:?} {error}: it is never used again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node.works("/after").await;
    };
    check(Operation::Write, EIO).await;
    check(Operation::Write, ENOSPC).await;
    check(Operation::Write, EROFS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_cannot_be_read_is_left_alone_and_used_again_when_it_can() {
    let node = Node::with(|_| None);
    node.until_working().await;
    let paths = ["/1", "/2", "/3", "/4"];
    for path in paths {
        node.works(path).await;
    }
    node.rig.engine.memory.forget_all();
    node.inject(Operation::Read, Fault::Errno(EIO));
    for path in paths {
        miss(&node.rig, get(path), FRESH, "from the origin").await;
    }
    node.until("a device that is told to fail", |device| device.state == DeviceState::Failed).await;
    assert_eq!(hit(&node.rig, get("/1")).await.1, "from the origin");
    node.io.clear();
    node.until_working().await;
    node.works("/after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_cannot_be_opened_for_want_of_descriptors_is_opened_when_there_are_some() {
    let no_descriptors =
        |directory: &TempDir| Some(Rule::always(Operation::Open, directory.path(), Fault::Errno(EMFILE)));
    let node = Node::with(no_descriptors);
    node.until("a device that is told to fail", |device| device.state == DeviceState::Failed).await;
    miss(&node.rig, get("/a"), FRESH, "served").await;
    assert_eq!(hit(&node.rig, get("/a")).await.1, "served");
    node.io.clear();
    node.until_working().await;
    node.works("/b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_hangs_holds_up_nobody_but_who_needs_it_and_those_for_a_moment() {
    let node = Node::with(|_| None);
    node.until_working().await;
    node.works("/on-disk").await;
    node.rig.engine.memory.forget_all();
    miss(&node.rig, get("/in-memory"), FRESH, "here").await;
    let gate = Gate::closed();
    node.inject(Operation::Any, Fault::Hang(gate.clone()));
    let asking = node.rig.waiting_soon(get("/on-disk")).await;
    let hanging = gate.clone();
    assert!(tokio::task::spawn_blocking(move || hanging.until_waiting(1)).await.unwrap());
    for _ in 0..1000 {
        let answer = node.rig.asking(get("/in-memory")).now_or_never().expect("what is in memory waits for nothing");
        assert_eq!(answer.object().outcome, Outcome::Hit);
    }
    node.rig.accept().await.answer(200, FRESH, "from the origin");
    assert_eq!(asking.await.unwrap().object().text().await.as_deref(), Ok("from the origin"));
    node.until("a device that is told to hang", |device| device.state == DeviceState::Stalled).await;
    miss(&node.rig, get("/new"), FRESH, "served").await;
    gate.open();
    node.io.clear();
    node.until_working().await;
    node.works("/after").await;
}
