//! How origins are spoken to: by name, at several addresses, with certificates, signatures, prefixes and the PROXY
//! protocol.

mod connection_origin;
mod names;
mod private;
mod proxy_protocol;
mod tls;
