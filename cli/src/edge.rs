//! `tidegate edge`: runs one edge node in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::VERSION;
use crate::error::CommandError;
use crate::log_level::LogOption;
use crate::open_files;
use crate::parent::ParentOption;
use tidegate_proxy::server::StartError;

const EXAMPLES: &str = "\
Examples:
  tidegate edge --config edge.yaml
  tidegate edge --config node.yaml --config sites/     A folder stands for its *.yaml and *.yml files

Signals:
  HUP        reads the files again; a configuration with errors leaves the old one in force
  TERM, INT  stops gracefully within the node's `grace`";

/// What `tidegate edge` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EdgeArguments {
    /// Files or folders with configuration documents, all together one configuration.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    config: Vec<PathBuf>,
    #[command(flatten)]
    log: LogOption,
    #[command(flatten)]
    parent: ParentOption,
}

/// Runs the node until it is told to stop.
pub(crate) fn run(arguments: &EdgeArguments) -> Result<(), CommandError> {
    arguments.parent.end_with_it()?;
    arguments.log.start();
    open_files::raise_limit();
    tidegate_proxy::server::run(&arguments.config, VERSION).map_err(|error| match error {
        StartError::Configuration(problems) => CommandError::Configuration(problems),
        error => CommandError::Edge(error),
    })
}
