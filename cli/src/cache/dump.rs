//! `tidegate cache dump`: every object that a node has stored.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::printable;
use super::walk::{Walk, walk};
use crate::error::CommandError;
use crate::node_client::NodeOption;
use crate::output::{OutputFormat, OutputOption};

const EXAMPLES: &str = "\
Examples:
  tidegate cache dump --node http://127.0.0.1:9000
  tidegate cache dump --node http://127.0.0.1:9000 --site media --tier disk --output json
  tidegate cache dump --node http://127.0.0.1:9000 --prefix https://media.example/vod/ | wc -l
  tidegate cache dump --node http://127.0.0.1:9000 --tag show-7

A line for each object: its tier, its bytes there, its age, for how long it stays fresh (negative: it is stale), and its
URL; with --output json a JSON object a line, which has more. Bytes of what is in slices are without these. What is in
memory comes first, then what is on disk: an object that is in both is shown twice. Objects that come or go meanwhile may
be missing.

URLs are shown with their queries, in which tokens of clients may stand: treat the output like a log with secrets. Tags are
stored as keyed hashes; no list of them exists, but objects with a tag are found. On disk that looks at every record, which
takes a minute for a million of them; how far it is stands on standard error.";

/// What `tidegate cache dump` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DumpArguments {
    #[command(flatten)]
    node: NodeOption,
    /// Objects of this site alone.
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// Objects with this tag alone, and those with more tags than are told apart.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Objects whose URL begins so alone; with or without the scheme.
    #[arg(long, value_name = "URL")]
    prefix: Option<String>,
    /// Objects in this tier alone.
    #[arg(long)]
    tier: Option<Tier>,
    #[command(flatten)]
    output: OutputOption,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// In memory.
    Memory,
    /// On disk.
    Disk,
}

/// Walks over all of them.
pub(crate) fn run(arguments: &DumpArguments) -> Result<(), CommandError> {
    let tier = arguments.tier.map(|tier| if tier == Tier::Memory { "memory" } else { "disk" });
    let selected = [
        ("site", arguments.site.as_deref()),
        ("tag", arguments.tag.as_deref()),
        ("prefix", arguments.prefix.as_deref()),
        ("tier", tier),
    ];
    let mut out = io::BufWriter::new(io::stdout().lock());
    walk(&arguments.node.client()?, &selected, |entry| {
        let line = match arguments.output.format {
            OutputFormat::Json => entry.to_string(),
            OutputFormat::Text => to_line(entry),
        };
        written(writeln!(out, "{line}"))
    })?;
    written(out.flush()).map(drop)
}

/// Whoever read has read enough where the pipe is closed: `tidegate cache dump … | head`.
fn written(outcome: io::Result<()>) -> Result<Walk, CommandError> {
    match outcome {
        Ok(()) => Ok(Walk::GoesOn),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Walk::Ends),
        Err(error) => Err(CommandError::Output(error)),
    }
}

fn to_line(entry: &Value) -> String {
    let word = |name: &str| entry[name].as_str().unwrap_or("?");
    let number = |name: &str| entry[name].as_i64().unwrap_or(0);
    let mut line = format!(
        "{:6} {:>12} {:>9}s {:>9}s {}",
        word("tier"),
        number("bytes"),
        number("age"),
        number("fresh_for"),
        printable(word("url"))
    );
    for part in entry["parts"].as_array().into_iter().flatten() {
        line.push_str(&format!(" [{}]", printable(part.as_str().unwrap_or_default())));
    }
    let marks = [
        (entry["variant"] == true, "variant"),
        (!entry["slices"].is_null(), "in slices"),
        (entry["pinned"] == true, "pinned"),
        (entry["purged"]["mode"] == "hard", "purged"),
        (entry["purged"]["mode"] == "soft", "purged softly"),
    ];
    for (_, mark) in marks.iter().filter(|(is_so, _)| *is_so) {
        line.push_str(&format!(" ({mark})"));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_says_where_an_object_is_and_what_is_special_about_it() {
        let plain =
            json!({ "tier": "disk", "bytes": 1234, "age": 5, "fresh_for": -3, "url": "https://a.test/\u{1b}[2J" });
        assert_eq!(to_line(&plain), "disk           1234         5s        -3s https://a.test/\u{fffd}[2J");
        let marked = json!({
            "tier": "memory", "bytes": 1, "age": 0, "fresh_for": 60, "url": "https://a.test/", "variant": true,
            "slices": 3, "parts": ["x-tier: gold"], "purged": { "mode": "soft" }, "pinned": true,
        });
        let line = to_line(&marked);
        assert!(
            line.ends_with("https://a.test/ [x-tier: gold] (variant) (in slices) (pinned) (purged softly)"),
            "{line}"
        );
    }
}
