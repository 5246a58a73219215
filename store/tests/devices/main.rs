//! The store over devices that fail, fill, hang, go and come back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod at_once;
mod away;
mod closing;
mod fixture;
mod hanging;
mod model;
mod plain;
mod refusing;
mod state;
