//! `tidegate config check`: everything that is wrong with a configuration, at once.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tidegate_config::model::Model;
use tidegate_config::{Problem, Problems, load_files, load_files_with};
use tidegate_proxy::server::examine_files;

use crate::error::CommandError;
use crate::output::{OutputFormat, OutputOption, print, print_json};

const EXAMPLES: &str = "\
Examples:
  tidegate config check edge.yaml
  tidegate config check node.yaml sites/          All together one configuration
  tidegate config check --config edge.yaml        What `tidegate edge --config edge.yaml` would take
  tidegate config check edge.yaml --no-files      On another machine, which has no keys, secrets and databases
  tidegate config check edge.yaml --output json   For programs; the exit code is 1 when there are problems

The files that documents name (certificates and keys, tokens, secrets, authorities, databases) are read as a node reads
them; run it as the user that the node runs as. Nothing is written, and no connection is made.";

/// What `tidegate config check` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArguments {
    /// Files or folders with configuration documents, all together one configuration.
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// The same, as `tidegate edge` takes them.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "files")]
    config: Vec<PathBuf>,
    /// Leave out the keys, certificates, secrets and databases that documents name; error pages are always read.
    #[arg(long)]
    no_files: bool,
    #[command(flatten)]
    output: OutputOption,
}

/// The verdict, as JSON.
#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    problems: &'a [Problem],
}

/// Checks them.
pub(crate) fn run(arguments: &CheckArguments) -> Result<(), CommandError> {
    // One of the two, as they exclude each other.
    let files = if arguments.config.is_empty() { &arguments.files } else { &arguments.config };
    let loaded = match arguments.no_files {
        true => load_files(files),
        false => load_files_with(files, examine_files),
    };
    match arguments.output.format {
        OutputFormat::Json => tell_programs(loaded),
        OutputFormat::Text => tell_people(loaded),
    }
}

fn tell_programs(loaded: Result<Model, Problems>) -> Result<(), CommandError> {
    match loaded {
        Ok(_) => print_json(&Verdict { valid: true, problems: &[] }),
        Err(problems) => {
            print_json(&Verdict { valid: false, problems: problems.as_slice() })?;
            Err(CommandError::Told)
        }
    }
}

fn tell_people(loaded: Result<Model, Problems>) -> Result<(), CommandError> {
    let model = loaded.map_err(CommandError::Configuration)?;
    let node = &model.node;
    print(&format!(
        "valid: node {} in {} ({}), {} of it listening, {} served from {}",
        node.name,
        node.pop,
        node.region,
        counted(node.listeners.len(), "address", "addresses"),
        counted(model.sites.len(), "site", "sites"),
        counted(model.origin_pools.len(), "origin pool", "origin pools"),
    ))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
