//! The test harness: an edge in a process of its own, an origin that can lie, clients of three protocols.
//!
//! Nothing here knows what the edge ought to answer; that stands in `tests/integration`. Everything listens on
//! loopback, each test on addresses of its own, so that tests run side by side.

pub mod address;
pub mod client;
pub mod dns;
pub mod edge;
pub mod mmdb;
pub mod origin;
pub mod pattern;
pub mod programs;

/// How long a test waits for anything before it fails: longer than any of them takes on two busy cores, shorter
/// than the patience of a person who watches.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Waits for `future` no longer than [`PATIENCE`].
///
/// # Panics
/// When it takes longer; the message names `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}
