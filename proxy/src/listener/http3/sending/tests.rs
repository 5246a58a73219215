//! Joined sends over a socket of the test's own: what leaves, how, and in which order.

mod bursts;
mod joining;
mod properties;
mod recorder;
