//! `tidegate origin`: serves a directory, or the demonstration clip, as a media origin.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tidegate_origin::{OriginName, OriginOptions, Root};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CommandError;
use crate::log_level::LogOption;
use crate::output::{OutputFormat, OutputOption, print, print_json};
use crate::parent::ParentOption;

const EXAMPLES: &str = "\
Examples:
  tidegate origin                                       The built-in clip on http://127.0.0.1:8000/
  tidegate origin videos --listen 0.0.0.0:8080 --name eu-origin
  tidegate origin --listen 127.0.0.1:0 --output json    A port that is free; prints which";

/// What `tidegate origin` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OriginArguments {
    /// Directory to serve. Without one: the built-in demonstration clip and page.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Address and port to listen on (HTTP/1.1, and HTTP/2 by prior knowledge); port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Name it answers with, in X-Tidegate-Origin and Server-Timing.
    #[arg(long, value_name = "NAME", default_value = "origin")]
    name: OriginName,
    #[command(flatten)]
    log: LogOption,
    #[command(flatten)]
    output: OutputOption,
    #[command(flatten)]
    parent: ParentOption,
}

/// Where it serves, as JSON.
#[derive(Serialize)]
struct Serving<'a> {
    name: &'a str,
    url: String,
}

/// Serves until it is told to stop (SIGTERM, SIGINT).
pub(crate) fn run(arguments: OriginArguments) -> Result<(), CommandError> {
    arguments.parent.end_with_it()?;
    arguments.log.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::System)?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: OriginArguments) -> Result<(), CommandError> {
    let refused = |source| CommandError::Listen { address: arguments.listen, source };
    let listener = TcpListener::bind(arguments.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::System)?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let url = format!("http://{address}");
    match arguments.output.format {
        OutputFormat::Json => print_json(&Serving { name: arguments.name.as_str(), url })?,
        OutputFormat::Text => print(&format!("{} serves {} on {url}", arguments.name, shown(&arguments.directory)))?,
    }
    let root = arguments.directory.map_or(Root::Embedded, Root::Directory);
    tidegate_origin::serve(listener, root, OriginOptions::new(arguments.name), told_to_stop)
        .await
        .map_err(CommandError::Origin)
}

fn shown(directory: &Option<PathBuf>) -> String {
    directory.as_ref().map_or_else(|| "the built-in clip".to_owned(), |path| path.display().to_string())
}
