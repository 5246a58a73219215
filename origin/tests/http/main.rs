//! The origin over real connections: what a client sees, byte by byte where the protocol matters.

mod connections;
mod demonstration;
mod files;
mod running;
