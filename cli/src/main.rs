//! The one program, `tidegate`: reads its arguments, runs the command they name, and tells how it ended.
//!
//! Every command is a module of its own; what they do is done by the other crates. Exit codes: 0 when all went well,
//! 1 when the command failed, 2 when it was called wrongly.

mod arguments;
mod cache;
mod completions;
mod config;
mod dev;
mod edge;
mod error;
mod log_level;
mod node_client;
mod open_files;
mod origin;
mod output;
mod parent;
mod purge;
mod warm;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use error::CommandError;
use output::tell;

/// Objects of a cache come and go in all sizes on all threads; the system's allocator fragments under that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What metrics and JSON outputs show.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::Told) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Edge(arguments) => edge::run(&arguments),
        Command::Origin(arguments) => origin::run(arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Warm(arguments) => warm::run(&arguments),
        Command::Purge(arguments) => purge::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
