//! Volumes on a real file system: what a caller sees of them, whatever happens to their files and processes.

mod capacity;
mod clocks;
mod damage;
mod faults;
mod kept;
mod killed;
mod kit;
mod model;
mod opened_twice;
mod state;
mod versions;
