//! `tidegate config schema`: the JSON Schema of a document, for editors.

use clap::Args;

use crate::error::CommandError;
use crate::output::print;

const EXAMPLES: &str = "\
Examples:
  tidegate config schema > tidegate.schema.json
  # then, as the first line of a file, for editors with a YAML language server:
  # yaml-language-server: $schema=tidegate.schema.json";

/// What `tidegate config schema` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArguments {}

/// Prints it.
pub(crate) fn run(_arguments: &SchemaArguments) -> Result<(), CommandError> {
    let schema = tidegate_config::json_schema();
    print(&serde_json::to_string_pretty(&schema).map_err(|error| CommandError::Output(error.into()))?)
}
