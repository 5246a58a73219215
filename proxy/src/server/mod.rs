//! The composition root: wires every part of an edge node once, runs it, and takes it down gracefully.
//!
//! Threads: one of its own for every worker (TCP), one runtime for QUIC, one for fills, and a control runtime for
//! signals, reloads and the operator's listener. Nothing else in the crate knows how many there are.

mod error;
mod named_files;
mod reload;
mod sockets;
mod workers;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tidegate_config::model::Model;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{AdminState, Lifecycle};
use crate::cache::disk::{DiskStore, HotList};
use crate::cache::engine::CacheEngine;
use crate::cache::purge::Purges;
use crate::edge_application::EdgeApplication;
use crate::edge_proxy::{EdgeProxy, Pipeline};
use crate::kill_switch::KillSwitches;
use crate::listener::{ConnectionLimit, ConnectionObserver};
use crate::origin::{FillRequest, Resolver, SubrequestFetcher};
use crate::phases::Warming;
use crate::phases::{Contents, Explainer, Pins, PinsOf, Purger};
use crate::prefetch::Prefetcher;
use crate::route_actions::MirrorSender;
use crate::telemetry::{AccessLog, CacheUsage, Metrics, RequestIdSource};
use crate::warm::WarmJobs;

pub use error::StartError;
pub use named_files::examine_files;
use reload::Reloader;
use sockets::Sockets;
use workers::Workers;

/// Attempts that Pingora may make for one request: the ceiling of `attempts` of a pool, which is what counts, and one
/// more after a race between idle connections.
const MAX_ATTEMPTS: usize = 6;

/// Idle connections to origins kept at most.
const ORIGIN_POOL_SIZE: usize = 1_024;

/// How often files of certificates and geographical databases are looked at; a new one is in use within this time and
/// that of reading it.
const FILE_CHECK: Duration = Duration::from_secs(5);

/// How soon it is told that the time of a kill switch is over. It does nothing from that moment on, told or not.
const SWITCH_SWEEP: Duration = Duration::from_secs(1);

/// How long the last lines of the access log may take to reach the disk.
const LOG_FLUSH: Duration = Duration::from_secs(2);

/// How long what is queued for disks may take at least to get there, however little is left of the grace: 64 MiB for each.
const DISK_FLUSH: Duration = Duration::from_secs(3);

/// Runs an edge node from these files until it is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// Why it could not start. Once it serves, nothing but a signal ends it.
pub fn run(files: &[PathBuf], version: &'static str) -> Result<(), StartError> {
    tidegate_certs::install_crypto_provider();
    let model = Arc::new(tidegate_config::load_files(files).map_err(StartError::Configuration)?);
    let control = runtime("control", 1)?;
    let fills = runtime("fills", model.node.fill_workers)?;
    let node = Node::assemble(files, &model, &fills, version)?;
    let sockets = Sockets::bind(&model.node)?;
    let outcome = control.block_on(node.serve(sockets, &model));
    fills.shutdown_background();
    control.shutdown_background();
    outcome
}

fn runtime(name: &'static str, threads: usize) -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|source| StartError::Threads { name, source })
}

/// The purges that what is on disk has outlived, or not. Waits for devices to be opened: what they have is of no use before.
fn open_purges(disk: Option<&DiskStore>, fills: &Runtime, metrics: &Metrics) -> Arc<Purges> {
    let metrics = metrics.purges().clone();
    match disk {
        Some(disk) => fills.block_on(Purges::open(disk.purge_log(), fills.handle(), metrics)),
        None => Purges::in_memory(metrics),
    }
}

/// Has the operator's listener know what it is asked about the cache, and what it is told to do with it.
fn give_operators(admin: &AdminState, proxy: &Arc<EdgeProxy>, disk: Option<&Arc<DiskStore>>, fills: &Runtime) {
    let pins = Pins::new(Arc::clone(proxy), disk.cloned());
    fills.spawn(Arc::clone(&pins).run());
    let contents = Contents { proxy: Arc::clone(proxy), disk: disk.cloned() };
    let known = [
        admin.cache.set(Arc::new(Explainer(Arc::clone(proxy)))).is_ok(),
        admin.purger.set(Arc::new(Purger(Arc::clone(proxy)))).is_ok(),
        admin.contents.set(Arc::new(contents)).is_ok(),
        admin.pins.set(Arc::new(PinsOf(pins))).is_ok(),
    ];
    if known.contains(&false) {
        log::warn!("the operator's listener knows a cache already; it goes on showing that one");
    }
}

/// A node put together, not serving yet.
struct Node {
    application: Arc<EdgeApplication>,
    lifecycle: Arc<Lifecycle>,
    metrics: Arc<Metrics>,
    admin: Arc<AdminState>,
    reloader: Reloader,
    disk: Option<Arc<DiskStore>>,
    hot_list: Option<Arc<HotList<FillRequest>>>,
    cache: Arc<CacheEngine<FillRequest>>,
}

impl Node {
    fn assemble(
        files: &[PathBuf],
        model: &Arc<Model>,
        fills: &Runtime,
        version: &'static str,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::new(version);
        let lifecycle = Arc::new(Lifecycle::new());
        let kill_switches = Arc::new(KillSwitches::new(metrics.kill_switches().clone()));
        let admin = Arc::new(AdminState {
            metrics: Arc::clone(&metrics),
            lifecycle: Arc::clone(&lifecycle),
            node: model.node.name.clone(),
            region: model.node.region.clone(),
            pop: model.node.pop.clone(),
            version,
            started: Instant::now(),
            token: ArcSwapOption::empty(),
            debug_token: Arc::default(),
            cache: OnceLock::new(),
            purger: OnceLock::new(),
            contents: OnceLock::new(),
            pins: OnceLock::new(),
            kill_switches: Arc::clone(&kill_switches),
            warm: WarmJobs::new(fills.handle().clone()),
            geo: ArcSwapOption::empty(),
            origins: ArcSwapOption::empty(),
        });
        let access_log = AccessLog::start(&model.node.access_log, &model.node.name, metrics.access_log())
            .map_err(|source| StartError::AccessLog { target: model.node.access_log.clone(), source })?;
        let access_log = Arc::new(ArcSwap::from_pointee(access_log));
        // Look-ups outlive the requests that begin them, and so the worker that such a request runs on.
        let resolver = Resolver::new(&model.node.resolvers, fills.handle().clone(), metrics.resolver().clone());
        let log = Arc::clone(&access_log);
        let reloader = Reloader::start(files, model, Arc::clone(&metrics), Arc::clone(&admin), log, resolver.clone())?;
        let disk = model.node.cache.disk.as_ref().map(|disk| Arc::new(DiskStore::open(disk, &metrics)));
        let purges = open_purges(disk.as_deref(), fills, &metrics);
        let cache: Arc<CacheEngine<FillRequest>> =
            CacheEngine::new(&model.node.cache, Arc::clone(&purges), fills.handle().clone(), Arc::clone(&metrics));
        if let Some(disk) = &disk {
            disk.set_purges(purges);
            cache.set_disk(disk.tier(), disk.min_lifetime());
        }
        let capacity = model.node.cache.capacity.0;
        let figures = Arc::clone(&cache);
        metrics.cache().read_usage_from(move || {
            let figures = figures.figures();
            CacheUsage { bytes: figures.bytes, entries: figures.entries, capacity }
        });
        let proxy = Arc::new_cyclic(|this| EdgeProxy {
            this: this.clone(),
            prefetcher: Prefetcher::new(fills.handle().clone(), Arc::clone(&metrics)),
            snapshot: reloader.snapshot(),
            cache: Arc::clone(&cache),
            mirror: MirrorSender::new(fills.handle().clone(), Arc::clone(&metrics)),
            resolver,
            metrics: Arc::clone(&metrics),
            access_log,
            kill_switches,
            debug_token: Arc::clone(&admin.debug_token),
            request_ids: RequestIdSource::new(),
            lifecycle: Arc::clone(&lifecycle),
        });
        give_operators(&admin, &proxy, disk.as_ref(), fills);
        let pipeline = Pipeline(Arc::clone(&proxy));
        let pipeline: Arc<HttpProxy<Pipeline>> = Arc::new(http_proxy(&Arc::new(pingora_settings(model)), pipeline));
        let for_fills: Arc<HttpProxy<Pipeline>> = Arc::clone(&pipeline);
        let fetcher = Arc::new(SubrequestFetcher::new(for_fills));
        proxy.mirror.set_fetcher(fetcher.clone());
        admin.warm.set_asker(Arc::new(Warming(Arc::downgrade(&proxy))));
        cache.set_fetcher(fetcher);
        let engine = Arc::clone(&cache);
        let hot_list = disk.as_ref().map(|disk| HotList::new(Arc::clone(&cache), disk));
        hot_list.iter().for_each(|hot_list| drop(fills.spawn(Arc::clone(hot_list).run())));
        let application = Arc::new(EdgeApplication::new(proxy, pipeline));
        Ok(Self { application, lifecycle, metrics, admin, reloader, hot_list, disk, cache: engine })
    }

    /// Serves until a signal says stop, then lets requests in flight finish within the grace.
    async fn serve(mut self, sockets: Sockets, model: &Model) -> Result<(), StartError> {
        let mut signals = Signals::listen()?;
        let observer: Arc<dyn ConnectionObserver> = Arc::clone(&self.metrics) as _;
        let admin_listener = sockets.admin;
        let workers = Workers {
            app: Arc::clone(&self.application),
            state: self.reloader.listener_state(),
            signals: self.lifecycle.signals(),
            observer,
            limit: ConnectionLimit::new(),
        };
        // The operator's listener stops last, so that what is left can be watched during the grace.
        let (stop_admin, admin_stop) = tokio::sync::watch::channel(false);
        let serving = workers.start(sockets.tcp, sockets.quic, model.node.workers)?;
        if let Some(listener) = admin_listener {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Listener)?;
            tokio::spawn(crate::admin::serve(listener, Arc::clone(&self.admin), admin_stop));
        }
        self.reloader.start_probing();
        self.lifecycle.started();
        log::info!(node = model.node.name.as_str(), workers = model.node.workers; "serving");
        self.until_stopped(&mut signals).await;
        self.lifecycle.stop();
        let (grace, stopped) = (self.reloader.grace(), Instant::now());
        if tokio::time::timeout(grace, serving.ended()).await.is_err() {
            log::warn!("{} s of grace are over; connections that are left are cut", grace.as_secs());
        }
        if let Some(hot_list) = &self.hot_list {
            drop(tokio::time::timeout(DISK_FLUSH, hot_list.save()).await);
        }
        if let Some(disk) = &self.disk {
            // Behind all requests: what they stored is written as well.
            disk.close(grace.saturating_sub(stopped.elapsed()).max(DISK_FLUSH)).await;
        }
        stop_admin.send_replace(true);
        self.reloader.flush_access_log(LOG_FLUSH);
        log::info!("stopped");
        Ok(())
    }

    /// What changes of the disk tier while the node runs.
    fn apply_disk_rules(&self) {
        if let Some(disk) = &self.reloader.snapshot().load().model().node.cache.disk {
            self.cache.set_min_lifetime_on_disk(disk.min_lifetime);
            if let Some(store) = &self.disk {
                store.configure(disk);
            }
        }
    }

    async fn until_stopped(&mut self, signals: &mut Signals) {
        let mut check = tokio::time::interval(FILE_CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(SWITCH_SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hangup.recv() => {
                    tokio::task::block_in_place(|| self.reloader.reload("SIGHUP"));
                    self.apply_disk_rules();
                    self.reloader.refresh_databases();
                }
                _ = sweep.tick() => self.admin.kill_switches.sweep(SystemTime::now()),
                _ = check.tick() => {
                    tokio::task::block_in_place(|| self.reloader.reload_if_files_changed());
                    self.apply_disk_rules();
                    self.reloader.refresh_databases();
                    self.cache.forget_idle_walks();
                }
            }
        }
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(StartError::Signals);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

fn pingora_settings(model: &Model) -> ServerConf {
    ServerConf {
        threads: model.node.workers,
        work_stealing: false,
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: ORIGIN_POOL_SIZE,
        ..ServerConf::default()
    }
}
