//! Many clients that ask for one thing at once: when each of them has its first byte, and whether all get all of it.
//!
//! Over HTTP/1.1, from one process and with one clock. What this machine and these clients cost by themselves is measured by the same
//! clients at a server that does nothing ([`trivial`]); what a server adds is the difference.

mod client;
mod trivial;

use std::fmt;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::arguments::WaitersOptions;
use client::{Right, Seen, Way, get};

/// How long before all others the first client asks.
const LEAD: Duration = Duration::from_millis(20);

/// What was measured. Times are from the first client's request, but for the spread.
#[derive(Debug, Serialize)]
pub struct WaitersReport {
    clients: u32,
    /// Answers that were none, short or wrong.
    failed: u64,
    /// What went wrong first.
    why: Option<String>,
    /// When the one that asked first had its first byte.
    first_client_ms: f64,
    /// How long after that the others had theirs; below zero where they were before it.
    behind_it_ms: Quantiles,
    /// The same for the first byte of the body.
    body_behind_it_ms: Quantiles,
    /// When the last one had everything.
    all_ms: f64,
}

#[derive(Debug, Default, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    most: f64,
}

/// Runs all clients once. The answer is whether each of them got all of it.
pub(crate) async fn run(options: &WaitersOptions) -> Result<WaitersReport> {
    let right = match &options.expect {
        Some(file) => Some(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?),
        None => None,
    };
    let address = match options.trivial {
        Some(threads) => trivial::start(threads, options.clients, options.piece)?,
        None => options.connect.context("no server: --connect or --trivial")?,
    };
    let way = Arc::new(Way { address, host: options.host.clone(), path: options.path.clone() });
    let seen = all(options, &way, Arc::new(Right(right))).await?;
    Ok(report(options.clients, &seen))
}

/// Connects all of them, has the first one ask, then the others.
async fn all(options: &WaitersOptions, way: &Arc<Way>, right: Arc<Right>) -> Result<Vec<Result<Seen>>> {
    let (go, going) = watch::channel(0_u32);
    let (done, mut seen) = mpsc::unbounded_channel();
    let mut shares: Vec<Vec<(u32, StdStream)>> = (0..options.threads).map(|_| Vec::new()).collect();
    for number in 0..options.clients {
        let share = number as usize % shares.len();
        shares[share].push((number, connect(way.address)?));
    }
    for share in shares {
        let (way, right, going, done) = (Arc::clone(way), Arc::clone(&right), going.clone(), done.clone());
        std::thread::spawn(move || serve_share(share, &way, &right, &going, &done));
    }
    drop(done);
    go.send_replace(1);
    tokio::time::sleep(LEAD).await;
    go.send_replace(2);
    let end = Instant::now() + options.patience;
    let mut all: Vec<Result<Seen>> = (0..options.clients).map(|_| Err(anyhow::anyhow!("not done in time"))).collect();
    while let Ok(Some((number, result))) = tokio::time::timeout_at(end, seen.recv()).await {
        all[number as usize] = result;
    }
    Ok(all)
}

/// One thread's clients.
fn serve_share(
    share: Vec<(u32, StdStream)>,
    way: &Arc<Way>,
    right: &Arc<Right>,
    going: &watch::Receiver<u32>,
    done: &mpsc::UnboundedSender<(u32, Result<Seen>)>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for (number, connection) in share {
            let (way, right, mut going, done) = (Arc::clone(way), Arc::clone(right), going.clone(), done.clone());
            let turn = if number == 0 { 1 } else { 2 };
            clients.spawn(async move {
                let seen = async {
                    let connection = TcpStream::from_std(connection)?;
                    going.wait_for(|now| *now >= turn).await?;
                    get(connection, &way, &right).await
                };
                // Nobody listens any more once the run is over.
                let _over = done.send((number, seen.await));
            });
        }
        while clients.join_next().await.is_some() {}
    });
}

fn connect(address: SocketAddr) -> Result<StdStream> {
    let connection = StdStream::connect(address).context("cannot connect")?;
    connection.set_nodelay(true)?;
    connection.set_nonblocking(true)?;
    Ok(connection)
}

fn report(clients: u32, seen: &[Result<Seen>]) -> WaitersReport {
    let why = seen.iter().find_map(|seen| seen.as_ref().err()).map(|error| format!("{error:#}"));
    let failed = seen.iter().filter(|seen| seen.is_err()).count() as u64;
    let first = seen.first().and_then(|seen| seen.as_ref().ok());
    let others: Vec<&Seen> = seen.iter().skip(1).flatten().collect();
    let milliseconds = |from: Instant, to: Instant| match to.checked_duration_since(from) {
        Some(after) => after.as_secs_f64() * 1000.0,
        None => -from.duration_since(to).as_secs_f64() * 1000.0,
    };
    let behind = |byte: fn(&Seen) -> Instant| match first {
        Some(first) => quantiles(others.iter().map(|other| milliseconds(byte(first), byte(other))).collect()),
        None => Quantiles::default(),
    };
    WaitersReport {
        clients,
        failed,
        why,
        first_client_ms: first.map_or(0.0, |first| milliseconds(first.asked, first.first_byte)),
        behind_it_ms: behind(|seen| seen.first_byte),
        body_behind_it_ms: behind(|seen| seen.first_body_byte),
        all_ms: first.map_or(0.0, |first| {
            seen.iter().flatten().map(|seen| milliseconds(first.asked, seen.all)).fold(0.0, f64::max)
        }),
    }
}

/// Exactly, from all values.
fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len() as f64 * share).ceil() as usize;
        values.get(place.clamp(1, values.len().max(1)) - 1).copied().unwrap_or_default()
    };
    Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), most: at(1.0) }
}

impl WaitersReport {
    /// Whether every client got all of it.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0
    }
}

impl fmt::Display for WaitersReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        writeln!(formatter, "{} clients, {} failed{why}", self.clients, self.failed)?;
        writeln!(formatter, "first client's first byte after {:.1} ms", self.first_client_ms)?;
        for (name, Quantiles { p50, p90, p99, most }) in
            [("first byte", &self.behind_it_ms), ("first byte of the body", &self.body_behind_it_ms)]
        {
            let values = format!("p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, last {most:.1} ms");
            writeln!(formatter, "the others' {name} behind it: {values}")?;
        }
        writeln!(formatter, "everything after {:.0} ms", self.all_ms)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    async fn waited(more: &[&str]) -> WaitersReport {
        let line = ["loadtest", "waiters", "--clients", "7"];
        let command = Arguments::try_parse_from(line.iter().chain(more)).unwrap().command;
        let Command::Waiters(options) = command else { panic!("another load") };
        run(&options).await.unwrap()
    }

    #[tokio::test]
    async fn clients_of_a_trivial_server_get_what_it_sends() {
        let report = waited(&["--trivial", "2", "--piece", "1000"]).await;
        assert!(report.is_clean(), "{report}");
        assert!(report.first_client_ms > 0.0 && report.all_ms >= report.first_client_ms);
    }

    #[tokio::test]
    async fn bodies_other_than_expected_are_failures() {
        let file = std::env::temp_dir().join(format!("tidegate-loadtest-{}", std::process::id()));
        for (right, clean) in [(vec![b'.'; 1000], true), (vec![b'.'; 999], false), (vec![b'!'; 1000], false)] {
            std::fs::write(&file, right).unwrap();
            let report = waited(&["--trivial", "1", "--piece", "1000", "--expect", file.to_str().unwrap()]).await;
            assert_eq!((report.is_clean(), report.failed), (clean, if clean { 0 } else { 7 }), "{report}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
