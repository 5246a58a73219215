//! The integration tests: an edge in a process of its own, an origin that can lie, clients of three protocols.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its shared parts as well")]

mod browser;
mod cache_contents;
mod cache_explain;
mod cache_keys;
mod cache_operations;
mod cache_rules;
mod curl;
mod delivery;
mod disk;
mod error_bodies;
mod failover;
mod fills;
mod geo;
mod harness;
mod health;
mod hits;
mod hostile;
mod identity;
mod kill_switches;
mod listeners;
mod live;
mod metrics;
mod origin_side;
mod origins;
mod purges;
mod python;
mod route_actions;
mod slices;
mod table;

use tidegate_tests::client::{End, Response};
use tidegate_tests::pattern::Pattern;

/// A 200 with so many bytes of the pattern with seed 0, ended cleanly.
fn assert_whole(response: &Response, size: u64, what: &str) {
    assert_eq!((response.status, &response.end), (200, &End::Clean), "{what}");
    assert_eq!(response.body.len() as u64, size, "{what}");
    assert_eq!(Pattern::new(0).check(0, &response.body), Ok(()), "{what}");
}
