//! The option that says how much a server tells on standard error.

use clap::{Args, ValueEnum};
use log::LevelFilter;

/// How much is told.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LogOption {
    /// What is logged on standard error, one JSON object a line.
    #[arg(long = "log-level", value_name = "LEVEL", default_value = "info")]
    level: LogLevel,
}

/// The least grave of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogOption {
    /// Starts logging.
    pub(crate) fn start(self) {
        tidegate_proxy::telemetry::init_process_log(match self.level {
            LogLevel::Off => LevelFilter::Off,
            LogLevel::Error => LevelFilter::Error,
            LogLevel::Warn => LevelFilter::Warn,
            LogLevel::Info => LevelFilter::Info,
            LogLevel::Debug => LevelFilter::Debug,
            LogLevel::Trace => LevelFilter::Trace,
        });
    }
}
