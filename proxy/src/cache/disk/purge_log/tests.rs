//! The record of purges on devices that fail.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tidegate_store::faults::{EIO, ENOSPC, Fault, FaultyIo, Operation, Rule};
use tidegate_store::io::RealIo;
use tidegate_store::{DeviceOptions, StoreOptions};
use tokio::runtime::Handle;

use super::*;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::purge::{Mode, Provenance, Purges, Scope, Tags, Verdict};
use crate::telemetry::Metrics;

/// Two devices.
struct Node {
    directory: TempDir,
    io: Arc<FaultyIo>,
}

/// One run of it.
struct Run {
    store: Arc<Store>,
    purges: Arc<Purges>,
}

impl Node {
    fn new(seed: u64) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), io: FaultyIo::over(Arc::new(RealIo), seed) }
    }

    fn device(&self, number: usize) -> PathBuf {
        self.directory.path().join(number.to_string())
    }

    fn store(&self) -> Arc<Store> {
        let device = |number| DeviceOptions { directory: self.device(number), capacity: 64 << 20 };
        let mut options = StoreOptions::new(vec![device(0), device(1)]);
        options.io = Arc::clone(&self.io) as _;
        options.limits.probe_interval = Duration::from_millis(50);
        Store::open(options)
    }

    async fn run(&self) -> Run {
        let store = self.store();
        let log = Arc::new(PurgesOnDisk::new(Arc::clone(&store)));
        let purges = Purges::open(log, &Handle::current(), Metrics::new("test").purges().clone()).await;
        Run { store, purges }
    }
}

impl Run {
    fn object(&self, path: &str) -> Provenance {
        let key = CacheKey::new(Scheme::Https, "a.test", path, None);
        Provenance::new(key, self.purges.latest(), Tags::default())
    }

    async fn purge(&self, path: &str) -> Kept {
        self.purge_many(path, 1).await
    }

    /// Also so many other paths.
    async fn purge_many(&self, path: &str, names: usize) -> Kept {
        let more = (1..names).map(|number| format!("/more/{number}"));
        let scopes = more.chain([path.to_owned()]).map(|path| Scope::Url(format!("a.test{path}"))).collect::<Vec<_>>();
        self.purges.carry_out(&scopes, Mode::Hard, String::new(), names, SystemTime::now());
        self.purges.written().await
    }

    /// The object as it is read from disk now.
    fn again(&self, object: &Provenance, before: &Self) -> Provenance {
        let mut bytes = Vec::new();
        object.encode(before.purges.secret().lineage(), &mut bytes);
        let lineage = self.purges.secret().lineage();
        Provenance::decode(&mut &bytes[..], object.key.clone(), lineage).expect("one lineage")
    }

    fn is_gone(&self, object: &Provenance) -> bool {
        matches!(self.purges.judge(object), Verdict::Gone(_))
    }

    async fn end(&self) {
        self.store.close(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn power_cut_amid_an_append_purges_nothing_but_what_was_purged() {
    let mut torn = 0;
    for seed in 0..60 {
        let node = Node::new(seed);
        let first = node.run().await;
        let stored = ["/1", "/2", "/other"].map(|path| first.object(path));
        assert_eq!(first.purge("/1").await, Kept { on: 2, of: 2 });
        node.io.crash_after(1 + seed % 5);
        // Longer than what a disk writes as a whole.
        let told = first.purge_many("/2", 300).await.on > 0;
        node.io.crash_after(0);
        first.end().await;
        node.io.restart();
        let store = node.store();
        let blobs = store.load_state(NAME).await.into_iter().filter_map(|copy| copy.blob);
        torn += blobs.filter(|blob| blob.torn_tail_bytes > 0 && blob.unreadable_bytes == 0).count();
        store.close(Duration::from_secs(10)).await;
        let second = node.run().await;
        let [one, two, other] = stored.each_ref().map(|object| second.is_gone(&second.again(object, &first)));
        assert!(one && !other, "seed {seed}: {one} {other}");
        assert!(two || !told, "seed {seed}: what was said to be durable is lost");
        second.end().await;
    }
    assert!(torn > 0, "no append was cut off");
}

#[tokio::test]
async fn device_that_comes_late_brings_purges_that_it_alone_knows() {
    let node = Node::new(7);
    let first = node.run().await;
    let stored = ["/x", "/other"].map(|path| first.object(path));
    node.io.inject(Rule::always(Operation::Write, node.device(0).join("state"), Fault::Errno(ENOSPC)));
    assert_eq!(first.purge("/x").await, Kept { on: 1, of: 2 });
    first.end().await;
    node.io.clear();
    node.io.inject(Rule::always(Operation::Any, node.device(1), Fault::Errno(EIO)));
    let second = node.run().await;
    let [x, other] = stored.each_ref().map(|object| second.again(object, &first));
    // The device that is here knows no better.
    assert!(!second.is_gone(&x) && !second.is_gone(&other));
    let late = second.object("/x");
    node.io.clear();
    let arrival = async {
        while !second.is_gone(&x) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrival).await.expect("the purge is known again");
    assert!(second.is_gone(&late), "nobody knows what it was made of");
    assert!(!second.is_gone(&other) && !second.is_gone(&second.object("/x")));
    second.purges.written().await;
    second.end().await;
    // Now the other device knows it as well.
    node.io.inject(Rule::always(Operation::Any, node.device(1), Fault::Errno(EIO)));
    let third = node.run().await;
    let [x, other] = stored.each_ref().map(|object| third.again(object, &first));
    assert!(third.is_gone(&x) && !third.is_gone(&other));
    third.end().await;
}
