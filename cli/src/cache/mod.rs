//! `tidegate cache`: what operators ask a running node about its cache.

mod explain;
mod explanation;

use clap::{Args, Subcommand};

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  tidegate cache explain https://media.example/film.mp4 --node http://127.0.0.1:9000";

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
}

/// Does it.
pub(crate) fn run(arguments: &CacheArguments) -> Result<(), CommandError> {
    match &arguments.command {
        CacheCommand::Explain(arguments) => explain::run(arguments),
    }
}
