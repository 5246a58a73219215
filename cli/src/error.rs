//! Why a command failed, in words that say what to do next.

use std::io;
use std::net::SocketAddr;

use tidegate_config::Problems;
use tidegate_origin::OriginError;
use tidegate_proxy::server::StartError;

use crate::dev::DevError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// All has been said already, in the form that was asked for.
    #[error("the command failed")]
    Told,
    /// The configuration is not valid.
    #[error("{0}\n\n{count} in the configuration; `tidegate config schema` describes every field", count = count(.0))]
    Configuration(Problems),
    /// An edge node could not start.
    #[error("{0}")]
    Edge(StartError),
    /// The origin could not start, or ended.
    #[error("{}", with_cause(.0))]
    Origin(OriginError),
    /// An address could not be bound.
    #[error("cannot listen on {address}: {source}; choose another address with --listen, or see who has it: ss -ltnp")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// A development fleet could not start, or ended.
    #[error(transparent)]
    Dev(#[from] DevError),
    /// Threads, signals, or timers.
    #[error("the system refused what every server needs (threads, signals): {0}")]
    System(io::Error),
    /// The parent ended before this process had begun.
    #[error("the process that started this one is gone")]
    Orphaned,
    /// A node could not be asked, or refused.
    #[error("{0}")]
    Node(String),
    /// A node does not know, or no longer, what it was asked about.
    #[error("{0}")]
    Unknown(String),
    /// What was to be told could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

fn count(problems: &Problems) -> String {
    match problems.as_slice().len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
