//! The command line as a whole: the list of commands. What each takes stands with the command.

use clap::{Parser, Subcommand};

use crate::{cache, completions, config, dev, edge, origin, purge, warm};

const EXAMPLES: &str = "\
Examples:
  tidegate dev                              Run a whole fleet on this machine
  tidegate edge --config edge.yaml          Run one edge node
  tidegate config check edge.yaml           Say everything that is wrong with a configuration
  tidegate warm https://media.example/vod/main.m3u8 --node http://127.0.0.1:9000
                                            Have a node fetch a film before its premiere
  tidegate origin videos --listen 127.0.0.1:8000
                                            Serve a directory as a media origin
  tidegate cache explain URL --node http://127.0.0.1:9000
                                            Say how a node's cache sees a URL

`tidegate COMMAND --help` has more for each command.

Exit codes: 0 done, or a server stopped as asked; 1 something went wrong or was interrupted, said on standard error; 2 a
command line that is not understood.";

/// A content delivery network for media: edge nodes that cache and fail over, over HTTP/1.1, HTTP/2 and HTTP/3.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole fleet on this machine: two regions with origins and edge nodes.
    Dev(dev::DevArguments),
    /// Run one edge node.
    Edge(edge::EdgeArguments),
    /// Serve a directory, or the built-in clip, as a media origin.
    Origin(origin::OriginArguments),
    /// Check configuration files and print their schema.
    Config(config::ConfigArguments),
    /// Ask a running node about its cache.
    Cache(cache::CacheArguments),
    /// Have a node fetch a URL, or all that a playlist lists, before anybody asks.
    Warm(warm::WarmArguments),
    /// Have a node forget what it has stored.
    Purge(purge::PurgeArguments),
    /// Print the completions of a shell.
    Completions(completions::CompletionsArguments),
}
