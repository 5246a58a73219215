//! quinn's errors in the words of `h3::quic`.

use std::sync::Arc;

use h3::quic::{ConnectionErrorIncoming, StreamErrorIncoming, StreamId};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

/// An HTTP/3 error code as QUIC carries it. Codes are far below 2^62 (RFC 9114 section 8.1); a larger one
/// could only be a mistake of ours and becomes the largest.
#[must_use]
pub(crate) fn variable_integer(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

/// A quinn stream id as h3 writes it.
pub(super) fn stream_id(id: quinn::StreamId) -> StreamId {
    // Both are the 62-bit number of RFC 9000 section 2.1, so that the conversion cannot fail.
    StreamId::try_from(u64::from(VarInt::from(id))).unwrap_or_else(|_| unreachable!("quinn's ids have 62 bits"))
}

/// Why a connection ended.
pub(super) fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

/// A stream that went with its connection.
pub(super) fn stream_lost(error: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
}

/// Why a write failed.
pub(super) fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        WriteError::ConnectionLost(error) => stream_lost(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

/// Why a read failed.
pub(super) fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        ReadError::ConnectionLost(error) => stream_lost(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}
