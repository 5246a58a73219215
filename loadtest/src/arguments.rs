//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// More connections than this need more ports and memory than one client process should take.
const MOST_CONNECTIONS: i64 = 1024;
/// More requests at once on a connection than any server lets through.
const MOST_STREAMS: i64 = 1024;
/// More players than this need more ports than a loopback address has to spare.
const MOST_PLAYERS: i64 = 16_384;
/// An hour of 200 ms parts.
const MOST_PARTS: u64 = 18_000;
/// A run forgotten in the background ends by itself.
const LONGEST_RUN: Duration = Duration::from_secs(3600);

/// Closed-loop load for HTTP servers, with latencies and checked responses.
#[derive(Debug, Parser)]
#[command(name = "tidegate-loadtest", version, about, long_about = None, after_help = EXAMPLE)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The kinds of load.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// GET one URL over HTTP/3 again and again: each stream sends its next request when the last was answered
    #[command(after_help = EXAMPLE)]
    H3(Http3Options),
    /// Play a live stream as many players of low-latency HLS over HTTP/1.1, with its origin in the same process
    #[command(after_help = LOW_LATENCY_EXAMPLE)]
    LowLatency(LowLatencyOptions),
    /// GET one thing as many clients at once over HTTP/1.1, and tell when each has its first byte
    #[command(after_help = WAITERS_EXAMPLE)]
    Waiters(WaitersOptions),
}

/// How many ask for what at once.
#[derive(Debug, Clone, Args)]
pub struct WaitersOptions {
    /// The server that is measured
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "trivial")]
    pub connect: Option<SocketAddr>,
    /// Measure this machine instead, with a server on so many threads that does nothing but write
    #[arg(long, value_name = "THREADS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub trivial: Option<u32>,
    /// Bytes that the trivial server writes to each
    #[arg(long, default_value_t = 4096)]
    pub piece: usize,
    /// Host that is asked for
    #[arg(long, default_value = "media.tidegate.test")]
    pub host: String,
    /// Path that is asked for
    #[arg(long, default_value = "/object")]
    pub path: String,
    /// Clients, each with a connection of its own
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=MOST_PLAYERS))]
    pub clients: u32,
    /// Threads that read: with too few, they are what is measured
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// A file with what the body must be
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Clients that are not done after this time have failed
    #[arg(long, default_value = "120s", value_parser = parse_duration)]
    pub patience: Duration,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How to play a live stream.
#[derive(Debug, Clone, Args)]
pub struct LowLatencyOptions {
    /// Where the origin listens; the server that is measured must fetch from there
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// The server that is measured; that of --listen for the origin alone
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub edge: SocketAddr,
    /// Host that players ask for
    #[arg(long, default_value = "media.tidegate.test")]
    pub host: String,
    /// Players, each with a connection of its own
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=MOST_PLAYERS))]
    pub clients: u32,
    /// Parts to play
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MOST_PARTS))]
    pub parts: u64,
    /// Duration of a part
    #[arg(long, default_value = "200ms", value_parser = parse_duration)]
    pub part: Duration,
    /// Bytes of a part
    #[arg(long, default_value_t = 10_000)]
    pub size: usize,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How to load a server over HTTP/3.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("trust").required(true))]
pub struct Http3Options {
    /// The https URL to request
    #[arg(long)]
    pub url: String,
    /// Send to this address instead of the one the URL's host has
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub connect: Option<SocketAddr>,
    /// Trust the certificates in this PEM file
    #[arg(long, value_name = "FILE", group = "trust")]
    pub ca: Option<PathBuf>,
    /// Accept any certificate
    #[arg(long, group = "trust")]
    pub insecure: bool,
    /// Connections, each from a UDP socket of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=MOST_CONNECTIONS))]
    pub connections: u32,
    /// Requests at the same time on each connection
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=MOST_STREAMS))]
    pub streams: u32,
    /// No request starts after this time (like 500ms, 10s, 2m; at most an hour)
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// No more requests than this
    #[arg(long)]
    pub requests: Option<u64>,
    /// Requests still open this long after the duration count as timed out
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub grace: Duration,
    /// Status that every response must have
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub expect_status: u16,
    /// Length that every body must have (default: that of the first response)
    #[arg(long, value_name = "BYTES")]
    pub expect_length: Option<u64>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

const EXAMPLE: &str = "\
Example:
  tidegate-loadtest h3 --url https://media.tidegate.test:8443/1k.bin --connect 127.0.0.1:8443 \\
      --ca ca.pem --connections 4 --streams 10 --duration 10s

The first response is fetched before the clock starts and shown with its fields. Exit status: 0 when every
response had the expected status and length, 1 when one had not, 2 when the run could not be made.";

const LOW_LATENCY_EXAMPLE: &str = "\
Example:
  tidegate-loadtest low-latency --listen 127.0.0.1:7000 --edge 127.0.0.1:8080 --clients 2000 --parts 100

Exit status: 0 when every player got every part, 1 when one did not, 2 when the run could not be made.";

const WAITERS_EXAMPLE: &str = "\
Example:
  tidegate-loadtest waiters --connect 127.0.0.1:8080 --path /object --clients 1000 --expect object.bin
  tidegate-loadtest waiters --trivial 2 --clients 1000

The first client asks 20 ms before all others. Exit status: 0 when every client got all of it, 1 when one did not,
2 when the run could not be made.";

/// A whole number with `ms`, `s` or `m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "expected a number with a unit, like 10s".to_owned())?;
    let duration = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err("expected one of the units ms, s, m".to_owned()),
    };
    if duration > LONGEST_RUN { Err(format!("at most {} s", LONGEST_RUN.as_secs())) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
    }

    #[test]
    fn durations_need_a_unit_and_end() {
        check("500ms", Some(Duration::from_millis(500)));
        check("10s", Some(Duration::from_secs(10)));
        check("2m", Some(Duration::from_secs(120)));
        check("60m", Some(LONGEST_RUN));
        check("61m", None);
        check("99999999999999999m", None);
        check("10", None);
        check("s", None);
        check("-1s", None);
        check("1.5s", None);
        check("", None);
    }

    #[test]
    fn trust_must_be_chosen_and_once() {
        let parse = |more: &[&str]| {
            let line = ["tidegate-loadtest", "h3", "--url", "https://a/"];
            Arguments::try_parse_from(line.iter().chain(more)).is_ok()
        };
        assert!(parse(&["--insecure"]));
        assert!(parse(&["--ca", "ca.pem"]));
        assert!(!parse(&[]));
        assert!(!parse(&["--insecure", "--ca", "ca.pem"]));
        assert!(!parse(&["--insecure", "--connections", "0"]));
        Arguments::command().debug_assert();
    }
}
