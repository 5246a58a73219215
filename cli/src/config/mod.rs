//! `tidegate config`: what operators do with configuration files before a node reads them.

mod check;
mod schema;

use clap::{Args, Subcommand};

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  tidegate config check edge.yaml
  tidegate config schema > tidegate.schema.json";

/// What `tidegate config` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with a configuration.
    Check(check::CheckArguments),
    /// Print the JSON Schema of a configuration document.
    Schema(schema::SchemaArguments),
}

/// Does it.
pub(crate) fn run(arguments: &ConfigArguments) -> Result<(), CommandError> {
    match &arguments.command {
        ConfigCommand::Check(arguments) => check::run(arguments),
        ConfigCommand::Schema(arguments) => schema::run(arguments),
    }
}
