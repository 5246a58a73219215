//! `tidegate warm`: has a node fetch a URL, or all that a playlist lists, before anybody asks.
//!
//! The work is done on the node, through its own routes and cache; this follows it and tells how it goes.

mod interruption;
mod progress_lines;

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::node_client::{NodeClient, NodeOption};
use crate::output::{OutputFormat, OutputOption, print, print_json};
use interruption::{ENDING, Interruption};
use progress_lines::ProgressLines;

const EXAMPLES: &str = "\
Examples:
  tidegate warm https://media.example/film.mp4 --node http://127.0.0.1:9000
  tidegate warm https://media.example/vod/main.m3u8 --node http://127.0.0.1:9000 --concurrency 8
  tidegate warm https://media.example/live/manifest.mpd --node http://127.0.0.1:9000 --output json

A playlist or manifest leads to its renditions, and these to their segments: all of them on demand, the window of a live
one. Only what is on the URL's own host is followed. The node finds the URL by its own routes; name it as clients do.

How far it is stands on standard error; with --output json, as a line of JSON on standard output each second, the last of
which has another state than \"running\".

Exit code 1 when anything could not be fetched, or is not in the cache in the end: what a full cache has turned away counts as
failed. A command that is interrupted ends the node's job and with code 1, and says what is kept of what was on its way;
one that is killed, or hung up on, ends its job a minute and a half later. With nohup it goes on. POST /cache/warm of the
operator's listener begins jobs that nobody need follow.";

/// Between two questions how far it is.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two tellings of bytes alone: a film of minutes needs not many lines.
const TELLING: Duration = Duration::from_secs(2);

/// Between two lines of JSON.
const LINES: Duration = Duration::from_secs(1);

/// How long a node that does not answer, or cannot, is asked on: by then it has ended the job itself, as one that nobody
/// follows any more.
const UNANSWERED: Duration = Duration::from_secs(90);

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
    let interruption = Interruption::listen(client.clone())?;
    let WarmArguments { url, concurrency, limit, .. } = arguments;
    let order = json!({ "url": url, "concurrency": concurrency, "limit": limit, "followed": true });
    let begun = client.post("/cache/warm", &order)?;
    let mut teller = Teller::new(arguments.output.format);
    let job = follow(&client, begun, &interruption, &mut teller)?;
    teller.lines.finish();
    match arguments.output.format {
        OutputFormat::Json => print_json(&job)?,
        OutputFormat::Text => print(&summary(&job))?,
    }
    let complete = job["state"] == "done" && number(&job, "failed") == 0;
    if complete { Ok(()) } else { Err(CommandError::Told) }
}

/// Asks how far the job is until it is over, and ends it when somebody wants this command to end.
fn follow(
    client: &NodeClient,
    begun: Value,
    interruption: &Interruption,
    teller: &mut Teller,
) -> Result<Value, CommandError> {
    let path = format!("/cache/warm/{}", begun["id"].as_str().unwrap_or_default());
    interruption.ends(&path);
    let mut end = Instant::now() + LONGEST;
    let mut answered = Instant::now();
    let mut job = begun;
    while job["state"] == "running" && Instant::now() < end {
        if interruption.has_come_within(PAUSE) {
            end = end.min(Instant::now() + ENDING);
        }
        job = match client.get(&path) {
            Ok(job) => job,
            // One answer that fails or is late says nothing about the job, which goes on.
            Err(CommandError::Node(_)) if answered.elapsed() < UNANSWERED => continue,
            Err(error) => return Err(error),
        };
        answered = Instant::now();
        teller.tell(&job);
    }
    Ok(job)
}

/// Tells how far the job is, not more often than anybody reads.
struct Teller {
    lines: ProgressLines,
    format: OutputFormat,
    /// Counts, and the whole line.
    told: (String, String),
    at: Option<Instant>,
}

impl Teller {
    fn new(format: OutputFormat) -> Self {
        Self { lines: ProgressLines::on(format), format, told: Default::default(), at: None }
    }

    fn tell(&mut self, job: &Value) {
        let passed = |pause| self.at.is_none_or(|at| at.elapsed() >= pause);
        match self.format {
            OutputFormat::Json if job["state"] == "running" && passed(LINES) => drop(self.lines.offer(job.to_string())),
            OutputFormat::Text => {
                let counts = progress(job);
                let line = counts.clone() + &being_read(job);
                let bytes_alone = counts == self.told.0;
                if line == self.told.1 || bytes_alone && !passed(TELLING) {
                    return;
                }
                if self.lines.offer(line.clone()) {
                    self.told = (counts, line);
                }
            }
            OutputFormat::Json => return,
        }
        self.at = Some(Instant::now());
    }
}

fn progress(job: &Value) -> String {
    let count = |name| number(job, name);
    let done = count("fetched") + count("present") + count("failed");
    format!("{done} of {} found: {}", count("found"), counts(job))
}

/// How far the bodies are that are on their way; nothing where none is.
fn being_read(job: &Value) -> String {
    let reading = job["reading"].as_array().map(Vec::as_slice).unwrap_or_default();
    if reading.is_empty() {
        return String::new();
    }
    let sum = |name: &str| mebibytes(reading.iter().map(|one| number(one, name)).sum());
    let whole = reading.iter().all(|one| one["length"].is_u64()).then(|| format!(" of {:.1}", sum("length")));
    format!("; {} on the way: {:.1}{} MiB", reading.len(), sum("bytes"), whole.unwrap_or_default())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn counts(job: &Value) -> String {
    let count = |name| number(job, name);
    format!(
        "{} fetched ({:.1} MiB), {} there already, {} failed",
        count("fetched"),
        mebibytes(count("bytes")),
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
    let kept = job["kept"].as_array().map(Vec::as_slice).unwrap_or_default();
    text.extend(kept.iter().map(|one| format!("\nkept: {}", kept_of(one))));
    let failures = job["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    for failure in failures {
        let word = |name: &str| failure[name].as_str().unwrap_or_default();
        text.push_str(&format!("\nfailed: {}: {}", word("target"), word("reason")));
    }
    let untold = number(job, "failed").saturating_sub(failures.len() as u64);
    if untold > 0 {
        text.push_str(&format!("\nfailed: {untold} more"));
    }
    let full = &job["full"];
    if full.is_object() {
        let [bytes, capacity] = ["bytes", "capacity"].map(|name| mebibytes(number(full, name)));
        let what = format!("\nthe cache holds {bytes:.1} of {capacity:.1} MiB: ");
        text.push_str(&(what + "give it more memory (cache.capacity of the node document), or warm less"));
    }
    text
}

/// What there is of something that was being read when the job was ended.
fn kept_of(one: &Value) -> String {
    let target = one["target"].as_str().unwrap_or_default();
    let slices = &one["slices"];
    match (slices.is_object(), one["arriving"] == true) {
        (true, _) => format!("{target}: {} of {} slices", number(slices, "stored"), number(slices, "all")),
        (false, true) => format!("{target}: it is still being fetched"),
        (false, false) => format!("{target}: all of it"),
    }
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
            "left_out": { "other_host": 1, "beyond_limits": 4 }, "kept": [], "full": null,
        });
        let expected = "done: 3 fetched (3.0 MiB), 2 there already, 2 failed\nleft out: 4 beyond the limits\n\
            left out: 1 on other hosts\nfailed: /v/2.m4s: 404 by the origin\nfailed: 1 more";
        assert_eq!(summary(&job), expected);
        assert_eq!(progress(&job), "7 of 9 found: 3 fetched (3.0 MiB), 2 there already, 2 failed");
    }

    #[test]
    fn summary_says_what_is_kept_and_what_a_full_cache_needs() {
        let kept = json!([
            { "target": "/a.mp4", "slices": { "stored": 12, "all": 29 }, "arriving": false },
            { "target": "/b.m4s", "slices": null, "arriving": true },
            { "target": "/c.m4s", "slices": null, "arriving": false },
        ]);
        let job = json!({ "state": "cancelled", "kept": kept });
        let nothing = "0 fetched (0.0 MiB), 0 there already, 0 failed";
        let expected = format!(
            "cancelled: {nothing}\nkept: /a.mp4: 12 of 29 slices\nkept: /b.m4s: it is still being fetched\n\
            kept: /c.m4s: all of it"
        );
        assert_eq!(summary(&job), expected);
        let full = json!({ "state": "done", "full": { "bytes": 255 << 20, "capacity": 256 << 20 } });
        let expected = format!(
            "done: {nothing}\nthe cache holds 255.0 of 256.0 MiB: give it more memory (cache.capacity of the node \
            document), or warm less"
        );
        assert_eq!(summary(&full), expected);
    }

    #[test]
    fn bodies_on_their_way_are_told_in_bytes() {
        let check = |reading: Value, expected: &str| {
            assert_eq!(being_read(&json!({ "reading": reading })), expected, "{reading}");
        };
        check(Value::Null, "");
        check(json!([]), "");
        check(json!([{ "bytes": 3 << 19, "length": 4_u64 << 30 }]), "; 1 on the way: 1.5 of 4096.0 MiB");
        let both = json!([{ "bytes": 1 << 20, "length": 2 << 20 }, { "bytes": 1 << 20, "length": null }]);
        check(both, "; 2 on the way: 2.0 MiB");
    }
}
