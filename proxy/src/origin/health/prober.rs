//! Probes every origin of every pool, each in its own time, on the runtime of whoever starts it: never on a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pingora_core::connectors::http::Connector;
use tidegate_config::model::Probe;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::probe::probe;
use super::schedule::{Schedule, chance};
use crate::origin::{CompiledOrigin, CompiledPool, Resolver};

/// Probes at the same time. Each takes a connection and mostly waits; with the usual 5 s between probes and 50 ms for
/// one, these carry some thousand origins, and a few that hang hold up none.
const MAX_PROBES: usize = 64;

/// Probes origins until it is dropped.
pub struct Prober {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    resolver: Resolver,
    connector: Connector,
    slots: Semaphore,
}

impl Prober {
    /// A prober that finds addresses as requests do.
    #[must_use]
    pub fn new(resolver: Resolver) -> Self {
        let connector = Connector::new(None);
        let shared = Shared { resolver, connector, slots: Semaphore::new(MAX_PROBES) };
        Self { shared: Arc::new(shared), tasks: Mutex::default() }
    }

    /// Probes the origins of these pools from now on, and no others; what is known by probes of those that are not probed
    /// is forgotten. Whoever was probed before keeps its turn.
    pub fn probe<'a>(&self, pools: impl IntoIterator<Item = &'a Arc<CompiledPool>>) {
        let mut tasks = JoinSet::new();
        for pool in pools {
            if pool.pool.health.probe == Probe::Off {
                pool.origins.iter().for_each(|origin| origin.health.forget_probes());
                continue;
            }
            for origin in &pool.origins {
                tasks.spawn(Self::keep_probing(Arc::clone(&self.shared), Arc::clone(pool), Arc::clone(origin)));
            }
        }
        // The tasks of before end with their set.
        *self.tasks.lock() = tasks;
    }

    async fn keep_probing(shared: Arc<Shared>, pool: Arc<CompiledPool>, origin: Arc<CompiledOrigin>) {
        let schedule = Schedule { interval: pool.pool.health.interval };
        let mut due = first_due(schedule, &origin);
        loop {
            wait(schedule, &origin, due).await;
            // Never closed.
            let Ok(_slot) = shared.slots.acquire().await else { return };
            let began = Instant::now();
            let (result, last) = probe(&origin, &pool.pool, &shared.resolver, &shared.connector).await;
            origin.health.probed(result, last, began);
            due = began + schedule.next(origin.health.state().wants_probe_soon(), chance());
        }
    }
}

fn first_due(schedule: Schedule, origin: &CompiledOrigin) -> Instant {
    match origin.health.probed_at() {
        Some(probed) => probed + schedule.next(false, chance()),
        None => Instant::now() + schedule.first(chance()),
    }
}

/// Waits for the origin's turn, or less when a request doubts it; but never less than is good for the origin.
async fn wait(schedule: Schedule, origin: &CompiledOrigin, due: Instant) {
    let turn = tokio::time::sleep_until(due.into());
    tokio::select! {
        () = turn => {}
        () = origin.health.doubted() => {
            let soonest = origin.health.probed_at().map_or(Duration::ZERO, |probed| {
                (probed + schedule.soonest()).saturating_duration_since(Instant::now())
            });
            tokio::time::sleep(soonest).await;
        }
    }
}
