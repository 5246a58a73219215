//! The edge node: terminates TLS, HTTP/1.1, HTTP/2 and HTTP/3, caches media and fetches from origins.

pub mod admin;
pub mod cache;
pub mod client_identity;
pub mod cmcd;
mod edge_application;
mod edge_proxy;
pub mod error_page;
#[doc(hidden)]
pub mod fuzzing;
pub mod geo;
pub mod kill_switch;
pub mod listener;
pub mod media;
pub mod origin;
mod phases;
pub mod prefetch;
mod request_context;
pub mod route_actions;
pub mod routing;
pub mod runtime_snapshot;
pub mod server;
pub mod telemetry;
pub mod warm;
