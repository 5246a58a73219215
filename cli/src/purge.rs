//! `tidegate purge`: has a node forget what it has stored.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::node_client::NodeOption;
use crate::output::{OutputFormat, OutputOption, print, print_json};

const EXAMPLES: &str = "\
Examples:
  tidegate purge url https://media.example/film.mp4 --node http://127.0.0.1:9000
  tidegate purge url 'https://media.example/list?page=1' --any-query --node http://127.0.0.1:9000
  tidegate purge prefix https://media.example/vod/ --soft --node http://127.0.0.1:9000
  tidegate purge host media.example --node http://10.0.0.7:9000 --token-file token
  tidegate purge tag show-7 season-2 --node http://127.0.0.1:9000 --output json
  tidegate purge everything --node http://127.0.0.1:9000

When the command ends with exit code 0, no client of that node gets anything that was fetched before, in memory, on disk
or on its way, and that is so after a restart, too. What is purged --soft is stale instead: it is validated before it is
served, and serves in the stead of an origin that fails where the policy allows that.

The generation that is printed is the number of the purge; `tidegate cache explain` and Tidegate-Debug show of each object
the one that it was fetched after. Ask every node of a fleet; to purge twice does no harm.

Exit code 1 when nothing was purged, or when no device could write the purge down: it is over then with the process.";

/// What `tidegate purge` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PurgeArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// URLs: all variants of each, for all clients, whatever the scheme.
    Url {
        /// URLs, as clients would ask for them.
        #[arg(required = true)]
        urls: Vec<String>,
        /// With any query: the one that is written does not count.
        #[arg(long)]
        any_query: bool,
        #[command(flatten)]
        common: Common,
    },
    /// All whose URL begins with one of these.
    Prefix {
        /// Beginnings of URLs, with host and path.
        #[arg(required = true)]
        prefixes: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// All of one or more hosts.
    Host {
        /// Hosts.
        #[arg(required = true)]
        hosts: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// All that has one of these tags (Surrogate-Key, Cache-Tag).
    Tag {
        /// Tags, as origins write them.
        #[arg(required = true)]
        tags: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// All that is stored.
    Everything {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    node: NodeOption,
    /// What is purged is stale instead of gone.
    #[arg(long)]
    soft: bool,
    #[command(flatten)]
    output: OutputOption,
}

/// Has it purged and prints what the node says.
pub(crate) fn run(arguments: &PurgeArguments) -> Result<(), CommandError> {
    let (mut order, common) = match &arguments.what {
        What::Url { urls, any_query, common } => (json!({ "url": urls, "any_query": any_query }), common),
        What::Prefix { prefixes, common } => (json!({ "prefix": prefixes }), common),
        What::Host { hosts, common } => (json!({ "host": hosts }), common),
        What::Tag { tags, common } => (json!({ "tag": tags }), common),
        What::Everything { common } => (json!({ "everything": true }), common),
    };
    order["soft"] = json!(common.soft);
    let answer = common.node.client()?.post("/cache/purge", &order)?;
    match common.output.format {
        OutputFormat::Json => print_json(&answer),
        OutputFormat::Text => print(&to_text(&answer)),
    }
}

fn to_text(answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or("?").replace('_', " ");
    let (names, generation) = (answer["names"].as_u64().unwrap_or(0), &answer["generation"]);
    let (on, of) = (answer["durable"]["on"].as_u64().unwrap_or(0), answer["durable"]["devices"].as_u64().unwrap_or(0));
    let durable = match of {
        0 => "nothing is on disk".to_owned(),
        of => format!("durable on {on} of {of} devices"),
    };
    let took = answer["took_ms"].as_f64().unwrap_or(0.0);
    let count = if names == 1 { String::new() } else { format!(" ({names} names)") };
    format!("purged {}{count}, {}: generation {generation}, {durable}, {took:.1} ms", word("scope"), word("mode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_what_was_purged_and_where_it_is_written() {
        let answer = |names: u64, of: u64| {
            json!({
                "generation": 17, "scope": "url_any_query", "mode": "soft", "names": names,
                "durable": { "on": of.saturating_sub(1), "devices": of }, "took_ms": 1.25,
            })
        };
        let one = "purged url any query, soft: generation 17, nothing is on disk, 1.2 ms";
        assert_eq!(to_text(&answer(1, 0)), one);
        let two = "purged url any query (2 names), soft: generation 17, durable on 2 of 3 devices, 1.2 ms";
        assert_eq!(to_text(&answer(2, 3)), two);
    }
}
