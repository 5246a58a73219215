//! Why a node could not start, in words that tell the operator what to do.

use std::io;
use std::net::SocketAddr;

use tidegate_config::Problems;
use tidegate_config::model::AccessLog;

use crate::admin::TokenError;
use crate::runtime_snapshot::CompileError;

/// Why a node could not start, or a reload was refused.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not valid.
    #[error("the configuration is not valid:\n{0}")]
    Configuration(Problems),
    /// It is valid and cannot be served on this machine.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Certificates could not be used; one line each.
    #[error("{0}")]
    Certificates(String),
    /// The operator's token.
    #[error("node.admin.token_file: {0}")]
    Token(#[from] TokenError),
    /// The token of clients that are told of the cache.
    #[error("node.admin.debug_token_file: {0}")]
    DebugToken(#[source] TokenError),
    /// An address could not be bound.
    #[error("cannot listen on {protocol} {address}: {source}; is another process listening there (ss -ltnup)?")]
    Bind {
        /// What would be spoken there.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// A bound socket could not be used.
    #[error("cannot use a listener: {0}")]
    Listener(io::Error),
    /// The access log could not be opened.
    #[error("cannot open the access log {target:?}: {source}")]
    AccessLog {
        /// Where it should go.
        target: AccessLog,
        /// The system's word.
        source: io::Error,
    },
    /// A thread or runtime could not be made.
    #[error("cannot start the threads for {name}: {source}")]
    Threads {
        /// What they are for.
        name: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The change takes a restart; one line each.
    #[error("the new configuration needs a restart; the old one stays in force:\n{0}")]
    NeedsRestart(String),
}
