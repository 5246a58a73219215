//! The whole of HTTP/3 over loopback: a small application behind [`serve`](super::serve), and clients that speak h3 or
//! write the bytes of frames themselves.

mod application;
mod clients;
mod connections;
mod harness;
mod malformed;
mod priorities;
mod proxying;
mod requests;
mod responses;
