//! `tidegate dev`: a whole fleet on one machine, each node a process of its own.
//!
//! Owns what runs where, the files the nodes are started from, their processes from start to end, and what is told
//! about them. The nodes themselves are `tidegate edge` and `tidegate origin`, as operators run them.

mod announcement;
mod children;
mod data_directory;
mod documents;
mod error;
mod own_origin;
mod plan;
mod ports;
mod readiness;
mod ready_file;
mod start;
mod stop_signals;

use std::path::PathBuf;

use clap::Args;

use crate::error::CommandError;
use crate::output::{OutputFormat, OutputOption, print, print_json, tell};

use children::Children;
use data_directory::DataDirectory;
pub(crate) use error::DevError;
use own_origin::OwnOrigin;
use plan::Fleet;
use ready_file::ReadyFile;
use start::Starting;
use stop_signals::StopSignals;

const EXAMPLES: &str = "\
Examples:
  tidegate dev                                 Two origins with a clip and a player, one edge node a region
  tidegate dev --edges-per-region 3
  tidegate dev --origin eu=http://127.0.0.1:3000 --origin us=http://127.0.0.1:3001
                                               Your own origins behind the fleet
  tidegate dev --ready-file fleet.json         For scripts: the file is there once everything serves

Ctrl-C stops everything. When one node ends by itself, everything else is stopped too and the exit code is 1.";

/// What `tidegate dev` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevArguments {
    /// Edge nodes in each of the regions eu and us, 1 to 9.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    edges_per_region: u8,
    /// Origin of your own instead of the built-in ones, such as eu=http://127.0.0.1:3000; may be repeated. Every host
    /// and method is passed on, plaintext is served, and RFC 9111 alone decides about caching. An origin named by an
    /// address or localhost gets the client's Host field, any other its own name.
    #[arg(long = "origin", value_name = "REGION=URL")]
    origins: Vec<OwnOrigin>,
    /// Folder for configuration, certificates, token and logs. Two fleets at once need two folders.
    #[arg(long, value_name = "DIR", default_value = ".tidegate/dev")]
    data_dir: PathBuf,
    /// File to write, whole, once everything serves; it is removed when the fleet stops.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOption,
}

/// Runs the fleet until it is told to stop, or one of its nodes ends.
pub(crate) fn run(arguments: &DevArguments) -> Result<(), CommandError> {
    // One thread, this one: the kernel ends children when the thread that started them ends (see `parent`).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::System)?;
    runtime.block_on(run_fleet(arguments))
}

async fn run_fleet(arguments: &DevArguments) -> Result<(), CommandError> {
    let mut signals = StopSignals::listen().map_err(CommandError::System)?;
    let directory = DataDirectory::open(&arguments.data_dir)?;
    let ready_file = arguments.ready_file.as_deref().map(ReadyFile::at).transpose()?;
    let fleet = Fleet::planned(arguments.edges_per_region, arguments.origins.clone());
    let mut children = Children::new(directory.path());
    let outcome = tokio::select! {
        () = signals.received() => Ok(()),
        outcome = serve(arguments, &fleet, &directory, ready_file.as_ref(), &mut children) => outcome,
    };
    drop(ready_file);
    stop(&mut children, &mut signals).await;
    outcome
}

/// Brings the fleet up, tells about it, and watches it. Ends only by an error: the caller listens for signals.
async fn serve(
    arguments: &DevArguments,
    fleet: &Fleet,
    directory: &DataDirectory,
    ready_file: Option<&ReadyFile>,
    children: &mut Children,
) -> Result<(), CommandError> {
    let started = Starting { fleet, directory, children }.start().await?;
    let contract = ready_file::contract(fleet, directory, &started);
    if let Some(file) = ready_file {
        file.write(&contract)?;
    }
    match arguments.output.format {
        OutputFormat::Json => print_json(&contract)?,
        OutputFormat::Text => print(&announcement::text(fleet, directory, &contract, &started))?,
    }
    Err(children.first_to_end().await.into())
}

/// Stops what runs; a second signal stops it at once.
async fn stop(children: &mut Children, signals: &mut StopSignals) {
    if children.is_empty() {
        return;
    }
    tell("stopping (once more to stop at once)");
    tokio::select! {
        () = children.stop() => {}
        () = signals.received() => {}
    }
    children.kill().await;
    tell("stopped; nothing is left running");
}
