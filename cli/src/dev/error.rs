//! Why a development fleet could not start, or ended.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tidegate_certs::CertificateError;
use tidegate_config::Problems;

/// Why a development fleet could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// Two fleets would overwrite each other's files.
    #[error("{} is in use by another `tidegate dev`; name another folder with --data-dir", .0.display())]
    DirectoryInUse(PathBuf),
    /// A file of the data directory, or the ready file.
    #[error("cannot write {}: {source}; is the folder yours? (see --data-dir and --ready-file)", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The certificate authority in the data directory.
    #[error("{0}; remove the data folder to begin anew")]
    Certificate(#[from] CertificateError),
    /// No randomness for the token.
    #[error("cannot make an admin token: {0}")]
    Randomness(io::Error),
    /// Not because it is busy.
    #[error("cannot use the loopback address {address}: {source}; the fleet needs 127.0.11.N and 127.0.12.N")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// All sets of ports are busy.
    #[error("every set of ports that was tried is busy, the last with HTTP on {0}; see who has them: ss -ltnup")]
    NoPorts(u16),
    /// What we wrote is not valid: our mistake, or an origin's URL.
    #[error("the fleet's configuration is not valid:\n{0}")]
    Configuration(Problems),
    /// A node could not be started at all.
    #[error("cannot start {name}: {source}")]
    Spawn {
        /// The node.
        name: String,
        /// The system's word.
        source: io::Error,
    },
    /// An origin did not say where it serves.
    #[error("{name} did not say where it serves within {} s; its log is {}", limit.as_secs(), log.display())]
    SilentOrigin {
        /// The origin.
        name: String,
        /// How long was waited.
        limit: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// An edge node did not become ready.
    #[error("{name} is not ready after {} s ({answer}); its log is {}", limit.as_secs(), log.display())]
    NotReady {
        /// The node.
        name: String,
        /// How long was waited.
        limit: Duration,
        /// What it answered last.
        answer: String,
        /// Its log.
        log: PathBuf,
    },
    /// A node ended by itself, or by somebody else's hand.
    #[error("{name} (process {pid}) ended with {status}, so the fleet was stopped{last_words}")]
    ChildEnded {
        /// The node.
        name: String,
        /// Its process id.
        pid: u32,
        /// How it ended.
        status: String,
        /// The end of its log, and where all of it is.
        last_words: String,
    },
}
