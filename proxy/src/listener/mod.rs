//! Public listeners: our own accept loops for TCP, TLS and QUIC.
//!
//! Owns connections: accepting, limits, handshakes, time-outs, drain. Every connection, whatever it speaks,
//! hands its requests to the one `HttpServerApp` (the proxy), so that three protocols share one pipeline.
//! It knows nothing of sites, caches or origins.

mod body_progress;
mod client_stream;
mod coalescing_io;
mod connection;
mod connection_limit;
pub(crate) mod fuzzing;
mod gathering;
mod http1;
mod http2;
pub mod http3;
mod patience;
mod priority;
pub mod proxy_protocol;
mod ready_response;
mod refusal;
mod request_head;
mod response_date;
mod session;
mod slow_reader;
mod socket;
mod stalling_socket;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use body_progress::{body_ended, body_goes_on};
pub use connection::{
    CONNECTION, ConnectionInfo, ConnectionObserver, HandshakeOutcome, ListenerState, Protocol, Refusal,
    SharedListenerState, Signals, TlsInfo,
};
pub use connection_limit::{ConnectionGuard, ConnectionLimit};
pub(crate) use http2::hpack;
pub use priority::Signal;
pub use ready_response::{Application, FieldsNumber, PlainHead, ReadyResponses, ReadyStream, StreamRequest};
pub use socket::{PortSharing, bind_tcp, bind_udp};
pub use tcp::{TcpListenerSettings, serve_tcp};
