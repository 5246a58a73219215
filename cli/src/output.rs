//! How results are printed: as text for people, or as JSON for programs.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::error::CommandError;

/// The option that every command with a result has.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputOption {
    /// Form of what is printed on standard output.
    #[arg(long = "output", value_name = "FORM", default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Prints one line or document.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        // Whoever read has read enough: `tidegate config schema | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(CommandError::Output),
    }
}

/// Tells people how it goes, on standard error. A terminal that is gone is no reason to stop working.
pub(crate) fn tell(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string(value).map_err(|error| CommandError::Output(error.into()))?;
    print(&text)
}
