//! Players of low-latency HLS: each asks for the playlist that has the next part, waits for it, gets the part, and so on.
//!
//! The origin is here as well, in the same process: it holds requests back until their part is due, counts them, and
//! notes when it lets go of each, so that what a server between adds is measured with one clock. Over HTTP/1.1.

mod origin;
mod player;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::arguments::LowLatencyOptions;
use crate::histogram::Histogram;
use origin::Stream;

/// From the first connection to the first part: all players are connected by then, and wait.
const LEAD: Duration = Duration::from_secs(3);

/// How long after its last part a run may go on.
const GRACE: Duration = Duration::from_secs(20);

/// What was measured.
#[derive(Debug, Serialize)]
pub struct LowLatencyReport {
    clients: u32,
    parts: u64,
    /// Requests for playlists that reached the origin, for each part.
    playlist_requests_a_part: f64,
    /// Requests for the parts themselves.
    part_requests_a_part: f64,
    /// From the moment the origin lets go of a playlist to the moment a player has all of it.
    delay_ms: Quantiles,
    /// Answers to players.
    answers: u64,
    /// Answers that were none, or wrong, and players that were cut off.
    failed: u64,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    most: f64,
}

/// Runs origin and players. The answer is whether all were served.
pub(crate) async fn run(options: &LowLatencyOptions) -> Result<LowLatencyReport> {
    let listener = TcpListener::bind(options.listen).await.context("the origin cannot listen")?;
    let stream = Arc::new(Stream::new(Instant::now() + LEAD, options.part, options.parts, options.size));
    let serving = tokio::spawn(origin::serve(listener, Arc::clone(&stream)));
    let mut players = tokio::task::JoinSet::new();
    for _ in 0..options.clients {
        players.spawn(player::play(options.edge, options.host.clone(), Arc::clone(&stream)));
    }
    let (mut delays, mut answers, mut failed) = (Histogram::default(), 0, 0);
    let last = u32::try_from(options.parts).unwrap_or(u32::MAX);
    let end = Instant::now() + LEAD + options.part * last + GRACE;
    while let Ok(Some(played)) = tokio::time::timeout_at(end, players.join_next()).await {
        let Ok(played) = played else { continue };
        played.delays.iter().for_each(|delay| delays.record(*delay));
        answers += played.answers;
        failed += played.failed;
    }
    failed += players.len() as u64;
    players.abort_all();
    serving.abort();
    let milliseconds = |share: f64| delays.quantile(share).as_secs_f64() * 1000.0;
    let (playlists, parts) = stream.requests();
    let each = |requests: u64| requests as f64 / options.parts as f64;
    Ok(LowLatencyReport {
        clients: options.clients,
        parts: options.parts,
        playlist_requests_a_part: each(playlists),
        part_requests_a_part: each(parts),
        delay_ms: Quantiles {
            p50: milliseconds(0.5),
            p90: milliseconds(0.9),
            p99: milliseconds(0.99),
            most: delays.largest().as_secs_f64() * 1000.0,
        },
        answers,
        failed,
    })
}

impl LowLatencyReport {
    /// Whether every player got every part.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0 && self.answers == 2 * u64::from(self.clients) * self.parts
    }
}

impl fmt::Display for LowLatencyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quantiles { p50, p90, p99, most } = &self.delay_ms;
        writeln!(
            formatter,
            "{} players of {} parts: {} answers, {} failed",
            self.clients, self.parts, self.answers, self.failed
        )?;
        let (playlists, parts) = (self.playlist_requests_a_part, self.part_requests_a_part);
        writeln!(formatter, "origin requests a part: {playlists:.2} for playlists, {parts:.2} for the part")?;
        writeln!(
            formatter,
            "delay behind the origin: p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, most {most:.1} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    async fn played(edge: &str, listen: &str) -> LowLatencyReport {
        let line = ["loadtest", "low-latency", "--listen", listen, "--edge", edge, "--clients", "3", "--parts", "12"];
        let command = Arguments::try_parse_from(line.iter().chain(&["--part", "20ms"])).unwrap().command;
        let Command::LowLatency(options) = command else { panic!("another load") };
        run(&options).await.unwrap()
    }

    fn free_address() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn players_straight_at_their_origin_ask_it_for_every_part_and_get_it_at_once() {
        let address = free_address();
        let report = played(&address, &address).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.playlist_requests_a_part, report.part_requests_a_part), (3.0, 3.0));
        assert!(report.delay_ms.p50 <= report.delay_ms.most);
    }

    #[tokio::test]
    async fn players_of_a_server_that_is_not_there_are_failures() {
        let report = played(&free_address(), &free_address()).await;
        assert_eq!((report.is_clean(), report.failed, report.answers), (false, 3, 0));
    }
}
