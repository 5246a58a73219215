//! The store over devices that fail, fill, hang, go and come back.

mod away;
mod closing;
mod fixture;
mod hanging;
mod model;
mod plain;
mod refusing;
mod state;
