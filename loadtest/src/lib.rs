//! Load for servers of HTTP, from one process and one thread.
//!
//! Owns the clients, the schedule that bounds a run, and the report. Knows nothing of Tidegate's other crates: it
//! measures any server. Closed-loop HTTP/3 stands here now, because no packaged tool speaks it; HTTP/1.1 and HTTP/2,
//! open-loop arrival and player sessions become subcommands beside it.

pub mod arguments;
mod histogram;
mod http3;
mod low_latency;
mod report;
mod schedule;
mod tally;
mod target;
mod trust;
mod waiters;

use anyhow::Result;

use arguments::{Command, Output};
pub use low_latency::LowLatencyReport;
pub use report::Report;
pub use waiters::WaitersReport;

/// Runs one command and prints its report. The answer is whether every request was answered as expected.
pub async fn run(command: Command) -> Result<bool> {
    match command {
        Command::H3(options) => {
            let report = http3::run(&options).await?;
            print(&report, options.output)?;
            Ok(report.is_clean())
        }
        Command::LowLatency(options) => {
            let report = low_latency::run(&options).await?;
            print(&report, options.output)?;
            Ok(report.is_clean())
        }
        Command::Waiters(options) => {
            let report = waiters::run(&options).await?;
            print(&report, options.output)?;
            Ok(report.is_clean())
        }
    }
}

fn print(report: &(impl std::fmt::Display + serde::Serialize), output: Output) -> Result<()> {
    match output {
        Output::Text => print!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(report)?),
    }
    Ok(())
}
