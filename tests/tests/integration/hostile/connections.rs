//! Connections of the origins of these tests, each served by itself until its server is gone.

use std::future::Future;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves each connection by what they share, until it is aborted with all that it serves.
pub(super) async fn serve_each<T, S, F, O>(listener: TcpListener, shared: Arc<T>, serve: S)
where
    S: Fn(TcpStream, Arc<T>) -> F,
    F: Future<Output = O> + Send + 'static,
    O: Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
