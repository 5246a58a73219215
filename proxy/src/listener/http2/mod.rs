//! HTTP/2 on one connection (RFC 9113).
//!
//! One task a connection owns the socket, decodes, answers what is there and writes (`connection`); every other request is
//! a task of its own, which the proxy serves as a session over a stream (`carrier`). Both meet in `streams`, the table of
//! streams, windows and turns. From the outside in: `receive` takes frames apart, `accept` makes requests of header
//! sections (`request`, `hpack`), `ready` writes long responses that are there, `lifecycle` ends connections.

mod accept;
mod carrier;
mod connection;
mod credit;
mod early_priorities;
mod frame;
pub(crate) mod hpack;
mod lifecycle;
mod output;
mod ready;
mod receive;
mod request;
mod settings;
mod stream;
mod streams;
mod tasks;
mod windows;

use std::future::poll_fn;
use std::sync::Arc;

use pingora_core::protocols::Digest;
use tidegate_config::model::Limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use self::connection::{Connection, Ended};
use self::streams::Shared;
use super::ConnectionInfo;
use super::ready_response::Application;
use super::tcp::ListenerContext;

/// Serves the connection to its end, the ends of its streams' tasks included.
pub(super) async fn serve<A, S>(
    context: &ListenerContext<A>,
    io: S,
    digest: Digest,
    info: Arc<ConnectionInfo>,
    limits: &Limits,
    closing: watch::Receiver<bool>,
) where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection::new(context, io, digest, info, limits, closing);
    let nobody_reads = EndAll(Arc::clone(&connection.streams));
    let ended = poll_fn(|context| connection.poll(context)).await;
    drop(nobody_reads);
    let Connection { io, tasks, .. } = connection;
    if ended == Ended::Well {
        lifecycle::close(io).await;
    } else {
        drop(io);
    }
    tasks.all_ended().await;
}

/// Tells streams that still write or read that nobody is there, however the connection comes to its end.
struct EndAll(Arc<Shared>);

impl Drop for EndAll {
    fn drop(&mut self) {
        self.0.lock().end_all();
    }
}
