//! The PROXY protocol, versions 1 and 2: a header in front of everything else on a connection, by which a proxy that
//! does not speak HTTP tells for whom it speaks.
//!
//! Owns reading the header and nothing behind it: the first byte of TLS or HTTP stays in the socket. Who may send one is
//! for the accept loop. Written from the specification "The PROXY protocol, versions 1 & 2" of HAProxy
//! (doc/proxy-protocol.txt, 2020/03/05).

mod crc32c;
mod decoder;
mod receive;
mod version1;
mod version2;

use std::net::SocketAddr;

pub use decoder::{Decoder, Progress};
pub(super) use receive::receive;

/// For whom a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// For itself, as in its health checks, or for somebody who has no address that it could tell.
    Itself,
    /// For a client at this address.
    Client(SocketAddr),
}

/// Why a connection to a listener with PROXY protocol was closed before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProxyProtocolError {
    /// It came from a network whose word is not taken.
    #[error("the sender is in none of the networks that may send a PROXY protocol header")]
    Untrusted,
    /// It began with something else.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// A header that is not as the specification has it.
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    /// A version, command, family or transport that no proxy sends in front of TCP.
    #[error("the PROXY protocol header is of a kind that is not supported here")]
    Unsupported,
    /// Longer than any that makes sense.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// Its checksum does not fit.
    #[error("the checksum of the PROXY protocol header is wrong")]
    Checksum,
    /// The connection ended before.
    #[error("the connection ended before its PROXY protocol header")]
    Closed,
    /// It took longer than a handshake may.
    #[error("the PROXY protocol header took too long")]
    TimedOut,
}

impl ProxyProtocolError {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Untrusted,
        Self::Missing,
        Self::Malformed,
        Self::Unsupported,
        Self::TooLong,
        Self::Checksum,
        Self::Closed,
        Self::TimedOut,
    ];

    /// Its name in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::TooLong => "too_long",
            Self::Checksum => "checksum",
            Self::Closed => "closed",
            Self::TimedOut => "timed_out",
        }
    }
}

#[cfg(test)]
mod tests;
