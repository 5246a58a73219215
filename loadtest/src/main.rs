//! The command: parses arguments, runs one load on one thread, and ends with 0 when every request was answered as
//! expected, 1 when one was not, 2 when the run could not be made.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tidegate_loadtest::arguments::Arguments;

/// A load client allocates for every chunk it receives; what it spends there the server cannot have.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread: the client is meant to be pinned to one core, away from the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start");
    match runtime.and_then(|runtime| runtime.block_on(tidegate_loadtest::run(arguments.command))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("tidegate-loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}
