//! The integration tests: an edge in a process of its own, an origin that can lie, clients of three protocols.

mod fills;
mod harness;
mod listeners;
mod metrics;
mod programs;
mod table;
