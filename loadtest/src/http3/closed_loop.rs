//! The closed loop: on every connection so many loops, each of which sends its next request when the last one was
//! answered. A connection that the server ends is replaced, so that a limit of requests a connection ends no run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::connection::{Connection, Connector, Exchange, ExchangeError};
use super::response::Finished;
use crate::schedule::Schedule;
use crate::tally::{Failure, Tally};

/// How often one connection may be replaced. A server that ends connections after a hundred thousand requests stays
/// far below in an hour; one that ends each at once must not be hammered.
const MOST_RECONNECTIONS: u32 = 10_000;

/// What every response must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation {
    pub status: u16,
    pub body_bytes: u64,
}

/// One run, shared by its loops.
pub(super) struct Run {
    connector: Connector,
    get: Bytes,
    expectation: Expectation,
    schedule: Schedule,
    streams: u32,
    tally: Mutex<Tally>,
    /// Requests sent and not yet ended.
    in_flight: AtomicU64,
}

impl Run {
    pub(super) fn new(
        connector: Connector,
        get: Bytes,
        expectation: Expectation,
        schedule: Schedule,
        streams: u32,
    ) -> Self {
        let in_flight = AtomicU64::new(0);
        Self { connector, get, expectation, schedule, streams, tally: Mutex::default(), in_flight }
    }

    /// What was counted so far.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counters are whole after every statement, also when a loop has panicked.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it began and when it ends.
    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn judge(&self, start: Instant, outcome: Result<Finished, ExchangeError>) {
        let end = Instant::now();
        let mut tally = self.tally();
        match outcome {
            Ok(Finished { status, .. }) if status != self.expectation.status => {
                tally.fail(Failure::Status, 1, || format!("status {status}"));
            }
            Ok(Finished { body_bytes, .. }) if body_bytes != self.expectation.body_bytes => {
                let expected = self.expectation.body_bytes;
                tally.fail(Failure::Length, 1, || format!("{body_bytes} bytes of body, not {expected}"));
            }
            Ok(Finished { body_bytes, .. }) => tally.succeed(start, end, body_bytes),
            Err(ExchangeError::NotProcessed) => self.schedule.give_back(),
            Err(ExchangeError::Failed(failure, words)) => tally.fail(failure, 1, || words),
        }
    }
}

/// Loads until the schedule ends and every request has, or the grace is over; then closes the connections.
pub(super) async fn drive(run: &Arc<Run>, connections: Vec<Connection>, grace: Duration) {
    let mut slots = JoinSet::new();
    for connection in connections {
        slots.spawn(drive_connection(Arc::clone(run), connection));
    }
    let last_moment = run.schedule.deadline() + grace;
    let all = async { while slots.join_next().await.is_some() {} };
    if tokio::time::timeout_at(last_moment.into(), all).await.is_err() {
        let open = run.in_flight.load(Ordering::Relaxed);
        run.tally().fail(Failure::Timeout, open, || format!("not answered {grace:?} after the run's end"));
        slots.shutdown().await;
    }
}

/// Keeps one connection, and its successors, busy.
async fn drive_connection(run: Arc<Run>, mut connection: Connection) {
    for _ in 0..MOST_RECONNECTIONS {
        let mut loops = JoinSet::new();
        for _ in 0..run.streams {
            loops.spawn(repeat(Arc::clone(&run), connection.clone()));
        }
        while loops.join_next().await.is_some() {}
        let was_draining = connection.is_draining();
        connection.close().await;
        if run.schedule.is_over(Instant::now()) {
            return;
        }
        connection = match run.connector.connect().await {
            Ok(connection) => connection,
            Err(error) => return run.tally().fail(Failure::Connect, 1, || format!("cannot connect: {error:#}")),
        };
        run.tally().reconnections += u64::from(was_draining);
    }
    run.tally().fail(Failure::Connect, 1, || format!("the server ended {MOST_RECONNECTIONS} connections"));
}

/// One loop: a request, its response, the next request.
async fn repeat(run: Arc<Run>, connection: Connection) {
    let mut exchange = Exchange::default();
    while connection.takes_requests() {
        let start = Instant::now();
        if !run.schedule.take(start) {
            return;
        }
        run.in_flight.fetch_add(1, Ordering::Relaxed);
        let outcome = connection.fetch(&run.get, &mut exchange).await;
        run.in_flight.fetch_sub(1, Ordering::Relaxed);
        run.judge(start, outcome);
    }
}
