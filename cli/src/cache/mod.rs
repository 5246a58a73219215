//! `tidegate cache`: what operators ask a running node about its cache.

mod dump;
mod explain;
mod explanation;
mod pins;
mod stats;
mod totals;
mod walk;

use clap::{Args, Subcommand};

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  tidegate cache explain https://media.example/film.mp4 --node http://127.0.0.1:9000
  tidegate cache stats --node http://127.0.0.1:9000
  tidegate cache dump --node http://127.0.0.1:9000 --site media
  tidegate cache pin https://media.example/film.mp4 --node http://127.0.0.1:9000";

/// What `tidegate cache` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Say how a node's cache sees a URL: its key, what is stored, and what a request would come to.
    Explain(explain::ExplainArguments),
    /// Sum up what a node has stored: by tier, device, site and tag.
    Stats(stats::StatsArguments),
    /// List every object that a node has stored.
    Dump(dump::DumpArguments),
    /// Have a node keep what it has stored for a URL, whatever else wants its room.
    Pin(pins::PinArguments),
    /// Let it go again.
    Unpin(pins::PinArguments),
    /// List what is pinned.
    Pins(pins::PinsArguments),
}

/// Does it.
pub(crate) fn run(arguments: &CacheArguments) -> Result<(), CommandError> {
    match &arguments.command {
        CacheCommand::Explain(arguments) => explain::run(arguments),
        CacheCommand::Stats(arguments) => stats::run(arguments),
        CacheCommand::Dump(arguments) => dump::run(arguments),
        CacheCommand::Pin(arguments) => pins::pin(arguments),
        CacheCommand::Unpin(arguments) => pins::unpin(arguments),
        CacheCommand::Pins(arguments) => pins::list(arguments),
    }
}

/// Origins and clients choose what stands in URLs and keys: it must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
