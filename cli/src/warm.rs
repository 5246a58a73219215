//! `tidegate warm`: has a node fetch a URL, or all that a playlist lists, before anybody asks.
//!
//! The work is done on the node, through its own routes and cache; this follows it and tells how it goes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::node_client::{NodeClient, NodeOption};
use crate::output::{OutputFormat, OutputOption, print, print_json, tell};

const EXAMPLES: &str = "\
Examples:
  tidegate warm https://media.example/film.mp4 --node http://127.0.0.1:9000
  tidegate warm https://media.example/vod/main.m3u8 --node http://127.0.0.1:9000 --concurrency 8
  tidegate warm https://media.example/live/manifest.mpd --node http://127.0.0.1:9000 --output json

A playlist or manifest leads to its renditions, and these to their segments: all of them on demand, the window of a live
one. Only what is on the URL's own host is followed. The node finds the URL by its own routes; name it as clients do.

Exit code 1 when anything could not be fetched or is not stored. A command that is interrupted leaves the node's job
running; DELETE /cache/warm/ID of the operator's listener ends it.";

/// Between two questions how far it is.
const PAUSE: Duration = Duration::from_millis(250);

/// A job that lasts longer than this is no more waited for; the largest one has 100,000 URLs.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What `tidegate warm` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WarmArguments {
    /// The URL, as a client would ask for it.
    url: String,
    #[command(flatten)]
    node: NodeOption,
    /// Fetches at the same time, 1 to 32.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    concurrency: u32,
    /// Most URLs, 1 to 100000.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    limit: u32,
    #[command(flatten)]
    output: OutputOption,
}

/// Begins the job and follows it to its end.
pub(crate) fn run(arguments: &WarmArguments) -> Result<(), CommandError> {
    let client = arguments.node.client()?;
    let order = json!({ "url": arguments.url, "concurrency": arguments.concurrency, "limit": arguments.limit });
    let begun = client.post("/cache/warm", &order)?;
    let job = follow(&client, begun)?;
    match arguments.output.format {
        OutputFormat::Json => print_json(&job)?,
        OutputFormat::Text => print(&summary(&job))?,
    }
    let complete = job["state"] == "done" && number(&job, "failed") == 0;
    if complete { Ok(()) } else { Err(CommandError::Told) }
}

fn follow(client: &NodeClient, begun: Value) -> Result<Value, CommandError> {
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    let end = Instant::now() + LONGEST;
    let (mut job, mut told) = (begun, String::new());
    while job["state"] == "running" && Instant::now() < end {
        sleep(PAUSE);
        job = client.get(&format!("/cache/warm/{id}"))?;
        let line = progress(&job);
        if line != told {
            tell(&line);
            told = line;
        }
    }
    Ok(job)
}

fn progress(job: &Value) -> String {
    let count = |name| number(job, name);
    let done = count("fetched") + count("present") + count("failed");
    format!("{done} of {} found: {}", count("found"), counts(job))
}

fn counts(job: &Value) -> String {
    let count = |name| number(job, name);
    let mebibytes = count("bytes") as f64 / f64::from(1 << 20);
    format!(
        "{} fetched ({mebibytes:.1} MiB), {} there already, {} failed",
        count("fetched"),
        count("present"),
        count("failed")
    )
}

fn summary(job: &Value) -> String {
    let mut text = format!("{}: {}", job["state"].as_str().unwrap_or("unknown"), counts(job));
    for (reason, count) in job["left_out"].as_object().into_iter().flatten() {
        let reason = match reason.as_str() {
            "other_host" => "on other hosts",
            "beyond_limits" => "beyond the limits",
            _ => "not understood",
        };
        text.push_str(&format!("\nleft out: {count} {reason}"));
    }
    let failures = job["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    for failure in failures {
        let word = |name: &str| failure[name].as_str().unwrap_or_default();
        text.push_str(&format!("\nfailed: {}: {}", word("target"), word("reason")));
    }
    let untold = number(job, "failed").saturating_sub(failures.len() as u64);
    if untold > 0 {
        text.push_str(&format!("\nfailed: {untold} more"));
    }
    text
}

fn number(job: &Value, name: &str) -> u64 {
    job[name].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_says_what_came_of_it_and_why_not_all() {
        let job = json!({
            "state": "done", "found": 9, "fetched": 3, "present": 2, "failed": 2, "bytes": 3 << 20,
            "failures": [{ "target": "/v/2.m4s", "reason": "404 by the origin" }],
            "left_out": { "other_host": 1, "beyond_limits": 4 },
        });
        let expected = "done: 3 fetched (3.0 MiB), 2 there already, 2 failed\nleft out: 4 beyond the limits\n\
            left out: 1 on other hosts\nfailed: /v/2.m4s: 404 by the origin\nfailed: 1 more";
        assert_eq!(summary(&job), expected);
        assert_eq!(progress(&job), "7 of 9 found: 3 fetched (3.0 MiB), 2 there already, 2 failed");
    }
}
