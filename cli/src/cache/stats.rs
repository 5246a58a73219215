//! `tidegate cache stats`: all that a node has stored, summed up.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::totals::to_text;
use super::walk::{Walk, walk};
use crate::error::CommandError;
use crate::node_client::NodeOption;
use crate::output::{OutputFormat, OutputOption, print, print_json};

const EXAMPLES: &str = "\
Examples:
  tidegate cache stats --node http://127.0.0.1:9000
  tidegate cache stats --node http://10.0.0.7:9000 --token-file token --output json
  tidegate cache stats --node http://127.0.0.1:9000 --tag show-7

Counters, of requests, reads and evictions, begin with the node's start. With --tag every stored object is looked at, which
takes a minute for a million on disk; how far it is stands on standard error.";

/// What `tidegate cache stats` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArguments {
    #[command(flatten)]
    node: NodeOption,
    /// Say how much of what is stored has this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[command(flatten)]
    output: OutputOption,
}

/// Asks the node and prints what it says.
pub(crate) fn run(arguments: &StatsArguments) -> Result<(), CommandError> {
    let client = arguments.node.client()?;
    let mut stats = client.get("/cache/stats")?;
    if let Some(tag) = &arguments.tag {
        let mut sums = Sums::default();
        walk(&client, &[("tag", Some(tag))], |entry| {
            sums.add(entry);
            Ok(Walk::GoesOn)
        })?;
        stats["tag"] = sums.shown(tag);
    }
    match arguments.output.format {
        OutputFormat::Json => print_json(&stats),
        OutputFormat::Text => print(&to_text(&stats)),
    }
}

/// Objects and bytes by tier.
#[derive(Default)]
struct Sums(BTreeMap<String, (u64, u64)>);

impl Sums {
    fn add(&mut self, entry: &Value) {
        let tier = entry["tier"].as_str().unwrap_or("?").to_owned();
        let (objects, bytes) = self.0.entry(tier).or_default();
        *objects += 1;
        *bytes += entry["length"].as_u64().unwrap_or(0);
    }

    fn shown(&self, tag: &str) -> Value {
        let of = |tier: &str| {
            let (objects, bytes) = self.0.get(tier).copied().unwrap_or_default();
            json!({ "objects": objects, "body_bytes": bytes })
        };
        json!({ "tag": tag, "memory": of("memory"), "disk": of("disk") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_with_a_tag_are_summed_up_by_tier() {
        let mut sums = Sums::default();
        for (tier, length) in [("memory", json!(10)), ("disk", json!(10)), ("disk", json!(null))] {
            sums.add(&json!({ "tier": tier, "length": length }));
        }
        let expected = json!({
            "tag": "t", "memory": { "objects": 1, "body_bytes": 10 }, "disk": { "objects": 2, "body_bytes": 10 },
        });
        assert_eq!(sums.shown("t"), expected);
    }
}
