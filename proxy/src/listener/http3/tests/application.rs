//! An application whose paths each do one thing a proxy does with a session.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::server::ShutdownWatch;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use tokio::sync::{Semaphore, mpsc};

use crate::listener::{CONNECTION, Protocol};

/// A piece of the large responses.
pub(super) const PIECE: usize = 64 * 1024;
/// Pieces of them: far more than QUIC buffers on either side.
pub(super) const PIECES: usize = 512;

/// Answers by path and tells what became of the requests.
pub(super) struct Application {
    /// How requests ended, for those paths that tell.
    pub(super) ended: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    tell: mpsc::UnboundedSender<String>,
    /// A permit for each request in `/gate` or `/idle`.
    entered: Semaphore,
    /// Lets one `/gate` go on for each permit.
    pub(super) gate: Semaphore,
}

impl Default for Application {
    fn default() -> Self {
        let (tell, ended) = mpsc::unbounded_channel();
        Self { ended: ended.into(), tell, entered: Semaphore::new(0), gate: Semaphore::new(0) }
    }
}

impl Application {
    /// Waits until so many more requests are in `/gate` or `/idle`.
    pub(super) async fn wait_for_entered(&self, requests: u32) {
        super::harness::within("requests", self.entered.acquire_many(requests)).await.unwrap().forget();
    }

    /// How the next request that tells ended.
    pub(super) async fn next_end(&self) -> String {
        super::harness::within("the end of a request", async { self.ended.lock().await.recv().await.unwrap() }).await
    }

    async fn answer(&self, session: &mut ServerSession) -> Result<()> {
        match session.req_header().uri.path().to_owned().as_str() {
            "/echo" => echo(session).await,
            "/head" => request_head(session).await,
            "/large" => large(session).await,
            "/tasks" => through_tasks(session).await,
            "/short" => respond(session, 200, Some(100), b"only this").await,
            "/long" => respond(session, 200, Some(4), b"more than that").await,
            "/no-content" => respond(session, 204, None, b"must not be sent").await,
            "/not-modified" => respond(session, 304, Some(1000), b"").await,
            "/early-hints" => early_hints(session, 0).await,
            "/large-hints" => early_hints(session, 8000).await,
            "/trailers" => trailers(session).await,
            "/panic" => panic!("a request that panics"),
            "/idle" => {
                self.entered.add_permits(1);
                let left = session.read_body_or_idle(true).await;
                left.map(|_| ())
            }
            "/gate" => {
                self.entered.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                respond(session, 200, Some(4), b"late").await
            }
            _ => respond(session, 200, Some(5), b"hello").await,
        }
    }
}

#[async_trait]
impl HttpServerApp for Application {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let info = CONNECTION.with(Arc::clone);
        assert_eq!(info.protocol, Protocol::Http3);
        assert_eq!(session.client_addr().unwrap().as_inet(), Some(&info.peer));
        assert_eq!(session.server_addr().unwrap().as_inet(), Some(&info.local));
        let answered = self.answer(&mut session).await;
        let (read, sent) = (session.body_bytes_read(), session.body_bytes_sent());
        let end = match answered {
            Ok(()) => match session.finish().await {
                Ok(_) => format!("finished, {read} read, {sent} sent"),
                Err(error) => format!("not finished: {error}"),
            },
            Err(error) => format!("failed: {error}"),
        };
        // The receiver lives as long as the application.
        self.tell.send(end).ok();
        None
    }
}

async fn respond(session: &mut ServerSession, status: u16, length: Option<usize>, body: &'static [u8]) -> Result<()> {
    let mut header = ResponseHeader::build(status, None)?;
    if let Some(length) = length {
        header.insert_header("content-length", length.to_string())?;
    }
    // A field of HTTP/1 connections, which must not come out here.
    header.insert_header("connection", "keep-alive")?;
    session.write_response_header(Box::new(header)).await?;
    session.write_response_body(Bytes::from_static(body), true).await
}

/// Sends the body back as it comes.
async fn echo(session: &mut ServerSession) -> Result<()> {
    let mut header = ResponseHeader::build(200, None)?;
    if let Some(length) = session.get_header("content-length").cloned() {
        header.insert_header("content-length", length)?;
    }
    session.write_response_header(Box::new(header)).await?;
    while let Some(bytes) = session.read_request_body().await? {
        session.write_response_body(bytes, false).await?;
    }
    Ok(())
}

/// Answers with the head as an HTTP/1.1 origin would get it, and whether there is a body.
async fn request_head(session: &mut ServerSession) -> Result<()> {
    let ServerSession::Custom(custom) = session else { unreachable!("HTTP/3 sessions are custom ones") };
    let mut body = custom.pseudo_raw_h1_request_header().to_vec();
    body.extend_from_slice(if custom.is_body_empty() { b"no body" } else { b"a body" });
    session.write_response_header(Box::new(ResponseHeader::build(200, None)?)).await?;
    session.write_response_body(body.into(), true).await
}

/// The piece with this number; all pieces together tell order and loss.
pub(super) fn piece(number: usize) -> Bytes {
    Bytes::from(vec![(number % 251) as u8; PIECE])
}

async fn large(session: &mut ServerSession) -> Result<()> {
    let mut header = ResponseHeader::build(200, None)?;
    header.insert_header("content-length", (PIECE * PIECES).to_string())?;
    session.write_response_header(Box::new(header)).await?;
    for number in 0..PIECES {
        session.write_response_body(piece(number), number + 1 == PIECES).await?;
    }
    Ok(())
}

/// The same by proxy tasks, whose writing is cancelled again and again.
async fn through_tasks(session: &mut ServerSession) -> Result<()> {
    assert!(session.supports_proxy_task_api());
    let header = ResponseHeader::build(200, None)?;
    session.send_downstream_proxy_task(HttpTask::Header(Box::new(header), false));
    for number in 0..PIECES {
        session.send_downstream_proxy_task(HttpTask::Body(Some(piece(number)), false));
    }
    session.send_downstream_proxy_task(HttpTask::Done);
    let mut cancelled = 0;
    loop {
        let write = session.write_downstream_proxy_tasks();
        if let Ok(written) = tokio::time::timeout(Duration::from_micros(200), write).await {
            assert!(written?, "the last task ends the response");
            break;
        }
        assert!(session.has_pending_downstream_proxy_tasks());
        cancelled += 1;
    }
    assert!(cancelled > 0, "no write was ever cancelled");
    assert!(!session.has_pending_downstream_proxy_tasks());
    Ok(())
}

/// Answers behind a hint, and behind one more before it where that is to have a field of some size.
async fn early_hints(session: &mut ServerSession, size: usize) -> Result<()> {
    if size > 0 {
        let mut hints = ResponseHeader::build(103, None)?;
        hints.insert_header("x-large", "x".repeat(size))?;
        session.write_response_header(Box::new(hints)).await?;
    }
    let mut hints = ResponseHeader::build(103, None)?;
    hints.insert_header("link", "</style.css>; rel=preload")?;
    session.write_response_header(Box::new(hints)).await?;
    respond(session, 200, Some(5), b"after").await
}

async fn trailers(session: &mut ServerSession) -> Result<()> {
    session.write_response_header(Box::new(ResponseHeader::build(200, None)?)).await?;
    session.write_response_body(Bytes::from_static(b"body"), false).await?;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "42".parse().unwrap());
    session.write_response_trailers(trailers).await
}
