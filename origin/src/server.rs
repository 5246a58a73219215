//! Accepting and serving connections within bounds, and ending them in good order.

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

use crate::{
    OriginError, OriginOptions, Root,
    directory::Directory,
    response::{Site, Store},
};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4). Clients write it in one piece.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Fields of a request, all together. Players and proxies send about 1 KiB; 32 KiB leaves room for large cookies.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Fields of a request by count; hyper's own default, named here because it is a bound.
const MAX_HEADER_COUNT: usize = 100;

/// Requests at once on one HTTP/2 connection; what RFC 9113, section 6.5.2 names as the least sensible.
const MAX_STREAMS: u32 = 100;

/// How often an HTTP/2 connection is asked whether it still lives, and how long it may take to say so.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// Out of file descriptors, mostly: waiting lets running responses give theirs back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// With the pause above, a listener that fails for ten seconds without one success is broken for good.
const MAX_ACCEPT_FAILURES: u32 = 100;

/// Serves files on the listener until `shutdown` completes, then lets running responses end within the grace.
///
/// # Errors
/// [`OriginError::OpenRoot`] before anything is served, [`OriginError::Accept`] when the listener is beyond repair.
pub async fn serve(
    listener: TcpListener,
    root: Root,
    options: OriginOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), OriginError> {
    let store = match &root {
        Root::Embedded => Store::Embedded,
        Root::Directory(path) => Store::Directory(Directory::open(path)?),
    };
    let site = Site::new(store, &options.name).map_err(|_| OriginError::unusable_name(options.name.as_str()))?;
    let grace = options.shutdown_grace;
    let mut connections = Connections {
        site: Arc::new(site),
        permits: Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS))),
        options: Arc::new(options),
        tasks: JoinSet::new(),
        graceful: GracefulShutdown::new(),
        stopping: watch::Sender::new(()),
    };
    let mut shutdown = pin!(shutdown);
    let ended = tokio::select! {
        () = &mut shutdown => Ok(()),
        failed = connections.accept_all(&listener) => failed,
    };
    drop(listener);
    connections.end(grace).await;
    ended
}

struct Connections {
    site: Arc<Site>,
    options: Arc<OriginOptions>,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    /// Ends connections that have begun to speak.
    graceful: GracefulShutdown,
    /// Dropped to end connections that have not said anything yet.
    stopping: watch::Sender<()>,
}

impl Connections {
    /// Accepts until the listener fails for good. Connections above the bound wait in the listener's queue.
    async fn accept_all(&mut self, listener: &TcpListener) -> Result<(), OriginError> {
        let mut failures = 0;
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return Ok(());
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    failures = 0;
                    self.start(stream, permit);
                }
                Err(source) if failures >= MAX_ACCEPT_FAILURES => {
                    return Err(OriginError::Accept { attempts: failures, source });
                }
                Err(failure) => {
                    failures += 1;
                    log::warn!(failure:%, failures; "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            // Ended tasks are taken out here, so that the set holds no more than the permits allow.
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn start(&mut self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let (site, options) = (Arc::clone(&self.site), Arc::clone(&self.options));
        let (watcher, mut stopping) = (self.graceful.watcher(), self.stopping.subscribe());
        self.tasks.spawn(async move {
            let version = tokio::select! {
                version = timeout(options.header_timeout, Version::of(&stream)) => version,
                _ = stopping.changed() => return,
            };
            if let Ok(Ok(version)) = version
                && let Err(failure) = serve_connection(stream, version, site, &options, watcher).await
            {
                log::debug!(failure:%; "a connection ended early");
            }
            drop(permit);
        });
    }

    /// Asks every connection to end after its running responses, and cuts what outlives the grace.
    async fn end(mut self, grace: Duration) {
        drop(self.stopping);
        if timeout(grace, self.graceful.shutdown()).await.is_err() {
            log::warn!(connections = self.tasks.len(); "connections outlived the shutdown's grace and are cut");
        }
        self.tasks.shutdown().await;
    }
}

/// One connection from its first byte to its last.
async fn serve_connection(
    stream: TcpStream,
    version: Version,
    site: Arc<Site>,
    options: &OriginOptions,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Playlists are answers of one small packet; none shall wait for another.
    stream.set_nodelay(true)?;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(options.write_timeout));
    let io = TokioIo::new(Box::pin(stream));
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.respond(&request).await) }
    });
    match version {
        Version::Http1 => {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
            builder.max_buf_size(MAX_HEADER_BYTES).max_headers(MAX_HEADER_COUNT);
            watcher.watch(builder.serve_connection(io, service)).await?;
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new());
            builder.keep_alive_interval(HTTP2_PING_INTERVAL).keep_alive_timeout(HTTP2_PING_INTERVAL);
            builder.max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX));
            builder.max_concurrent_streams(MAX_STREAMS);
            watcher.watch(builder.serve_connection(io, service)).await?;
        }
    }
    Ok(())
}

/// Which protocol a connection speaks; HTTP/2 without TLS works by prior knowledge only (RFC 9113, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    /// Looks at the first bytes without taking them.
    async fn of(stream: &TcpStream) -> io::Result<Self> {
        let mut start = [0; HTTP2_PREFACE.len()];
        stream.peek(&mut start).await?;
        Ok(if start == *HTTP2_PREFACE { Self::Http2 } else { Self::Http1 })
    }
}
