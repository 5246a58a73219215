//! Volumes on a real file system: what a caller sees of them, whatever happens to their files and processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its shared parts as well")]

mod capacity;
mod clocks;
mod coming_back;
mod damage;
mod faults;
mod kept;
mod killed;
mod kit;
mod model;
mod opened_twice;
mod recovering;
mod state;
mod versions;
